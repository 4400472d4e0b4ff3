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

#include "buffer.hpp"
#include "checksum.hpp"
#include "frame.hpp"
#include "lattice.hpp"
#include "lifting.hpp"
#include "masked/open.hpp"
#include "masked/prepared.hpp"
#include "model_file.hpp"
#include "prediction/predict.hpp"
#include "prediction/prepared.hpp"
#include "schema.hpp"
#include "spec/manifest.hpp"
#include "values.hpp"

namespace hepae {

/// What a codec is made of. `given` are columns of other tables, `conditions` columns of events that it looks at.
struct CodecParts {
   std::vector<Feature> features;
   std::optional<LiftingSpec> lifting; ///< neither this nor `masked` where each feature is coded by itself
   std::optional<MaskedSpec> masked;
   std::vector<std::pair<std::string, Lattice>> given;
   std::vector<std::string> conditions;
   std::array<std::uint8_t, 32> sha256{};   ///< of the model; zeros without one
   std::shared_ptr<const ModelFile> model; ///< networks and tables, which `masked` has

   /// Of a codec without a model file.
   static CodecParts of(const Codec &spec)
   {
      require(!spec.has_model(), "columns with a trained model");
      CodecParts out;
      out.features = spec.features;
      out.lifting = spec.lifting;
      for (const Linked &linked : spec.linked)
         out.given.emplace_back(linked.name, linked.lattice);
      return out;
   }

   /// Of a model file.
   static CodecParts of(Bytes onnx, const std::array<std::uint8_t, 32> &sha256)
   {
      CodecParts out;
      out.model = std::make_shared<const ModelFile>(onnx);
      Manifest manifest = from_json<Manifest>(parse_json(out.model->manifest()));
      require(!manifest.codec.bottleneck, "a model without chunks (bottleneck/events.hpp reads its events)");
      out.features = std::move(manifest.features);
      out.lifting = std::move(manifest.codec.lifting);
      out.masked = std::move(manifest.codec.masked);
      out.conditions = std::move(manifest.conditions);
      out.sha256 = sha256;
      return out;
   }
};

/// Made once for all chunks; features go by their place among the columns of the codec.
class ChunkCodec {
public:
   explicit ChunkCodec(CodecParts parts) : fParts(std::move(parts))
   {
      Predictors none; // each feature by itself
      for (const Feature &feature : fParts.features)
         none.features.push_back({feature.name, 0, {}, std::nullopt, std::nullopt, std::nullopt});
      const Predictors &spec = fParts.lifting  ? fParts.lifting->predictors
                               : fParts.masked ? fParts.masked->predictors
                                               : none;
      fPredictors = std::make_unique<PreparedPredictors>(spec, fParts.features, fParts.given, fParts.conditions);
      if (fParts.masked) {
         fPredictors->look_at(*fParts.masked);
         fMasked = std::make_unique<PreparedMasked>(*fParts.masked, fParts.model, *fPredictors);
      }
   }

   const std::vector<Feature> &features() const { return fParts.features; }
   const PreparedPredictors &predictors() const { return *fPredictors; }
   const PreparedMasked *masked() const { return fMasked.get(); }
   const std::vector<std::string> &conditions() const { return fParts.conditions; }
   FrameCodec name() const
   {
      return fParts.lifting ? FrameCodec::kLifting : fMasked ? FrameCodec::kMasked : FrameCodec::kPlain;
   }
   Bytes sha256() const { return {fParts.sha256.data(), fParts.sha256.size()}; }

   /// Objects of the events that predictions know of. Without predictions each object is an event, in the same order.
   std::vector<std::int64_t> rows(const std::vector<std::int64_t> &counts) const
   {
      return fParts.lifting || fMasked ? counts : std::vector<std::int64_t>(sum_of(counts), 1);
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
         for (std::size_t given : fPredictors->given(one))
            if (std::find(out.begin(), out.end(), given) == out.end())
               out.push_back(given);
      return out;
   }

private:
   CodecParts fParts;
   std::unique_ptr<PreparedPredictors> fPredictors;
   std::unique_ptr<PreparedMasked> fMasked;
};

/// A chunk that is read feature by feature: what was decoded for one is there for the next.
class OpenChunk {
public:
   /// `conditions` are the bytes of the columns of events that the codec looks at, as they are in the file.
   OpenChunk(const ChunkCodec &codec, Counts counts, const std::vector<Bytes> &conditions = {})
      : fCodec(&codec), fCounts(std::move(counts)), fPredict(codec.predictors(), codec.rows(*fCounts)),
        fLifting(codec.predictors(), fPredict)
   {
      if (codec.masked())
         fMasked.emplace(*codec.masked(), codec.predictors(), fPredict);
      Checksum context;
      context.add(codec.sha256());
      context.add(Bytes(reinterpret_cast<const std::uint8_t *>(fCounts->data()), 8 * fCounts->size()));
      for (const Bytes condition : conditions)
         context.add(condition);
      fContext = context.value();
   }

