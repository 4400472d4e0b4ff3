// A chunk of the masked codec: residuals with coding tables that networks choose (docs/format/v1.md, section 12).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "../integers.hpp"
#include "../prediction/predict.hpp"
#include "../span.hpp"
#include "prepared.hpp"
#include "stream.hpp"

namespace hepae {

class OpenMasked {
public:
   OpenMasked(const PreparedMasked &masked, const PreparedPredictors &predictors, Predict &predict)
      : fMasked(&masked), fPredictors(&predictors), fPredict(&predict), fFilled(predictors.inputs().size()),
        fLevels(fFilled.size() * predict.order().objects())
   {
   }

   /// The integers of features from their payloads: one that is decoded by itself, or some that go rank by rank.
   void decode(const std::vector<std::size_t> &features, const std::vector<Bytes> &payloads)
   {
      try {
         if (predictor(features[0]).ranked)
            ranked(features, payloads);
         else
            whole(features[0], payloads[0]);
         for (std::size_t feature : features) {
            known().integers[feature].finish();
            known().latents[feature].finish();
         }
      } catch (...) {
         for (std::size_t feature : features)
            fPredict->forget(feature);
         std::fill(fFilled.begin(), fFilled.end(), 0); // they may hold what half a feature gave
         throw;
      }
   }

private:
   const PreparedMasked *fMasked;
   const PreparedPredictors *fPredictors;
   Predict *fPredict;
   std::vector<std::size_t> fFilled; ///< objects whose inputs are known, by input
   Buffer<std::uint8_t> fLevels; ///< a row of all objects for each input
   std::vector<std::uint16_t> fCells;
   std::vector<std::int64_t> fFine, fPredictions; ///< of the feature that is decoded
   IntegerNetwork::Scratch fScratch;

   const RankOrder &order() const { return fPredict->order(); }
   Known &known() { return fPredict->known(); }
   const OpenPredictor &predictor(std::size_t feature) const { return fPredictors->predictor(feature); }

   static bool is_plain(Bytes payload)
   {
      require(!payload.empty(), "a payload is empty");
      return payload[0] >> integers::kKind == 0;
   }

   /// Integers as they are, in the order of events.
   void unpack(std::size_t feature, Bytes payload)
   {
      std::vector<std::int64_t> in_events(order().objects());
      unpack_integers(payload, in_events);
      Buffer<std::int64_t> &q = known().integers[feature].changed();
      for (std::size_t i = 0; i < q.size(); ++i)
         q[i] = in_events[order().in_events()[i]];
   }

   void begin(std::size_t feature)
   {
      known().integers[feature].begin(order().objects());
      known().latents[feature].begin(order().objects());
   }

   void whole(std::size_t feature, Bytes payload)
   {
      if (is_plain(payload)) {
         begin(feature);
         unpack(feature, payload);
         const bool around = fPredict->is_around(feature);
         for (std::size_t place = 0; place < order().places(); ++place)
            fPredict->find_latents(feature, place, around);
         return;
      }
      const OpenShape &shape = fMasked->shape(feature);
      ResidualStream stream(shape, payload, order().objects(), true);
      const OpenPredictor &one = predictor(feature);
      const bool shown = std::any_of(shape.inputs.begin(), shape.inputs.end(), [&](std::size_t input) {
         return fPredictors->inputs()[input].source.column.is_prediction();
      });
      const bool turned = stream.around() && one.period;
      if (!shown && !turned && !one.base && one.fine.is_small && stream.is_small())
         small(feature, shape, stream);
      else
         large(feature, shape, stream);
      stream.finish();
   }

   /// Small residuals, and a prediction that nothing else looks at.
   void small(std::size_t feature, const OpenShape &shape, ResidualStream &stream)
   {
      Buffer<std::int32_t> residuals(order().objects());
      stream.take(cells(feature, shape, 0, order().places()), residuals.data());
      if (predictor(feature).wants_latent)
         known().latents[feature].put(residuals);
      fPredict->restore_small(feature, residuals);
      known().integers[feature].put(std::move(residuals));
   }

   void large(std::size_t feature, const OpenShape &shape, ResidualStream &stream)
   {
      begin(feature);
      predict_all(feature);
      Buffer<std::int64_t> &latents = known().latents[feature].changed(), &q = known().integers[feature].changed();
      stream.take(cells(feature, shape, 0, order().places()), latents.data());
      for (std::size_t i = 0; i < q.size(); ++i)
         q[i] = added(latents[i], fPredictions[i]);
      if (const std::optional<Period> &period = predictor(feature).period; stream.around() && period)
         for (std::int64_t &one : q)
            one = wrapped(one, period->low, period->length());
   }

