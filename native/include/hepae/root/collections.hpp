// Files in which collections are compressed with a model: frames stand in the tree itself, in the first event of each chunk
// (docs/format/v1.md, section 2). They are shown to the other readers as a schema and streams of §17, made of what is there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <TBranch.h>
#include <TFile.h>
#include <TLeaf.h>
#include <TTree.h>

#include "../checksum.hpp"
#include "../dtype.hpp"
#include "../error.hpp"
#include "../json.hpp"
#include "../model_file.hpp"
#include "../model_store.hpp"
#include "../open_schema.hpp"
#include "../spec/manifest.hpp"

namespace hepae::root {

/// A branch of frames, by its title (section 3).
struct MarkedBranch {
   std::string name, branch, collection, counter, codec; ///< `branch`: of the original

   static bool is(const std::string &name, const std::string &title)
   {
      const std::string suffix = "__hepae";
      const bool named = name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
      return named && mark(title) != std::string::npos;
   }

   static MarkedBranch of(const std::string &name, const std::string &title)
   {
      MarkedBranch out;
      out.name = name;
      out.branch = name.substr(0, name.size() - 7);
      const std::string words = title.substr(mark(title));
      require(words.compare(0, 10, "[hepae v1 ") == 0, "a branch of another version of the format", name);
      out.collection = word(words, " collection=");
      out.counter = word(words, " counter=");
      out.codec = word(words, " codec=");
      return out;
   }

private:
   static std::size_t mark(const std::string &title)
   {
      const bool closed = !title.empty() && title.back() == ']';
      return closed ? title.rfind("[hepae v") : std::string::npos;
   }

   static std::string word(const std::string &words, const std::string &key)
   {
      const std::size_t at = words.find(key);
      require(at != std::string::npos, "a title without a word of the format", key);
      return words.substr(at + key.size(), words.find_first_of(" ]", at + key.size()) - at - key.size());
   }
};

namespace branches {

/// The branch of this name, which has one leaf.
inline TBranch &of(TTree &tree, const std::string &name)
{
   TBranch *branch = tree.GetBranch(name.c_str());
   require(branch && branch->GetListOfLeaves()->GetEntriesFast() == 1, "a branch is missing", name);
   return *branch;
}

inline TLeaf &leaf(TBranch &branch)
{
   return *static_cast<TLeaf *>(branch.GetListOfLeaves()->At(0));
}

inline Dtype dtype(TBranch &branch)
{
   static constexpr std::pair<const char *, Dtype> names[] = {
      {"Bool_t", Dtype::kBool},      {"Char_t", Dtype::kInt8},      {"Short_t", Dtype::kInt16},  {"Int_t", Dtype::kInt32},
      {"Long64_t", Dtype::kInt64},   {"UChar_t", Dtype::kUint8},    {"UShort_t", Dtype::kUint16}, {"UInt_t", Dtype::kUint32},
      {"ULong64_t", Dtype::kUint64}, {"Float_t", Dtype::kFloat32}, {"Double_t", Dtype::kFloat64}};
   for (const auto &[name, type] : names)
      if (std::strcmp(leaf(branch).GetTypeName(), name) == 0)
         return type;
   throw CorruptionError(std::string("a branch of a type that is not looked at: ") + branch.GetName());
}

/// The numbers of a branch with one an entry, as their bytes.
inline std::vector<std::uint8_t> flat(TTree &tree, const std::string &name, std::size_t first, std::size_t last)
{
   TBranch &branch = of(tree, name);
   require(!leaf(branch).GetLeafCount() && leaf(branch).GetLenStatic() == 1, "a branch of no single numbers", name);
   const std::size_t width = size_of(dtype(branch));
   std::vector<std::uint8_t> out;
   std::uint64_t number = 0;
   branch.SetAddress(&number);
   for (std::size_t entry = first; entry < last; ++entry) {
      require(branch.GetEntry(static_cast<Long64_t>(entry)) == static_cast<Int_t>(width), "a branch cannot be read", name);
      const auto *bytes = reinterpret_cast<const std::uint8_t *>(&number);
      out.insert(out.end(), bytes, bytes + width);
   }
   branch.ResetAddress();
   return out;
}

/// The bytes of a byte branch in an entry.
inline std::vector<std::uint8_t> bytes(TTree &tree, const std::string &name, std::size_t entry)
{
   TBranch &branch = of(tree, name);
   TLeaf *count = leaf(branch).GetLeafCount();
   require(count && dtype(branch) == Dtype::kUint8, "a branch without bytes", name);
   count->GetBranch()->GetEntry(static_cast<Long64_t>(entry));
   const double size = count->GetValue();
   require(size >= 0 && size <= static_cast<double>(limits::kPayloadBytes), "a branch of too many bytes", name);
   std::vector<std::uint8_t> out(static_cast<std::size_t>(size) + 1); // never empty: it is written to
   branch.SetAddress(out.data());
   branch.GetEntry(static_cast<Long64_t>(entry));
   branch.ResetAddress();
   out.pop_back();
   return out;
}

} // namespace branches

/// The collections of a tree: where chunks begin, and the schema of each.
class Collections {
public:
   /// None where nothing is compressed so, or not by a codec with chunks.
   static bool are_in(TTree &tree)
   {
      const std::vector<MarkedBranch> marked = marked_in(tree);
      return !marked.empty() && std::all_of(marked.begin(), marked.end(), [](const MarkedBranch &one) {
                return one.codec == "lifting" || one.codec == "masked";
             });
   }

