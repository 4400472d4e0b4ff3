// Which coding table each object takes: what networks see of a chunk, and the cells that they name (docs/format/v1.md, section
// 12).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../buffer.hpp"
#include "../prediction/predict.hpp"
#include "../prediction/stretches.hpp"
#include "../span.hpp"
#include "prepared.hpp"

namespace hepae {

class Cells {
public:
   Cells(const PreparedPredictors &predictors, Predict &predict)
      : fPredictors(&predictors), fPredict(&predict), fFilled(predictors.inputs().size()),
        fLevels(fFilled.size() * predict.order().objects())
   {
   }

   /// Whether a network is shown the prediction of its feature.
   bool shows_prediction(const OpenShape &shape) const
   {
      return std::any_of(shape.inputs.begin(), shape.inputs.end(), [&](std::size_t input) {
         return fPredictors->inputs()[input].source.column.is_prediction();
      });
   }

   /// Predictions for all objects, there until the next ones. Networks that are shown them follow.
   const std::vector<std::int64_t> &predict(std::size_t feature)
   {
      fFine.resize(order().objects());
      fPredictions.resize(order().objects());
      const OpenPredictor &one = fPredictors->predictor(feature);
      for (std::size_t place = 0; place < order().places(); ++place) {
         const Block sums = fPredict->sums(one.fine, place);
         std::copy(sums.begin(), sums.end(), fFine.begin() + static_cast<std::ptrdiff_t>(order().start(place)));
         const Block found = fPredict->from_sums(one, place, sums);
         std::copy(found.begin(), found.end(), fPredictions.begin() + static_cast<std::ptrdiff_t>(order().start(place)));
      }
      return fPredictions;
   }

   /// The cells of the objects of some places, there until the next ones.
   Span<const std::uint16_t> of(std::size_t feature, const OpenShape &shape, std::size_t first, std::size_t last)
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

   /// Takes back what networks see: it may hold what half a feature gave.
   void forget() { std::fill(fFilled.begin(), fFilled.end(), 0); }

private:
   const PreparedPredictors *fPredictors;
   Predict *fPredict;
   std::vector<std::size_t> fFilled; ///< objects whose inputs are known, by input
   Buffer<std::uint8_t> fLevels; ///< a row of all objects for each input
   std::vector<std::uint16_t> fCells;
   std::vector<std::int64_t> fFine, fPredictions; ///< of the feature that was predicted last
   IntegerNetwork::Scratch fScratch;

   const RankOrder &order() const { return fPredict->order(); }

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
      require(column.feature == feature && !fPredictors->predictor(feature).ranked, "a prediction that is not known");
      const bool offset = column.kind == OpenColumn::Kind::kPredictedOffset;
      const std::int64_t *from = (offset ? fFine : fPredictions).data() + order().start(place);
      for (std::size_t p = 0; p < order().size(place); ++p)
         out[p] = spec.levels[spec.source.scale.index(offset ? from[p] & 63 : from[p])];
   }
};

} // namespace hepae
