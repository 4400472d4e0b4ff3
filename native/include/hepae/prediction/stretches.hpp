// Loops over a few objects that are neighbours in rank order: integers to indexes of tables, and sums of tables. Each has a
// form for AVX2 that comes to the same bits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../gather.hpp"
#include "../lattice.hpp"
#include "../processor.hpp"
#include "known.hpp"
#include "scale.hpp"

namespace hepae {

/// Some objects of a place, neighbours in rank order.
struct Stretch {
   static constexpr std::size_t kMost = 1024;
   std::size_t place, first, size; ///< `first` within the place
};

namespace stretches {

constexpr std::size_t kAtOnce = 8; ///< objects in a register of AVX2

/// A small number rounded down, and clipped to what `Scale` tells apart, without a branch: the nearest integer, which the
/// lowest bits of a sum show, and one less where it is above.
inline std::int32_t floor(double value)
{
   constexpr double most = Integers::kSmall, whole = 0x1.8p+52;
   value = value < -most ? -most : value;
   value = value > most ? most : value;
   const double sum = value + whole, above = value - (sum - whole);
   const auto nearest = static_cast<std::uint32_t>(lattice::bits_as<std::uint64_t>(sum));
   return static_cast<std::int32_t>(nearest - static_cast<std::uint32_t>(lattice::bits_as<std::uint64_t>(above) >> 63));
}

/// Columns of a mix or a product, from the first object on.
using Columns = std::vector<const std::int32_t *>;

#if HEPAE_HAS_AVX2

/// `Scale::small_index` of eight integers.
struct WideScale {
   __m256i low, least, most, one;
   int shift;

   HEPAE_AVX2 explicit WideScale(const Scale &scale)
      : low(_mm256_set1_epi32(static_cast<int>(scale.low))), least(_mm256_set1_epi32(static_cast<int>(scale.first - 1))),
        most(_mm256_set1_epi32(static_cast<int>(scale.last - 1))), one(_mm256_set1_epi32(1)), shift(scale.shift)
   {
   }
   HEPAE_AVX2 __m256i index(__m256i q) const
   {
      const __m256i shifted = _mm256_srai_epi32(_mm256_sub_epi32(q, low), shift);
      return _mm256_add_epi32(_mm256_min_epi32(_mm256_max_epi32(shifted, least), most), one);
   }
};

HEPAE_AVX2 inline __m256i load(const void *from)
{
   return _mm256_loadu_si256(static_cast<const __m256i *>(from));
}
HEPAE_AVX2 inline void store(void *to, __m256i value)
{
   _mm256_storeu_si256(static_cast<__m256i *>(to), value);
}

/// Each takes as many objects as fill registers, and says how many these were.
HEPAE_AVX2 inline std::size_t here_with_avx2(const std::int32_t *q, const Scale &scale, std::size_t size, std::uint32_t *out)
{
   const WideScale wide(scale);
   std::size_t p = 0;
   for (; p + kAtOnce <= size; p += kAtOnce)
      store(out + p, wide.index(load(q + p)));
   return p;
}

HEPAE_AVX2 inline std::size_t mix_with_avx2(const Columns &columns, const std::vector<double> &weights, const Scale &scale,
                                            std::size_t size, std::uint32_t *out)
{
   constexpr std::size_t most_at_once = 2 * kAtOnce; // so that columns and weights are fetched half as often
   const WideScale wide(scale);
   const __m256d half = _mm256_set1_pd(0.5), most = _mm256_set1_pd(Integers::kSmall), least = _mm256_set1_pd(-Integers::kSmall);
   std::size_t p = 0;
   for (; p + most_at_once <= size; p += most_at_once) {
      __m256d sums[4] = {half, half, half, half};
      for (std::size_t i = 0; i < columns.size(); ++i) {
         const std::int32_t *q = columns[i] + p;
         const __m256d weight = _mm256_set1_pd(weights[i]);
         for (std::size_t j = 0; j < 4; ++j) {
            const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i *>(q + 4 * j));
            sums[j] = _mm256_add_pd(sums[j], _mm256_mul_pd(_mm256_cvtepi32_pd(part), weight));
         }
      }
      __m128i down[4];
      for (std::size_t j = 0; j < 4; ++j)
         down[j] = _mm256_cvtpd_epi32(_mm256_floor_pd(_mm256_min_pd(_mm256_max_pd(sums[j], least), most)));
      store(out + p, wide.index(_mm256_set_m128i(down[1], down[0])));
      store(out + p + kAtOnce, wide.index(_mm256_set_m128i(down[3], down[2])));
   }
   return p;
}

HEPAE_AVX2 inline std::size_t product_with_avx2(const Columns &logs, const std::vector<std::int64_t> &weights, int shift,
                                                const Scale &scale, std::size_t size, std::uint32_t *out)
{
   const WideScale wide(scale);
   std::size_t p = 0;
   for (; p + kAtOnce <= size; p += kAtOnce) {
      __m256i sum = _mm256_setzero_si256();
      for (std::size_t i = 0; i < logs.size(); ++i) {
         const __m256i weight = _mm256_set1_epi32(static_cast<int>(weights[i]));
         sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(load(logs[i] + p), weight));
      }
      store(out + p, wide.index(_mm256_srai_epi32(sum, shift)));
   }
   return p;
}

