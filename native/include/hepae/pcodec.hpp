// Integers as pcodec stores them: chunk metadata and a page, without delta encoding, which hepae does not use.
// Source: docs/format.md of pcodec, format version 4.1.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "error.hpp"
#include "span.hpp"

namespace hepae {

namespace pcodec {

constexpr std::size_t kBatch = 256, kLanes = 4;
constexpr unsigned kLargestTable = 14; ///< bits of a state
constexpr std::size_t kLargestPage = std::size_t{1} << 24;

/// Bits, lowest first, of a copy with zeros behind it, so that a batch may be read beyond the end before that is noticed.
class Bits {
public:
   explicit Bits(Bytes data) : fSize(data.size()), fData(data.size() + kPadding)
   {
      std::copy(data.begin(), data.end(), fData.begin());
   }

   std::uint64_t take(unsigned bits)
   {
      const std::uint64_t out = at(fAt, bits);
      fAt += bits;
      require(byte() <= fSize, "packed integers are cut short");
      return out;
   }

   /// Goes on to the next byte; the bits between are zero.
   void align()
   {
      const unsigned left = static_cast<unsigned>(-fAt & 7);
      require(take(left) == 0, "packed integers hold bits where none should be");
   }

   bool at_end() const { return byte() == fSize; }
   std::size_t position() const { return fAt; }

   /// After a batch: it must have ended inside.
   void go_to(std::size_t position)
   {
      fAt = position;
      require(byte() <= fSize, "packed integers are cut short");
   }

   /// At least 57 bits from a position on.
   std::uint64_t word(std::size_t position) const
   {
      std::uint64_t out;
      std::memcpy(&out, fData.data() + position / 8, sizeof(out));
      return out >> (position % 8);
   }

   /// Up to 64 bits from a position on.
   std::uint64_t at(std::size_t position, unsigned bits) const
   {
      if (bits <= 57)
         return word(position) & ((std::uint64_t{1} << bits) - 1);
      const std::uint64_t low = word(position) & 0xFFFFFFFF;
      return low | at(position + 32, bits - 32) << 32;
   }

private:
   /// A batch of the widest numbers, with their states, and a word.
   static constexpr std::size_t kPadding = kBatch * (8 + 2) + 16;
   std::size_t fSize, fAt = 0;
   std::vector<std::uint8_t> fData;

   std::size_t byte() const { return (fAt + 7) / 8; }
};

template <class L>
struct Bin {
   std::uint32_t weight;
   L lower;
   std::uint8_t offset_bits;
};

/// An entry of the decoding table of tANS: the next state, and the bin of this one.
template <class L>
struct Node {
   std::uint16_t base;
   std::uint8_t bits, offset_bits;
   L lower;
};

/// One of the numbers that an integer is made of.
template <class L>
class Latent {
public:
   explicit Latent(Bits &bits) : fSizeLog(static_cast<unsigned>(bits.take(4)))
   {
      const std::size_t count = bits.take(15);
      const bool sensible = fSizeLog <= kLargestTable && count >= 1 && count <= std::size_t{1} << fSizeLog;
      require(sensible && (count > 1 || fSizeLog == 0), "a table of bins that cannot be");
      std::vector<Bin<L>> bins(count);
      std::size_t sum = 0;
      for (Bin<L> &bin : bins) {
         bin.weight = static_cast<std::uint32_t>(bits.take(fSizeLog)) + 1;
         bin.lower = static_cast<L>(bits.take(8 * sizeof(L)));
         bin.offset_bits = static_cast<std::uint8_t>(bits.take(sizeof(L) == 8 ? 7 : sizeof(L) == 4 ? 6 : 5));
         require(bin.offset_bits <= 8 * sizeof(L), "a bin that is too wide");
         sum += bin.weight;
      }
      require(sum == std::size_t{1} << fSizeLog, "weights of bins do not add up");
      make_table(bins);
   }

   void begin_page(Bits &bits)
   {
      for (std::uint32_t &state : fStates)
         state = static_cast<std::uint32_t>(bits.take(fSizeLog));
   }

