// Lattices: integers to values, to centres, and the integer near a value (docs/format/v1.md, section 7).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "exact.hpp"
#include "gather.hpp"
#include "limits.hpp"
#include "processor.hpp"
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

   /// The same of many integers.
   void centres(const std::int32_t *q, Span<double> out) const
   {
      if (!is_float(fSpec.dtype))
         return each_centre(q, out);
      if (fSpec.dtype == Dtype::kFloat32)
         float_centres<std::uint32_t>(q, out);
      else
         float_centres<std::uint64_t>(q, out);
      for (std::int64_t index : fIndex)
         for (std::size_t i = 0; i < out.size(); ++i)
            if (q[i] == index)
               out[i] = centre(index);
   }
   void centres(const std::int64_t *q, Span<double> out) const
   {
      std::int32_t numbers[kTile];
      for (std::size_t first = 0; first < out.size(); first += kTile) {
         const Span<double> part = out.part(first, std::min(kTile, out.size() - first));
         std::int64_t beyond = 0;
         for (std::size_t i = 0; i < part.size(); ++i) {
            numbers[i] = static_cast<std::int32_t>(q[first + i]);
            beyond |= numbers[i] ^ q[first + i];
         }
         if (beyond)
            each_centre(q + first, part);
         else
            centres(numbers, part);
      }
   }

   /// Of integers that follow each other.
   void centres_from(std::int32_t first, Span<double> out) const
   {
      std::int32_t numbers[kTile];
      for (std::size_t done = 0; done < out.size(); done += kTile) {
         const Span<double> part = out.part(done, std::min(kTile, out.size() - done));
         for (std::size_t i = 0; i < part.size(); ++i)
            numbers[i] = first + static_cast<std::int32_t>(done + i);
         centres(numbers, part);
      }
   }

   /// The integers of the points near values.
   void nearest(Span<const double> values, Span<std::int64_t> out) const
   {
      switch (fSpec.grid.kind) { // loops of their own for what is frequent
      case Grid::Kind::kLinear: nearest_steps(values, out); break;
      case Grid::Kind::kLog: nearest_powers(values, out); break;
      case Grid::Kind::kPattern: nearest_patterns(values, out); break;
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

   /// Of 32 or 64 bits; the smallest one is clipped as the largest one is.
   template <class Number>
   static HEPAE_INLINE double power(Number n, const double *high, const double *low, int half_bits, Number top)
   {
      using Unsigned = std::make_unsigned_t<Number>;
      const auto below = static_cast<Number>(static_cast<Unsigned>(n < 0 ? Unsigned{0} - static_cast<Unsigned>(n) : static_cast<Unsigned>(n)) - 1);
      const Number least = below < 0 ? 0 : below, m = least > top ? top : least;
      const auto mask = static_cast<Number>((Number{1} << half_bits) - 1);
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
      case Grid::Kind::kPattern:
         return fSpec.dtype == Dtype::kFloat32 ? pattern<std::uint32_t>(n, fSpec.grid.shift)
                                               : pattern<std::uint64_t>(n, fSpec.grid.shift);
      case Grid::Kind::kInteger: break;
      }
      return fSpec.dtype == Dtype::kBool ? n != 0 : static_cast<std::uint64_t>(n);
   }

   template <class Word, class Number>
   static HEPAE_INLINE Word pattern(Number n, int shift)
   {
      using Bits = std::conditional_t<sizeof(Word) == 4 && sizeof(Number) == 4, std::uint32_t, std::uint64_t>;
      const Bits sign = n < 0 ? ~Bits{0} : Bits{0};
      return static_cast<Word>(((static_cast<Bits>(n) ^ sign) << shift) + ((sign & 1) << (8 * sizeof(Word) - 1)));
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
         return processor::run([&]() HEPAE_INLINED {
            std::int64_t *to = out.data();
            for (std::size_t i = 0, size = out.size(); i < size; ++i)
               to[i] += at <= to[i];
         });
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

   void nearest_patterns(Span<const double> values, Span<std::int64_t> out) const
   {
      if (fSpec.dtype != Dtype::kFloat32) {
         for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = nearest_point(values[i]);
         return;
      }
      processor::run([&, shift = fSpec.grid.shift]() HEPAE_INLINED {
         const double *from = values.data(), top = static_cast<double>(std::numeric_limits<float>::max());
         const std::uint32_t half = (std::uint32_t{1} << shift) >> 1;
         std::int64_t *to = out.data();
         for (std::size_t i = 0, size = out.size(); i < size; ++i) {
            const double finite = from[i] - from[i] == 0 ? from[i] : 0;
            const double least = finite < -top ? -top : finite;
            const auto bits = lattice::bits_as<std::uint32_t>(static_cast<float>(least > top ? top : least));
            const auto n = static_cast<std::int32_t>(((bits & 0x7FFFFFFF) + half) >> shift);
            to[i] = bits >> 31 ? -1 - n : n;
         }
      });
   }

   void nearest_steps(Span<const double> values, Span<std::int64_t> out) const
   {
      processor::run([&, step = fSpec.grid.step]() HEPAE_INLINED {
         const double *from = values.data(), each = step;
         std::int64_t *to = out.data();
         bool small = true;
         for (std::size_t i = 0, size = out.size(); i < size; ++i) {
            const double n = from[i] / each;
            small &= std::fabs(n) < 0x1p+51;
            to[i] = exact::nearest_small(n);
         }
         for (std::size_t i = 0; !small && i < out.size(); ++i) // few are that large
            to[i] = rint(kept(from[i] / each, kExact));
      });
   }

   /// The same as `nearest_power`, without branches, in three steps: places in the table of logarithms, what is there, sums.
   void nearest_powers(Span<const double> values, Span<std::int64_t> out) const
   {
      constexpr std::size_t tile = 256;
      const exact::LogTable &table = exact::log_table();
      const double scale = 1 / fSpec.grid.first, top = static_cast<double>(fSpec.grid.top) + 1, per_log = fPerLog;
      double inside[tile], powers[tile], logs[tile], slopes[tile];
      std::int32_t places[tile];
      for (std::size_t done = 0; done < out.size(); done += tile) {
         const std::size_t size = std::min(tile, out.size() - done);
         const double *from = values.data() + done;
         std::int64_t *to = out.data() + done;
         processor::run([&]() HEPAE_INLINED {
            const double factor = scale;
            for (std::size_t i = 0; i < size; ++i) {
               const double scaled = std::fabs(from[i]) * factor;
               const double least = scaled <= exact::kLargest ? scaled : exact::kLargest; // what is not a number too
               const double kept = least < 1 / exact::kLargest ? 1 / exact::kLargest : least;
               exact::place_in_table(kept, inside[i], powers[i], places[i]);
            }
         });
         gather(table.value.data(), places, 0, size, logs);
         gather(table.slope.data(), places, 0, size, slopes);
         processor::run([&]() HEPAE_INLINED {
            const double most = top, each = per_log;
            for (std::size_t i = 0; i < size; ++i) {
               const double log = (inside[i] * slopes[i] + logs[i]) + powers[i];
               const double place = log * each + 1, above = place < 0 ? 0 : place, kept = above > most ? most : above;
               const std::int64_t n = exact::nearest_small(kept);
               to[i] = from[i] < 0 ? -n : n;
            }
         });
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

   /// Values are made for a few objects, which stay in the cache, and then go to their places.
   static constexpr std::size_t kTile = 1024;

   template <std::size_t Size, class Q>
   void typed_values(Span<const Q> q, Span<const std::uint32_t> at, Bytes escaped, const std::uint64_t *feature,
                     std::uint8_t *out) const
   {
      using Word = typename lattice::Word<Size>::type;
      auto *words = reinterpret_cast<Word *>(out);
      if (feature) {
         moved_points(q, at, *feature, words);
         const std::size_t escapes = put_inserted(q, at, words);
         return put_escaped(q, at, escaped, escapes, words);
      }
      Word tile[kTile];
      const Table<Word> table = table_of<Word>(q);
      std::size_t escapes = 0;
      for (std::size_t first = 0; first < q.size(); first += kTile) {
         const Span<const Q> part = q.part(first, std::min(kTile, q.size() - first));
         const std::uint32_t *to = at.data() + first;
         if (table.words.empty()) {
            escapes += points(part, tile);
            const std::size_t size = part.size();
            HEPAE_UNROLLED
            for (std::size_t i = 0; i < size; ++i)
               words[to[i]] = tile[i];
         } else {
            from_table(part, table, to, words);
            escapes += escapes_in(part);
         }
      }
      put_escaped(q, at, escaped, escapes, words);
   }

   /// The words of integers from `least` on, where there are fewer integers than objects: each is found once.
   template <class Word>
   struct Table {
      std::int64_t least = 0;
      std::vector<Word> words;
   };

   template <class Word, class Q>
   Table<Word> table_of(Span<const Q> q) const
   {
      if (q.empty() || is_simple<Q>())
         return {};
      Q least = q[0], most = q[0];
      processor::run([&]() HEPAE_INLINED {
         Q low = least, high = most;
         for (Q one : q) {
            low = std::min(low, one);
            high = std::max(high, one);
         }
         least = low;
         most = high;
      });
      if (static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least) >= q.size() / 2)
         return {};
      Table<Word> out{least, std::vector<Word>(static_cast<std::size_t>(most - least) + 1)};
      std::vector<Q> numbers(out.words.size());
      for (std::size_t i = 0; i < numbers.size(); ++i)
         numbers[i] = static_cast<Q>(least + static_cast<Q>(i));
      points(Span<const Q>(numbers), out.words.data());
      return out;
   }

   /// Whether a point is found as quickly as it is looked up.
   template <class Q>
   bool is_simple() const
   {
      if (fSpec.dtype == Dtype::kFloat32)
         return fSpec.grid.kind == Grid::Kind::kPattern || (fSpec.grid.kind == Grid::Kind::kLinear && sizeof(Q) == 4);
      return fSpec.grid.kind == Grid::Kind::kInteger && fSpec.dtype != Dtype::kBool;
   }

   template <class Word, class Q>
   static void from_table(Span<const Q> q, const Table<Word> &table, const std::uint32_t *to, Word *out)
   {
      const Word *from = table.words.data();
      const Q *numbers = q.data();
      const auto least = static_cast<Q>(table.least);
      const std::size_t size = q.size();
      HEPAE_UNROLLED
      for (std::size_t i = 0; i < size; ++i)
         out[to[i]] = from[static_cast<std::size_t>(numbers[i] - least)];
   }

   template <class Q>
   std::size_t escapes_in(Span<const Q> q) const
   {
      const auto escape = static_cast<Q>(fEscape.value_or(0));
      std::size_t out = 0;
      if (fEscape && *fEscape == escape)
         processor::run([&]() HEPAE_INLINED {
            Q found = 0; // as wide as what is compared; a tile has few, and whole columns are below 2^31
            for (Q one : q)
               found = static_cast<Q>(found + (one == escape));
            out = static_cast<std::size_t>(found);
         });
      return out;
   }

   /// The bits of points that are not on the grid, at their places; how many escape.
   template <class Word, class Q>
   std::size_t put_inserted(Span<const Q> q, Span<const std::uint32_t> at, Word *out) const
   {
      for (std::size_t j = 0; j < fIndex.size(); ++j)
         if (fSpec.inserted[j].bits)
            for (std::size_t i = 0; i < q.size(); ++i)
               if (q[i] == fIndex[j])
                  out[at[i]] = static_cast<Word>(*fSpec.inserted[j].bits);
      return escapes_in(q);
   }

   /// Escaped values stand in the order of what is restored.
   template <class Word, class Q>
   void put_escaped(Span<const Q> q, Span<const std::uint32_t> at, Bytes escaped, std::size_t escapes, Word *out) const
   {
      require(escapes * sizeof(Word) == escaped.size(), "escapes and escaped values differ");
      if (escapes == 0)
         return;
      std::vector<std::uint32_t> places;
      for (std::size_t i = 0; i < q.size(); ++i)
         if (q[i] == *fEscape)
            places.push_back(at[i]);
      std::sort(places.begin(), places.end());
      for (std::size_t i = 0; i < places.size(); ++i)
         std::memcpy(out + places[i], escaped.data() + i * sizeof(Word), sizeof(Word));
   }

   /// The words of integers; how many escape.
   template <class Word, class Q>
   std::size_t points(Span<const Q> q, Word *out) const
   {
      grid_points(q, out);
      put_own(q, out);
      return escapes_in(q);
   }

   /// The words of the grid. The compiler makes loops of their own of frequent kinds.
   template <class Word, class Q>
   void grid_points(Span<const Q> q, Word *out) const
   {
      if (fSpec.grid.kind == Grid::Kind::kInteger && fSpec.dtype != Dtype::kBool)
         each(q, out, [](auto n) HEPAE_INLINED { return static_cast<Word>(n); });
      else if (fSpec.grid.kind == Grid::Kind::kPattern)
         each(q, out, [shift = fSpec.grid.shift](auto n) HEPAE_INLINED { return pattern<Word>(n, shift); });
      else if (fSpec.dtype == Dtype::kFloat32 && fSpec.grid.kind == Grid::Kind::kLog && sizeof(Q) == 4)
         log_points(q, out);
      else if (fSpec.dtype == Dtype::kFloat32 && fSpec.grid.kind == Grid::Kind::kLog)
         each(q, out, [high = fHigh.data(), low = fLow.data(), half = fHalfBits, top = fSpec.grid.top](auto n) HEPAE_INLINED {
            const std::int64_t most = std::numeric_limits<decltype(n)>::max();
            return static_cast<Word>(narrow(power(n, high, low, half, static_cast<decltype(n)>(top < most ? top : most))));
         });
      else if (fSpec.dtype == Dtype::kFloat32 && fSpec.grid.kind == Grid::Kind::kLinear && sizeof(Q) == 4 && steps(q, out))
         return;
      else if (fSpec.dtype == Dtype::kFloat32 && fSpec.grid.kind == Grid::Kind::kLinear)
         each(q, out, [step = fSpec.grid.step](auto n) HEPAE_INLINED {
            return static_cast<Word>(narrow(static_cast<double>(n) * step));
         });
      else
         each(q, out, [this](auto n) HEPAE_INLINED { return static_cast<Word>(bits_of_point(n)); });
   }

   /// The bits of points that are not on the grid.
   template <class Word, class Q>
   void put_own(Span<const Q> q, Word *out) const
   {
      for (std::size_t j = 0; j < fIndex.size(); ++j) {
         const auto number = static_cast<Q>(fIndex[j]);
         if (!fSpec.inserted[j].bits || number != fIndex[j])
            continue;
         const auto bits = static_cast<Word>(*fSpec.inserted[j].bits);
         processor::run([&]() HEPAE_INLINED {
            for (std::size_t i = 0; i < q.size(); ++i)
               out[i] = q[i] == number ? bits : out[i];
         });
      }
   }

   /// Points of a linear grid for AVX2; false where there is none, or not one inserted point.
   template <class Word, class Q>
   bool steps([[maybe_unused]] Span<const Q> q, [[maybe_unused]] Word *out) const
   {
#if HEPAE_HAS_AVX2
      if constexpr (sizeof(Q) == 4 && sizeof(Word) == 4)
         if (processor::has_avx2() && fIndex.size() == 1 && fIndex[0] == static_cast<std::int32_t>(fIndex[0])) {
            const auto only = static_cast<std::int32_t>(fIndex[0]);
            for (std::size_t i = steps_with_avx2(q, only, fSpec.grid.step, out); i < q.size(); ++i)
               out[i] = narrow(static_cast<double>(q[i] - (only < q[i])) * fSpec.grid.step);
            return true;
         }
#endif
      return false;
   }

#if HEPAE_HAS_AVX2
   HEPAE_AVX2 static std::size_t steps_with_avx2(Span<const std::int32_t> q, std::int32_t only, double step, std::uint32_t *out)
   {
      const __m256i inserted = _mm256_set1_epi32(only);
      const __m256d each = _mm256_set1_pd(step);
      std::size_t i = 0;
      for (; i + 8 <= q.size(); i += 8) {
         const __m256i one = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(q.data() + i));
         const __m256i n = _mm256_add_epi32(one, _mm256_cmpgt_epi32(one, inserted));
         const __m256d low = _mm256_mul_pd(_mm256_cvtepi32_pd(_mm256_castsi256_si128(n)), each);
         const __m256d high = _mm256_mul_pd(_mm256_cvtepi32_pd(_mm256_extracti128_si256(n, 1)), each);
         const __m256 values = _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
         _mm256_storeu_ps(reinterpret_cast<float *>(out + i), values);
      }
      return i;
   }
#endif

   /// Powers in three steps, of which the compiler makes loops of many at once: places in the tables, what is there, products.
   template <class Word, class Q>
   void log_points(Span<const Q> q, Word *out) const
   {
      const auto top = static_cast<std::int32_t>(std::min<std::int64_t>(fSpec.grid.top, std::numeric_limits<std::int32_t>::max()));
      const std::int32_t mask = (std::int32_t{1} << fHalfBits) - 1;
      std::int32_t numbers[kTile], highs[kTile], lows[kTile];
      double first[kTile], second[kTile];
      for (std::size_t done = 0; done < q.size(); done += kTile) {
         const Span<const Q> part = q.part(done, std::min(kTile, q.size() - done));
         each(part, numbers, [](auto n) HEPAE_INLINED { return static_cast<std::int32_t>(n); });
         processor::run([&, half = fHalfBits]() HEPAE_INLINED {
            for (std::size_t i = 0, size = part.size(); i < size; ++i) {
               const std::int32_t n = numbers[i], below = (n < 0 ? -n : n) - 1, least = below < 0 ? 0 : below;
               const std::int32_t m = least > top ? top : least;
               highs[i] = m >> half;
               lows[i] = m & mask;
            }
         });
         gather(fHigh.data(), highs, 0, part.size(), first);
         gather(fLow.data(), lows, 0, part.size(), second);
         processor::run([&]() HEPAE_INLINED {
            for (std::size_t i = 0, size = part.size(); i < size; ++i) {
               const std::int32_t n = numbers[i], sign = (n > 0) - (n < 0);
               out[done + i] = static_cast<Word>(narrow(first[i] * second[i] * static_cast<double>(sign)));
            }
         });
      }
   }

   template <class Q>
   void each_centre(const Q *q, Span<double> out) const
   {
      for (std::size_t i = 0; i < out.size(); ++i)
         out[i] = centre(q[i]);
   }

   template <class Word>
   void float_centres(const std::int32_t *q, Span<double> out) const
   {
      using Real = typename lattice::Word<sizeof(Word)>::real;
      Word words[kTile];
      for (std::size_t done = 0; done < out.size(); done += kTile) {
         const Span<double> part = out.part(done, std::min(kTile, out.size() - done));
         grid_points(Span<const std::int32_t>(q + done, part.size()), words);
         processor::run([&]() HEPAE_INLINED {
            double *to = part.data();
            for (std::size_t i = 0, size = part.size(); i < size; ++i) {
               const auto value = static_cast<double>(lattice::bits_as<Real>(words[i]));
               to[i] = value - value == 0 ? value : 0; // finite
            }
         });
      }
   }

   /// The word of each integer, from its number on the grid.
   template <class Word, class Q, class Point>
   void each(Span<const Q> q, Word *out, Point point) const
   {
      const std::int64_t first = fIndex.empty() ? 0 : fIndex[0];
      const auto only = static_cast<Q>(first);
      processor::run([&]() HEPAE_INLINED {
         const Q *from = q.data();
         const std::size_t size = q.size();
         if (fIndex.empty())
            for (std::size_t i = 0; i < size; ++i)
               out[i] = point(from[i]);
         else if (fIndex.size() == 1 && only == first)
            for (std::size_t i = 0; i < size; ++i)
               out[i] = point(static_cast<Q>(from[i] - (only < from[i])));
         else
            for (std::size_t i = 0; i < size; ++i)
               out[i] = point(grid_number(from[i]));
      });
   }

   static HEPAE_INLINE std::uint32_t narrow(double value)
   {
      return lattice::bits_as<std::uint32_t>(static_cast<float>(value));
   }

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