HEPAE_AVX2 inline std::size_t add_with_avx2(const std::int32_t *table, const std::uint32_t *at, std::size_t size, std::int32_t *out)
{
   std::size_t p = 0;
   for (; p + kAtOnce <= size; p += kAtOnce)
      store(out + p, _mm256_add_epi32(load(out + p), gathering::eight(table, at + p)));
   return p;
}

HEPAE_AVX2 inline std::size_t look_up_with_avx2(const std::uint8_t *levels, const std::uint32_t *at, std::size_t size, std::uint8_t *out)
{
   const auto four_of = [&](std::size_t p) HEPAE_AVX2 { // bytes of eight objects, in the lowest of four bytes
      const __m256i ones = _mm256_set1_epi32(-1);
      const __m256i words = _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), reinterpret_cast<const int *>(levels), load(at + p), ones, 1);
      return _mm256_and_si256(words, _mm256_set1_epi32(0xFF));
   };
   std::size_t p = 0;
   for (; p + 4 * kAtOnce <= size; p += 4 * kAtOnce) {
      const __m256i a = _mm256_packus_epi32(four_of(p), four_of(p + 8)), b = _mm256_packus_epi32(four_of(p + 16), four_of(p + 24));
      const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); // both packings go by halves of registers
      store(out + p, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order));
   }
   return p;
}

#endif

/// Indexes of integers.
inline void here(const std::int32_t *q, const Scale &scale, std::size_t size, std::uint32_t *out)
{
   std::size_t p = 0;
#if HEPAE_HAS_AVX2
   if (processor::has_avx2())
      p = here_with_avx2(q, scale, size, out);
#endif
   for (; p < size; ++p)
      out[p] = scale.small_index(q[p]);
}

/// Indexes of weighted sums. The first product is added to a half, the others to the sum: all in the order of the format.
inline void mix(const Columns &columns, const std::vector<double> &weights, const Scale &scale, std::size_t size,
                std::uint32_t *out)
{
   std::size_t p = 0;
#if HEPAE_HAS_AVX2
   if (processor::has_avx2())
      p = mix_with_avx2(columns, weights, scale, size, out);
#endif
   for (; p < size; ++p) {
      double sum = 0.5;
      for (std::size_t i = 0; i < columns.size(); ++i)
         sum = sum + static_cast<double>(columns[i][p]) * weights[i];
      out[p] = scale.small_index(floor(sum));
   }
}

/// Indexes of weighted sums of logarithms, which fit into 32 bits.
inline void product(const Columns &logs, const std::vector<std::int64_t> &weights, int shift, const Scale &scale,
                    std::size_t size, std::uint32_t *out)
{
   std::size_t p = 0;
#if HEPAE_HAS_AVX2
   if (processor::has_avx2())
      p = product_with_avx2(logs, weights, shift, scale, size, out);
#endif
   for (; p < size; ++p) {
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < logs.size(); ++i)
         sum += static_cast<std::int32_t>(weights[i]) * logs[i][p];
      out[p] = scale.small_index(sum >> shift);
   }
}

/// What a table has at some indexes; three bytes stand behind it.
inline void look_up(const std::uint8_t *levels, const std::uint32_t *at, std::size_t size, std::uint8_t *out)
{
   std::size_t p = 0;
#if HEPAE_HAS_AVX2
   if (processor::has_avx2())
      p = look_up_with_avx2(levels, at, size, out);
#endif
   for (; p < size; ++p)
      out[p] = levels[at[p]];
}

/// Adds what a table has at some indexes.
inline void add(const std::int32_t *table, const std::uint32_t *at, std::size_t size, std::int32_t *out)
{
   std::size_t p = 0;
#if HEPAE_HAS_AVX2
   if (processor::has_avx2())
      p = add_with_avx2(table, at, size, out);
#endif
   for (; p < size; ++p)
      out[p] += table[at[p]];
}

} // namespace stretches
} // namespace hepae
