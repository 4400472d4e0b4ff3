// Reads a float network of a model. Each value has the objects as its first axis; weights are initialisers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "../error.hpp"
#include "../limits.hpp"
#include "../model_file.hpp"
#include "network.hpp"

namespace hepae {

class FloatNetworkReader {
public:
   FloatNetworkReader(const ModelFile &model, std::string name)
      : fModel(&model), fName(std::move(name)), fNetwork(&model.network(fName))
   {
   }

   /// A network from `inputs` numbers of the port `source` to `outputs` numbers of the port `target`.
   FloatNetwork read(const std::string &source, std::size_t inputs, const std::string &target, std::size_t outputs)
   {
      const std::string from = fName + "." + source, to = fName + "." + target;
      const bool ports = fNetwork->inputs == std::vector{from} && fNetwork->outputs == std::vector{to};
      require(ports, "a network with other inputs or outputs", fName);
      count_uses(to);
      fValues[from] = {buffer(inputs), {inputs}};
      for (const ModelNode &node : fNetwork->nodes)
         add(node);
      const Value &last = value(to);
      require(last.shape == std::vector<std::size_t>{outputs}, "a network of another shape", fName);
      return FloatNetwork(std::move(fSteps), std::move(fRooms), 0, last.buffer);
   }

private:
   /// A value of the network: its buffer, and its shape for one object.
   struct Value {
      std::size_t buffer = 0;
      std::vector<std::size_t> shape;
   };

   static constexpr std::size_t kMostRoom = std::size_t{1} << 20; ///< numbers of an object in all buffers

   const ModelFile *fModel;
   std::string fName;
   const ModelNetwork *fNetwork;
   std::map<std::string, Value> fValues;
   std::map<std::string, std::size_t> fLeft; ///< nodes that will still take a value
   std::vector<std::size_t> fUsers;          ///< values in each buffer that are still needed
   std::vector<std::size_t> fRooms;
   std::vector<NetworkStep> fSteps;
   std::uint64_t fProducts = 0;

   static std::size_t size_of_shape(const std::vector<std::size_t> &shape)
   {
      std::size_t out = 1;
      for (std::size_t size : shape) {
         require(size > 0 && size <= limits::kRowNumbers / out, "a value of a network is too large");
         out *= size;
      }
      return out;
   }

   void count_uses(const std::string &target)
   {
      ++fLeft[target];
      for (const ModelNode &node : fNetwork->nodes)
         for (const std::string &input : node.inputs)
            ++fLeft[input];
   }

   /// A buffer that nobody needs, or a new one.
   std::size_t buffer(std::size_t width)
   {
      const std::size_t room = Affine::room(width);
      for (std::size_t i = 0; i < fRooms.size(); ++i)
         if (fUsers[i] == 0 && fRooms[i] >= room) {
            fUsers[i] = 1;
            return i;
         }
      const std::size_t before = std::accumulate(fRooms.begin(), fRooms.end(), std::size_t{0});
      require(before + room <= kMostRoom, "a network of too many values", fName);
      fRooms.push_back(room);
      fUsers.push_back(1);
      return fRooms.size() - 1;
   }

   const Value &value(const std::string &name) const
   {
      const auto at = fValues.find(name);
      require(at != fValues.end(), "a network of another form", name);
      return at->second;
   }
   bool is_value(const std::string &name) const { return fValues.count(name) > 0; }

   /// A node took these inputs: buffers of values that nobody takes any more are free.
   void took(const ModelNode &node)
   {
      for (const std::string &input : node.inputs)
         if (--fLeft[input] == 0 && is_value(input))
            --fUsers[value(input).buffer];
   }

   void put(const ModelNode &node, Value made)
   {
      const std::size_t made_in = made.buffer;
      require(fValues.emplace(node.outputs[0], std::move(made)).second, "a value that is made twice", node.outputs[0]);
      if (fLeft[node.outputs[0]] == 0)
         --fUsers[made_in];
   }

   static void require_inputs(const ModelNode &node, std::size_t least, std::size_t most)
   {
      require(node.inputs.size() >= least && node.inputs.size() <= most, "an operator with other inputs", node.op);
   }

   void add(const ModelNode &node)
   {
      if (node.op == "Gemm")
         return add_layer(node);
      if (node.op == "Conv")
         return add_convolution(node);
      if (node.op == "Add" || node.op == "Mul")
         return add_of_two(node);
      if (node.op == "Identity" || node.op == "Reshape")
         return add_name(node);
      add_function(node);
   }

