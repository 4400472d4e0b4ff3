// The codec of some columns, and its chunks: frames to values (docs/format/v1.md, sections 8.3, 8.4, 11 and 17.3).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "checksum.hpp"
#include "frame.hpp"
#include "lattice.hpp"
#include "lifting.hpp"
#include "prediction/prepared.hpp"
#include "schema.hpp"
#include "values.hpp"

namespace hepae {

/// What a codec is made of. `given` are columns of other tables, `conditions` columns of events that it looks at.
struct CodecParts {
   std::vector<Feature> features;
   std::optional<LiftingSpec> lifting; ///< none where each feature is coded by itself
   std::vector<std::pair<std::string, Lattice>> given;
   std::vector<std::string> conditions;
   std::array<std::uint8_t, 32> model{}; ///< SHA-256; zeros without a model file

   static CodecParts of(const Codec &spec)
   {
      require(!spec.has_model(), "columns with a trained model are not read yet");
      CodecParts out;
      out.features = spec.features;
      out.lifting = spec.lifting;
      for (const Linked &linked : spec.linked)
         out.given.emplace_back(linked.name, linked.lattice);
      return out;
   }
};

/// Made once for all chunks; features go by their place among the columns of the codec.
class ChunkCodec {
public:
   explicit ChunkCodec(const Codec &spec) : ChunkCodec(CodecParts::of(spec)) {}

   explicit ChunkCodec(CodecParts parts) : fParts(std::move(parts))
   {
      Predictors none; // each feature by itself
      for (const Feature &feature : fParts.features)
         none.features.push_back({feature.name, 0, {}, std::nullopt, std::nullopt, std::nullopt});
      fPredictors = std::make_unique<PreparedPredictors>(fParts.lifting ? fParts.lifting->predictors : none,
                                                         fParts.features, fParts.given, fParts.conditions);
   }

   const std::vector<Feature> &features() const { return fParts.features; }
   const PreparedPredictors &predictors() const { return *fPredictors; }
   FrameCodec name() const { return fParts.lifting ? FrameCodec::kLifting : FrameCodec::kPlain; }
   Bytes model() const { return {fParts.model.data(), fParts.model.size()}; }

   /// Objects of the events that predictions know of. Without predictions each object is an event, in the same order.
   std::vector<std::int64_t> rows(const std::vector<std::int64_t> &counts) const
   {
      return fParts.lifting ? counts : std::vector<std::int64_t>(sum_of(counts), 1);
   }

   /// The features whose frames are read for one.
   std::vector<std::size_t> needs(std::size_t feature) const
   {
      std::vector<std::size_t> out;
      for (std::size_t one : fPredictors->closure(feature)) {
         const std::size_t carrier = fPredictors->carrier(one);
         if (std::find(out.begin(), out.end(), carrier) == out.end())
            out.push_back(carrier);
      }
      return out;
   }

   /// The linked columns that are looked at for one.
   std::vector<std::size_t> given(std::size_t feature) const
   {
      std::vector<std::size_t> out;
      for (std::size_t one : fPredictors->closure(feature))
         for (std::size_t given : fPredictors->predictor(one).given)
            if (std::find(out.begin(), out.end(), given) == out.end())
               out.push_back(given);
      return out;
   }

private:
   CodecParts fParts;
   std::unique_ptr<PreparedPredictors> fPredictors;
};

/// A chunk that is read feature by feature: what was decoded for one is there for the next.
class OpenChunk {
public:
   /// `conditions` are the bytes of the columns of events that the codec looks at, as they are in the file.
   OpenChunk(const ChunkCodec &codec, Counts counts, const std::vector<Bytes> &conditions = {})
      : fCodec(&codec), fCounts(std::move(counts)), fLifting(codec.predictors(), codec.rows(*fCounts))
   {
      Checksum context;
      context.add(codec.model());
      context.add(Bytes(reinterpret_cast<const std::uint8_t *>(fCounts->data()), 8 * fCounts->size()));
      for (const Bytes condition : conditions)
         context.add(condition);
      fContext = context.value();
   }

   /// Values of a column of events; all of them are there before anything is decoded.
   void add_condition(std::vector<double> values)
   {
      require(values.size() == fCounts->size(), "a condition of other events");
      fLifting.known().conditions.push_back(std::move(values));
   }

   bool is_decoded(std::size_t feature) const { return fLifting.is_decoded(feature); }
   std::size_t bytes() const { return fLifting.bytes(); }

