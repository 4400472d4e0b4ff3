// tANS with many lanes, as a writer needs it (docs/format/v1.md, section 12).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "../error.hpp"
#include "../fields.hpp"
#include "../span.hpp"
#include "tans.hpp"

namespace hepae::tans {

/// What a table has for a symbol: what is added to a state to get (bits moved) << 16, and where its next states begin.
struct Step {
   std::int32_t added = 0, first = 0; ///< both 0 for a symbol that the table has no room for
};

/// Coding tables the other way round.
class EncodingTables {
public:
   explicit EncodingTables(const Tables &tables)
      : fSymbols(tables.symbols()), fSteps(tables.size() * fSymbols), fStates(tables.size() * kStates)
   {
      for (std::size_t table = 0; table < tables.size(); ++table)
         turn(tables.entries() + table * kStates, table);
   }

   const Step &step(std::size_t table, std::size_t symbol) const { return fSteps[table * fSymbols + symbol]; }
   bool has_room(std::size_t table, std::size_t symbol) const { return step(table, symbol).added != 0; }

   /// States by the visits of symbols, one symbol after the other.
   const std::uint16_t *states() const { return fStates.data(); }

private:
   std::size_t fSymbols;
   std::vector<Step> fSteps;
   std::vector<std::uint16_t> fStates;

   void turn(const std::uint32_t *entries, std::size_t table)
   {
      std::vector<std::uint32_t> next(fSymbols + 1);
      for (std::uint32_t state = 0; state < kStates; ++state)
         ++next[(entries[state] >> 20) + 1];
      for (std::size_t symbol = 0; symbol < fSymbols; ++symbol) {
         const std::uint32_t frequency = next[symbol + 1];
         next[symbol + 1] += next[symbol];
         if (frequency == 0)
            continue;
         const std::uint32_t log = 31 - static_cast<std::uint32_t>(__builtin_clz(std::max(frequency - 1, 1u)));
         const std::uint32_t most = kPrecision - log, first = static_cast<std::uint32_t>(table) * kStates + next[symbol];
         fSteps[table * fSymbols + symbol] = {static_cast<std::int32_t>((most << 16) - (frequency << most)),
                                              static_cast<std::int32_t>(first - frequency)};
      }
      for (std::uint32_t state = 0; state < kStates; ++state)
         fStates[table * kStates + next[entries[state] >> 20]++] = static_cast<std::uint16_t>(state);
   }
};

/// Takes symbols piece by piece, as `Decoder` is to give them back, and codes them all in the end.
class Encoder {
public:
   explicit Encoder(const EncodingTables &tables) : fTables(&tables) {}

   /// The table of a symbol of the next piece, which must have room for it, and the symbol.
   void add(std::size_t table, std::size_t symbol)
   {
      fSteps.push_back(fTables->step(table, symbol));
      require(fSteps.back().added != 0, "a symbol without a frequency");
   }
   void end_piece() { fEnds.push_back(fSteps.size()); }

   /// The states that the lanes begin with, and the bits that they read. `states` are those that they end with.
   std::vector<std::uint8_t> finish(std::vector<std::uint32_t> states) const
   {
      std::vector<std::uint16_t> moved(fSteps.size()); // bits << 4 | how many
      std::size_t bits = states.size() * kPrecision, end = fSteps.size();
      for (std::size_t piece = fEnds.size(); piece-- > 0;) {
         const std::size_t begin = piece > 0 ? fEnds[piece - 1] : 0, size = end - begin;
         for (std::size_t row = (size + states.size() - 1) / states.size(); row-- > 0;) {
            const std::size_t first = begin + row * states.size(), lanes = std::min(states.size(), end - first);
            bits += encode(fSteps.data() + first, lanes, states.data(), moved.data() + first);
         }
         end = begin;
      }
      fields::Writer out(bits);
      for (std::uint32_t state : states)
         out.put(state, kPrecision);
      put(moved, out);
      return out.finish();
   }

private:
   const EncodingTables *fTables;
   std::vector<Step> fSteps;
   std::vector<std::size_t> fEnds;

   static void put(const std::vector<std::uint16_t> &moved, fields::Writer &out)
   {
      std::size_t i = 0;
      for (; i + 2 <= moved.size(); i += 2) { // two at once are still narrow
         const std::uint64_t first = moved[i], second = moved[i + 1];
         out.put(first >> 4 | second >> 4 << (first & 15), static_cast<unsigned>((first & 15) + (second & 15)));
      }
      if (i < moved.size())
         out.put(moved[i] >> 4, moved[i] & 15);
   }

   /// A symbol of each lane; how many bits they move.
   std::size_t encode(const Step *steps, std::size_t lanes, std::uint32_t *states, std::uint16_t *moved) const
   {
      const std::uint16_t *table = fTables->states();
      std::size_t bits = 0;
      for (std::size_t lane = 0; lane < lanes; ++lane) {
         const std::uint32_t visit = states[lane] + kStates;
         const std::uint32_t width = (visit + static_cast<std::uint32_t>(steps[lane].added)) >> 16;
         moved[lane] = static_cast<std::uint16_t>((visit & ((1u << width) - 1)) << 4 | width);
         states[lane] = table[static_cast<std::int64_t>(steps[lane].first) + (visit >> width)];
         bits += width;
      }
      return bits;
   }
};

} // namespace hepae::tans