   void count_products(std::uint64_t more)
   {
      require(more <= limits::kProducts && fProducts + more <= limits::kProducts, "a network of too many products", fName);
      fProducts += more;
   }

   static std::vector<float> floats(const ModelArray &array)
   {
      constexpr std::int64_t float32 = 1;
      require(array.type == float32, "weights of another type");
      return {array.values.begin(), array.values.end()};
   }

   /// As many as there are outputs, or one for all; 0 where there are none.
   std::vector<float> bias(const ModelNode &node, std::size_t outputs) const
   {
      if (node.inputs.size() < 3)
         return std::vector<float>(outputs);
      const ModelArray &array = fModel->initialiser(node.inputs[2]);
      std::vector<float> out = floats(array);
      require(array.shape.size() <= 2 && (out.size() == 1 || out.size() == outputs), "a bias of another shape");
      require(out.size() == 1 || array.shape.back() == outputs, "a bias of another shape");
      if (out.size() == 1)
         out.assign(outputs, out[0]);
      return out;
   }

   void add_step(const ModelNode &node, NetworkStep step, std::vector<std::size_t> shape)
   {
      const std::size_t width = size_of_shape(shape);
      step.width = width;
      step.out = buffer(width);
      took(node);
      put(node, {step.out, std::move(shape)});
      fSteps.push_back(std::move(step));
   }

   void add_layer(const ModelNode &node)
   {
      require_inputs(node, 2, 3);
      const Value &from = value(node.inputs[0]);
      const ModelArray &array = fModel->initialiser(node.inputs[1]);
      require(from.shape.size() == 1 && array.shape.size() == 2, "weights of another shape");
      const std::size_t inputs = from.shape[0], outputs = array.shape[node.transposed ? 0 : 1];
      require(array.shape[node.transposed ? 1 : 0] == inputs && outputs > 0, "weights of another shape");
      require(outputs <= limits::kRowNumbers, "a value of a network is too large");
      count_products(std::uint64_t{inputs} * outputs);
      std::vector<float> weights = floats(array);
      if (!node.transposed) {
         std::vector<float> turned(weights.size());
         for (std::size_t i = 0; i < inputs; ++i)
            for (std::size_t o = 0; o < outputs; ++o)
               turned[o * inputs + i] = weights[i * outputs + o];
         weights = std::move(turned);
      }
      NetworkStep step;
      step.in = from.buffer;
      step.layer.emplace_back(Span<const float>(weights), Span<const float>(bias(node, outputs)), inputs);
      add_step(node, std::move(step), {outputs});
   }

   void add_convolution(const ModelNode &node)
   {
      require_inputs(node, 2, 3);
      const Value &from = value(node.inputs[0]);
      const ModelArray &array = fModel->initialiser(node.inputs[1]);
      require(from.shape.size() == 2 && array.shape.size() == 3 && array.shape[1] == from.shape[0], "weights of another shape");
      const std::size_t outputs = array.shape[0], kernel = array.shape[2];
      const bool same = node.kernel.empty() || node.kernel == std::vector{static_cast<std::int64_t>(kernel)};
      require(same && outputs > 0 && kernel > 0 && outputs <= limits::kRowNumbers, "a convolution that cannot be");
      Convolution::Shape shape{from.shape[0], from.shape[1], kernel, 0, 0};
      if (!node.pads.empty()) {
         const auto most = static_cast<std::int64_t>(limits::kRowNumbers);
         const bool two = node.pads.size() == 2 && std::min(node.pads[0], node.pads[1]) >= 0 && std::max(node.pads[0], node.pads[1]) <= most;
         require(two, "a convolution that cannot be");
         shape.before = static_cast<std::size_t>(node.pads[0]);
         shape.after = static_cast<std::size_t>(node.pads[1]);
      }
      require(shape.length + shape.before + shape.after >= kernel, "a convolution that cannot be");
      const std::vector<std::size_t> made{outputs, shape.out_length()};
      const std::uint64_t numbers = size_of_shape(made);
      require(shape.channels <= limits::kProducts / kernel, "a network of too many products", fName);
      count_products(numbers <= limits::kProducts / (shape.channels * kernel) ? numbers * shape.channels * kernel : limits::kProducts + 1);
      NetworkStep step;
      step.in = from.buffer;
      step.convolution.emplace_back(shape, floats(array), bias(node, outputs));
      add_step(node, std::move(step), made);
   }

