// A collection that is compressed event by event (docs/format/v1.md, section 13).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "../bottleneck/events.hpp"
#include "../error.hpp"
#include "../model_store.hpp"
#include "../sha256.hpp"
#include "stored_columns.hpp"

namespace hepae::root {

/// What a thread has open of the row that it is at: of each collection, runs of events that name one model.
struct OpenEventRows {
   struct Row {
      std::size_t first = 0, last = 0;
      std::list<OpenEvents> runs;
   };
   std::map<std::string, Row> rows;
};

/// Shared by threads, which have their own columns and rows.
class EventCollection {
public:
   EventCollection(std::string name, std::vector<MarkedBranch> features, const ModelStore &models)
      : fName(std::move(name)), fFeatures(std::move(features)), fModels(&models)
   {
   }

   const std::string &name() const { return fName; }
   const std::string &counter() const { return fFeatures[0].counter; }
   const std::vector<MarkedBranch> &features() const { return fFeatures; }

   /// The feature of an original branch; null where it is none.
   const MarkedBranch *find(const std::string &branch) const
   {
      for (const MarkedBranch &one : fFeatures)
         if (one.branch == branch)
            return &one;
      return nullptr;
   }

   /// Where rows begin: with baskets or clusters, so that few are read twice, and neither short nor long.
   std::vector<std::size_t> starts(StoredColumns &stored) const
   {
      const std::size_t entries = stored.entries();
      std::vector<std::size_t> out;
      for (std::size_t begin : stored.begins(own("check")))
         if (begin < entries && (out.empty() || begin >= out.back() + kShortest))
            add_start(begin, out);
      if (entries > 0) {
         add_start(entries, out);
         out.pop_back();
      }
      return out;
   }

   /// The values of a feature in a row, as their bytes.
   std::vector<std::uint8_t> restored(StoredColumns &stored, const MarkedBranch &feature, std::size_t first, std::size_t last, OpenEventRows &rows) const
   {
      OpenEventRows::Row &row = rows.rows[fName];
      if (row.first != first || row.last != last)
         open(stored, first, last, row);
      std::vector<std::uint8_t> out;
      for (OpenEvents &run : row.runs) {
         const Values &values = run.feature(feature.feature);
         require(values.dtype == feature.dtype, "a feature of another dtype than its title says", feature.branch);
         out.insert(out.end(), values.bytes.begin(), values.bytes.end());
      }
      if (feature.dtype == Dtype::kBool)
         for (std::uint8_t &one : out)
            one = one != 0;
      return out;
   }

private:
   static constexpr std::size_t kShortest = 4096, kLongest = 20'000; ///< events of a row

   std::string fName;
   std::vector<MarkedBranch> fFeatures;
   const ModelStore *fModels;
   mutable std::mutex fMutex;
   mutable std::map<std::uint32_t, std::unique_ptr<BottleneckCodec>> fCodecs;

   std::string own(const char *part) const { return fName + "_" + part + "__hepae"; }

   static void add_start(std::size_t begin, std::vector<std::size_t> &out)
   {
      while (!out.empty() && begin > out.back() + kLongest)
         out.push_back(out.back() + kLongest);
      out.push_back(begin);
   }

   /// Made when an event first names it.
   const BottleneckCodec &codec(std::uint32_t model) const
   {
      const std::lock_guard<std::mutex> lock(fMutex);
      std::unique_ptr<BottleneckCodec> &out = fCodecs[model];
      if (!out) {
         std::string digits;
         for (int shift = 28; shift >= 0; shift -= 4)
            digits += "0123456789abcdef"[model >> shift & 15];
         const auto &[sha256, onnx] = fModels->find(digits);
         const Sha256::Digest digest = Sha256::of({reinterpret_cast<const char *>(onnx.data()), onnx.size()});
         require(Sha256::digits(digest) == sha256, "a model was changed", sha256);
         out = std::make_unique<BottleneckCodec>(Bytes(onnx));
      }
      return *out;
   }

   static std::vector<std::uint32_t> words(StoredColumns &stored, const std::string &name, std::size_t first, std::size_t last)
   {
      const std::vector<std::uint8_t> bytes = stored.numbers(name, first, last);
      require(bytes.size() == (last - first) * sizeof(std::uint32_t), "a branch of another type", name);
      std::vector<std::uint32_t> out(last - first);
      if (!out.empty())
         std::memcpy(out.data(), bytes.data(), bytes.size());
      return out;
   }

   void open(StoredColumns &stored, std::size_t first, std::size_t last, OpenEventRows::Row &row) const
   {
      row = {};
      const std::vector<std::uint32_t> models = words(stored, own("model"), first, last);
      for (std::size_t at = first; at < last;) {
         const std::uint32_t model = models[at - first];
         std::size_t end = at + 1;
         while (end < last && models[end - first] == model)
            ++end;
         row.runs.emplace_back(codec(model), events(stored, model, at, end));
         at = end;
      }
      row.first = first;
      row.last = last;
   }

   StoredEvents events(StoredColumns &stored, std::uint32_t model, std::size_t first, std::size_t last) const
   {
      StoredEvents out;
      out.counts = std::make_shared<std::vector<std::int64_t>>(stored.integers(counter(), first, last));
      out.model = model;
      out.checks = words(stored, own("check"), first, last);
      out.escapes = stored.counted(own("escape"), first, last);
      out.latents = stored.counted(own("latent"), first, last);
      for (const MarkedBranch &one : fFeatures)
         out.codes[one.feature] = stored.counted(one.name, first, last);
      return out;
   }
};

} // namespace hepae::root
