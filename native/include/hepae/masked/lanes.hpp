// Units of integer layers for many objects at once. Instructions of the processor where it has them, plain C++ otherwise; all
// are exact.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../processor.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hepae::lanes {

/// Two integers side by side, the first in the low half.
HEPAE_INLINE std::int32_t pair(std::int16_t a, std::int16_t b)
{
   return static_cast<std::int32_t>(static_cast<std::uint16_t>(a) | static_cast<std::uint32_t>(static_cast<std::uint16_t>(b)) << 16);
}

#if defined(__SSE2__)
struct Words {
   static constexpr std::size_t kSize = 4;
   __m128i v;

   static Words all(std::int32_t x) { return {_mm_set1_epi32(x)}; }
   static Words at(const std::int32_t *p) { return {_mm_loadu_si128(reinterpret_cast<const __m128i *>(p))}; }
   void put(std::int32_t *p) const { _mm_storeu_si128(reinterpret_cast<__m128i *>(p), v); }
   /// The sum of both products of each pair.
   Words times(Words o) const { return {_mm_madd_epi16(v, o.v)}; }
   Words plus(Words o) const { return {_mm_add_epi32(v, o.v)}; }
   Words clipped(int shift, Words top) const
   {
      const __m128i down = _mm_sra_epi32(v, _mm_cvtsi32_si128(shift));
      const __m128i least = _mm_andnot_si128(_mm_srai_epi32(down, 31), down), over = _mm_cmpgt_epi32(least, top.v);
      return {_mm_or_si128(_mm_and_si128(over, top.v), _mm_andnot_si128(over, least))};
   }
   Words beside(Words o) const { return {_mm_or_si128(v, _mm_slli_epi32(o.v, 16))}; }
};
#else
struct Words {
   static constexpr std::size_t kSize = 1;
   std::int32_t v;

   static Words all(std::int32_t x) { return {x}; }
   static Words at(const std::int32_t *p) { return {*p}; }
   void put(std::int32_t *p) const { *p = v; }
   Words times(Words o) const
   {
      const auto low = [](std::int32_t x) { return static_cast<std::int16_t>(static_cast<std::uint32_t>(x) & 0xFFFF); };
      const auto high = [](std::int32_t x) { return static_cast<std::int16_t>(x >> 16); };
      return {low(v) * low(o.v) + high(v) * high(o.v)};
   }
   Words plus(Words o) const { return {v + o.v}; }
   Words clipped(int shift, Words top) const { return {std::clamp(v >> shift, 0, top.v)}; }
   Words beside(Words o) const { return {static_cast<std::int32_t>(static_cast<std::uint32_t>(v) | static_cast<std::uint32_t>(o.v) << 16)}; }
};
#endif

/// Bytes of four rows beside each other.
template <std::size_t Objects>
void interleave(const std::uint8_t *const (&rows)[4], std::int32_t *out)
{
#if defined(__SSE2__)
   for (std::size_t p = 0; p < Objects; p += 16) {
      const auto at = [&](std::size_t row) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows[row] + p)); };
      const __m128i a = at(0), b = at(1), c = at(2), d = at(3);
      const __m128i low[2] = {_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)};
      const __m128i high[2] = {_mm_unpacklo_epi8(c, d), _mm_unpackhi_epi8(c, d)};
      auto *to = reinterpret_cast<__m128i *>(out + p);
      for (std::size_t half = 0; half < 2; ++half) {
         _mm_storeu_si128(to + 2 * half, _mm_unpacklo_epi16(low[half], high[half]));
         _mm_storeu_si128(to + 2 * half + 1, _mm_unpackhi_epi16(low[half], high[half]));
      }
   }
#else
   for (std::size_t p = 0; p < Objects; ++p)
      out[p] = static_cast<std::int32_t>(rows[0][p] | rows[1][p] << 8 | rows[2][p] << 16 |
                                         static_cast<std::uint32_t>(rows[3][p]) << 24);
#endif
}

/// A unit of a layer: its weights, side by side as the inputs are, its bias, and where it is clipped.
struct Neuron {
   const std::int32_t *weights;
   std::int32_t bias, top;
};

