// Integer networks that name a cell for each object (docs/format/v1.md, section 12). They stand in the model as float32
// operators whose results are exact; here they are what they stand for, products and sums of integers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "../error.hpp"
#include "../model_file.hpp"
#include "../processor.hpp"
#include "../span.hpp"
#include "lanes.hpp"

namespace hepae {

/// floor((weights · x + bias) / 2^shift), clipped to 0 … top.
struct IntegerLayer {
   std::size_t inputs = 0, outputs = 0;
   std::vector<std::int16_t> weights; ///< by output, then by input
   std::vector<std::int32_t> bias;
   int shift = 0;
   std::vector<std::int32_t> top; ///< by output
   std::vector<std::int32_t> pairs, quads; ///< the weights of two and of four inputs each, as `lanes` multiplies them
};

class IntegerNetwork {
public:
   static constexpr std::size_t kBlock = 256; ///< objects that go through all layers at once

   IntegerNetwork(std::vector<IntegerLayer> layers, std::vector<std::int32_t> radix)
      : fLayers(std::move(layers)), fRadix(std::move(radix))
   {
      for (IntegerLayer &layer : fLayers) {
         require(&layer == &fLayers.front() || layer.inputs == (&layer)[-1].outputs, "layers that do not fit");
         require_exact(layer);
         fWidest = std::max({fWidest, layer.inputs, layer.outputs});
         pair(layer);
         fBytes &= *std::max_element(layer.top.begin(), layer.top.end()) <= 255;
      }
      require(fRadix.size() == fLayers.back().outputs, "a network without a cell");
      std::int64_t last = 0;
      for (std::size_t axis = 0; axis < fRadix.size(); ++axis)
         last += std::int64_t{fRadix[axis]} * fLayers.back().top[axis];
      require(last < kMostCells, "a network of too many cells");
      fCells = static_cast<std::size_t>(last) + 1;
   }

   std::size_t inputs() const { return fLayers[0].inputs; }
   std::size_t cells() const { return fCells; }

   /// Buffers of a thread.
   struct Scratch {
      std::vector<std::int32_t> here, there;
   };

   /// The cells of objects whose inputs, 0 … 255, stand in rows of `stride` from `levels` on, a row for each of `rows`.
   void evaluate(const std::uint8_t *levels, std::size_t stride, Span<const std::size_t> rows, Span<std::uint16_t> out,
                 Scratch &scratch) const
   {
      scratch.here.resize((fWidest + 1) / 2 * kBlock);
      scratch.there.resize((fWidest + 1) / 2 * kBlock);
      const bool bytes = fBytes && processor::has_vnni();
      for (std::size_t first = 0; first < out.size(); first += kBlock) {
         const std::size_t n = std::min(kBlock, out.size() - first);
         std::int32_t *here = scratch.here.data(), *there = scratch.there.data();
         bytes ? gather_bytes(levels + first, stride, rows, n, here) : gather(levels + first, stride, rows, n, here);
         for (const IntegerLayer &layer : fLayers) {
            bytes ? of_bytes(layer, here, there) : of_pairs(layer, here, there);
            std::swap(here, there);
         }
         number(here, bytes ? 8 : 16, n, out.data() + first);
      }
   }

private:
   static constexpr std::int64_t kMostCells = 4096, kExact = 1 << 24, kLargestInput = 255, kLargestWeight = 127;

   std::vector<IntegerLayer> fLayers;
   std::vector<std::int32_t> fRadix;
   std::size_t fWidest = 0, fCells = 0;
   bool fBytes = true; ///< all outputs fit into bytes

   /// Sums that float32 holds exactly in any order: other networks may give other cells elsewhere.
   static void require_exact(const IntegerLayer &layer)
   {
      for (std::size_t o = 0; o < layer.outputs; ++o) {
         std::int64_t largest = std::abs(std::int64_t{layer.bias[o]});
         for (std::size_t i = 0; i < layer.inputs; ++i)
            largest += std::abs(layer.weights[o * layer.inputs + i]) * kLargestInput;
         require(largest < kExact, "a network that is not exact");
      }
   }

   static void pair(IntegerLayer &layer)
   {
      for (std::size_t o = 0; o < layer.outputs; ++o)
         for (std::size_t i = 0; i < layer.inputs; i += 2) {
            const std::int16_t *weight = layer.weights.data() + o * layer.inputs + i;
            layer.pairs.push_back(lanes::pair(weight[0], i + 1 < layer.inputs ? weight[1] : std::int16_t{0}));
         }
      for (std::size_t o = 0; o < layer.outputs; ++o)
         for (std::size_t i = 0; i < layer.inputs; i += 4) {
            std::uint32_t four = 0;
            for (std::size_t j = i; j < std::min(i + 4, layer.inputs); ++j)
               four |= static_cast<std::uint32_t>(layer.weights[o * layer.inputs + j] & 0xFF) << (8 * (j - i));
            layer.quads.push_back(static_cast<std::int32_t>(four));
         }
   }