   void batch(Bits &bits, L *out, std::size_t n)
   {
      std::array<std::uint8_t, kBatch> widths;
      std::size_t at = fSizeLog == 0 ? constant(bits.position(), out, widths.data(), n)
                                     : bins(bits, out, widths.data(), n);
      for (std::size_t i = 0; i < n; ++i) {
         if constexpr (sizeof(L) < 8) // offsets fit into a word
            out[i] = static_cast<L>(out[i] + (bits.word(at) & ((std::uint64_t{1} << widths[i]) - 1)));
         else
            out[i] = static_cast<L>(out[i] + bits.at(at, widths[i]));
         at += widths[i];
      }
      bits.go_to(at);
   }

private:
   unsigned fSizeLog;
   std::vector<Node<L>> fNodes;
   std::array<std::uint32_t, kLanes> fStates{};

   void make_table(const std::vector<Bin<L>> &bins)
   {
      const std::uint32_t size = std::uint32_t{1} << fSizeLog, stride = (3 * size / 5) | 1;
      std::vector<std::uint16_t> symbols(size);
      std::uint32_t step = 0;
      for (std::size_t bin = 0; bin < bins.size(); ++bin)
         for (std::uint32_t i = 0; i < bins[bin].weight; ++i)
            symbols[stride * step++ & (size - 1)] = static_cast<std::uint16_t>(bin);
      std::vector<std::uint32_t> next;
      for (const Bin<L> &bin : bins)
         next.push_back(bin.weight);
      fNodes.reserve(size);
      for (std::uint16_t symbol : symbols) {
         std::uint32_t state = next[symbol]++;
         std::uint8_t read = 0;
         for (; state < size; state *= 2)
            ++read;
         fNodes.push_back({static_cast<std::uint16_t>(state - size), read, bins[symbol].offset_bits, bins[symbol].lower});
      }
   }

   std::size_t constant(std::size_t at, L *out, std::uint8_t *widths, std::size_t n) const
   {
      std::fill(out, out + n, fNodes[0].lower);
      std::fill(widths, widths + n, fNodes[0].offset_bits);
      return at;
   }

   /// Lower ends of bins and widths of offsets; four lanes read from one word.
   std::size_t bins(const Bits &bits, L *out, std::uint8_t *widths, std::size_t n)
   {
      std::size_t at = bits.position();
      const Node<L> *nodes = fNodes.data();
      std::array<std::uint32_t, kLanes> states = fStates;
      for (std::size_t i = 0; i < n; i += kLanes) {
         std::uint64_t word = bits.word(at);
         for (std::size_t lane = 0; lane < std::min(kLanes, n - i); ++lane) {
            const Node<L> &node = nodes[states[lane]];
            out[i + lane] = node.lower;
            widths[i + lane] = node.offset_bits;
            states[lane] = node.base + static_cast<std::uint32_t>(word & ((std::uint64_t{1} << node.bits) - 1));
            word >>= node.bits;
            at += node.bits;
         }
      }
      fStates = states;
      return at;
   }
};

enum Mode : std::uint8_t { kClassic = 0, kMultiple = 1, kDictionary = 4 };

/// Chunk metadata, then a page: signed integers of the width of L.
template <class L, class Out = std::int64_t>
class Chunk {
public:
   Chunk(Bits &bits, Span<Out> out) : fMode(static_cast<std::uint8_t>(bits.take(4)))
   {
      if (fMode == kMultiple)
         fBase = static_cast<L>(bits.take(8 * sizeof(L)));
      else if (fMode == kDictionary)
         read_dictionary(bits);
      else
         require(fMode == kClassic, "packed integers of a mode that is not known");
      require(bits.take(4) == 0, "packed integers with delta encoding"); // hepae asks for none
      if (fMode == kDictionary)
         indexed(bits, out);
      else
         joined(bits, out);
   }

private:
   std::uint8_t fMode;
   L fBase = 0;
   std::vector<L> fDictionary;

   void read_dictionary(Bits &bits)
   {
      const std::size_t size = bits.take(25);
      bits.align();
      for (std::size_t i = 0; i < size; ++i) // grows with what is there, not with what is said
         fDictionary.push_back(static_cast<L>(bits.take(8 * sizeof(L))));
   }

   static Out number(L latent)
   {
      using Signed = std::make_signed_t<L>;
      return static_cast<Signed>(latent ^ static_cast<L>(L{1} << (8 * sizeof(L) - 1)));
   }

