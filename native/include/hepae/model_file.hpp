// A model: one ONNX file with networks, tables and the manifest (docs/format/v1.md, section 4). What is not in the list
// of that page is refused.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limits.hpp"
#include "protobuf.hpp"
#include "span.hpp"

namespace hepae {

/// An initialiser: numbers of any type as binary64, which holds integers of up to 53 bits.
struct ModelArray {
   std::vector<std::size_t> shape;
   std::int64_t type = 0; ///< as ONNX numbers them
   std::vector<double> values;

   /// Integers of a table of this shape.
   std::vector<std::int64_t> integers(const std::vector<std::size_t> &expected) const
   {
      require(shape == expected, "a table of the model of another shape");
      std::vector<std::int64_t> out;
      out.reserve(values.size());
      for (double value : values) {
         require(value == std::floor(value) && std::fabs(value) < 0x1p31, "a table of the model without integers");
         out.push_back(static_cast<std::int64_t>(value));
      }
      return out;
   }
};

struct ModelNode {
   std::string op;
   std::vector<std::string> inputs, outputs;
   std::int64_t to = 0;                    ///< the type of a Cast
   bool transposed = false;                ///< the weights of a Gemm
   std::optional<float> alpha;             ///< of a LeakyRelu
   std::vector<std::int64_t> kernel, pads; ///< of a Conv
};

/// The nodes of one network, in the order of the file; names as in the file.
struct ModelNetwork {
   std::vector<std::string> inputs, outputs;
   std::vector<ModelNode> nodes;
};

class ModelFile {
public:
   /// `key` names the manifest of a kind of models.
   explicit ModelFile(Bytes data, std::string key = "hepae_manifest") : fKey(std::move(key))
   {
      require(data.size() <= limits::kModelBytes, "a model is too large");
      read_model(data);
      require(fVersion == 8 && fOperatorSets == 1, "a model of another version of ONNX");
      require(fManifests == 1, "not a model made by hepae");
   }

   const std::string &manifest() const { return fManifest; }

   const ModelArray &table(const std::string &name) const { return initialiser("table/" + name); }

   const ModelArray &initialiser(const std::string &name) const
   {
      const auto at = fArrays.find(name);
      require(at != fArrays.end(), "a table of the model is missing", name);
      return at->second;
   }

   const ModelNetwork &network(const std::string &name) const
   {
      const auto at = fNetworks.find(name);
      require(at != fNetworks.end(), "a network of the model is missing", name);
      return at->second;
   }

private:
   using Field = protobuf::Field;
   using Reader = protobuf::Reader;

   static constexpr std::size_t kMostNodes = 20'000, kMostRank = 5, kMostElements = std::size_t{1} << 25;

   std::string fKey, fManifest;
   std::int64_t fVersion = 0;
   int fOperatorSets = 0, fManifests = 0, fGraphs = 0;
   std::size_t fNodes = 0;
   std::map<std::string, ModelArray> fArrays;
   std::map<std::string, ModelNetwork> fNetworks;

   // numbers of fields: onnx.proto of ONNX 1.12 (IR version 8)

   void read_model(Bytes data)
   {
      Field field;
      for (Reader reader(data); reader.next(field);)
         switch (field.number) {
         case 1: fVersion = field.integer(); break;
         case 2: case 3: case 4: case 5: case 6: break; // who made it, of which version, what it is for
         case 7:
            require(++fGraphs == 1, "a model of two graphs");
            read_graph(field.message());
            break;
         case 8: read_operator_set(field.message()); break;
         case 14: read_metadata(field.message()); break;
         default: throw CorruptionError("a model with functions, training or unknown parts");
         }
   }

   void read_operator_set(Bytes data)
   {
      std::string domain;
      std::int64_t version = 0;
      Field field;
      for (Reader reader(data); reader.next(field);)
         if (field.number == 1)
            domain = field.text();
         else if (field.number == 2)
            version = field.integer();
      require(domain.empty() && version == 17, "operators of another set");
      ++fOperatorSets;
   }

