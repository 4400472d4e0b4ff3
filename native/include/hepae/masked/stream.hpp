// A payload of residuals that is being decoded, piece by piece (docs/format/v1.md, section 12).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "../fields.hpp"
#include "../gather.hpp"
#include "../integers.hpp"
#include "../processor.hpp"
#include "../span.hpp"
#include "../varint.hpp"
#include "prepared.hpp"
#include "tans.hpp"

namespace hepae {

class ResidualStream {
public:
   /// `hides`: all objects are one piece, and raw bits may stand in the states of the lanes.
   ResidualStream(const OpenShape &shape, Bytes payload, std::size_t objects, bool hides) : fShape(&shape), fHides(hides)
   {
      require(payload[0] == kCoded || payload[0] == kCodedAround, "a payload has a bad header");
      fAround = payload[0] == kCodedAround;
      std::size_t at = 1;
      const std::uint64_t pairs = read_varint(payload, at), coded = read_varint(payload, at),
                          outside = read_varint(payload, at);
      const std::uint64_t raw = outside ? read_varint(payload, at) : 0;
      require(outside <= objects, "too many residuals outside the bins");
      const std::size_t left = payload.size() - at;
      require(coded <= left && raw <= left - coded && pairs <= left, "a payload is cut short");
      const Bytes body = payload.from(at), rest = body.from(static_cast<std::size_t>(coded));
      fDecoder.emplace(shape.tables, body.part(0, static_cast<std::size_t>(coded)), 2 * static_cast<std::size_t>(pairs));
      fRaw = outside ? rest.part(0, static_cast<std::size_t>(raw)) : rest;
      fBits = tans::Bits(fRaw, 0);
      if (outside) {
         fOutside.resize(static_cast<std::size_t>(outside));
         unpack_integers(rest.from(fRaw.size()), fOutside);
      }
   }

   bool around() const { return fAround; }

   /// Whether all residuals fit into 32 bits, with room for a sum.
   bool is_small() const
   {
      return fShape->alphabet.is_small && std::all_of(fOutside.begin(), fOutside.end(), [](std::int64_t one) {
                return -kSmallLatent <= one && one <= kSmallLatent;
             });
   }

   /// The residuals of the next objects, whose cells are known. Where bits hide in states, these are all objects.
   template <class T>
   void take(Span<const std::uint16_t> cells, T *out)
   {
      fSymbols.resize(cells.size());
      fDecoder->take(cells, fSymbols.data());
      again();
      const std::uint8_t *widths = fShape->alphabet.widths.data();
      std::size_t bits = 0;
      for (std::uint16_t symbol : fSymbols)
         bits += widths[symbol];
      if (fHides)
         reveal(bits);
      fBits.require_there(fBit + bits);
      read_inside(out);
      fBit += bits;
      put_outside(out);
   }

   /// Everything must have been used.
   void finish() const
   {
      fDecoder->finish();
      fBits.require_used(fBit);
      require(fNextOutside == fOutside.size(), "residuals are left over");
   }

private:
   static constexpr std::uint8_t kCoded = 16, kCodedAround = 80;

   const OpenShape *fShape;
   bool fHides, fAround = false;
   std::optional<tans::Decoder> fDecoder;
   Bytes fRaw;
   tans::Bits fBits; ///< raw bits
   std::size_t fBit = 0, fNextOutside = 0;
   std::vector<std::int64_t> fOutside;
   std::vector<std::uint16_t> fSymbols, fSecond, fLast;
   std::vector<std::size_t> fOthers;

