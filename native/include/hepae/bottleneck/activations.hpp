// Functions between the layers of float networks, without branches, so that compilers make vectors of their loops.
//
// All of them are made of exp(x) - 1, which is right to about a unit in the last place: x = n ln 2 + r with |r| <= ln 2 / 2,
// and the Taylor series of r up to its seventh power, whose rest is below 2e-8 of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../processor.hpp"

namespace hepae::activations {

/// Where exp(x) - 1 is infinity or -1 for what follows; NaN stays NaN. A loop of its own: compilers make branches of it else.
HEPAE_INLINE float clipped(float x)
{
   constexpr float most = 80;
   x = x > most ? most : x;
   return x < -most ? -most : x;
}

/// exp(x) - 1 for a clipped x.
HEPAE_INLINE float exp_minus_one(float x)
{
   constexpr float over_log2 = 1.44269504f;
   constexpr float log2_high = 0.693359375f, log2_low = -2.12194440e-4f; // ln 2, the first so short that n times it is exact
   constexpr float to_integer = 12582912; // 1.5 * 2^23: the last bits of what is added to it are an integer
   const float shifted = x * over_log2 + to_integer, n = shifted - to_integer;
   std::uint32_t bits = 0;
   std::memcpy(&bits, &shifted, sizeof(bits));
   bits = (bits + 127) << 23; // of 2^n: the integer is in the low bits, and what is above them is shifted out
   float power = 0;
   std::memcpy(&power, &bits, sizeof(power));
   const float r = (x - n * log2_high) - n * log2_low;
   const float tail = 1 / 2.f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f + r * (1 / 720.f + r * (1 / 5040.f)))));
   return power * (r + r * r * tail) + (power - 1);
}

/// Numbers for which all functions here are computed together.
constexpr std::size_t kNumbers = 64;

/// `made(x, exp(scale * x) - 1)` of each number.
template <class Function>
HEPAE_INLINE void of_exponentials(const float *in, float scale, float *out, const Function &made)
{
   float exponents[kNumbers], powers[kNumbers];
   for (std::size_t i = 0; i < kNumbers; ++i)
      exponents[i] = clipped(scale * in[i]);
   for (std::size_t i = 0; i < kNumbers; ++i)
      powers[i] = exp_minus_one(exponents[i]);
   for (std::size_t i = 0; i < kNumbers; ++i)
      out[i] = made(in[i], powers[i]);
}

HEPAE_INLINE void tanh(const float *in, float *out)
{
   of_exponentials(in, 2, out, [](float, float e) HEPAE_INLINED { return e / (e + 2); });
}

HEPAE_INLINE void sigmoid(const float *in, float *out)
{
   of_exponentials(in, -1, out, [](float, float e) HEPAE_INLINED { return 1 / (e + 2); });
}

HEPAE_INLINE void elu(const float *in, float *out)
{
   of_exponentials(in, 1, out, [](float x, float e) HEPAE_INLINED { return x > 0 ? x : e; });
}

HEPAE_INLINE void relu(const float *in, float *out)
{
   for (std::size_t i = 0; i < kNumbers; ++i)
      out[i] = in[i] < 0 ? 0 : in[i]; // NaN stays NaN
}

HEPAE_INLINE void leaky_relu(const float *in, float alpha, float *out)
{
   for (std::size_t i = 0; i < kNumbers; ++i)
      out[i] = in[i] < 0 ? alpha * in[i] : in[i];
}

} // namespace hepae::activations