   Collections(TTree &tree, const ModelStore &models) : fModels(&models)
   {
      for (MarkedBranch &one : marked_in(tree))
         fCollections[one.collection].push_back(std::move(one));
      for (const auto &[name, members] : fCollections) {
         std::vector<std::size_t> starts = starts_of(tree, members[0].name);
         require(fStarts.empty() || fStarts == starts, "collections with chunks of their own");
         fStarts = std::move(starts);
      }
      require(tree.GetEntries() == 0 || (!fStarts.empty() && fStarts[0] == 0), "the first event begins no chunk");
      fEntries = static_cast<std::size_t>(tree.GetEntries());
   }

   std::size_t chunks() const { return fStarts.size(); }
   std::size_t first(std::size_t chunk) const { return fStarts[chunk]; }
   std::size_t last(std::size_t chunk) const { return chunk + 1 < fStarts.size() ? fStarts[chunk + 1] : fEntries; }

   /// The schema of a chunk, by the models that its frames name.
   const OpenSchema *schema(TTree &tree, std::size_t chunk)
   {
      std::string key;
      for (const auto &[name, members] : fCollections)
         key += model_of(tree, members[0].name, first(chunk));
      std::unique_ptr<OpenSchema> &out = fSchemas[key];
      if (!out) {
         const ModelStore *models = fModels;
         out = std::make_unique<OpenSchema>(from_json<StoredTree>(parse_json(described(tree, chunk))),
                                            [models](const std::string &sha256) { return models->find(sha256).second; });
      }
      return out.get();
   }

   /// The stream of a column: a frame as it is, or a bundle of numbers, sealed.
   std::vector<std::uint8_t> stream(TTree &tree, const OpenSchema &schema, std::size_t chunk, std::size_t number) const
   {
      const Stream &spec = schema.schema().streams[number];
      const std::string &name = schema.schema().columns[spec.columns[0]].name;
      std::vector<std::uint8_t> out;
      if (spec.codec) {
         out = branches::bytes(tree, name + "__hepae", first(chunk));
      } else {
         const std::vector<std::uint8_t> numbers = branches::flat(tree, name, first(chunk), last(chunk));
         out = {0x70}; // a bundle of one part: levels of its table, and values as they are
         for (std::size_t size = numbers.size() + 2; size > 0; size >>= 7)
            out.push_back(static_cast<std::uint8_t>((size & 127) | (size > 127 ? 128 : 0)));
         out.push_back(0);
         out.push_back(numbers.empty() ? 0 : 5);
         out.insert(out.end(), numbers.begin(), numbers.end());
      }
      Checksum seal;
      seal.add_u32(static_cast<std::uint32_t>(chunk));
      seal.add_u32(static_cast<std::uint32_t>(number));
      seal.add(out);
      for (int i = 0; i < 4; ++i)
         out.push_back(static_cast<std::uint8_t>(seal.value() >> (8 * i)));
      return out;
   }

private:
   const ModelStore *fModels;
   std::map<std::string, std::vector<MarkedBranch>> fCollections;
   std::vector<std::size_t> fStarts;
   std::size_t fEntries = 0;
   std::map<std::string, std::unique_ptr<OpenSchema>> fSchemas;

   static std::vector<MarkedBranch> marked_in(TTree &tree)
   {
      std::vector<MarkedBranch> out;
      for (TObject *one : *tree.GetListOfBranches())
         if (MarkedBranch::is(one->GetName(), one->GetTitle()))
            out.push_back(MarkedBranch::of(one->GetName(), one->GetTitle()));
      return out;
   }

