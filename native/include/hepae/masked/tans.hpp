// tANS with many lanes: symbols, each coded with the table that is named for it (docs/format/v1.md, section 12).
// Source: J. Duda, Asymmetric numeral systems, arXiv:1311.2540.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../buffer.hpp"
#include "../error.hpp"
#include "../fields.hpp"
#include "../processor.hpp"
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
      std::fill(fData.begin() + static_cast<std::ptrdiff_t>(fSize), fData.end(), std::uint8_t{0});
   }

   std::size_t size() const { return 8 * fSize; }

   /// At least 57 bits from a position on; 0 where it is beyond the end.
   std::uint64_t word(std::size_t position) const
   {
      return fields::word(fData.data(), position);
   }
   const std::uint8_t *data() const { return fData.data(); }

   /// Whether `used` bits, filled up to a byte, are all there are.
   void require_used(std::size_t used) const { require((used + 7) / 8 == fSize, "bits are left over"); }
   void require_there(std::size_t bits) const { require(bits <= size(), "a bit stream ends too early"); }

private:
   std::size_t fSize = 0;
   Buffer<std::uint8_t> fData;
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
         const std::uint32_t bits = kPrecision + static_cast<std::uint32_t>(__builtin_clz(visit)) - 31; // visits count from 1
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

   /// A symbol of each lane; four of them are read from one word.
   void row(const std::uint32_t *entries, const std::uint16_t *tables, std::uint16_t *out, std::size_t n)
   {
#if HEPAE_HAS_AVX2
      if (processor::has_avx2())
         return row_with_avx2(entries, tables, out, n);
#endif
      row_loop(entries, tables, out, n);
   }

#if HEPAE_HAS_AVX2
   HEPAE_AVX2 void row_with_avx2(const std::uint32_t *entries, const std::uint16_t *tables, std::uint16_t *out, std::size_t n)
   {
      row_loop(entries, tables, out, n);
   }
#endif

   HEPAE_INLINE void row_loop(const std::uint32_t *entries, const std::uint16_t *tables, std::uint16_t *out, std::size_t n)
   {
      constexpr std::size_t at_once = 4; // lanes whose bits a word holds
      const std::uint8_t *data = fBits.data();
      std::uint32_t *states = fStates.data();
      std::size_t at = fAt, lane = 0;
      const auto step = [&](std::uint64_t &word) HEPAE_INLINED {
         const std::uint32_t entry = entries[(std::size_t{tables[lane]} << kPrecision) + states[lane]];
         const std::uint32_t bits = entry >> 16 & 15;
         states[lane] = (entry & 0xFFFF) + static_cast<std::uint32_t>(word & ((std::uint64_t{1} << bits) - 1));
         out[lane++] = static_cast<std::uint16_t>(entry >> 20);
         word >>= bits;
         at += bits;
      };
      while (lane + at_once <= n) {
         std::uint64_t word = fields::word(data, at);
         step(word);
         step(word);
         step(word);
         step(word);
      }
      while (lane < n) {
         std::uint64_t word = fields::word(data, at);
         step(word);
      }
      fAt = at;
   }
};

} // namespace hepae::tans
