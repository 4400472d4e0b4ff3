// Layers of floats for a block of objects: weights times inputs, plus a bias.
//
// The order of sums is the same in all forms; those with fused products round less often. A model's drift allowance covers that
// (docs/format/v1.md, section 13).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "../processor.hpp"
#include "../span.hpp"

namespace hepae {

/// Objects that go through a network together. Number u of object p stands at u * kTogether + p.
constexpr std::size_t kTogether = 64;

class Affine {
public:
   /// Outputs whose sums are in registers together; the buffer of the outputs has room for a multiple of them.
   static constexpr std::size_t kUnits = 6;

   static std::size_t room(std::size_t outputs) { return (outputs + kUnits - 1) / kUnits * kUnits; }

   /// `weights` by output, then by input.
   Affine(Span<const float> weights, Span<const float> bias, std::size_t inputs)
      : fInputs(inputs), fOutputs(bias.size()), fBias(room(fOutputs)), fWeights(room(fOutputs) * inputs)
   {
      std::copy(bias.begin(), bias.end(), fBias.begin());
      for (std::size_t o = 0; o < fOutputs; ++o)
         for (std::size_t i = 0; i < inputs; ++i)
            fWeights[(o / kUnits * inputs + i) * kUnits + o % kUnits] = weights[o * inputs + i];
   }

   std::size_t outputs() const { return fOutputs; }

   void evaluate(const float *in, float *out) const
   {
      for (std::size_t unit = 0; unit < fOutputs; unit += kUnits) {
         const float *weights = fWeights.data() + unit * fInputs, *bias = fBias.data() + unit;
         some_units(weights, bias, in, out + unit * kTogether);
      }
   }

private:
   std::size_t fInputs, fOutputs;
   std::vector<float> fBias, fWeights; ///< weights: by six outputs, then by input, then by output of the six

   void some_units(const float *weights, const float *bias, const float *in, float *out) const
   {
#if HEPAE_HAS_AVX2
      if (processor::has_avx512())
         return with_avx512(weights, bias, fInputs, in, out);
      if (processor::has_fma())
         return with_fma(weights, bias, fInputs, in, out);
#endif
      for (std::size_t u = 0; u < kUnits; ++u)
         one_unit(weights + u, bias[u], fInputs, in, out + u * kTogether);
   }

   static void one_unit(const float *weights, float bias, std::size_t inputs, const float *in, float *out)
   {
      processor::run_wide([&]() HEPAE_INLINED {
         float sums[kTogether];
         for (float &sum : sums)
            sum = bias;
         for (std::size_t i = 0; i < inputs; ++i)
            for (std::size_t p = 0; p < kTogether; ++p)
               sums[p] += weights[i * kUnits] * in[i * kTogether + p];
         std::copy(sums, sums + kTogether, out);
      });
   }

#if HEPAE_HAS_AVX2
   HEPAE_FMA static void with_fma(const float *weights, const float *bias, std::size_t inputs, const float *in, float *out)
   {
      constexpr std::size_t size = 8, vectors = 2;
      for (std::size_t p = 0; p < kTogether; p += vectors * size) {
         __m256 sums[kUnits][vectors];
         HEPAE_WITHOUT_LOOP
         for (std::size_t u = 0; u < kUnits; ++u)
            sums[u][0] = sums[u][1] = _mm256_set1_ps(bias[u]);
         for (std::size_t i = 0; i < inputs; ++i) {
            const __m256 a = _mm256_loadu_ps(in + i * kTogether + p), b = _mm256_loadu_ps(in + i * kTogether + p + size);
            HEPAE_WITHOUT_LOOP
            for (std::size_t u = 0; u < kUnits; ++u) {
               const __m256 weight = _mm256_broadcast_ss(weights + i * kUnits + u);
               sums[u][0] = _mm256_fmadd_ps(weight, a, sums[u][0]);
               sums[u][1] = _mm256_fmadd_ps(weight, b, sums[u][1]);
            }
         }
         HEPAE_WITHOUT_LOOP
         for (std::size_t u = 0; u < kUnits; ++u)
            HEPAE_WITHOUT_LOOP
            for (std::size_t j = 0; j < vectors; ++j)
               _mm256_storeu_ps(out + u * kTogether + p + j * size, sums[u][j]);
      }
   }

   HEPAE_AVX512 static void with_avx512(const float *weights, const float *bias, std::size_t inputs, const float *in, float *out)
   {
      constexpr std::size_t size = 16, vectors = kTogether / size;
      __m512 sums[kUnits][vectors];
      HEPAE_WITHOUT_LOOP
      for (std::size_t u = 0; u < kUnits; ++u)
         HEPAE_WITHOUT_LOOP
         for (std::size_t j = 0; j < vectors; ++j)
            sums[u][j] = _mm512_set1_ps(bias[u]);
      for (std::size_t i = 0; i < inputs; ++i) {
         __m512 x[vectors];
         HEPAE_WITHOUT_LOOP
         for (std::size_t j = 0; j < vectors; ++j)
            x[j] = _mm512_loadu_ps(in + i * kTogether + j * size);
         HEPAE_WITHOUT_LOOP
         for (std::size_t u = 0; u < kUnits; ++u) {
            const __m512 weight = _mm512_set1_ps(weights[i * kUnits + u]);
            HEPAE_WITHOUT_LOOP
            for (std::size_t j = 0; j < vectors; ++j)
               sums[u][j] = _mm512_fmadd_ps(weight, x[j], sums[u][j]);
         }
      }
      HEPAE_WITHOUT_LOOP
      for (std::size_t u = 0; u < kUnits; ++u)
         HEPAE_WITHOUT_LOOP
         for (std::size_t j = 0; j < vectors; ++j)
            _mm512_storeu_ps(out + u * kTogether + j * size, sums[u][j]);
   }
#endif
};

} // namespace hepae