   /// Values of a column of events; all of them are there before anything is decoded.
   void add_condition(std::vector<double> values)
   {
      require(values.size() == fCounts->size(), "a condition of other events");
      known().conditions.push_back(std::move(values));
   }

   OpenChunk(const OpenChunk &) = delete; // what decodes points at what is known

   bool is_decoded(std::size_t feature) const { return known().objects() == 0 || known().is_known(feature); }
   std::size_t bytes() const { return known().bytes(); }

   bool has_given(std::size_t linked) const { return !known().given[linked].empty(); }

   /// The values of a linked column for the objects, in the order of events.
   void give(std::size_t linked, std::vector<double> values)
   {
      require(values.size() == fPredict.order().objects(), "a linked column of other rows");
      known().given[linked] = std::move(values);
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
   Buffer<std::uint8_t> decode(std::size_t feature)
   {
      const std::vector<std::size_t> closure = fCodec->predictors().closure(feature);
      for (std::size_t one : closure)
         if (!is_decoded(one))
            decode_integers(one, closure);
      Buffer<std::uint8_t> out = restored(feature, fFrames.at(feature));
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
   Predict fPredict;
   OpenLifting fLifting;
   std::optional<OpenMasked> fMasked;
   std::uint64_t fContext = 0;
   std::optional<std::uint32_t> fChunk;
   std::map<std::size_t, Frame> fFrames;
   std::map<std::size_t, Bytes> fPayloads; ///< of derived features too

   Known &known() { return fPredict.known(); }
   const Known &known() const { return fPredict.known(); }

   /// The integers of a feature, and of those that are decoded side by side with it.
   void decode_integers(std::size_t feature, const std::vector<std::size_t> &closure)
   {
      if (!fMasked)
         return fLifting.decode(feature, payload_of(feature));
      std::vector<std::size_t> features{feature};
      std::vector<Bytes> payloads{payload_of(feature)};
      if (fCodec->masked()->is_together(feature))
         for (std::size_t one : closure)
            if (one != feature && fCodec->masked()->is_together(one) && !is_decoded(one)) {
               features.push_back(one);
               payloads.push_back(payload_of(one));
            }
      fMasked->decode(features, payloads);
   }

   Bytes payload_of(std::size_t feature) const
   {
      const auto at = fPayloads.find(feature);
      require(at != fPayloads.end(), "a frame is missing");
      return at->second;
   }

   void check_place(std::size_t feature, const Frame &frame)
   {
      const std::string &name = fCodec->features()[feature].name;
      require(frame.codec == fCodec->name(), "a frame of another codec", name);
      require(frame.model == frame::number(fCodec->sha256(), 0, 4), "a frame of another model", name);
      require(frame.feature == feature, "a frame of another feature", name);
      require(frame.chunk == fChunk.value_or(frame.chunk), "a frame of another chunk", name);
      const bool sizes = frame.events == fCounts->size() && frame.objects == fPredict.order().objects();
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

   Buffer<std::uint8_t> restored(std::size_t feature, const Frame &frame) const
   {
      const Feature &spec = fCodec->features()[feature];
      const RankOrder &order = fPredict.order();
      Buffer<std::uint8_t> out(order.objects() * size_of(spec.dtype));
      if (!frame.override.empty()) { // its integers are in the order of events
         std::vector<std::int64_t> q(order.objects());
         std::vector<std::uint32_t> at(q.size());
         std::iota(at.begin(), at.end(), 0u);
         const OpenLattice own = own_lattice(frame.override, spec, q);
         own.values(Span<const std::int64_t>(q), Span<const std::uint32_t>(at), frame.escaped, nullptr, out.data());
         return out;
      }
      const std::uint64_t number = feature;
      const OpenLattice &lattice = fCodec->predictors().lattices()[feature];
      const Integers &q = known().integers[feature];
      const std::uint64_t *dither = spec.dither ? &number : nullptr;
      if (const std::int32_t *small = q.narrow())
         lattice.values(Span<const std::int32_t>(small, q.size()), order.in_events(), frame.escaped, dither, out.data());
      else
         lattice.values(Span<const std::int64_t>(q.wide(), q.size()), order.in_events(), frame.escaped, dither, out.data());
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
