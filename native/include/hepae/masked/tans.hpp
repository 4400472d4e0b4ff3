// tANS with many lanes: symbols, each coded with the table that is named for it (docs/format/v1.md, section 12).
// Source: J. Duda, Asymmetric numeral systems, arXiv:1311.2540.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../error.hpp"
#include "../span.hpp"

namespace hepae::tans {

constexpr unsigned kPrecision = 12;
constexpr std::uint32_t kStates = 1u << kPrecision;
constexpr std::uint32_t kSpread = 2563; ///< how far neighbours in the sum of frequencies are apart

/// Bytes with zeros behind them, so that words may be read beyond the end before that is noticed.
class Bits {
public:
   Bits() = default;
   Bits(Bytes data, std::size_t padding) : fSize(data.size()), fData(data.size() + padding + sizeof(std::uint64_t))
   {
      std::copy(data.begin(), data.end(), fData.begin());
   }

   std::size_t size() const { return 8 * fSize; }

   /// At least 57 bits from a position on; 0 where it is beyond the end.
   std::uint64_t word(std::size_t position) const
   {
      std::uint64_t out;
      std::memcpy(&out, fData.data() + position / 8, sizeof(out));
      return out >> (position % 8);
   }

   /// Whether `used` bits, filled up to a byte, are all there are.
   void require_used(std::size_t used) const { require((used + 7) / 8 == fSize, "bits are left over"); }
   void require_there(std::size_t bits) const { require(bits <= size(), "a bit stream ends too early"); }

private:
   std::size_t fSize = 0;
   std::vector<std::uint8_t> fData;
};

/// Coding tables of a feature. An entry of a state: symbol << 20 | bits to read << 16 | what these are added to.
class Tables {
public:
   /// Frequencies of each table, which add up to `kStates`.
   explicit Tables(const std::vector<std::vector<std::int64_t>> &frequencies)
      : fSymbols(frequencies.at(0).size()), fEntries(frequencies.size() * kStates)
   {
      for (std::size_t table = 0; table < frequencies.size(); ++table)
         fill(frequencies[table], fEntries.data() + table * kStates);
   }

   std::size_t size() const { return fEntries.size() / kStates; }
   std::uint32_t symbols() const { return static_cast<std::uint32_t>(fSymbols); }
   const std::uint32_t *entries() const { return fEntries.data(); }

private:
   std::size_t fSymbols;
   std::vector<std::uint32_t> fEntries;

   static void fill(const std::vector<std::int64_t> &frequencies, std::uint32_t *entries)
   {
      std::uint32_t place = 0;
      for (std::size_t symbol = 0; symbol < frequencies.size(); ++symbol)
         for (std::int64_t i = 0; i < frequencies[symbol]; ++i)
            entries[kSpread * place++ & (kStates - 1)] = static_cast<std::uint32_t>(symbol);
      std::vector<std::uint32_t> visits(frequencies.begin(), frequencies.end());
      for (std::uint32_t state = 0; state < kStates; ++state) {
         const std::uint32_t symbol = entries[state], visit = visits[symbol]++;
         std::uint32_t bits = 0;
         while (visit << bits < kStates)
            ++bits;
         entries[state] = symbol << 20 | bits << 16 | ((visit << bits) - kStates);
      }
   }
};

/// Gives the symbols back, piece by piece.
class Decoder {
public:
   Decoder(const Tables &tables, Bytes data, std::size_t lanes) : fTables(&tables), fStates(lanes)
   {
      const bool there = lanes > 0 && lanes <= 8 * data.size() / kPrecision;
      require(there, "a coded stream is too short");
      fBits = Bits(data, lanes * kPrecision / 8 + 1); // a row of lanes may be read beyond the end
      for (std::uint32_t &state : fStates) {
         state = static_cast<std::uint32_t>(fBits.word(fAt)) & (kStates - 1);
         fAt += kPrecision;
      }
   }

   /// Symbols coded with the tables of these numbers, which must be numbers of tables.
   void take(Span<const std::uint16_t> tables, std::uint16_t *out)
   {
      const std::uint32_t *entries = fTables->entries();
      for (std::size_t first = 0; first < tables.size(); first += fStates.size()) {
         const std::size_t n = std::min(fStates.size(), tables.size() - first);
         row(entries, tables.data() + first, out + first, n);
         fBits.require_there(fAt);
      }
   }

   const std::vector<std::uint32_t> &states() const { return fStates; }

   /// Every bit must have been read.
   void finish() const { fBits.require_used(fAt); }

private:
   const Tables *fTables;
   Bits fBits;
   std::size_t fAt = 0;
   std::vector<std::uint32_t> fStates;

   void row(const std::uint32_t *entries, const std::uint16_t *tables, std::uint16_t *out, std::size_t n)
   {
      std::size_t at = fAt;
      std::uint32_t *states = fStates.data();
      for (std::size_t lane = 0; lane < n; ++lane) {
         const std::uint32_t entry = entries[(std::size_t{tables[lane]} << kPrecision) + states[lane]];
         const std::uint32_t bits = entry >> 16 & 15;
         const auto word = static_cast<std::uint32_t>(fBits.word(at));
         states[lane] = (entry & 0xFFFF) + (word & ((1u << bits) - 1));
         out[lane] = static_cast<std::uint16_t>(entry >> 20);
         at += bits;
      }
      fAt = at;
   }
};

} // namespace hepae::tans
