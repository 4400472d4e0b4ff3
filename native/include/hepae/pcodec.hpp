// Integers as pcodec stores them: chunk metadata and a page, without delta encoding, which hepae does not use.
// Source: docs/format.md of pcodec, format version 4.1.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "buffer.hpp"
#include "error.hpp"
#include "fields.hpp"
#include "processor.hpp"
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
      std::fill_n(fData.data() + fSize, kPadding, std::uint8_t{0});
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
   const std::uint8_t *data() const { return fData.data(); }

   /// After a batch: it must have ended inside.
   void go_to(std::size_t position)
   {
      fAt = position;
      require(byte() <= fSize, "packed integers are cut short");
   }

   /// At least 57 bits from a position on.
   std::uint64_t word(std::size_t position) const
   {
      return fields::word(fData.data(), position);
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
   Buffer<std::uint8_t> fData;

   std::size_t byte() const { return (fAt + 7) / 8; }
};

/// What is computed with: latents of 16 bits as 32, whose upper half means nothing.
template <class L>
using Word = std::conditional_t<sizeof(L) == 8, std::uint64_t, std::uint32_t>;

template <class L>
struct Bin {
   std::uint32_t weight;
   L lower;
   std::uint8_t offset_bits;
};

/// An entry of the decoding table of tANS: how the next state is made, and the bin of this one.
template <class L>
struct Node {
   std::uint8_t bits, offset_bits;
   std::uint16_t base;
   std::uint64_t lower;
};

/// The same in eight bytes: bits, width of the offset, lower end, base of the next state, the lowest first.
template <class L>
struct Packed {
   std::uint64_t all = 0;

   Packed() = default;
   Packed(const Node<L> &node)
      : all(node.bits | std::uint64_t{node.offset_bits} << 8 | (node.lower & 0xFFFFFFFF) << 16 | std::uint64_t{node.base} << 48)
   {
   }
   operator Node<L>() const
   {
      return {static_cast<std::uint8_t>(all), static_cast<std::uint8_t>(all >> 8), static_cast<std::uint16_t>(all >> 48),
              all >> 16 & 0xFFFFFFFF};
   }
};

/// What tables hold: those of 64 bits need more than eight bytes.
template <class L>
using Entry = std::conditional_t<sizeof(L) == 8, Node<L>, Packed<L>>;

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
         fWidest = std::max(fWidest, bin.offset_bits);
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

   /// The next latents; there must be room for a whole batch.
   void batch(Bits &bits, Word<L> *out, std::size_t n)
   {
      const std::uint8_t *data = bits.data();
      std::size_t at = bits.position();
#if HEPAE_HAS_AVX2
      if constexpr (sizeof(L) < 8)
         if (processor::has_avx2()) {
            at = fSizeLog == 0 ? same(at, n) : visit_with_avx2(data, at, n);
            return bits.go_to(fWidest <= fields::kNarrow ? offsets_with_avx2(data, at, out, n) : offsets(data, at, out, n));
         }
#endif
      at = fSizeLog == 0 ? same(at, n) : visit(data, at, n);
      bits.go_to(offsets(data, at, out, n));
   }

private:
   static constexpr std::size_t kAtOnce = 8;

   unsigned fSizeLog;
   std::uint8_t fWidest = 0;
   std::vector<Entry<L>> fNodes;
   std::array<std::uint32_t, kLanes> fStates{};
   Entry<L> fVisited[kBatch + kAtOnce]; ///< the nodes of a batch

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
      fNodes.resize(size);
      for (std::uint32_t i = 0; i < size; ++i) {
         const Bin<L> &bin = bins[symbols[i]];
         const std::uint32_t state = next[symbols[i]]++;
         const auto read = static_cast<std::uint8_t>(fSizeLog - (31 - static_cast<unsigned>(__builtin_clz(state))));
         fNodes[i] = Node<L>{read, bin.offset_bits, static_cast<std::uint16_t>((state << read) - size), bin.lower};
      }
   }

   /// All latents are in one bin.
   std::size_t same(std::size_t at, std::size_t n)
   {
      std::fill_n(fVisited, n, fNodes[0]);
      return at;
   }

   /// The nodes of a batch; four lanes read from one word.
   std::size_t visit(const std::uint8_t *data, std::size_t at, std::size_t n)
   {
      for (std::size_t i = 0; i < n; i += kLanes)
         at = row(data, at, i, std::min(kLanes, n - i));
      return at;
   }

   std::size_t row(const std::uint8_t *data, std::size_t at, std::size_t first, std::size_t lanes)
   {
      std::uint64_t bits = fields::word(data, at);
      for (std::size_t lane = 0; lane < lanes; ++lane) {
         fVisited[first + lane] = fNodes[fStates[lane]];
         const Node<L> node = fVisited[first + lane];
         fStates[lane] = node.base + static_cast<std::uint32_t>(bits & ((std::uint64_t{1} << node.bits) - 1));
         bits >>= node.bits;
         at += node.bits;
      }
      return at;
   }

   /// Lower ends of bins, and the offsets in them.
   std::size_t offsets(const std::uint8_t *data, std::size_t at, Word<L> *out, std::size_t n) const
   {
      const auto bits = [data](std::size_t position, unsigned width) {
         return fields::word(data, position) & ((std::uint64_t{1} << width) - 1);
      };
      for (std::size_t i = 0; i < n; ++i) {
         const Node<L> node = fVisited[i];
         const unsigned width = node.offset_bits;
         std::uint64_t offset = bits(at, width <= 57 ? width : 32);
         if (sizeof(L) == 8 && width > 57)
            offset |= bits(at + 32, width - 32) << 32;
         out[i] = static_cast<Word<L>>(node.lower + offset);
         at += width;
      }
      return at;
   }