   /// Two inputs beside each other for each object; objects beyond the end of the block are 0.
   static void gather(const std::uint8_t *levels, std::size_t stride, Span<const std::size_t> rows, std::size_t n,
                      std::int32_t *out)
   {
      for (std::size_t i = 0; i < rows.size(); i += 2, out += kBlock) {
         const std::uint8_t *a = levels + rows[i] * stride, *b = i + 1 < rows.size() ? levels + rows[i + 1] * stride : nullptr;
         processor::run([&]() HEPAE_INLINED {
            if (b)
               for (std::size_t p = 0; p < n; ++p)
                  out[p] = lanes::pair(a[p], b[p]);
            else
               for (std::size_t p = 0; p < n; ++p)
                  out[p] = lanes::pair(a[p], 0);
         });
         std::fill(out + n, out + kBlock, 0);
      }
   }

   /// Four inputs beside each other, likewise.
   static void gather_bytes(const std::uint8_t *levels, std::size_t stride, Span<const std::size_t> rows, std::size_t n,
                            std::int32_t *out)
   {
      static constexpr std::uint8_t none[kBlock] = {};
      std::uint8_t last[4][kBlock] = {};
      for (std::size_t i = 0; i < rows.size(); i += 4, out += kBlock) {
         const std::uint8_t *from[4] = {none, none, none, none};
         for (std::size_t j = 0; j < std::min<std::size_t>(4, rows.size() - i); ++j) {
            from[j] = levels + rows[i + j] * stride;
            if (n < kBlock) // so that a whole block may be read
               from[j] = static_cast<const std::uint8_t *>(std::memcpy(last[j], from[j], n));
         }
         lanes::interleave<kBlock>(from, out);
      }
   }

   static void of_pairs(const IntegerLayer &layer, const std::int32_t *in, std::int32_t *out)
   {
      const std::size_t pairs = (layer.inputs + 1) / 2;
      for (std::size_t o = 0; o < layer.outputs; o += 2, out += kBlock) {
         const bool both = o + 1 < layer.outputs;
         const std::size_t other = both ? o + 1 : o;
         const std::int32_t *a = layer.pairs.data() + o * pairs, *b = layer.pairs.data() + other * pairs;
         lanes::Neurons<kBlock>::two({a, layer.bias[o], layer.top[o]}, {b, layer.bias[other], both ? layer.top[other] : 0},
                                     pairs, layer.shift, in, out);
      }
   }

   static void of_bytes([[maybe_unused]] const IntegerLayer &layer, [[maybe_unused]] const std::int32_t *in,
                        [[maybe_unused]] std::int32_t *out)
   {
#if HEPAE_HAS_AVX2
      const std::size_t quads = (layer.inputs + 3) / 4;
      for (std::size_t o = 0; o < layer.outputs; o += 4, out += kBlock) {
         lanes::Neuron units[4];
         for (std::size_t j = 0; j < 4; ++j) { // those beyond the last give 0
            const std::size_t unit = std::min(o + j, layer.outputs - 1);
            units[j] = {layer.quads.data() + unit * quads, layer.bias[unit], o + j < layer.outputs ? layer.top[unit] : 0};
         }
         lanes::Neurons<kBlock>::four_with_vnni(units, quads, layer.shift, in, out);
      }
#endif
   }

   /// The cells from the places on the axes, which stand beside each other in so many bits.
   void number(const std::int32_t *places, unsigned bits, std::size_t n, std::uint16_t *out) const
   {
      const std::size_t beside = 32 / bits;
      std::int32_t cells[kBlock] = {};
      for (std::size_t axis = 0; axis < fRadix.size(); ++axis) {
         const std::int32_t *from = places + axis / beside * kBlock, radix = fRadix[axis];
         const auto shift = static_cast<unsigned>(axis % beside) * bits;
         const std::uint32_t mask = (std::uint32_t{1} << bits) - 1;
         processor::run([&]() HEPAE_INLINED {
            for (std::size_t p = 0; p < n; ++p)
               cells[p] += radix * static_cast<std::int32_t>(static_cast<std::uint32_t>(from[p]) >> shift & mask);
         });
      }
      for (std::size_t p = 0; p < n; ++p)
         out[p] = static_cast<std::uint16_t>(cells[p]);
   }
};

/// Reads a network of a model. Only the form that hepae writes is taken: layer after layer of the same operators.
class NetworkReader {
public:
   NetworkReader(const ModelFile &model, const std::string &name) : fModel(&model), fNodes(&model.network(name).nodes)
   {
      const ModelNetwork &network = model.network(name);
      const bool ports = network.inputs == std::vector{name + ".levels"} && network.outputs == std::vector{name + ".cell"};
      require(ports, "a network with other inputs or outputs", name);
      fValue = network.inputs[0];
   }

   IntegerNetwork read()
   {
      cast(kFloat);
      std::vector<IntegerLayer> layers;
      while (!fLast)
         layers.push_back(layer());
      const std::string radix = input(next("MatMul"), 0);
      step_from(1);
      std::vector<std::int32_t> counts;
      for (std::int64_t one : fModel->initialiser(radix).integers({1, layers.back().outputs}))
         counts.push_back(static_cast<std::int32_t>(one));
      for (std::int32_t one : counts)
         require(one >= 0 && one <= kMostCells, "cells that cannot be");
      cast(kInt32);
      require(fAt == fNodes->size() && ends_in_cell(), "a network of another form");
      return IntegerNetwork(std::move(layers), std::move(counts));
   }

private:
   static constexpr std::int64_t kFloat = 1, kInt32 = 6, kMostCells = 4096;
   static constexpr std::size_t kMostUnits = 1 << 12;

