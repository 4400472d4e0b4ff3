// What a table has for many integers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "processor.hpp"

namespace hepae {

namespace gathering {

#if HEPAE_HAS_AVX2

/// Entries at eight, or four, indexes that stand in memory, loaded one by one: the instructions that gather take twice as long
/// on processors of AMD, and as long on those of Intel since they do not betray other memory any more.
HEPAE_AVX2 inline __m256i eight(const std::int32_t *table, const std::uint32_t *at)
{
   return _mm256_setr_epi32(table[at[0]], table[at[1]], table[at[2]], table[at[3]], table[at[4]], table[at[5]], table[at[6]],
                            table[at[7]]);
}

HEPAE_AVX2 inline __m256i of_register(const std::int32_t *table, __m256i at)
{
   alignas(32) std::uint32_t places[8];
   _mm256_store_si256(reinterpret_cast<__m256i *>(places), at);
   return eight(table, places);
}

/// Each takes as many integers as fill registers, and says how many these were.
HEPAE_AVX2 inline std::size_t with_avx2(const std::int32_t *table, const std::int32_t *q, std::int32_t low, std::size_t size,
                                        std::int32_t *out)
{
   const auto at = [=](std::size_t i) { return table[static_cast<std::ptrdiff_t>(q[i]) - low]; };
   std::size_t i = 0;
   for (; i + 8 <= size; i += 8) {
      const __m256i entries = _mm256_setr_epi32(at(i), at(i + 1), at(i + 2), at(i + 3), at(i + 4), at(i + 5), at(i + 6), at(i + 7));
      _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + i), entries);
   }
   return i;
}

HEPAE_AVX2 inline std::size_t with_avx2(const double *table, const std::int32_t *q, std::int32_t low, std::size_t size,
                                        double *out)
{
   const auto at = [=](std::size_t i) { return table[static_cast<std::ptrdiff_t>(q[i]) - low]; };
   std::size_t i = 0;
   for (; i + 4 <= size; i += 4)
      _mm256_storeu_pd(out + i, _mm256_setr_pd(at(i), at(i + 1), at(i + 2), at(i + 3)));
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