   /// Where in its bin each residual is. All bits are there.
   template <class T>
   void read_inside(T *out) const
   {
      std::size_t i = 0, at = fBit;
#if HEPAE_HAS_AVX2
      if (!fShape->alphabet.small_starts.empty() && processor::has_avx2())
         i = read_inside_with_avx2(at, out);
#endif
      const std::uint8_t *widths = fShape->alphabet.widths.data();
      const std::int64_t *starts = fShape->alphabet.starts.data();
      for (; i < fSymbols.size(); ++i) {
         const std::uint8_t width = widths[fSymbols[i]];
         const std::uint64_t inside = fBits.word(at) & ((std::uint64_t{1} << width) - 1);
         out[i] = static_cast<T>(starts[fSymbols[i]] + static_cast<std::int64_t>(inside));
         at += width;
      }
   }

#if HEPAE_HAS_AVX2
   /// Eight at once; goes on to the place behind them, and says how many they are.
   template <class T>
   HEPAE_AVX2 std::size_t read_inside_with_avx2(std::size_t &at, T *out) const
   {
      constexpr std::size_t at_once = 8, piece = 4096;
      const std::int32_t *widths = fShape->alphabet.small_widths.data(), *starts = fShape->alphabet.small_starts.data();
      std::size_t i = 0;
      while (i + at_once <= fSymbols.size()) {
         fields::Narrow inside(fBits.data(), at);
         for (const std::size_t end = std::min(i + piece, fSymbols.size()); i + at_once <= end; i += at_once) {
            const __m256i symbols = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(fSymbols.data() + i)));
            const __m256i offsets = inside.take(gathering::of_register(widths, symbols));
            put(_mm256_add_epi32(gathering::of_register(starts, symbols), offsets), out + i);
         }
         at = inside.position();
      }
      return i;
   }
   HEPAE_AVX2 static void put(__m256i eight, std::int32_t *out)
   {
      _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), eight);
   }
   HEPAE_AVX2 static void put(__m256i eight, std::int64_t *out)
   {
      auto *to = reinterpret_cast<__m256i *>(out);
      _mm256_storeu_si256(to, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(eight)));
      _mm256_storeu_si256(to + 1, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(eight, 1)));
   }
#endif

   /// Symbols that their tables have no room for are read with the last table.
   void again()
   {
      fOthers.clear();
      constexpr std::size_t piece = 64; // most pieces have none of them
      for (std::size_t first = 0; first < fSymbols.size(); first += piece) {
         const std::size_t end = std::min(first + piece, fSymbols.size());
         const std::uint16_t *symbols = fSymbols.data(), other = fShape->other();
         bool found = false;
         processor::run([&]() HEPAE_INLINED {
            std::uint16_t equal = 0;
            for (std::size_t i = first; i < end; ++i)
               equal = static_cast<std::uint16_t>(equal | (symbols[i] == other));
            found = equal;
         });
         for (std::size_t i = first; found && i < end; ++i)
            if (symbols[i] == other)
               fOthers.push_back(i);
      }
      if (fOthers.empty())
         return;
      fLast.assign(fOthers.size(), fShape->last());
      fSecond.resize(fOthers.size());
      fDecoder->take(fLast, fSecond.data());
      for (std::size_t i = 0; i < fOthers.size(); ++i)
         fSymbols[fOthers[i]] = fSecond[i];
   }

   /// Bits hidden in the final states stand before the others, where the writer had enough to fill them.
   void reveal(std::size_t bits)
   {
      const std::vector<std::uint32_t> &states = fDecoder->states();
      if ((bits + 7) / 8 * 8 < states.size() * tans::kPrecision)
         return;
      std::vector<std::uint8_t> all(states.size() * tans::kPrecision / 8); // lanes are even in number: whole bytes
      for (std::size_t i = 0; i < states.size(); i += 2) {
         const std::uint32_t two = states[i] | states[i + 1] << tans::kPrecision;
         for (std::size_t byte = 0; byte < 3; ++byte)
            all[i / 2 * 3 + byte] = static_cast<std::uint8_t>(two >> (8 * byte));
      }
      all.insert(all.end(), fRaw.begin(), fRaw.end());
      fBits = tans::Bits(all, 0);
   }

   template <class T>
   void put_outside(T *out)
   {
      for (std::size_t i : fOthers)
         if (fSymbols[i] == fShape->other()) {
            require(fNextOutside < fOutside.size(), "too few residuals outside the bins");
            out[i] = static_cast<T>(fOutside[fNextOutside++]);
         }
   }
};

} // namespace hepae