   void read_metadata(Bytes data)
   {
      std::string key;
      Field field;
      for (Reader reader(data); reader.next(field);)
         if (field.number == 1)
            key = field.text();
         else if (field.number == 2)
            fManifest = field.text();
      require(key == fKey && fManifest.size() <= limits::kManifestBytes, "not a model made by hepae");
      ++fManifests;
   }

   void read_graph(Bytes data)
   {
      Field field;
      for (Reader reader(data); reader.next(field);)
         switch (field.number) {
         case 1: read_node(field.message()); break;
         case 2: case 10: case 13: break; // name, words, shapes of values
         case 5: read_initialiser(field.message()); break;
         case 11: add_port(field.message(), &ModelNetwork::inputs); break;
         case 12: add_port(field.message(), &ModelNetwork::outputs); break;
         default: throw CorruptionError("a graph with sparse, quantised or unknown parts");
         }
   }

   /// The network that a name belongs to: what stands before its first dot or slash.
   static std::string owner(const std::string &name)
   {
      const std::size_t end = name.find_first_of("./");
      bool good = end != std::string::npos && end > 0 && end + 1 < name.size();
      for (std::size_t i = 0; good && i < end; ++i) {
         const char c = name[i];
         const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
         good = letter || (i > 0 && c >= '0' && c <= '9');
      }
      require(good, "a name without its network", name);
      return name.substr(0, end);
   }

   void add_port(Bytes data, std::vector<std::string> ModelNetwork::*ports)
   {
      Field field;
      for (Reader reader(data); reader.next(field);)
         if (field.number == 1) {
            const std::string name = field.text();
            (fNetworks[owner(name)].*ports).push_back(name);
         }
   }

   void read_node(Bytes data)
   {
      require(++fNodes <= kMostNodes, "a model of too many nodes");
      ModelNode node;
      std::vector<Attribute> attributes;
      Field field;
      for (Reader reader(data); reader.next(field);)
         switch (field.number) {
         case 1: node.inputs.push_back(field.text()); break;
         case 2: node.outputs.push_back(field.text()); break;
         case 3: case 6: break; // name, words
         case 4: node.op = field.text(); break;
         case 5: attributes.push_back(read_attribute(field.message())); break;
         case 7: require(field.text().empty(), "an operator of another domain"); break;
         default: throw CorruptionError("an operator that is not admitted");
         }
      require(node.outputs.size() == 1, "a node without output, or with several");
      may_have(node.op, "");
      for (const Attribute &one : attributes)
         add_attribute(one, node);
      const std::string network = owner(node.outputs[0]);
      for (const std::string &input : node.inputs)
         require(owner(input) == network, "a node between networks", input);
      require(network != "table", "a node between networks");
      fNetworks[network].nodes.push_back(std::move(node));
   }

   /// The attributes that an operator may have; those of other codecs do no harm, since networks that are read are of their form.
   static bool may_have(const std::string &op, const std::string &attribute)
   {
      static const std::map<std::string, std::set<std::string>> known{
         {"Add", {}}, {"Cast", {"to"}}, {"Clip", {}}, {"Conv", {"kernel_shape", "pads"}}, {"Elu", {}}, {"Floor", {}},
         {"Gemm", {"transB"}}, {"Identity", {}}, {"LeakyRelu", {"alpha"}}, {"MatMul", {}}, {"Max", {}}, {"Min", {}}, {"Mul", {}},
         {"Relu", {}}, {"Reshape", {}}, {"Sigmoid", {}}, {"Tanh", {}}};
      const auto at = known.find(op);
      require(at != known.end(), "an operator that is not admitted", op);
      return attribute.empty() || at->second.count(attribute);
   }

   struct Attribute {
      std::string name;
      std::int64_t type = 0, integer = 0;
      float real = 0;
      std::vector<std::int64_t> integers;
   };

