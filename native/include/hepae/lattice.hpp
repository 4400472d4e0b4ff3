// Lattices: integers to values, to centres, and the integer near a value (docs/format/v1.md, section 7).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "exact.hpp"
#include "limits.hpp"
#include "span.hpp"
#include "spec/lattice.hpp"

namespace hepae {

namespace lattice {

/// The unsigned integer of so many bytes, and the number whose bits it holds.
template <std::size_t Size>
struct Word;
template <>
struct Word<1> {
   using type = std::uint8_t;
};
template <>
struct Word<2> {
   using type = std::uint16_t;
};
template <>
struct Word<4> {
   using type = std::uint32_t;
   using real = float;
};
template <>
struct Word<8> {
   using type = std::uint64_t;
   using real = double;
};

template <class To, class From>
To bits_as(From from)
{
   static_assert(sizeof(To) == sizeof(From), "bits of another number");
   To out;
   std::memcpy(&out, &from, sizeof(out));
   return out;
}

/// The places of dither of objects 1, 2, … of a feature (section 7.5).
inline int place(std::uint64_t object, std::uint64_t feature)
{
   std::uint64_t x = object * 0x9E3779B97F4A7C15 + (feature + 1) * 0xD1342543DE82EF95;
   x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
   x = (x ^ x >> 27) * 0x94D049BB133111EB;
   return static_cast<int>((x ^ x >> 31) >> 58);
}

} // namespace lattice

class OpenLattice {
public:
   explicit OpenLattice(Lattice spec) : fSpec(std::move(spec))
   {
      require(fSpec.dtype != Dtype::kFloat16, "lattices of float16 are not read"); // no branch of ROOT holds them
      for (std::size_t j = 0; j < fSpec.inserted.size(); ++j) {
         fIndex.push_back(fSpec.inserted[j].at + static_cast<std::int64_t>(j));
         if (!fSpec.inserted[j].bits)
            fEscape = fIndex.back();
      }
      if (fSpec.grid.kind == Grid::Kind::kLog)
         make_powers();
   }

   const Lattice &spec() const { return fSpec; }

   /// Values of integers, as their bytes: that of integer i at place `at[i]`. `feature` is the number for dither, null
   /// without.
   template <class Q>
   void values(Span<const Q> q, Span<const std::uint32_t> at, Bytes escaped, const std::uint64_t *feature,
               std::uint8_t *out) const
   {
      require(q.size() == at.size(), "integers without a place");
      switch (size_of(fSpec.dtype)) {
      case 1: return typed_values<1>(q, at, escaped, feature, out);
      case 2: return typed_values<2>(q, at, escaped, feature, out);
      case 4: return typed_values<4>(q, at, escaped, feature, out);
      default: return typed_values<8>(q, at, escaped, feature, out);
      }
   }

   /// The value of an integer as predictions see it: finite.
   double centre(std::int64_t q) const
   {
      const std::int64_t n = grid_number(q);
      for (std::size_t j = 0; j < fIndex.size(); ++j)
         if (fIndex[j] == q && fSpec.inserted[j].bits) {
            const double own = real_of(*fSpec.inserted[j].bits);
            if (std::isfinite(own))
               return own;
         }
      return finite(real_of(bits_of_point(n)));
   }

   /// The integers of the points near values.
   void nearest(Span<const double> values, Span<std::int64_t> out) const
   {
      switch (fSpec.grid.kind) { // loops of their own for what is frequent
      case Grid::Kind::kLinear:
         for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = rint(kept(values[i] / fSpec.grid.step, kExact));
         break;
      case Grid::Kind::kLog: nearest_powers(values, out); break;
      default:
         for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = nearest_point(values[i]);
      }
      insert(out);
   }

   /// The integer of the point near a value, which need not be finite.
   std::int64_t nearest(double value) const
   {
      return inserted_below(nearest_point(value));
   }

private:
   Lattice fSpec;
   std::vector<std::int64_t> fIndex; ///< lattice integers of the inserted points, rising
   std::optional<std::int64_t> fEscape;
   std::vector<double> fLow, fHigh, fMoved; ///< of log grids
   int fHalfBits = 0;
   double fPerLog = 0;

