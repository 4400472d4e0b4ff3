// Numbers of some bits each that follow each other, the lowest bit first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "processor.hpp"

namespace hepae::fields {

/// At least 57 bits from a position on; eight bytes must be there.
HEPAE_INLINE std::uint64_t word(const std::uint8_t *data, std::size_t at)
{
   std::uint64_t out;
   std::memcpy(&out, data + at / 8, sizeof(out));
   return out >> (at % 8);
}

/// Writes numbers of up to 56 bits.
class Writer {
public:
   /// There is room for so many bits.
   explicit Writer(std::size_t bits) : fOut(bits / 8 + 1 + sizeof(std::uint64_t)) {}

   void put(std::uint64_t value, unsigned width)
   {
      fBits |= value << fThere;
      fThere += width;
      std::memcpy(fOut.data() + fBytes, &fBits, sizeof(fBits));
      fBytes += fThere / 8;
      fBits >>= fThere / 8 * 8;
      fThere %= 8;
   }

   /// The bytes, the last filled up with zeros.
   std::vector<std::uint8_t> finish()
   {
      fOut.resize(fBytes + (fThere > 0));
      return std::move(fOut);
   }

private:
   std::vector<std::uint8_t> fOut;
   std::size_t fBytes = 0;
   std::uint64_t fBits = 0; ///< those of the byte that is not full
   unsigned fThere = 0;
};

/// Widths up to which `Narrow` and `Close` read.
constexpr unsigned kNarrow = 25, kClose = 13;

#if HEPAE_HAS_AVX2

/// Each of eight numbers and those before it; and the last one of eight.
HEPAE_AVX2 HEPAE_INLINE __m256i sums(__m256i x)
{
   x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
   x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
   const __m256i low = _mm256_permutevar8x32_epi32(x, _mm256_set1_epi32(3));
   return _mm256_add_epi32(x, _mm256_blend_epi32(_mm256_setzero_si256(), low, 0xF0));
}
HEPAE_AVX2 HEPAE_INLINE std::size_t last(__m256i x)
{
   return static_cast<std::size_t>(_mm_extract_epi32(_mm256_extracti128_si256(x, 1), 3));
}

/// The numbers that begin within the first byte of words.
HEPAE_AVX2 HEPAE_INLINE __m256i cut(__m256i words, __m256i starts, __m256i widths)
{
   const __m256i shifted = _mm256_srlv_epi32(words, _mm256_and_si256(starts, _mm256_set1_epi32(7)));
   return _mm256_andnot_si256(_mm256_sllv_epi32(_mm256_set1_epi32(-1), widths), shifted);
}

/// Reads eight narrow numbers at a time, each from a word of its own. Four bytes must be there from the begin of each on.
class Narrow {
public:
   HEPAE_AVX2 HEPAE_INLINE Narrow(const std::uint8_t *data, std::size_t at) : fData(data), fAt(at) {}

   HEPAE_AVX2 HEPAE_INLINE __m256i take(__m256i widths)
   {
      const __m256i ends = sums(widths), begin = _mm256_set1_epi32(static_cast<int>(fAt % 8));
      const __m256i starts = _mm256_add_epi32(_mm256_sub_epi32(ends, widths), begin);
      alignas(32) std::uint32_t bytes[8];
      _mm256_store_si256(reinterpret_cast<__m256i *>(bytes), _mm256_srli_epi32(starts, 3));
      const std::uint8_t *data = fData + fAt / 8;
      const auto word = [&](std::size_t i) HEPAE_AVX2 {
         int out;
         std::memcpy(&out, data + bytes[i], sizeof(out));
         return out;
      };
      const __m256i words = _mm256_setr_epi32(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7));
      fAt += last(ends);
      return cut(words, starts, widths);
   }

   /// The position behind what was taken.
   HEPAE_AVX2 HEPAE_INLINE std::size_t position() const { return fAt; }

private:
   const std::uint8_t *fData;
   std::size_t fAt;
};

/// The same for numbers so narrow that eight of them begin within 13 bytes. 16 bytes must be there from the begin on.
class Close {
public:
   HEPAE_AVX2 HEPAE_INLINE Close(const std::uint8_t *data, std::size_t at) : fData(data), fAt(at) {}

   HEPAE_AVX2 HEPAE_INLINE __m256i take(__m256i widths)
   {
      const __m256i ends = sums(widths), begin = _mm256_set1_epi32(static_cast<int>(fAt % 8));
      const __m256i starts = _mm256_add_epi32(_mm256_sub_epi32(ends, widths), begin);
      const __m256i all = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i *>(fData + fAt / 8)));
      const __m256i first = _mm256_shuffle_epi8(_mm256_srli_epi32(starts, 3), _mm256_broadcastsi128_si256(_mm_setr_epi8(
                                                   0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12)));
      const __m256i words = _mm256_shuffle_epi8(all, _mm256_add_epi8(first, _mm256_set1_epi32(0x03020100)));
      fAt += last(ends);
      return cut(words, starts, widths);
   }

   HEPAE_AVX2 HEPAE_INLINE std::size_t position() const { return fAt; }

private:
   const std::uint8_t *fData;
   std::size_t fAt;
};

#endif

} // namespace hepae::fields
