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
#include "cells.hpp"
#include "prepared.hpp"
#include "stream.hpp"

namespace hepae {

class OpenMasked {
public:
   OpenMasked(const PreparedMasked &masked, const PreparedPredictors &predictors, Predict &predict)
      : fMasked(&masked), fPredictors(&predictors), fPredict(&predict), fCells(predictors, predict)
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
         fCells.forget();
         throw;
      }
   }

private:
   const PreparedMasked *fMasked;
   const PreparedPredictors *fPredictors;
   Predict *fPredict;
   Cells fCells;

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
      const bool turned = stream.around() && one.period;
      if (!fCells.shows_prediction(shape) && !turned && !one.base && one.fine.is_small && stream.is_small())
         small(feature, shape, stream);
      else
         large(feature, shape, stream);
      stream.finish();
   }

   /// Small residuals, and a prediction that nothing else looks at.
   void small(std::size_t feature, const OpenShape &shape, ResidualStream &stream)
   {
      Buffer<std::int32_t> residuals(order().objects());
      stream.take(fCells.of(feature, shape, 0, order().places()), residuals.data());
      if (predictor(feature).wants_latent)
         known().latents[feature].put(residuals);
      fPredict->restore_small(feature, residuals);
      known().integers[feature].put(std::move(residuals));
   }

   void large(std::size_t feature, const OpenShape &shape, ResidualStream &stream)
   {
      begin(feature);
      const std::vector<std::int64_t> &predictions = fCells.predict(feature);
      Buffer<std::int64_t> &latents = known().latents[feature].changed(), &q = known().integers[feature].changed();
      stream.take(fCells.of(feature, shape, 0, order().places()), latents.data());
      for (std::size_t i = 0; i < q.size(); ++i)
         q[i] = added(latents[i], predictions[i]);
      if (const std::optional<Period> &period = predictor(feature).period; stream.around() && period)
         for (std::int64_t &one : q)
            one = wrapped(one, period->low, period->length());
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
         stream->take(fCells.of(feature, fMasked->shape(feature), first, last), latents + order().start(first));
      for (std::size_t place = first; place < last; ++place)
         if (stream)
            fPredict->restore(feature, place, around, latents + order().start(place));
         else
            fPredict->find_latents(feature, place, around);
   }
};

} // namespace hepae