template <std::size_t Objects>
struct Neurons {
   /// Two units for all objects; their outputs stand beside each other. Input pair k of object p is in[k * Objects + p].
   static void two(Neuron a, Neuron b, std::size_t pairs, int shift, const std::int32_t *in, std::int32_t *out)
   {
#if HEPAE_HAS_AVX2
      if (processor::has_avx2())
         return two_with_avx2(a, b, pairs, shift, in, out);
#endif
      constexpr std::size_t vectors = 4; // sums that fit into registers
      for (std::size_t p = 0; p < Objects; p += vectors * Words::kSize) {
         Words first[vectors], second[vectors];
         for (std::size_t j = 0; j < vectors; ++j) {
            first[j] = Words::all(a.bias);
            second[j] = Words::all(b.bias);
         }
         for (std::size_t k = 0; k < pairs; ++k) {
            const Words wa = Words::all(a.weights[k]), wb = Words::all(b.weights[k]);
            for (std::size_t j = 0; j < vectors; ++j) {
               const Words x = Words::at(in + k * Objects + p + j * Words::kSize);
               first[j] = first[j].plus(x.times(wa));
               second[j] = second[j].plus(x.times(wb));
            }
         }
         for (std::size_t j = 0; j < vectors; ++j)
            first[j].clipped(shift, Words::all(a.top)).beside(second[j].clipped(shift, Words::all(b.top))).put(out + p + j * Words::kSize);
      }
   }

#if HEPAE_HAS_AVX2
   /// Compilers warn of the intrinsics without a mask, which begin with any bits.
   static constexpr __mmask16 kAll = 0xFFFF;

   HEPAE_AVX2 static void two_with_avx2(Neuron a, Neuron b, std::size_t pairs, int shift, const std::int32_t *in,
                                        std::int32_t *out)
   {
      constexpr std::size_t vectors = 4, size = 8;
      const __m128i places = _mm_cvtsi32_si128(shift);
      const __m256i least = _mm256_setzero_si256(), top_a = _mm256_set1_epi32(a.top), top_b = _mm256_set1_epi32(b.top);
      for (std::size_t p = 0; p < Objects; p += vectors * size) {
         __m256i first[vectors], second[vectors];
         for (std::size_t j = 0; j < vectors; ++j) {
            first[j] = _mm256_set1_epi32(a.bias);
            second[j] = _mm256_set1_epi32(b.bias);
         }
         for (std::size_t k = 0; k < pairs; ++k) {
            const __m256i wa = _mm256_set1_epi32(a.weights[k]), wb = _mm256_set1_epi32(b.weights[k]);
            for (std::size_t j = 0; j < vectors; ++j) {
               const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(in + k * Objects + p + j * size));
               first[j] = _mm256_add_epi32(first[j], _mm256_madd_epi16(x, wa));
               second[j] = _mm256_add_epi32(second[j], _mm256_madd_epi16(x, wb));
            }
         }
         for (std::size_t j = 0; j < vectors; ++j) {
            const __m256i low = _mm256_min_epi32(_mm256_max_epi32(_mm256_sra_epi32(first[j], places), least), top_a);
            const __m256i high = _mm256_min_epi32(_mm256_max_epi32(_mm256_sra_epi32(second[j], places), least), top_b);
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + p + j * size),
                                _mm256_or_si256(low, _mm256_slli_epi32(high, 16)));
         }
      }
   }

   /// Four units for all objects; their outputs are the bytes of `out`. Inputs 4 k, … 4 k + 3 of object p are the bytes of
   /// in[k * Objects + p], and weights are bytes too.
   HEPAE_VNNI static void four_with_vnni(const Neuron (&units)[4], std::size_t quads, int shift, const std::int32_t *in,
                                         std::int32_t *out)
   {
      constexpr std::size_t vectors = 4, size = 16;
      const __m128i places = _mm_cvtsi32_si128(shift);
      for (std::size_t p = 0; p < Objects; p += vectors * size) {
         __m512i sums[4][vectors];
         for (std::size_t unit = 0; unit < 4; ++unit)
            for (std::size_t j = 0; j < vectors; ++j)
               sums[unit][j] = _mm512_set1_epi32(units[unit].bias);
         for (std::size_t k = 0; k < quads; ++k) {
            __m512i x[vectors];
            for (std::size_t j = 0; j < vectors; ++j)
               x[j] = _mm512_loadu_si512(in + k * Objects + p + j * size);
            for (std::size_t unit = 0; unit < 4; ++unit) {
               const __m512i weights = _mm512_set1_epi32(units[unit].weights[k]);
               for (std::size_t j = 0; j < vectors; ++j)
                  sums[unit][j] = _mm512_dpbusd_epi32(sums[unit][j], x[j], weights);
            }
         }
         for (std::size_t j = 0; j < vectors; ++j) {
            __m512i bytes = _mm512_setzero_si512();
            for (std::size_t unit = 4; unit-- > 0;) {
               const __m512i down = _mm512_maskz_sra_epi32(kAll, sums[unit][j], places);
               const __m512i least = _mm512_maskz_max_epi32(kAll, down, _mm512_setzero_si512());
               const __m512i kept = _mm512_maskz_min_epi32(kAll, least, _mm512_set1_epi32(units[unit].top));
               bytes = _mm512_or_si512(_mm512_maskz_slli_epi32(kAll, bytes, 8), kept);
            }
            _mm512_storeu_si512(out + p + j * size, bytes);
         }
      }
   }
#endif
};

} // namespace hepae::lanes