   static std::vector<std::size_t> starts_of(TTree &tree, const std::string &payload)
   {
      const auto entries = static_cast<std::size_t>(tree.GetEntries());
      const std::vector<std::uint8_t> sizes = branches::flat(tree, "n" + payload, 0, entries);
      const std::size_t width = entries ? sizes.size() / entries : 1;
      std::vector<std::size_t> out;
      for (std::size_t entry = 0; entry < entries; ++entry)
         if (std::any_of(sizes.begin() + static_cast<std::ptrdiff_t>(entry * width),
                         sizes.begin() + static_cast<std::ptrdiff_t>((entry + 1) * width), [](std::uint8_t b) { return b != 0; }))
            out.push_back(entry);
      return out;
   }

   /// The first 8 hexadecimal digits of the model of a frame.
   static std::string model_of(TTree &tree, const std::string &payload, std::size_t entry)
   {
      const std::vector<std::uint8_t> frame = branches::bytes(tree, payload, entry);
      require(frame.size() > 6, "a frame is cut short", payload);
      std::string out;
      for (std::size_t i = 2; i < 6; ++i)
         for (int shift : {4, 0})
            out += "0123456789abcdef"[frame[i] >> shift & 15];
      return out;
   }

   static std::string quoted(const std::string &text)
   {
      std::string out = "\"";
      for (char c : text) {
         if (c == '"' || c == '\\')
            out += '\\';
         out += c;
      }
      return out + '"';
   }

   /// The parts of a schema in the making.
   struct Parts {
      std::string tables = R"({"name":"","parent":0,"counter":0})", columns, codecs, streams, layouts, branches;
      std::map<std::string, std::size_t> numbers; ///< of columns
      std::size_t made = 0;                       ///< layouts

      static void add(std::string &list, const std::string &one) { list += (list.empty() ? "" : ",") + one; }

      std::size_t column(const std::string &name, Dtype type, std::size_t table, const std::string &stream)
      {
         const auto [at, is_new] = numbers.emplace(name, numbers.size());
         if (is_new) {
            add(columns, "{\"name\":" + quoted(name) + ",\"dtype\":\"" + name_of(type) + "\",\"table\":" + std::to_string(table) + "}");
            add(streams, stream.empty() ? "{\"type\":\"bundle\",\"columns\":[" + std::to_string(at->second) + "]}"
                                        : stream + ",\"column\":" + std::to_string(at->second) + "}");
         }
         return at->second;
      }
   };

   std::string described(TTree &tree, std::size_t chunk) const
   {
      Parts parts;
      std::size_t table = 0;
      for (const auto &[name, members] : fCollections) {
         const auto &[sha256, onnx] = fModels->find(model_of(tree, members[0].name, first(chunk)));
         const ModelFile model{Bytes(onnx)};
         const Manifest manifest = from_json<Manifest>(parse_json(model.manifest()));
         add_collection(tree, members[0].counter, sha256, manifest, ++table, parts);
      }
      return "{\"schema\":{\"format\":1,\"tables\":[" + parts.tables + "],\"columns\":[" + parts.columns + "],\"codecs\":[" +
             parts.codecs + "],\"streams\":[" + parts.streams + "]},\"layouts\":[" + parts.layouts + "],\"branches\":[" +
             parts.branches + "],\"tree\":\"\"}";
   }

   static void add_collection(TTree &tree, const std::string &counter, const std::string &sha256, const Manifest &manifest,
                              std::size_t table, Parts &parts)
   {
      const std::size_t counts = parts.column(counter, branches::dtype(branches::of(tree, counter)), 0, "");
      std::string conditions, columns;
      for (const std::string &name : manifest.conditions)
         Parts::add(conditions, std::to_string(parts.column(name, branches::dtype(branches::of(tree, name)), 0, "")));
      const std::string codec = std::to_string(table - 1);
      for (const Feature &feature : manifest.features) {
         const std::string frame = "{\"type\":\"frame\",\"codec\":" + codec;
         const std::string number = std::to_string(parts.column(feature.branch, feature.dtype, table, frame));
         Parts::add(columns, number);
         Parts::add(parts.branches, "{\"layout\":" + std::to_string(parts.made++) + ",\"columns\":[" + number + "]}");
         Parts::add(parts.layouts, "{\"type\":\"counted\",\"counter\":" + quoted(counter) + ",\"fields\":[{\"name\":" +
                                      quoted(feature.branch) + ",\"dtype\":\"" + name_of(feature.dtype) + "\"}]}");
      }
      Parts::add(parts.tables, "{\"name\":" + quoted(manifest.collection) + ",\"parent\":0,\"counter\":" + std::to_string(counts) + "}");
      Parts::add(parts.codecs, "{\"type\":\"model\",\"sha256\":\"" + sha256 + "\",\"columns\":[" + columns +
                                  "],\"conditions\":[" + conditions + "]}");
   }
};

} // namespace hepae::root
