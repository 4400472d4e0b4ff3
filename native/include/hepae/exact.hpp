// Elementary functions with the same bits on every machine (docs/format/v1.md, section 10.3).
//
// Each operation is rounded on its own. Compilers that would fuse products and sums must be told not to
// (-ffp-contract=off; the CMake target of hepae does it).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "processor.hpp"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

namespace hepae::exact {

constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33, kLn2 = 0x1.62e42fefa39efp-1;
constexpr double kHalfPiHigh = 0x1.921fb54400000p+0, kHalfPiLow = 0x1.0b4611a626331p-34, kPi = 0x1.921fb54442d18p+1;
constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1, kTanPi8 = 0x1.a827999fcef32p-2;

/// Powers of 2 at which small and large numbers are clipped.
constexpr double kSmallest = 0x1p-40, kLargest = 0x1p+1000;

/// The nearest integer, to even where two are near, without a call of the library.
inline double rint(double x)
{
   constexpr double whole = 0x1p+52; // doubles from here on are integers
   if (!(std::fabs(x) < whole))
      return x;
   const double up = std::copysign(whole, x);
   return (x + up) - up;
}

/// std::frexp, without a call of the library for what is frequent.
inline double frexp(double x, int &power)
{
   std::uint64_t bits;
   std::memcpy(&bits, &x, sizeof(bits));
   const auto exponent = static_cast<int>(bits >> 52 & 0x7FF);
   if (exponent == 0 || exponent == 0x7FF)
      return std::frexp(x, &power);
   power = exponent - 1022;
   bits = (bits & ~(std::uint64_t{0x7FF} << 52)) | std::uint64_t{1022} << 52;
   std::memcpy(&x, &bits, sizeof(bits));
   return x;
}

/// std::ldexp, likewise.
inline double ldexp(double x, int power)
{
   if (power < -1022 || power > 1023)
      return std::ldexp(x, power);
   const std::uint64_t bits = static_cast<std::uint64_t>(power + 1023) << 52;
   double scale;
   std::memcpy(&scale, &bits, sizeof(bits));
   return x * scale; // rounded once, as the other is
}

template <std::size_t N>
HEPAE_INLINE double polynomial(double t, const std::array<double, N> &coefficients)
{
   double out = coefficients[N - 1];
   for (std::size_t i = N - 1; i-- > 0;)
      out = out * t + coefficients[i];
   return out;
}

/// Coefficients 1/j! for j = first, first + step, …, with signs that alternate where asked.
template <std::size_t N>
constexpr std::array<double, N> inverse_factorials(int first, int step, bool alternate)
{
   std::array<double, N> out{};
   for (std::size_t k = 0; k < N; ++k) {
      double factorial = 1; // exact: below 2^53 times a power of two up to 19!
      for (int j = 2; j <= first + step * static_cast<int>(k); ++j)
         factorial *= j;
      out[k] = (alternate && k % 2 ? -1.0 : 1.0) / factorial;
   }
   return out;
}

constexpr std::array<double, 11> kLogSeries = [] {
   std::array<double, 11> out{};
   for (std::size_t j = 0; j < out.size(); ++j)
      out[j] = 1.0 / static_cast<double>(2 * j + 1);
   return out;
}();

inline double log(double x)
{
   int power = 0;
   double mantissa = frexp(x, power);
   if (mantissa < kSqrtHalf) {
      mantissa *= 2;
      --power;
   }
   const double s = (mantissa - 1) / (mantissa + 1), e = power;
   return e * kLn2High + (e * kLn2Low + 2 * s * polynomial(s * s, kLogSeries));
}

/// Bits of a number, and a number of some bits.
HEPAE_INLINE std::uint64_t bits_of(double x)
{
   std::uint64_t out;
   std::memcpy(&out, &x, sizeof(out));
   return out;
}
HEPAE_INLINE double of_bits(std::uint64_t bits)
{
   double out;
   std::memcpy(&out, &bits, sizeof(out));
   return out;
}

/// The nearest integer of a number below 2^51 in magnitude, to even where two are near: no branch, no conversion.
HEPAE_INLINE std::int64_t nearest_small(double x)
{
   constexpr double whole = 0x1.8p+52;
   return static_cast<std::int64_t>(bits_of(x + whole)) - static_cast<std::int64_t>(bits_of(whole));
}

/// `frexp` of a positive normal number, its power as a number: no branch.
HEPAE_INLINE double frexp_of_normal(double x, double &power)
{
   constexpr double whole = 0x1p+52;
   const std::uint64_t bits = bits_of(x);
   power = (of_bits((bits >> 52) | bits_of(whole)) - whole) - 1022;
   return of_bits((bits & ~(std::uint64_t{0x7FF} << 52)) | std::uint64_t{1022} << 52);
}

/// The same as `log` for a positive normal number, without a branch.
HEPAE_INLINE double log_of_normal(double x)
{
   double power;
   const double mantissa = frexp_of_normal(x, power);
   const bool low = mantissa < kSqrtHalf;
   const double m = low ? mantissa * 2 : mantissa, e = low ? power - 1 : power;
   const double s = (m - 1) / (m + 1);
   return e * kLn2High + (e * kLn2Low + 2 * s * polynomial(s * s, kLogSeries));
}

constexpr std::array<double, 15> kExpSeries = inverse_factorials<15>(0, 1, false);

inline double exp(double x)
{
   x = std::min(std::max(x, -709.0), 709.0);
   const double k = rint(x * (1 / 0.6931471805599453));
   const double r = (x - k * kLn2High) - k * kLn2Low;
   return ldexp(polynomial(r, kExpSeries), static_cast<int>(k));
}

/// The same for a number up to 700 in magnitude, without a branch.
HEPAE_INLINE double exp_of_small(double x)
{
   constexpr double whole = 0x1.8p+52;
   const double sum = x * (1 / 0.6931471805599453) + whole, k = sum - whole;
   const double r = (x - k * kLn2High) - k * kLn2Low;
   const std::uint64_t power = bits_of(sum) - bits_of(whole);
   return polynomial(r, kExpSeries) * of_bits((power + 1023) << 52);
}

HEPAE_INLINE double cosh_of_small(double x)
{
   const double grown = exp_of_small(std::fabs(x));
   return 0.5 * (grown + 1 / grown);
}

HEPAE_INLINE double sinh_of_small(double x)
{
   const double grown = exp_of_small(std::fabs(x));
   const double size = 0.5 * (grown - 1 / grown);
   return x < 0 ? -size : size;
}

namespace detail {

constexpr std::array<double, 10> kSines = inverse_factorials<10>(1, 2, true), kCosines = inverse_factorials<10>(0, 2, true);

/// A sine, a quarter of a turn further for a cosine. Without a branch.
HEPAE_INLINE double wave(double x, std::uint64_t quarter)
{
   constexpr double whole = 0x1.8p+52; // the lowest bits of a sum show the nearest integer
   x = x < -1e6 ? -1e6 : x;
   x = x > 1e6 ? 1e6 : x;
   const double sum = x * (2 / kPi) + whole, k = sum - whole;
   const double r = (x - k * kHalfPiHigh) - k * kHalfPiLow, t = r * r;
   const std::uint64_t quadrant = bits_of(sum) + quarter;
   const double sine = r * polynomial(t, kSines), cosine = polynomial(t, kCosines);
   const double value = quadrant & 1 ? cosine : sine;
   return quadrant & 2 ? -value : value;
}

} // namespace detail

HEPAE_INLINE double sin(double x)
{
   return detail::wave(x, 0);
}

HEPAE_INLINE double cos(double x)
{
   return detail::wave(x, 1);
}

inline double arctan2(double y, double x)
{
   constexpr std::array<double, 12> series = [] {
      std::array<double, 12> out{};
      for (std::size_t j = 0; j < out.size(); ++j)
         out[j] = (j % 2 ? -1.0 : 1.0) / static_cast<double>(2 * j + 1);
      return out;
   }();
   const double a = std::fabs(y), b = std::fabs(x);
   const bool steep = a > b;
   const double large = steep ? a : b;
   double t = (steep ? b : a) / (large > 0 ? large : 1);
   const bool wide = t > kTanPi8;
   if (wide)
      t = (t - 1) / (t + 1);
   t = t / (1 + std::sqrt(1 + t * t));
   double angle = 2 * t * polynomial(t * t, series) + (wide ? 0.25 * kPi : 0);
   angle = steep ? 0.5 * kPi - angle : angle;
   angle = x < 0 ? kPi - angle : angle;
   return y < 0 ? -angle : angle;
}

constexpr int kTable = 4096; ///< steps of the tables below

/// Logarithms of 0.5 … 1 and their slopes.
struct LogTable {
   std::array<double, kTable> value, slope;
   LogTable()
   {
      double before = log(0.5);
      for (std::size_t i = 0; i < kTable; ++i) {
         const double after = log(0.5 + static_cast<double>(i + 1) / (2 * kTable));
         value[i] = before;
         slope[i] = (after - before) * (2 * kTable);
         before = after;
      }
   }
};

inline const LogTable &log_table()
{
   static const LogTable table;
   return table;
}

/// Natural logarithm by interpolation.
inline double table_log(double x, const LogTable &table)
{
   int power = 0;
   const double f = frexp(x, power) - 0.5;
   const auto i = static_cast<std::size_t>(static_cast<std::int64_t>(f * (2 * kTable)));
   const double place = static_cast<double>(static_cast<std::int64_t>(i));
   return ((f - place / (2 * kTable)) * table.slope[i] + table.value[i]) + power * kLn2;
}

/// Of a positive normal number, without a branch: its place in the table, how far behind it the number is, and the logarithm of
/// its power of two.
HEPAE_INLINE void place_in_table(double x, double &inside, double &power, std::int32_t &place)
{
   double exponent;
   const double f = frexp_of_normal(x, exponent) - 0.5;
   place = static_cast<std::int32_t>(f * (2 * kTable));
   inside = f - static_cast<double>(place) / (2 * kTable);
   power = exponent * kLn2;
}

inline double table_log(double x)
{
   return table_log(x, log_table());
}

/// Angles of the vectors (1, 0) to (1, 1), by the second coordinate.
inline const std::array<double, kTable + 1> &angle_table()
{
   static const std::array<double, kTable + 1> table = [] {
      std::array<double, kTable + 1> out{};
      for (std::size_t i = 0; i <= kTable; ++i)
         out[i] = arctan2(static_cast<double>(i) / kTable, 1);
      return out;
   }();
   return table;
}

/// A magnitude; what is not a number is as large as can be.
HEPAE_INLINE double size_of_any(double x)
{
   constexpr std::int64_t largest = std::int64_t{0x7FF} << 52; // bits of numbers that are not negative rise with them
   const auto bits = static_cast<std::int64_t>(bits_of(std::fabs(x)));
   return of_bits(static_cast<std::uint64_t>(bits < largest ? bits : largest));
}

/// The place of the vector (x, y) in that table; that of what is not a number is 0. No branch.
HEPAE_INLINE std::int32_t place_of_angle(double y, double x)
{
   const double a = size_of_any(y), b = size_of_any(x);
   const double most = a > b ? a : b, least = a > b ? b : a, large = most > 1 / kLargest ? most : 1 / kLargest;
   const std::uint64_t ratio = bits_of(least / large), is_number = std::uint64_t{0} - (ratio <= bits_of(1.0));
   return static_cast<std::int32_t>(of_bits(ratio & is_number) * kTable + 0.5);
}

/// The angle of a vector, from what is at its place. No branch: an angle may be turned over, and then added to.
HEPAE_INLINE double turned(double angle, double y, double x)
{
   const double sign = std::fabs(y) > std::fabs(x) ? -0.0 : 0.0, steep = std::fabs(y) > std::fabs(x) ? 0.5 * kPi : 0.0;
   angle = steep + of_bits(bits_of(angle) ^ bits_of(sign));
   const double behind = x < 0 ? -0.0 : 0.0, half = x < 0 ? kPi : 0.0;
   angle = half + of_bits(bits_of(angle) ^ bits_of(behind));
   const double down = y == y ? y : 0.0;
   return of_bits((bits_of(angle) & ~(std::uint64_t{1} << 63)) | (bits_of(down) & std::uint64_t{1} << 63));
}

/// Angle of the vector (x, y) from a table.
inline double table_arctan2(double y, double x)
{
   return turned(angle_table()[static_cast<std::size_t>(place_of_angle(y, x))], y, x);
}

/// A logarithm that is linear between powers of two, as an integer.
HEPAE_INLINE std::int64_t octaves(double value)
{
   const double size = std::fabs(value), most = size < kLargest ? size : kLargest;
   double power;
   const double mantissa = frexp_of_normal(size > kSmallest ? most : kSmallest, power); // what is not a number too
   return nearest_small((mantissa * 2 + power) * 1024);
}

} // namespace hepae::exact
