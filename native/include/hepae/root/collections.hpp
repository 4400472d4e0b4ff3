// Files in which collections are compressed with a model: frames stand in the tree itself, in the first event of each chunk
// (docs/format/v1.md, section 2), or each event by itself (section 13). They are shown to the other readers as a schema and streams
// of §17, made of what is there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../checksum.hpp"
#include "../dtype.hpp"
#include "../error.hpp"
#include "../json.hpp"
#include "../model_file.hpp"
#include "../model_store.hpp"
#include "../open_schema.hpp"
#include "../spec/manifest.hpp"
#include "event_collection.hpp"
#include "stored_columns.hpp"

namespace hepae::root {

/// The collections of a tree: where chunks begin, and the schema of each.
class Collections {
public:
   /// Whether anything is compressed so.
   static bool are_in(StoredColumns &stored) { return !stored.marked().empty(); }

   Collections(StoredColumns &stored, const ModelStore &models) : fModels(&models)
   {
      std::map<std::string, std::vector<MarkedBranch>> of_events;
      for (MarkedBranch &one : stored.marked())
         (one.codec == "bottleneck" ? of_events : fCollections)[one.collection].push_back(std::move(one));
      for (auto &[name, members] : of_events)
         fOfEvents.push_back(std::make_unique<EventCollection>(name, std::move(members), models));
      for (const auto &[name, members] : fCollections) {
         std::vector<std::size_t> starts = starts_of(stored, members[0].name);
         require(fStarts.empty() || fStarts == starts, "collections with chunks of their own");
         fStarts = std::move(starts);
      }
      if (fCollections.empty())
         fStarts = fOfEvents[0]->starts(stored);
      require(stored.entries() == 0 || (!fStarts.empty() && fStarts[0] == 0), "the first event begins no chunk");
      fEntries = stored.entries();
   }

   std::size_t chunks() const { return fStarts.size(); }
   std::size_t first(std::size_t chunk) const { return fStarts[chunk]; }
   std::size_t last(std::size_t chunk) const { return chunk + 1 < fStarts.size() ? fStarts[chunk + 1] : fEntries; }

   /// The schema of a chunk, by the models that its frames name.
   const OpenSchema *schema(StoredColumns &stored, std::size_t chunk)
   {
      std::string key;
      for (const auto &[name, members] : fCollections)
         key += model_of(stored, members[0].name, first(chunk));
      std::unique_ptr<OpenSchema> &out = fSchemas[key];
      if (!out) {
         const ModelStore *models = fModels;
         out = std::make_unique<OpenSchema>(from_json<StoredTree>(parse_json(described(stored, chunk))),
                                            [models](const std::string &sha256) { return models->find(sha256).second; });
      }
      return out.get();
   }

