// What a table has for many integers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "processor.hpp"

namespace hepae {

namespace gathering {

#if HEPAE_HAS_AVX2

/// Entries at eight, or four, indexes. (Compilers warn of the intrinsics without a mask: they begin with any bits.)
HEPAE_AVX2 inline __m256i eight(const std::int32_t *table, __m256i at)
{
   return _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), table, at, _mm256_set1_epi32(-1), 4);
}
HEPAE_AVX2 inline __m256d four(const double *table, __m128i at)
{
   const __m256d all = _mm256_castsi256_pd(_mm256_set1_epi32(-1));
   return _mm256_mask_i32gather_pd(_mm256_setzero_pd(), table, at, all, 8);
}

/// Each takes as many integers as fill registers, and says how many these were.
HEPAE_AVX2 inline std::size_t with_avx2(const std::int32_t *table, const std::int32_t *q, std::int32_t low, std::size_t size,
                                        std::int32_t *out)
{
   const __m256i first = _mm256_set1_epi32(low);
   std::size_t i = 0;
   for (; i + 8 <= size; i += 8) {
      const __m256i at = _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(q + i)), first);
      _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + i), eight(table, at));
   }
   return i;
}

HEPAE_AVX2 inline std::size_t with_avx2(const double *table, const std::int32_t *q, std::int32_t low, std::size_t size,
                                        double *out)
{
   const __m128i first = _mm_set1_epi32(low);
   std::size_t i = 0;
   for (; i + 4 <= size; i += 4) {
      const __m128i at = _mm_sub_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(q + i)), first);
      _mm256_storeu_pd(out + i, four(table, at));
   }
   return i;
}

#endif

template <class T, class Q>
std::size_t quickly(const T *, const Q *, Q, std::size_t, T *)
{
   return 0;
}
#if HEPAE_HAS_AVX2
template <class T>
std::size_t quickly(const T *table, const std::int32_t *q, std::int32_t low, std::size_t size, T *out)
{
   return processor::has_avx2() ? with_avx2(table, q, low, size, out) : 0;
}
#endif

} // namespace gathering

/// The entries of integers in a table, the first of which is that of `low`. All must be inside. `out` may be `q`.
template <class T, class Q>
void gather(const T *table, const Q *q, Q low, std::size_t size, T *out)
{
   for (std::size_t i = gathering::quickly(table, q, low, size, out); i < size; ++i)
      out[i] = table[static_cast<std::size_t>(q[i] - low)];
}

} // namespace hepae
