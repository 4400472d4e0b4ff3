// Predictions of a float network to values: out of its units, and corrected by integers (docs/format/v1.md, section 13).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "../buffer.hpp"
#include "../error.hpp"
#include "../exact.hpp"
#include "../span.hpp"
#include "../spec/bottleneck.hpp"
#include "../values.hpp"
#include "escapes.hpp"

namespace hepae {

/// Restores one feature.
class Corrections {
public:
   explicit Corrections(const BottleneckColumn &column) : fColumn(column)
   {
      const bool ratios = !column.is_whole() && column.bound.kind != "abs";
      if (ratios)
         for (std::int64_t c = -kTabled; c <= kTabled; ++c)
            fPowers.push_back(std::pow(column.step, static_cast<double>(c)));
   }

   /// Values as their bytes, from predictions, codes of `code_width` bytes each, and escapes.
   Buffer<std::uint8_t> restored(Span<const float> predicted, Bytes codes, const std::vector<Escape> &escapes) const
   {
      require(codes.size() == predicted.size() * fColumn.code_width(), "corrections and latents differ", fColumn.name);
      Buffer<std::uint8_t> out(predicted.size() * size_of(fColumn.dtype));
      with_type(fColumn.dtype, [&](auto number) {
         using T = decltype(number);
         switch (fColumn.code_width()) {
         case 1: return restore<T, std::uint8_t>(predicted, codes, escapes, out);
         case 2: return restore<T, std::uint16_t>(predicted, codes, escapes, out);
         case 4: return restore<T, std::uint32_t>(predicted, codes, escapes, out);
         default: return restore<T, std::uint64_t>(predicted, codes, escapes, out);
         }
      });
      put(escapes, out);
      return out;
   }

   /// The same without corrections.
   Buffer<std::uint8_t> uncorrected(Span<const float> predicted, const std::vector<Escape> &escapes) const
   {
      Buffer<std::uint8_t> out(predicted.size() * size_of(fColumn.dtype));
      with_type(fColumn.dtype, [&](auto number) {
         using T = decltype(number);
         for (std::size_t i = 0; i < predicted.size(); ++i)
            store(out, i, rounded<T>(value(predicted[i])));
      });
      put(escapes, out);
      return out;
   }

private:
   static constexpr std::int64_t kTabled = 255; ///< farther steps are rare

   BottleneckColumn fColumn;
   std::vector<double> fPowers; ///< of the step, from -kTabled on

   /// What the network says, in the units of the feature.
   double value(float predicted) const
   {
      const Transform &way = fColumn.transform;
      const double y = clipped(static_cast<double>(predicted), way.low, way.high);
      const double x = y / way.scale + way.shift;
      return way.log ? std::exp(clipped(x, -745, 709.78)) : x;
   }

   /// NaN stays NaN.
   static double clipped(double x, double low, double high)
   {
      x = x < low ? low : x;
      return x > high ? high : x;
   }

   double power(std::int64_t c) const
   {
      const bool tabled = c >= -kTabled && c <= kTabled;
      return tabled ? fPowers[static_cast<std::size_t>(c + kTabled)] : std::pow(fColumn.step, static_cast<double>(c));
   }

   template <class T>
   static void store(Buffer<std::uint8_t> &out, std::size_t place, T value)
   {
      std::memcpy(out.data() + place * sizeof(T), &value, sizeof(T));
   }

   /// The number z of a code that is above the frequent ones: z / 2 where it is even, -(z + 1) / 2 where it is odd.
   static std::int64_t unfolded(std::uint64_t z)
   {
      return static_cast<std::int64_t>((z >> 1) ^ (0 - (z & 1)));
   }

   /// The nearest integer; 0 for what has none, which only values without corrections have.
   static std::int64_t nearest(double x)
   {
      const double whole = exact::rint(x);
      return std::fabs(whole) < 0x1p62 ? static_cast<std::int64_t>(whole) : 0;
   }

   template <class T>
   T corrected(float predicted, std::int64_t c) const
   {
      const double x = value(predicted);
      if constexpr (std::is_floating_point_v<T>) {
         return static_cast<T>(fPowers.empty() ? x + static_cast<double>(c) * fColumn.step : x * power(c));
      } else {
         const auto step = static_cast<std::uint64_t>(fColumn.step), steps = static_cast<std::uint64_t>(nearest(x / fColumn.step));
         const std::uint64_t moved = steps * step + static_cast<std::uint64_t>(c);
         return fColumn.dtype == Dtype::kBool ? static_cast<T>(moved != 0) : static_cast<T>(moved);
      }
   }

   template <class T, class Code>
   void restore(Span<const float> predicted, Bytes codes, const std::vector<Escape> &escapes, Buffer<std::uint8_t> &out) const
   {
      const std::size_t frequent = fColumn.frequent.size();
      std::size_t escaped = 0;
      for (std::size_t i = 0; i < predicted.size(); ++i) {
         Code code;
         std::memcpy(&code, codes.data() + i * sizeof(Code), sizeof(Code));
         if (code > frequent) {
            store(out, i, corrected<T>(predicted[i], unfolded(code - 1 - frequent)));
         } else if (code > 0) {
            std::memcpy(out.data() + i * sizeof(T), &fColumn.frequent[code - 1], sizeof(T));
         } else {
            const bool there = escaped < escapes.size() && escapes[escaped].object == i;
            require(there, "escapes and corrections differ");
            ++escaped;
         }
      }
      require(escaped == escapes.size(), "escapes and corrections differ", fColumn.name);
   }

   template <class T>
   T rounded(double x) const
   {
      if constexpr (std::is_floating_point_v<T>) {
         return static_cast<T>(x);
      } else {
         if (fColumn.dtype == Dtype::kBool)
            return static_cast<T>(x > 0.5);
         const double whole = exact::rint(x);
         if (!(whole > static_cast<double>(std::numeric_limits<T>::min()))) // NaN too
            return std::numeric_limits<T>::min();
         return whole < static_cast<double>(std::numeric_limits<T>::max()) ? static_cast<T>(whole) : std::numeric_limits<T>::max();
      }
   }

   void put(const std::vector<Escape> &escapes, Buffer<std::uint8_t> &out) const
   {
      const std::size_t width = size_of(fColumn.dtype);
      for (const Escape &one : escapes) // little endian, as this machine is
         std::memcpy(out.data() + one.object * width, &one.bits, width);
   }
};

} // namespace hepae
