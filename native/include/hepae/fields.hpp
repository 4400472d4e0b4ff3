// Numbers of some bits each that follow each other, the lowest bit first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "processor.hpp"

namespace hepae::fields {

/// At least 57 bits from a position on; eight bytes must be there.
HEPAE_INLINE std::uint64_t word(const std::uint8_t *data, std::size_t at)
{
   std::uint64_t out;
   std::memcpy(&out, data + at / 8, sizeof(out));
   return out >> (at % 8);
}

/// Widths up to which `Eight` reads.
constexpr unsigned kNarrow = 25;

#if HEPAE_HAS_AVX2

/// Reads eight narrow numbers at a time. Four bytes must be there from the begin of each on.
class Eight {
public:
   HEPAE_AVX2 Eight(const std::uint8_t *data, std::size_t at)
      : fFrom(data + at / 8), fFirst(at / 8 * 8), fBegin(_mm256_set1_epi32(static_cast<int>(at % 8)))
   {
   }

   HEPAE_AVX2 __m256i take(__m256i widths)
   {
      const __m256i ends = _mm256_add_epi32(fBegin, sums(widths)), starts = _mm256_sub_epi32(ends, widths);
      const __m256i ones = _mm256_set1_epi32(-1);
      const __m256i words = _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), reinterpret_cast<const int *>(fFrom),
                                                        _mm256_srli_epi32(starts, 3), ones, 1);
      fBegin = _mm256_permutevar8x32_epi32(ends, _mm256_set1_epi32(7));
      const __m256i shifted = _mm256_srlv_epi32(words, _mm256_and_si256(starts, _mm256_set1_epi32(7)));
      return _mm256_andnot_si256(_mm256_sllv_epi32(ones, widths), shifted);
   }

   /// The position behind what was taken, which must be less than 2^31 bits.
   HEPAE_AVX2 std::size_t position() const { return fFirst + static_cast<std::size_t>(_mm256_cvtsi256_si32(fBegin)); }

private:
   const std::uint8_t *fFrom;
   std::size_t fFirst;
   __m256i fBegin;

   /// Each number and those before it.
   HEPAE_AVX2 static __m256i sums(__m256i x)
   {
      x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
      x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
      const __m256i low = _mm256_permutevar8x32_epi32(x, _mm256_set1_epi32(3));
      return _mm256_add_epi32(x, _mm256_blend_epi32(_mm256_setzero_si256(), low, 0xF0));
   }
};

#endif

} // namespace hepae::fields
