// Stored latents to what the network is fed, the same bits on every machine (docs/format/v1.md, section 13).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../processor.hpp"
#include "../span.hpp"
#include "../spec/bottleneck.hpp"
#include "affine.hpp"

namespace hepae {

class LatentLoader {
public:
   explicit LatentLoader(const BottleneckSpec &spec)
      : fDtype(spec.latent.dtype), fLatents(spec.latents), fLow(spec.latent.low.begin(), spec.latent.low.end()),
        fStep(spec.latent.step.begin(), spec.latent.step.end())
   {
   }

   std::size_t width() const { return size_of(fDtype); }

   /// The latents of `n` objects, one object after the other, to a block; objects beyond `n` have zeros.
   void load(const std::uint8_t *stored, std::size_t n, float *out) const
   {
      if (n < kTogether)
         std::memset(out, 0, fLatents * kTogether * sizeof(float));
      for (std::size_t j = 0; j < fLatents; ++j)
         switch (fDtype) {
         case Dtype::kUint8: fixed<std::uint8_t>(stored, j, n, out); break;
         case Dtype::kUint16: fixed<std::uint16_t>(stored, j, n, out); break;
         case Dtype::kFloat16:
            for (std::size_t p = 0; p < n; ++p)
               out[j * kTogether + p] = half(at<std::uint16_t>(stored, p * fLatents + j));
            break;
         default:
            for (std::size_t p = 0; p < n; ++p)
               out[j * kTogether + p] = at<float>(stored, p * fLatents + j);
         }
   }

   /// A number of 16 bits: its exponent begins at 15 and not at 127.
   static float half(std::uint16_t bits)
   {
      const std::uint32_t magnitude = (bits & 0x7FFFu) << 13, sign = (bits & 0x8000u) << 16;
      float out = 0;
      std::memcpy(&out, &magnitude, sizeof(out));
      out *= 0x1p+112f; // subnormal numbers too
      std::uint32_t scaled = 0;
      std::memcpy(&scaled, &out, sizeof(scaled));
      scaled |= sign | ((bits & 0x7C00u) == 0x7C00u ? 0x7F800000u : 0u);
      std::memcpy(&out, &scaled, sizeof(out));
      return out;
   }

private:
   Dtype fDtype;
   std::size_t fLatents;
   std::vector<float> fLow, fStep;

   template <class T>
   static T at(const std::uint8_t *stored, std::size_t place)
   {
      T out;
      std::memcpy(&out, stored + place * sizeof(T), sizeof(T));
      return out;
   }

   /// Two roundings, one for the product and one for the sum.
   template <class T>
   void fixed(const std::uint8_t *stored, std::size_t j, std::size_t n, float *out) const
   {
      for (std::size_t p = 0; p < n; ++p) {
         const float product = static_cast<float>(at<T>(stored, p * fLatents + j)) * fStep[j];
         out[j * kTogether + p] = product + fLow[j];
      }
   }
};

} // namespace hepae