   void indexed(Bits &bits, Span<Out> out)
   {
      Latent<std::uint32_t> index(bits);
      bits.align();
      index.begin_page(bits);
      bits.align();
      std::array<std::uint32_t, kBatch> indexes;
      for (std::size_t first = 0; first < out.size(); first += kBatch) {
         const std::size_t n = std::min(kBatch, out.size() - first);
         index.batch(bits, indexes.data(), n);
         for (std::size_t i = 0; i < n; ++i) {
            require(indexes[i] < fDictionary.size(), "no such value in a dictionary");
            out[first + i] = number(fDictionary[indexes[i]]);
         }
      }
      bits.align();
   }

   void joined(Bits &bits, Span<Out> out)
   {
      std::vector<Latent<L>> latents;
      for (int i = 0; i < (fMode == kMultiple ? 2 : 1); ++i)
         latents.emplace_back(bits);
      bits.align();
      for (Latent<L> &latent : latents)
         latent.begin_page(bits);
      bits.align();
      std::array<L, kBatch> first_part, second_part;
      for (std::size_t first = 0; first < out.size(); first += kBatch) {
         const std::size_t n = std::min(kBatch, out.size() - first);
         latents[0].batch(bits, first_part.data(), n);
         if (fMode == kMultiple) {
            latents[1].batch(bits, second_part.data(), n);
            for (std::size_t i = 0; i < n; ++i)
               // in 64 bits: 16-bit numbers are multiplied as int otherwise, which may overflow
               first_part[i] = static_cast<L>(std::uint64_t{first_part[i]} * fBase + second_part[i]);
         }
         for (std::size_t i = 0; i < n; ++i)
            out[first + i] = number(first_part[i]);
      }
      bits.align();
   }
};

} // namespace pcodec

/// Integers of so many bytes: chunk metadata and one page, which end where the data do.
inline void unpack_pcodec(Bytes data, unsigned width, Span<std::int64_t> out)
{
   pcodec::Bits bits(data);
   require(out.size() <= pcodec::kLargestPage, "a page of too many integers");
   switch (width) {
   case 2: pcodec::Chunk<std::uint16_t>(bits, out); break;
   case 4: pcodec::Chunk<std::uint32_t>(bits, out); break;
   default: pcodec::Chunk<std::uint64_t>(bits, out); break;
   }
   require(bits.at_end(), "packed integers go on after their end");
}

/// The same in 32 bits, of 2 or 4 bytes.
inline void unpack_pcodec(Bytes data, unsigned width, Span<std::int32_t> out)
{
   pcodec::Bits bits(data);
   require(out.size() <= pcodec::kLargestPage, "a page of too many integers");
   if (width == 2)
      pcodec::Chunk<std::uint16_t, std::int32_t>(bits, out);
   else
      pcodec::Chunk<std::uint32_t, std::int32_t>(bits, out);
   require(bits.at_end(), "packed integers go on after their end");
}

/// The same with pcodec's own frame around one or more chunks.
inline void unpack_pcodec_standalone(Bytes data, unsigned width, Span<std::int64_t> out)
{
   pcodec::Bits bits(data);
   require(bits.take(32) == 0x216f6370 && bits.take(8) == 3, "no frame of pcodec"); // "pco!"
   const unsigned type = width == 2 ? 8 : width == 4 ? 3 : 4;                        // int16, int32, int64
   const std::uint64_t uniform = bits.take(8);
   require(uniform == 0 || uniform == type, "packed integers of another width");
   const unsigned hint_bits = static_cast<unsigned>(bits.take(6)) + 1;
   bits.take(hint_bits);
   bits.align();
   require(bits.take(8) == 4 && bits.take(8) <= 1, "another version of pcodec");
   std::size_t done = 0;
   while (const std::uint64_t kind = bits.take(8)) {
      require(kind == type, "packed integers of another width");
      const std::size_t n = bits.take(24) + 1;
      const Span<std::int64_t> part = out.part(done, n);
      if (width == 2)
         pcodec::Chunk<std::uint16_t>(bits, part);
      else if (width == 4)
         pcodec::Chunk<std::uint32_t>(bits, part);
      else
         pcodec::Chunk<std::uint64_t>(bits, part);
      done += n;
   }
   require(done == out.size() && bits.at_end(), "a block holds another number of integers");
}

} // namespace hepae