   const ModelFile *fModel;
   const std::vector<ModelNode> *fNodes;
   std::size_t fAt = 0;
   bool fLast = false;
   std::string fValue; ///< what the next node takes

   const ModelNode &next(const char *op)
   {
      require(fAt < fNodes->size() && (*fNodes)[fAt].op == op, "a network of another form", op);
      return (*fNodes)[fAt++];
   }
   bool is_next(const char *op) const { return fAt < fNodes->size() && (*fNodes)[fAt].op == op; }

   static const std::string &input(const ModelNode &node, std::size_t place)
   {
      require(place < node.inputs.size(), "a network of another form", node.op);
      return node.inputs[place];
   }

   /// The last node takes the value at this place of its inputs, and its output is the next value.
   const ModelNode &step_from(std::size_t place)
   {
      const ModelNode &node = (*fNodes)[fAt - 1];
      require(input(node, place) == fValue, "a network of another form", fValue);
      fValue = node.outputs[0];
      return node;
   }

   void cast(std::int64_t type)
   {
      next("Cast");
      require(step_from(0).to == type, "a cast to another type");
   }

   bool ends_in_cell() const { return fValue.size() > 5 && fValue.compare(fValue.size() - 5, 5, ".cell") == 0; }

   double scalar(const std::string &name) const
   {
      const ModelArray &array = fModel->initialiser(name);
      require(array.values.size() == 1, "a number that is none", name);
      return array.values[0];
   }
   void require_scalar(const std::string &name, double expected) const
   {
      require(scalar(name) == expected, "a number that is another", name);
   }

   /// Weights in 1/64 times a value, plus a bias in 1/64, perhaps over a power of two; rounded down and clipped.
   IntegerLayer layer()
   {
      IntegerLayer out;
      const std::string weights = weights_of(out);
      const ModelNode &product = next("MatMul");
      require(input(product, 0) == weights, "a network of another form");
      step_from(1);
      const std::string bias = input(next("Add"), 1);
      step_from(0);
      for (double one : fModel->initialiser(bias).values)
         out.bias.push_back(whole(one * 64));
      require(fModel->initialiser(bias).shape == std::vector<std::size_t>({out.outputs, 1}), "a bias of another shape");
      out.shift = 6;
      if (is_next("Mul")) {
         const double step = scalar(input(next("Mul"), 1));
         step_from(0);
         int power = 0;
         require(std::frexp(step, &power) == 0.5 && power <= 1 && power > -24, "a step that is no power of two");
         out.shift += 1 - power;
      }
      next("Floor");
      step_from(0);
      clip(out);
      return out;
   }

   /// The name of the weights over 64.
   std::string weights_of(IntegerLayer &out)
   {
      const ModelNode &cast = next("Cast");
      require(cast.to == kFloat && cast.inputs.size() == 1, "a cast to another type");
      const ModelArray &array = fModel->initialiser(cast.inputs[0]);
      const bool matrix = array.shape.size() == 2 && array.shape[0] > 0 && array.shape[0] <= kMostUnits &&
                          array.shape[1] > 0 && array.shape[1] <= kMostUnits;
      require(matrix, "weights of another shape");
      out.outputs = array.shape[0];
      out.inputs = array.shape[1];
      for (double one : array.values) {
         require(std::fabs(one) <= 127, "a weight that is too large");
         out.weights.push_back(static_cast<std::int16_t>(whole(one)));
      }
      const ModelNode &scaled = next("Mul");
      require(scaled.inputs.size() == 2 && scaled.inputs[0] == cast.outputs[0], "a network of another form");
      require_scalar(scaled.inputs[1], 0x1p-6);
      return scaled.outputs[0];
   }

   static std::int32_t whole(double value)
   {
      require(value == std::floor(value) && std::fabs(value) < 0x1p24, "a network without integers");
      return static_cast<std::int32_t>(value);
   }

   void clip(IntegerLayer &out)
   {
      fLast = is_next("Max");
      if (!fLast) {
         const ModelNode &node = next("Clip");
         require(node.inputs.size() == 3, "a network of another form");
         require_scalar(node.inputs[1], 0);
         require_scalar(node.inputs[2], 255);
         step_from(0);
         out.top.assign(out.outputs, 255);
         return;
      }
      require_scalar(input(next("Max"), 1), 0);
      step_from(0);
      const ModelArray &top = fModel->initialiser(input(next("Min"), 1));
      step_from(0);
      require(top.shape == std::vector<std::size_t>({out.outputs, 1}), "a grid of another shape");
      for (double one : top.values) {
         require(one >= 0 && one < static_cast<double>(kMostCells), "a grid of too many cells");
         out.top.push_back(whole(one));
      }
   }
};

} // namespace hepae
