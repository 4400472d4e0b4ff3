// A payload of residuals that is being decoded, piece by piece (docs/format/v1.md, section 12).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "../integers.hpp"
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
      const std::int64_t *starts = fShape->alphabet.starts.data();
      std::size_t at = fBit;
      for (std::size_t i = 0; i < fSymbols.size(); ++i) {
         const std::uint8_t width = widths[fSymbols[i]];
         const std::uint64_t inside = fBits.word(at) & ((std::uint64_t{1} << width) - 1);
         out[i] = static_cast<T>(starts[fSymbols[i]] + static_cast<std::int64_t>(inside));
         at += width;
      }
      fBit = at;
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

   /// Symbols that their tables have no room for are read with the last table.
   void again()
   {
      fOthers.clear();
      for (std::size_t i = 0; i < fSymbols.size(); ++i)
         if (fSymbols[i] == fShape->other())
            fOthers.push_back(i);
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