   /// The stream of a column: a frame as it is, or a bundle of numbers, sealed.
   std::vector<std::uint8_t> stream(StoredColumns &stored, const OpenSchema &schema, std::size_t chunk, std::size_t number,
                                    OpenEventRows &rows) const
   {
      const Stream &spec = schema.schema().streams[number];
      const std::string &name = schema.schema().columns[spec.columns[0]].name;
      std::vector<std::uint8_t> out;
      if (spec.codec) {
         out = stored.bytes(name + "__hepae", first(chunk));
      } else {
         const std::vector<std::uint8_t> numbers = numbers_of(stored, name, chunk, rows);
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
   std::map<std::string, std::vector<MarkedBranch>> fCollections; ///< those with chunks
   std::vector<std::unique_ptr<EventCollection>> fOfEvents;
   std::vector<std::size_t> fStarts;
   std::size_t fEntries = 0;
   std::map<std::string, std::unique_ptr<OpenSchema>> fSchemas;

   /// Of a feature that is compressed event by event, or of a branch as it is.
   std::vector<std::uint8_t> numbers_of(StoredColumns &stored, const std::string &name, std::size_t chunk, OpenEventRows &rows) const
   {
      for (const auto &one : fOfEvents)
         if (const MarkedBranch *feature = one->find(name))
            return one->restored(stored, *feature, first(chunk), last(chunk), rows);
      return stored.numbers(name, first(chunk), last(chunk));
   }

   static std::vector<std::size_t> starts_of(StoredColumns &stored, const std::string &payload)
   {
      const std::vector<std::int64_t> sizes = stored.counts(payload, 0, stored.entries());
      std::vector<std::size_t> out;
      for (std::size_t entry = 0; entry < sizes.size(); ++entry)
         if (sizes[entry] != 0)
            out.push_back(entry);
      return out;
   }

   /// The first 8 hexadecimal digits of the model of a frame.
   static std::string model_of(StoredColumns &stored, const std::string &payload, std::size_t entry)
   {
      const std::vector<std::uint8_t> frame = stored.bytes(payload, entry);
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

      void branch(const std::string &name, Dtype type, const std::string &counter, const std::string &number)
      {
         add(branches, "{\"layout\":" + std::to_string(made++) + ",\"columns\":[" + number + "]}");
         add(layouts, "{\"type\":\"counted\",\"counter\":" + quoted(counter) + ",\"fields\":[{\"name\":" + quoted(name) +
                         ",\"dtype\":\"" + name_of(type) + "\"}]}");
      }

      void table(const std::string &name, std::size_t counts)
      {
         add(tables, "{\"name\":" + quoted(name) + ",\"parent\":0,\"counter\":" + std::to_string(counts) + "}");
      }
   };

   std::string described(StoredColumns &stored, std::size_t chunk) const
   {
      Parts parts;
      std::size_t table = 0;
      for (const auto &[name, members] : fCollections) {
         const auto &[sha256, onnx] = fModels->find(model_of(stored, members[0].name, first(chunk)));
         const ModelFile model{Bytes(onnx)};
         const Manifest manifest = from_json<Manifest>(parse_json(model.manifest()));
         add_collection(stored, members[0].counter, sha256, manifest, ++table, parts);
      }
      for (const auto &one : fOfEvents)
         add_events(stored, *one, ++table, parts);
      return "{\"schema\":{\"format\":1,\"tables\":[" + parts.tables + "],\"columns\":[" + parts.columns + "],\"codecs\":[" +
             parts.codecs + "],\"streams\":[" + parts.streams + "]},\"layouts\":[" + parts.layouts + "],\"branches\":[" +
             parts.branches + "],\"tree\":\"\"}";
   }

   static void add_collection(StoredColumns &stored, const std::string &counter, const std::string &sha256, const Manifest &manifest,
                              std::size_t table, Parts &parts)
   {
      const std::size_t counts = parts.column(counter, stored.dtype(counter), 0, "");
      std::string conditions, columns;
      for (const std::string &name : manifest.conditions)
         Parts::add(conditions, std::to_string(parts.column(name, stored.dtype(name), 0, "")));
      const std::string codec = std::to_string(table - 1);
      for (const Feature &feature : manifest.features) {
         const std::string frame = "{\"type\":\"frame\",\"codec\":" + codec;
         const std::string number = std::to_string(parts.column(feature.branch, feature.dtype, table, frame));
         Parts::add(columns, number);
         parts.branch(feature.branch, feature.dtype, counter, number);
      }
      parts.table(manifest.collection, counts);
      Parts::add(parts.codecs, "{\"type\":\"model\",\"sha256\":\"" + sha256 + "\",\"columns\":[" + columns +
                                  "],\"conditions\":[" + conditions + "]}");
   }

   /// Features that are restored before they are a stream.
   static void add_events(StoredColumns &stored, const EventCollection &events, std::size_t table, Parts &parts)
   {
      const std::string &counter = events.counter();
      const std::size_t counts = parts.column(counter, stored.dtype(counter), 0, "");
      for (const MarkedBranch &one : events.features())
         parts.branch(one.branch, one.dtype, counter, std::to_string(parts.column(one.branch, one.dtype, table, "")));
      parts.table(events.name(), counts);
   }
};

} // namespace hepae::root