   void make_powers()
   {
      const Grid &grid = fSpec.grid;
      fHalfBits = grid.half_bits();
      fLow.assign(std::size_t{1} << fHalfBits, 1);
      for (std::size_t i = 1; i < fLow.size(); ++i)
         fLow[i] = fLow[i - 1] * grid.base;
      const double ratio = fLow.back() * grid.base;
      fHigh.assign(static_cast<std::size_t>(grid.top >> fHalfBits) + 1, grid.first);
      for (std::size_t i = 1; i < fHigh.size(); ++i)
         fHigh[i] = fHigh[i - 1] * ratio;
      fPerLog = 1 / exact::log(grid.base);
      double root = grid.base;
      for (int i = 0; i < 7; ++i)
         root = std::sqrt(root);
      std::vector<double> steps{1};
      while (steps.size() < 128)
         steps.push_back(steps.back() * root);
      for (std::size_t d = 0; d < 64; ++d)
         fMoved.push_back(steps[2 * d] / steps[63]);
   }

   std::int64_t grid_number(std::int64_t q) const
   {
      std::int64_t n = q;
      for (std::int64_t index : fIndex)
         n -= index < q;
      return n;
   }

   static double finite(double value) { return std::isfinite(value) ? value : 0; }

   double power(std::int64_t n) const { return power(n, fHigh.data(), fLow.data(), fHalfBits, fSpec.grid.top); }

   static double power(std::int64_t n, const double *high, const double *low, int half_bits, std::int64_t top)
   {
      const std::uint64_t sign = static_cast<std::uint64_t>(n >> 63);
      const auto size = static_cast<std::int64_t>((static_cast<std::uint64_t>(n) ^ sign) - sign);
      const std::int64_t m = std::clamp<std::int64_t>(size - 1, 0, top);
      const auto mask = (std::int64_t{1} << half_bits) - 1;
      return high[m >> half_bits] * low[m & mask] * static_cast<double>((n > 0) - (n < 0));
   }

   /// A binary64 in the dtype of the lattice, as its bits.
   std::uint64_t rounded(double value) const
   {
      if (fSpec.dtype == Dtype::kFloat64)
         return lattice::bits_as<std::uint64_t>(value);
      return lattice::bits_as<std::uint32_t>(static_cast<float>(value));
   }

   std::uint64_t bits_of_point(std::int64_t n) const
   {
      switch (fSpec.grid.kind) {
      case Grid::Kind::kLinear: return rounded(static_cast<double>(n) * fSpec.grid.step);
      case Grid::Kind::kLog: return rounded(power(n));
      case Grid::Kind::kPattern: return pattern(n);
      case Grid::Kind::kInteger: break;
      }
      return fSpec.dtype == Dtype::kBool ? n != 0 : static_cast<std::uint64_t>(n);
   }

   std::uint64_t pattern(std::int64_t n) const
   {
      const unsigned top = 8 * static_cast<unsigned>(size_of(fSpec.dtype)) - 1;
      const std::uint64_t sign = static_cast<std::uint64_t>(n >> 63);
      return ((static_cast<std::uint64_t>(n) ^ sign) << fSpec.grid.shift) + ((sign & 1) << top);
   }

   /// The number that has some bits, in binary64.
   double real_of(std::uint64_t bits) const
   {
      switch (fSpec.dtype) {
      case Dtype::kFloat32: return lattice::bits_as<float>(static_cast<std::uint32_t>(bits));
      case Dtype::kFloat64: return lattice::bits_as<double>(bits);
      case Dtype::kInt8: return static_cast<std::int8_t>(bits);
      case Dtype::kInt16: return static_cast<std::int16_t>(bits);
      case Dtype::kInt32: return static_cast<std::int32_t>(bits);
      case Dtype::kInt64: return static_cast<double>(static_cast<std::int64_t>(bits));
      case Dtype::kBool: return bits & 1;
      case Dtype::kUint8: return static_cast<std::uint8_t>(bits);
      case Dtype::kUint16: return static_cast<std::uint16_t>(bits);
      case Dtype::kUint32: return static_cast<std::uint32_t>(bits);
      default: return static_cast<double>(bits);
      }
   }

   std::int64_t nearest_point(double value) const
   {
      switch (fSpec.grid.kind) {
      case Grid::Kind::kLinear: return rint(kept(value / fSpec.grid.step, kExact));
      case Grid::Kind::kLog: return nearest_power(value);
      case Grid::Kind::kPattern: return nearest_pattern(std::isfinite(value) ? value : 0);
      case Grid::Kind::kInteger: break;
      }
      return rint(kept(std::isfinite(value) ? value : 0, kExact, fSpec.dtype));
   }

   static constexpr double kExact = 0x1p+52; ///< up to here integers and halves are exact in binary64

   static std::int64_t rint(double value) { return static_cast<std::int64_t>(exact::rint(value)); }

   /// Clipped; what is not a number becomes the upper end.
   static double kept(double value, double limit) { return std::isnan(value) ? limit : std::clamp(value, -limit, limit); }

