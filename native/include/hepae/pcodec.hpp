// Integers as pcodec stores them: chunk metadata and a page, without delta encoding, which hepae does not use.
// Source: docs/format.md of pcodec, format version 4.1.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "error.hpp"
#include "pcodec/bits.hpp"
#include "pcodec/latent.hpp"
#include "processor.hpp"
#include "span.hpp"

namespace hepae {

namespace pcodec {

constexpr std::size_t kLargestPage = std::size_t{1} << 24;

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
      switch (fMode) {
      case kDictionary: indexed(bits, out); break;
      case kMultiple: multiples(bits, out); break;
      default: joined(bits, out);
      }
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

   /// What makes a signed number of a latent: the sign is turned over.
   static constexpr L kBias = static_cast<L>(L{1} << (8 * sizeof(L) - 1));

   void indexed(Bits &bits, Span<Out> out)
   {
      Latent<std::uint32_t> index(bits);
      bits.align();
      index.begin_page(bits);
      bits.align();
      std::int32_t indexes[kBatch];
      for (std::size_t first = 0; first < out.size(); first += kBatch) {
         const std::size_t n = std::min(kBatch, out.size() - first);
         index.take(bits, Span<std::int32_t>(indexes, n));
         for (std::size_t i = 0; i < n; ++i) {
            const auto at = static_cast<std::uint32_t>(indexes[i]);
            require(at < fDictionary.size(), "no such value in a dictionary");
            out[first + i] = static_cast<std::make_signed_t<L>>(static_cast<L>(fDictionary[at] + kBias));
         }
      }
      bits.align();
   }

   void joined(Bits &bits, Span<Out> out)
   {
      Latent<L> number(bits, kBias);
      bits.align();
      number.begin_page(bits);
      bits.align();
      number.take(bits, out);
      bits.align();
   }

   /// Multiples of a base, and what is left.
   void multiples(Bits &bits, Span<Out> out)
   {
      Latent<L> multiple(bits), rest(bits, kBias);
      bits.align();
      multiple.begin_page(bits);
      rest.begin_page(bits);
      bits.align();
      Out times[kBatch];
      for (std::size_t first = 0; first < out.size(); first += kBatch) {
         const Span<Out> part = out.part(first, std::min(kBatch, out.size() - first));
         multiple.take(bits, Span<Out>(times, part.size()));
         rest.take(bits, part);
         processor::run([&]() HEPAE_INLINED {
            Out *to = part.data();
            for (std::size_t i = 0, size = part.size(); i < size; ++i) {
               const auto product = static_cast<std::uint64_t>(times[i]) * static_cast<std::uint64_t>(fBase);
               to[i] = static_cast<std::make_signed_t<L>>(static_cast<L>(product + static_cast<std::uint64_t>(to[i])));
            }
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
