// Convolutions along the features of a collection, for a block of objects.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "affine.hpp"

namespace hepae {

/// out[m, l] = bias[m] + sum over c and k of weights[m, c, k] * in[c, l + k - before], with zeros beyond both ends.
class Convolution {
public:
   struct Shape {
      std::size_t channels = 0, length = 0; ///< of the input
      std::size_t kernel = 0, before = 0, after = 0;

      std::size_t out_length() const { return length + before + after + 1 - kernel; }
   };

   Convolution(Shape shape, std::vector<float> weights, std::vector<float> bias)
      : fShape(shape), fWeights(std::move(weights)), fBias(std::move(bias))
   {
   }

   void evaluate(const float *in, float *out) const
   {
      const std::size_t length = fShape.out_length();
      for (std::size_t m = 0; m < fBias.size(); ++m)
         for (std::size_t l = 0; l < length; ++l)
            one(m, l, in, out + (m * length + l) * kTogether);
   }

private:
   Shape fShape;
   std::vector<float> fWeights, fBias;

   void one(std::size_t channel, std::size_t place, const float *in, float *out) const
   {
      const std::size_t first = place < fShape.before ? fShape.before - place : 0;
      const std::size_t end = fShape.length + fShape.before; // a place of the kernel from here on is beyond the input
      const std::size_t last = std::min(fShape.kernel, end > place ? end - place : 0);
      processor::run_wide([&]() HEPAE_INLINED {
         float sums[kTogether];
         for (float &sum : sums)
            sum = fBias[channel];
         for (std::size_t c = 0; c < fShape.channels; ++c)
            for (std::size_t k = first; k < last; ++k) {
               const float weight = fWeights[(channel * fShape.channels + c) * fShape.kernel + k];
               const float *from = in + (c * fShape.length + place + k - fShape.before) * kTogether;
               for (std::size_t p = 0; p < kTogether; ++p)
                  sums[p] += weight * from[p];
            }
         std::copy(sums, sums + kTogether, out);
      });
   }
};

} // namespace hepae