   static double kept(double value, double limit, Dtype dtype)
   {
      const int bits = 8 * static_cast<int>(size_of(dtype));
      const double low = is_signed(dtype) ? -std::ldexp(1, bits - 1) : 0;
      const double high = dtype == Dtype::kBool ? 1 : std::ldexp(1, is_signed(dtype) ? bits - 1 : bits) - 1;
      return std::clamp(value, std::max(low, -limit), std::min(high, limit));
   }

   /// Grid numbers to lattice integers.
   void insert(Span<std::int64_t> out) const
   {
      if (fSpec.inserted.size() == 1) {
         const std::int64_t at = fSpec.inserted[0].at;
         for (std::int64_t &n : out)
            n += at <= n;
         return;
      }
      for (std::int64_t &n : out)
         n = inserted_below(n);
   }

   std::int64_t inserted_below(std::int64_t n) const
   {
      std::int64_t out = n;
      for (const Inserted &point : fSpec.inserted)
         out += point.at <= n;
      return out;
   }

   void nearest_powers(Span<const double> values, Span<std::int64_t> out) const
   {
      const exact::LogTable &table = exact::log_table();
      const double scale = 1 / fSpec.grid.first, top = static_cast<double>(fSpec.grid.top) + 1, per_log = fPerLog;
      for (std::size_t i = 0; i < out.size(); ++i) {
         const double size = std::max(kept(std::fabs(values[i]) * scale, exact::kLargest), 1 / exact::kLargest);
         const std::int64_t n = rint(std::clamp(exact::table_log(size, table) * per_log + 1, 0.0, top));
         out[i] = values[i] < 0 ? -n : n;
      }
   }

   std::int64_t nearest_power(double value) const
   {
      const double size = std::max(kept(std::fabs(value) * (1 / fSpec.grid.first), exact::kLargest), 1 / exact::kLargest);
      const double top = static_cast<double>(fSpec.grid.top) + 1;
      const std::int64_t n = rint(std::clamp(exact::table_log(size) * fPerLog + 1, 0.0, top));
      return value < 0 ? -n : n;
   }

   std::int64_t nearest_pattern(double value) const
   {
      const bool narrow = fSpec.dtype == Dtype::kFloat32;
      const double top = narrow ? static_cast<double>(std::numeric_limits<float>::max())
                                : std::numeric_limits<double>::max();
      const std::uint64_t bits = rounded(std::clamp(value, -top, top));
      const unsigned sign = narrow ? 31 : 63;
      const std::uint64_t size = bits & ((std::uint64_t{1} << sign) - 1);
      const std::uint64_t half = (std::uint64_t{1} << fSpec.grid.shift) >> 1;
      const auto n = static_cast<std::int64_t>((size + half) >> fSpec.grid.shift);
      return bits >> sign ? -1 - n : n;
   }

   template <std::size_t Size, class Q>
   void typed_values(Span<const Q> q, Span<const std::uint32_t> at, Bytes escaped, const std::uint64_t *feature,
                     std::uint8_t *out) const
   {
      using Word = typename lattice::Word<Size>::type;
      auto *words = reinterpret_cast<Word *>(out);
      const auto [least, most] = range(q);
      if (feature)
         moved_points(q, at, *feature, words);
      else if (static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least) < q.size())
         return from_table(q, at, least, most, escaped, words);
      else
         points(q, at, words);
      for (std::size_t j = 0; j < fIndex.size(); ++j)
         if (fSpec.inserted[j].bits)
            for (std::size_t i = 0; i < q.size(); ++i)
               if (q[i] == fIndex[j])
                  words[at[i]] = static_cast<Word>(*fSpec.inserted[j].bits);
      put_escaped(q, at, escaped, words);
   }

   template <class Q>
   static std::pair<std::int64_t, std::int64_t> range(Span<const Q> q)
   {
      if (q.empty())
         return {0, 1};
      Q least = q[0], most = q[0];
      for (Q one : q) {
         least = std::min(least, one);
         most = std::max(most, one);
      }
      return {least, most};
   }

