// Float networks, for a block of objects at a time (docs/format/v1.md, section 13).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "../error.hpp"
#include "../limits.hpp"
#include "../processor.hpp"
#include "../span.hpp"
#include "activations.hpp"
#include "affine.hpp"
#include "convolution.hpp"

namespace hepae {

/// What a step does with numbers one by one.
enum class Each { kAdd, kMultiply, kElu, kLeakyRelu, kRelu, kSigmoid, kTanh };

/// One step: a layer, or a function of one or two values, or of a value and constants.
struct NetworkStep {
   std::size_t in = 0, other = 0, out = 0; ///< buffers
   std::size_t width = 0;                  ///< numbers of an object that come out
   Each each = Each::kAdd;
   float alpha = 0;
   std::vector<float> constants; ///< in place of `other`
   std::vector<Affine> layer;    ///< one, of a layer
   std::vector<Convolution> convolution;
};

class FloatNetwork {
public:
   /// Buffers of a thread.
   using Scratch = std::vector<std::vector<float>>;

   FloatNetwork(std::vector<NetworkStep> steps, std::vector<std::size_t> rooms, std::size_t input, std::size_t output)
      : fSteps(std::move(steps)), fRooms(std::move(rooms)), fInput(input), fOutput(output)
   {
   }

   Scratch scratch() const
   {
      Scratch out;
      for (std::size_t room : fRooms)
         out.emplace_back(room * kTogether);
      return out;
   }

   /// Where a block of inputs is written before `evaluate`, and outputs are read behind it.
   float *input(Scratch &scratch) const { return scratch[fInput].data(); }
   const float *output(const Scratch &scratch) const { return scratch[fOutput].data(); }

   void evaluate(Scratch &scratch) const
   {
      for (const NetworkStep &step : fSteps) {
         const float *in = scratch[step.in].data();
         float *out = scratch[step.out].data();
         if (!step.layer.empty())
            step.layer[0].evaluate(in, out);
         else if (!step.convolution.empty())
            step.convolution[0].evaluate(in, out);
         else
            one_by_one(step, in, step.constants.empty() ? scratch[step.other].data() : nullptr, out);
      }
   }

private:
   std::vector<NetworkStep> fSteps;
   std::vector<std::size_t> fRooms; ///< numbers of an object that each buffer has room for
   std::size_t fInput, fOutput;

   /// Number by number for all objects: a function of `kTogether` numbers, again and again.
   template <class Function>
   static void apply(std::size_t width, const float *in, float *out, const Function &function)
   {
      static_assert(kTogether == activations::kNumbers);
      processor::run_wide([&]() HEPAE_INLINED {
         for (std::size_t i = 0; i < width * kTogether; i += kTogether)
            function(in + i, out + i);
      });
   }

   static void one_by_one(const NetworkStep &step, const float *in, const float *other, float *out)
   {
      using namespace activations;
      const float alpha = step.alpha;
      const auto apply_to_all = [&](auto function) { apply(step.width, in, out, function); };
      switch (step.each) {
      case Each::kAdd:
      case Each::kMultiply: return other ? of_two(step, in, other, out) : of_constants(step, in, out);
      case Each::kElu: return apply_to_all([](const float *x, float *y) HEPAE_INLINED { elu(x, y); });
      case Each::kLeakyRelu: return apply_to_all([=](const float *x, float *y) HEPAE_INLINED { leaky_relu(x, alpha, y); });
      case Each::kRelu: return apply_to_all([](const float *x, float *y) HEPAE_INLINED { relu(x, y); });
      case Each::kSigmoid: return apply_to_all([](const float *x, float *y) HEPAE_INLINED { sigmoid(x, y); });
      case Each::kTanh: return apply_to_all([](const float *x, float *y) HEPAE_INLINED { activations::tanh(x, y); });
      }
   }

   static void of_two(const NetworkStep &step, const float *in, const float *other, float *out)
   {
      const std::size_t n = step.width * kTogether;
      const bool add = step.each == Each::kAdd;
      processor::run_wide([&]() HEPAE_INLINED {
         if (add)
            for (std::size_t i = 0; i < n; ++i)
               out[i] = in[i] + other[i];
         else
            for (std::size_t i = 0; i < n; ++i)
               out[i] = in[i] * other[i];
      });
   }

   static void of_constants(const NetworkStep &step, const float *in, float *out)
   {
      const bool add = step.each == Each::kAdd;
      for (std::size_t u = 0; u < step.width; ++u)
         for (std::size_t p = u * kTogether; p < (u + 1) * kTogether; ++p)
            out[p] = add ? in[p] + step.constants[u] : in[p] * step.constants[u];
   }
};

} // namespace hepae