#if HEPAE_HAS_AVX2
   /// The same as `visit` for packed nodes: an instruction takes their lowest byte for a number of bits.
   HEPAE_AVX2 std::size_t visit_with_avx2(const std::uint8_t *data, std::size_t at, std::size_t n)
   {
      const Entry<L> *nodes = fNodes.data();
      std::uint64_t states[kLanes] = {fStates[0], fStates[1], fStates[2], fStates[3]};
      std::size_t i = 0;
      for (; i + kLanes <= n; i += kLanes) {
         std::uint64_t bits = fields::word(data, at), used = 0; // lowest bytes of four nodes add up to less than 256
         for (std::size_t lane = 0; lane < kLanes; ++lane) {
            const std::uint64_t node = nodes[states[lane]].all;
            fVisited[i + lane].all = node;
            states[lane] = (node >> 48) + _bzhi_u64(bits, static_cast<unsigned>(node));
            bits = shifted(bits, node);
            used += node;
         }
         at += used & 0xFF;
      }
      for (std::size_t lane = 0; lane < kLanes; ++lane)
         fStates[lane] = static_cast<std::uint32_t>(states[lane]);
      return i < n ? row(data, at, i, n - i) : at;
   }
   HEPAE_AVX2 static std::uint64_t shifted(std::uint64_t x, std::uint64_t bits) { return x >> (bits & 63); }

   /// The same as `offsets` for narrow bins, eight at once.
   HEPAE_AVX2 std::size_t offsets_with_avx2(const std::uint8_t *data, std::size_t at, Word<L> *out, std::size_t n)
   {
      std::fill_n(fVisited + n, kAtOnce, Entry<L>{}); // bins without width behind the last one
      fields::Eight narrow(data, at);
      for (std::size_t i = 0; i < n; i += kAtOnce) {
         const auto *nodes = reinterpret_cast<const __m256i *>(fVisited + i);
         const __m256i a = _mm256_loadu_si256(nodes), b = _mm256_loadu_si256(nodes + 1);
         const __m256i lower = low_halves(_mm256_srli_epi64(a, 16), _mm256_srli_epi64(b, 16));
         const __m256i widths = _mm256_and_si256(_mm256_srli_epi32(low_halves(a, b), 8), _mm256_set1_epi32(0xFF));
         _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + i), _mm256_add_epi32(lower, narrow.take(widths)));
      }
      return narrow.position();
   }

   HEPAE_AVX2 static __m256i low_halves(__m256i a, __m256i b)
   {
      const __m256 both = _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), _MM_SHUFFLE(2, 0, 2, 0));
      return _mm256_permute4x64_epi64(_mm256_castps_si256(both), _MM_SHUFFLE(3, 1, 2, 0));
   }
#endif
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

   static HEPAE_INLINE Out number(L latent)
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
      std::uint32_t indexes[kBatch];
      for (std::size_t first = 0; first < out.size(); first += kBatch) {
         const std::size_t n = std::min(kBatch, out.size() - first);
         index.batch(bits, indexes, n);
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
      Word<L> first_part[kBatch], second_part[kBatch];
      for (std::size_t first = 0; first < out.size(); first += kBatch) {
         const std::size_t n = std::min(kBatch, out.size() - first);
         latents[0].batch(bits, first_part, n);
         if (fMode == kMultiple) {
            latents[1].batch(bits, second_part, n);
            for (std::size_t i = 0; i < n; ++i)
               first_part[i] = first_part[i] * fBase + second_part[i];
         }
         processor::run([&]() HEPAE_INLINED {
            Out *to = out.data() + first;
            for (std::size_t i = 0; i < n; ++i)
               to[i] = number(static_cast<L>(first_part[i]));
         });
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
