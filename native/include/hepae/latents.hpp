// What a writer of lifting codes: the latents of integers, and the classes that they fall into (docs/format/v1.md, section
// 10.2). How blocks of them become bytes is not here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "codec.hpp"
#include "lifting.hpp"
#include "prediction/predict.hpp"

namespace hepae {

/// A feature as it may be coded, all in rank order: its integers, its latents, and the latents class by class.
struct Codable {
   Buffer<std::int64_t> integers, latents, by_class;
   std::vector<std::size_t> counts; ///< latents of each class
   bool around = false;             ///< latents are taken around the circle of the feature
};

/// The latents of a chunk, feature by feature in coding order.
class Latents {
public:
   Latents(const ChunkCodec &codec, const std::vector<std::int64_t> &counts)
      : fPredict(codec.predictors(), codec.rows(counts))
   {
   }

   Latents(const Latents &) = delete; // predictions point at what is known

   /// Values of a column of events, and of a linked column in the order of events; all are there before the first feature.
   void add_condition(std::vector<double> values) { fPredict.known().conditions.push_back(std::move(values)); }
   void give(std::size_t linked, std::vector<double> values) { fPredict.known().given[linked] = std::move(values); }

   std::size_t objects() const { return fPredict.order().objects(); }

   /// Of the integers of a feature in the order of events.
   Codable find(std::size_t feature, Span<const std::int64_t> in_events)
   {
      const RankOrder &order = fPredict.order();
      require(in_events.size() == order.objects(), "a feature of other objects");
      Known &known = fPredict.known();
      Buffer<std::int64_t> &q = known.integers[feature].begin(order.objects());
      for (std::size_t i = 0; i < q.size(); ++i)
         q[i] = in_events[order.in_events()[i]];
      known.integers[feature].finish();
      known.latents[feature].begin(order.objects());
      Codable out;
      out.around = fPredict.is_around(feature);
      for (std::size_t place = 0; place < order.places(); ++place)
         fPredict.find_latents(feature, place, out.around);
      known.latents[feature].finish();
      out.integers = q;
      out.latents = known.latents[feature].changed();
      if (fPredict.predictor(feature).classes.size() > 1)
         sort(feature, out);
      if (!fPredict.predictor(feature).wants_latent)
         known.latents[feature].clear();
      return out;
   }

private:
   Predict fPredict;
   std::vector<std::uint8_t> fNumbers; ///< of the classes of the objects

   /// Latents class by class; those of a class stay in order.
   void sort(std::size_t feature, Codable &out)
   {
      const RankOrder &order = fPredict.order();
      const OpenPredictor &predictor = fPredict.predictor(feature);
      fNumbers.resize(order.objects());
      for (std::size_t place = 0; place < order.places(); ++place)
         fPredict.classify(predictor, place, fNumbers.data() + order.start(place));
      std::vector<std::size_t> in_order(predictor.classes.size());
      std::iota(in_order.begin(), in_order.end(), std::size_t{0});
      const Dealing dealing(fNumbers, in_order);
      out.counts = dealing.counts();
      out.by_class.resize(order.objects());
      dealing.collect(out.latents.data(), out.by_class.data());
   }
};

} // namespace hepae