   bool has_given(std::size_t linked) const { return !fLifting.known().given[linked].empty(); }

   /// The values of a linked column for the objects, in the order of events.
   void give(std::size_t linked, std::vector<double> values)
   {
      require(values.size() == fLifting.order().objects(), "a linked column of other rows");
      fLifting.known().given[linked] = std::move(values);
   }

   /// The bytes of a frame of a feature, which must live as long as this.
   void add_frame(std::size_t feature, Bytes bytes)
   {
      if (fFrames.count(feature))
         return;
      const Frame frame = parse_frame(bytes);
      check_place(feature, frame);
      split_payload(feature, frame.payload);
      fFrames.emplace(feature, frame);
   }

   /// The restored values of a feature, as their bytes, in the order of events. The frames of `needs` must be there.
   std::vector<std::uint8_t> decode(std::size_t feature)
   {
      for (std::size_t one : fCodec->predictors().closure(feature))
         if (!fLifting.is_decoded(one))
            fLifting.decode(one, fPayloads.at(one));
      std::vector<std::uint8_t> out = restored(feature, fFrames.at(feature));
      Checksum content;
      content.add_u64(fContext);
      content.add(out);
      require(static_cast<std::uint32_t>(content.value()) == fFrames.at(feature).content,
              "restored values do not carry their checksum", fCodec->features()[feature].name);
      return out;
   }

private:
   const ChunkCodec *fCodec;
   Counts fCounts;
   mutable OpenLifting fLifting;
   std::uint64_t fContext = 0;
   std::optional<std::uint32_t> fChunk;
   std::map<std::size_t, Frame> fFrames;
   std::map<std::size_t, Bytes> fPayloads; ///< of derived features too

   void check_place(std::size_t feature, const Frame &frame)
   {
      const std::string &name = fCodec->features()[feature].name;
      require(frame.codec == fCodec->name(), "a frame of another codec", name);
      require(frame.model == frame::number(fCodec->model(), 0, 4), "a frame of another model", name);
      require(frame.feature == feature, "a frame of another feature", name);
      require(frame.chunk == fChunk.value_or(frame.chunk), "a frame of another chunk", name);
      const bool sizes = frame.events == fCounts->size() && frame.objects == fLifting.order().objects();
      require(sizes, "events or objects of a chunk were dropped or added", name);
      Checksum place;
      place.add_u64(frame.digest);
      place.add_u64(fContext);
      require(static_cast<std::uint16_t>(place.value()) == frame.place, "counts of a chunk were changed", name);
      fChunk = frame.chunk;
   }

   /// Payloads of derived features are in front, each after its length.
   void split_payload(std::size_t feature, Bytes payload)
   {
      for (std::size_t derived : fCodec->predictors().carried(feature)) {
         std::size_t at = 0;
         const std::size_t length = read_length(payload, at);
         fPayloads.emplace(derived, payload.part(at, length));
         payload = payload.from(at + length);
      }
      fPayloads.emplace(feature, payload);
   }

   std::vector<std::uint8_t> restored(std::size_t feature, const Frame &frame) const
   {
      const Feature &spec = fCodec->features()[feature];
      const RankOrder &order = fLifting.order();
      std::vector<std::uint8_t> out(order.objects() * size_of(spec.dtype));
      if (!frame.override.empty()) { // its integers are in the order of events
         std::vector<std::int64_t> q(order.objects());
         std::vector<std::uint32_t> at(q.size());
         std::iota(at.begin(), at.end(), 0u);
         const OpenLattice own = own_lattice(frame.override, spec, q);
         own.values(q, at, frame.escaped, nullptr, out.data());
         return out;
      }
      const std::uint64_t number = feature;
      fCodec->predictors().lattices()[feature].values(fLifting.integers(feature), order.in_events(), frame.escaped,
                                                      spec.dither ? &number : nullptr, out.data());
      return out;
   }

   /// A lattice for this chunk alone, and its integers.
   static OpenLattice own_lattice(Bytes override, const Feature &spec, Span<std::int64_t> q)
   {
      std::size_t at = 0;
      const std::size_t length = read_length(override, at);
      require(length <= limits::kManifestBytes, "the text of a lattice is too long", spec.name);
      const std::string_view text(reinterpret_cast<const char *>(override.data()) + at, length);
      OpenLattice out(from_json<Lattice>(parse_json(text)));
      require(out.spec().dtype == spec.dtype, "a lattice override of another dtype", spec.name);
      unpack_integers(override.from(at + length), q);
      return out;
   }
};

} // namespace hepae