   static Attribute read_attribute(Bytes data)
   {
      Attribute out;
      Field field;
      for (Reader reader(data); reader.next(field);)
         switch (field.number) {
         case 1: out.name = field.text(); break;
         case 2: out.real = field.real(); break;
         case 3: out.integer = field.integer(); break;
         case 8: add_integers(field, out.integers); break;
         case 20: out.type = field.integer(); break;
         default: throw CorruptionError("an attribute that is not admitted");
         }
      return out;
   }

   static void add_attribute(const Attribute &given, ModelNode &node)
   {
      constexpr std::int64_t real = 1, integer = 2, integers = 7;
      require(!given.name.empty() && may_have(node.op, given.name), "an attribute that is not admitted", given.name);
      const bool list = given.name == "kernel_shape" || given.name == "pads";
      require(given.type == (list ? integers : given.name == "alpha" ? real : integer), "an attribute of another type", given.name);
      if (given.name == "to")
         node.to = given.integer;
      else if (given.name == "transB")
         node.transposed = given.integer != 0;
      else if (given.name == "alpha")
         node.alpha = given.real;
      else
         (given.name == "pads" ? node.pads : node.kernel) = given.integers;
   }

   static void add_integers(const Field &field, std::vector<std::int64_t> &out)
   {
      if (field.wire == protobuf::Wire::kVarint)
         return out.push_back(field.integer());
      for (Reader packed(field.message()); !packed.at_end();)
         out.push_back(static_cast<std::int64_t>(packed.varint()));
   }

   void read_initialiser(Bytes data)
   {
      ModelArray out;
      std::string name;
      Bytes raw;
      bool given = false;
      Field field;
      for (Reader reader(data); reader.next(field);)
         switch (field.number) {
         case 1: add_sizes(field, out.shape); break;
         case 2: out.type = field.integer(); break;
         case 8: name = field.text(); break;
         case 9:
            raw = field.message();
            given = true;
            break;
         case 12: break; // words
         case 14: require(field.integer() == 0, "data outside the model", name); break;
         default: throw CorruptionError("an initialiser without raw data: " + name);
         }
      require(given && out.shape.size() <= kMostRank, "an initialiser of a bad shape", name);
      owner(name);
      read_values(raw, out, name);
      require(fArrays.emplace(name, std::move(out)).second, "two initialisers of one name", name);
   }

   static void add_sizes(const Field &field, std::vector<std::size_t> &shape)
   {
      const auto add = [&](std::uint64_t size) {
         require(size <= kMostElements, "an initialiser of a bad shape");
         shape.push_back(static_cast<std::size_t>(size));
      };
      if (field.wire == protobuf::Wire::kVarint)
         return add(field.value);
      for (Reader packed(field.message()); !packed.at_end();)
         add(packed.varint());
   }

   static void read_values(Bytes raw, ModelArray &out, const std::string &name)
   {
      std::size_t elements = 1;
      for (std::size_t size : out.shape) {
         require(size == 0 || elements <= kMostElements / size, "an initialiser that is too large", name);
         elements *= size;
      }
      out.values.resize(elements);
      switch (out.type) { // those that hepae writes into models with exact networks
      case 1: return read_as<float>(raw, out.values, name);
      case 2: return read_as<std::uint8_t>(raw, out.values, name);
      case 3: return read_as<std::int8_t>(raw, out.values, name);
      case 4: return read_as<std::uint16_t>(raw, out.values, name);
      case 5: return read_as<std::int16_t>(raw, out.values, name);
      case 6: return read_as<std::int32_t>(raw, out.values, name);
      case 7: return read_as<std::int64_t>(raw, out.values, name);
      case 11: return read_as<double>(raw, out.values, name);
      default: throw CorruptionError("an initialiser of another type: " + name);
      }
   }

   template <class T>
   static void read_as(Bytes raw, std::vector<double> &out, const std::string &name)
   {
      require(raw.size() == out.size() * sizeof(T), "an initialiser of a wrong length", name);
      for (std::size_t i = 0; i < out.size(); ++i) {
         T value;
         std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
         out[i] = static_cast<double>(value);
         require(std::isfinite(out[i]), "weights that are not finite", name);
      }
   }
};

} // namespace hepae