   void predict_all(std::size_t feature)
   {
      fFine.resize(order().objects());
      fPredictions.resize(order().objects());
      for (std::size_t place = 0; place < order().places(); ++place) {
         const Block sums = fPredict->sums(predictor(feature).fine, place);
         std::copy(sums.begin(), sums.end(), fFine.begin() + static_cast<std::ptrdiff_t>(order().start(place)));
         const Block found = fPredict->from_sums(predictor(feature), place, sums);
         std::copy(found.begin(), found.end(), fPredictions.begin() + static_cast<std::ptrdiff_t>(order().start(place)));
      }
   }

   void ranked(const std::vector<std::size_t> &features, const std::vector<Bytes> &payloads)
   {
      std::vector<std::optional<ResidualStream>> streams(features.size());
      std::vector<bool> around(features.size());
      for (std::size_t i = 0; i < features.size(); ++i) {
         begin(features[i]);
         if (is_plain(payloads[i]))
            unpack(features[i], payloads[i]);
         else
            streams[i].emplace(fMasked->shape(features[i]), payloads[i], order().objects(), false);
         around[i] = streams[i] ? streams[i]->around() : fPredict->is_around(features[i]);
      }
      for (std::size_t first = 0; first < order().places();) { // places of one rank are a piece
         const std::size_t last = first < order().last() ? first + 1 : order().places();
         for (std::size_t i = 0; i < features.size(); ++i)
            piece(features[i], streams[i], around[i], first, last);
         first = last;
      }
      for (const std::optional<ResidualStream> &stream : streams)
         if (stream)
            stream->finish();
   }

   void piece(std::size_t feature, std::optional<ResidualStream> &stream, bool around, std::size_t first,
              std::size_t last)
   {
      std::int64_t *latents = known().latents[feature].changed().data();
      if (stream)
         stream->take(cells(feature, fMasked->shape(feature), first, last), latents + order().start(first));
      for (std::size_t place = first; place < last; ++place)
         if (stream)
            fPredict->restore(feature, place, around, latents + order().start(place));
         else
            fPredict->find_latents(feature, place, around);
   }

   /// Which coding table each object of some places takes.
   Span<const std::uint16_t> cells(std::size_t feature, const OpenShape &shape, std::size_t first, std::size_t last)
   {
      if (order().objects() == 0)
         return {};
      const std::size_t start = order().start(first), end = order().start(last - 1) + order().size(last - 1);
      fCells.resize(end - start);
      if (!shape.network) {
         std::fill(fCells.begin(), fCells.end(), std::uint16_t{0});
         return fCells;
      }
      for (std::size_t input : shape.inputs)
         fill(feature, input, last);
      shape.network->evaluate(fLevels.data() + start, order().objects(), shape.inputs, fCells, fScratch);
      return fCells;
   }

   /// Makes an input known for the places before `last`: 0 … 255 by a table of its column.
   void fill(std::size_t feature, std::size_t input, std::size_t last)
   {
      const OpenInput &spec = fPredictors->inputs()[input];
      std::uint8_t *row = fLevels.data() + input * order().objects();
      for (std::size_t place = 0; place < last; ++place) {
         if (order().start(place) < fFilled[input])
            continue;
         std::uint8_t *out = row + order().start(place);
         if (spec.source.column.is_prediction())
            from_prediction(feature, spec, place, out);
         else
            fPredict->each_part(place, [&](const Stretch &part) {
               stretches::look_up(spec.levels.data(), fPredict->input_indexes(input, part), part.size, out + part.first);
            });
         fFilled[input] = order().start(place) + order().size(place);
      }
   }

   void from_prediction(std::size_t feature, const OpenInput &spec, std::size_t place, std::uint8_t *out) const
   {
      const OpenColumn &column = spec.source.column;
      require(column.feature == feature && !predictor(feature).ranked, "a prediction that is not known");
      const bool offset = column.kind == OpenColumn::Kind::kPredictedOffset;
      const std::int64_t *from = (offset ? fFine : fPredictions).data() + order().start(place);
      for (std::size_t p = 0; p < order().size(place); ++p)
         out[p] = spec.levels[spec.source.scale.index(offset ? from[p] & 63 : from[p])];
   }
};

} // namespace hepae