   /// Numbers of an initialiser for each number of a value, as arrays are broadcast.
   std::vector<float> broadcast(const std::string &name, const std::vector<std::size_t> &shape) const
   {
      const ModelArray &array = fModel->initialiser(name);
      const std::vector<float> from = floats(array);
      std::vector<std::size_t> sizes = array.shape;
      if (sizes.size() == shape.size() + 1) { // that of the objects
         require(sizes[0] == 1, "constants of another shape", name);
         sizes.erase(sizes.begin());
      }
      require(sizes.size() <= shape.size(), "constants of another shape", name);
      sizes.insert(sizes.begin(), shape.size() - sizes.size(), 1);
      for (std::size_t axis = 0; axis < shape.size(); ++axis)
         require(sizes[axis] == 1 || sizes[axis] == shape[axis], "constants of another shape", name);
      std::vector<float> out(size_of_shape(shape));
      for (std::size_t i = 0; i < out.size(); ++i) {
         std::size_t at = 0, rest = i, stride = 1;
         for (std::size_t axis = shape.size(); axis-- > 0; rest /= shape[axis]) {
            at += sizes[axis] == 1 ? 0 : rest % shape[axis] * stride;
            stride *= sizes[axis];
         }
         out[i] = from[at];
      }
      return out;
   }

   void add_of_two(const ModelNode &node)
   {
      require_inputs(node, 2, 2);
      const bool first = is_value(node.inputs[0]), second = is_value(node.inputs[1]);
      require(first || second, "a network of another form", node.op);
      const Value &from = value(node.inputs[first ? 0 : 1]);
      NetworkStep step;
      step.each = node.op == "Add" ? Each::kAdd : Each::kMultiply;
      step.in = from.buffer;
      if (first && second) {
         require(value(node.inputs[1]).shape == from.shape, "values of other shapes", node.op);
         step.other = value(node.inputs[1]).buffer;
      } else {
         step.constants = broadcast(node.inputs[first ? 1 : 0], from.shape);
      }
      add_step(node, std::move(step), from.shape);
   }

   void add_function(const ModelNode &node)
   {
      static const std::map<std::string, Each> known{{"Elu", Each::kElu}, {"LeakyRelu", Each::kLeakyRelu}, {"Relu", Each::kRelu},
                                                     {"Sigmoid", Each::kSigmoid}, {"Tanh", Each::kTanh}};
      const auto at = known.find(node.op);
      require(at != known.end(), "an operator that is not admitted", node.op);
      require_inputs(node, 1, 1);
      const Value &from = value(node.inputs[0]);
      NetworkStep step;
      step.each = at->second;
      step.alpha = node.alpha.value_or(0.01f); // ONNX: LeakyRelu
      step.in = step.other = from.buffer;
      add_step(node, std::move(step), from.shape);
   }

   /// The same numbers under another name, perhaps in another shape.
   void add_name(const ModelNode &node)
   {
      const bool reshaped = node.op == "Reshape";
      require_inputs(node, reshaped ? 2 : 1, reshaped ? 2 : 1);
      Value made = value(node.inputs[0]);
      if (reshaped)
         made.shape = new_shape(made.shape, fModel->initialiser(node.inputs[1]));
      ++fUsers[made.buffer];
      took(node);
      put(node, std::move(made));
   }

   /// ONNX: 0 is the size of before, -1 what is left.
   static std::vector<std::size_t> new_shape(const std::vector<std::size_t> &before, const ModelArray &wanted)
   {
      constexpr std::int64_t int64 = 7;
      const bool list = wanted.type == int64 && wanted.shape.size() == 1 && wanted.values.size() > 1 && wanted.values.size() <= 5;
      require(list && (wanted.values[0] == 0 || wanted.values[0] == -1), "a shape that cannot be");
      const std::size_t all = size_of_shape(before);
      std::vector<std::size_t> out;
      std::size_t known = 1, left = SIZE_MAX;
      for (std::size_t axis = 1; axis < wanted.values.size(); ++axis) {
         double size = wanted.values[axis];
         if (size == -1 && wanted.values[0] == 0 && left == SIZE_MAX) {
            left = out.size();
            size = 1;
         } else if (size == 0) {
            require(axis <= before.size(), "a shape that cannot be");
            size = static_cast<double>(before[axis - 1]);
         }
         require(size >= 1 && size <= static_cast<double>(all / known), "a shape that cannot be");
         out.push_back(static_cast<std::size_t>(size));
         known *= out.back();
      }
      if (left != SIZE_MAX) {
         require(all % known == 0, "a shape that cannot be");
         out[left] = all / known;
         known = all;
      }
      require(known == all, "a shape that cannot be");
      return out;
   }
};

} // namespace hepae