   /// There are fewer integers than objects: the value of each is found once.
   template <class Word, class Q>
   void from_table(Span<const Q> q, Span<const std::uint32_t> at, std::int64_t least, std::int64_t most, Bytes escaped,
                   Word *out) const
   {
      std::vector<Word> table(static_cast<std::size_t>(most - least) + 1);
      std::size_t j = 0; // inserted points passed
      for (std::size_t i = 0; i < table.size(); ++i) {
         const std::int64_t one = least + static_cast<std::int64_t>(i);
         while (j < fIndex.size() && fIndex[j] < one)
            ++j;
         const bool inserted = j < fIndex.size() && fIndex[j] == one;
         if (!inserted)
            table[i] = static_cast<Word>(bits_of_point(one - static_cast<std::int64_t>(j)));
         else if (fSpec.inserted[j].bits)
            table[i] = static_cast<Word>(*fSpec.inserted[j].bits);
      }
      const Word *from = table.data();
      const std::uint32_t *to = at.data();
      for (std::size_t i = 0; i < q.size(); ++i)
         out[to[i]] = from[static_cast<std::size_t>(q[i] - static_cast<Q>(least))];
      if (!escaped.empty() || (fEscape && least <= *fEscape && *fEscape <= most))
         put_escaped(q, at, escaped, out);
   }

   /// Escaped values stand in the order of what is restored.
   template <class Word, class Q>
   void put_escaped(Span<const Q> q, Span<const std::uint32_t> at, Bytes escaped, Word *out) const
   {
      std::size_t escapes = 0;
      const auto escape = static_cast<Q>(fEscape.value_or(0));
      if (fEscape && *fEscape == escape)
         for (Q one : q)
            escapes += one == escape;
      require(escapes * sizeof(Word) == escaped.size(), "escapes and escaped values differ");
      if (escapes == 0)
         return;
      std::vector<std::uint32_t> places;
      for (std::size_t i = 0; i < q.size(); ++i)
         if (q[i] == escape)
            places.push_back(at[i]);
      std::sort(places.begin(), places.end());
      for (std::size_t i = 0; i < places.size(); ++i)
         std::memcpy(out + places[i], escaped.data() + i * sizeof(Word), sizeof(Word));
   }

   /// The value of each integer at its place. The compiler makes a loop of its own of each call.
   template <class Word, class Q, class Point>
   void each(Span<const Q> q, Span<const std::uint32_t> at, Word *out, Point point) const
   {
      const Q *from = q.data();
      const std::uint32_t *to = at.data();
      const std::int64_t only = fIndex.empty() ? 0 : fIndex[0];
      if (fIndex.empty())
         for (std::size_t i = 0; i < q.size(); ++i)
            out[to[i]] = static_cast<Word>(point(from[i]));
      else if (fIndex.size() == 1)
         for (std::size_t i = 0; i < q.size(); ++i)
            out[to[i]] = static_cast<Word>(point(from[i] - (only < from[i])));
      else
         for (std::size_t i = 0; i < q.size(); ++i)
            out[to[i]] = static_cast<Word>(point(grid_number(from[i])));
   }

   /// Points of the grid; those that are frequent have a loop of their own.
   template <class Word, class Q>
   void points(Span<const Q> q, Span<const std::uint32_t> at, Word *out) const
   {
      if (fSpec.grid.kind == Grid::Kind::kInteger && fSpec.dtype != Dtype::kBool)
         return each(q, at, out, [](std::int64_t n) { return n; });
      if (fSpec.grid.kind == Grid::Kind::kPattern)
         return each(q, at, out, [this](std::int64_t n) { return pattern(n); });
      if (fSpec.dtype == Dtype::kFloat32 && fSpec.grid.kind == Grid::Kind::kLog)
         return each(q, at, out, [high = fHigh.data(), low = fLow.data(), half = fHalfBits, top = fSpec.grid.top](
                                    std::int64_t n) { return narrow(power(n, high, low, half, top)); });
      if (fSpec.dtype == Dtype::kFloat32 && fSpec.grid.kind == Grid::Kind::kLinear)
         return each(q, at, out, [step = fSpec.grid.step](std::int64_t n) { return narrow(static_cast<double>(n) * step); });
      each(q, at, out, [this](std::int64_t n) { return bits_of_point(n); });
   }

   static std::uint32_t narrow(double value) { return lattice::bits_as<std::uint32_t>(static_cast<float>(value)); }

   template <class Word, class Q>
   void moved_points(Span<const Q> q, Span<const std::uint32_t> at, std::uint64_t feature, Word *out) const
   {
      const bool linear = fSpec.grid.kind == Grid::Kind::kLinear;
      for (std::size_t i = 0; i < q.size(); ++i) {
         const std::int64_t n = grid_number(q[i]);
         const int d = lattice::place(std::uint64_t{at[i]} + 1, feature);
         const double value = linear ? (static_cast<double>(n) + (2 * d - 63) / 128.0) * fSpec.grid.step
                                     : moved_power(n, d);
         out[at[i]] = static_cast<Word>(rounded(value));
      }
   }

   double moved_power(std::int64_t n, int d) const { return power(n) * fMoved[static_cast<std::size_t>(d)]; }
};

} // namespace hepae
