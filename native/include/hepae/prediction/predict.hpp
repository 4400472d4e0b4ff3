// Predictions for the objects of one place after the other (docs/format/v1.md, section 10.2).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "evaluate.hpp"
#include "known.hpp"
#include "prepared.hpp"
#include "rank_order.hpp"

namespace hepae {

/// Sums and differences modulo 2^64.
inline std::int64_t added(std::int64_t a, std::int64_t b)
{
   return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
inline std::int64_t difference(std::int64_t a, std::int64_t b)
{
   return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

/// The number of a circle that begins at `low` and is so long.
inline std::int64_t wrapped(std::int64_t value, std::int64_t low, std::int64_t length)
{
   std::int64_t over = difference(value, low);
   if (over < 0 || over >= length) // few are
      over %= length;
   return low + (over < 0 ? over + length : over);
}

class Predict {
public:
   Predict(const PreparedPredictors &predictors, Span<const std::int64_t> counts)
      : fPredictors(&predictors), fOrder(counts, predictors.spec().last_rank), fEvaluate(fKnown)
   {
      fKnown.order = &fOrder;
      fKnown.lattices = &predictors.lattices();
      fKnown.integers.resize(predictors.features());
      fKnown.latents.resize(predictors.features());
      fKnown.given.resize(predictors.lattices().size() - predictors.features());
      fColumn.resize(fOrder.size(0));
      fSum.resize(fOrder.size(0));
   }

   Predict(const Predict &) = delete; // what is known points at the order

   const RankOrder &order() const { return fOrder; }
   Known &known() { return fKnown; }
   const Known &known() const { return fKnown; }
   const OpenPredictor &predictor(std::size_t feature) const { return fPredictors->predictor(feature); }

   /// A column at a place: where it is, or computed.
   const std::int64_t *column(const OpenColumn &column, std::size_t place)
   {
      if (column.kind == OpenColumn::Kind::kHere)
         return fKnown.at(column.feature, place);
      if (column.kind == OpenColumn::Kind::kLatent)
         return fKnown.latents_at(column.feature, place);
      fEvaluate.column(column, place, Block(fColumn).part(0, fOrder.size(place)));
      return fColumn.data();
   }

   /// Sums of tables, there until the next ones.
   Block sums(const TableSum &tables, std::size_t place)
   {
      const Block out = Block(fSum).part(0, fOrder.size(place));
      std::fill(out.begin(), out.end(), tables.constant);
      for (const TableSum::Part &part : tables.parts) {
         const OpenSource &source = fPredictors->sources()[part.source];
         const std::int64_t *from = column(source.column, place);
         const std::int64_t *table = part.table.data();
         const Scale scale = source.scale; // a copy: the compiler cannot tell that the sums do not overwrite it
         for (std::size_t p = 0; p < out.size(); ++p)
            out[p] += table[scale.index(from[p])];
      }
      return out;
   }

   /// Predictions from sums of tables, in their place.
   Block from_sums(const OpenPredictor &predictor, std::size_t place, Block sums)
   {
      for (std::int64_t &one : sums)
         one >>= 6;
      if (predictor.base) {
         const std::int64_t *base = column(*predictor.base, place);
         for (std::size_t p = 0; p < sums.size(); ++p)
            sums[p] = added(sums[p], base[p]);
      }
      return sums;
   }

   /// Predictions for a place, there until the next ones.
   Block predictions(const OpenPredictor &predictor, std::size_t place)
   {
      return from_sums(predictor, place, sums(predictor.fine, place));
   }

   /// Latents of a place, which stand where the integers will be, become integers.
   void restore(std::size_t feature, std::size_t place, bool around)
   {
      const OpenPredictor &one = predictor(feature);
      const Block out = Block(fKnown.integers[feature]).part(fOrder.start(place), fOrder.size(place));
      if (one.is_constant()) {
         for (std::int64_t &q : out)
            q = added(q, one.fine.constant >> 6);
      } else {
         const Block prediction = predictions(one, place);
         for (std::size_t p = 0; p < out.size(); ++p)
            out[p] = added(out[p], prediction[p]);
      }
      if (around && one.period)
         for (std::int64_t &q : out)
            q = wrapped(q, one.period->low, one.period->length());
   }

   /// Whether a writer that knows these integers takes latents around the circle.
   bool is_around(std::size_t feature) const
   {
      const std::optional<Period> &period = predictor(feature).period;
      const auto off = [&](std::int64_t q) { return q < period->low || q > period->high; };
      const std::vector<std::int64_t> &q = fKnown.integers[feature];
      return period && std::none_of(q.begin(), q.end(), off);
   }

   /// The latents that a writer would have found at a place for the integers that are known.
   void find_latents(std::size_t feature, std::size_t place, bool around)
   {
      const OpenPredictor &one = predictor(feature);
      const Block prediction = predictions(one, place);
      const std::size_t start = fOrder.start(place);
      const std::int64_t *q = fKnown.integers[feature].data() + start;
      std::int64_t *out = fKnown.latents[feature].data() + start;
      for (std::size_t p = 0; p < prediction.size(); ++p) {
         const std::int64_t r = difference(q[p], prediction[p]);
         out[p] = around ? wrapped(r, -(one.period->length() / 2), one.period->length()) : r;
      }
   }

   /// Half a feature must not be taken for a whole one.
   void forget(std::size_t feature)
   {
      fKnown.integers[feature].clear();
      fKnown.latents[feature].clear();
      fKnown.forget(feature);
      fEvaluate.forget();
   }

private:
   const PreparedPredictors *fPredictors;
   RankOrder fOrder;
   Known fKnown;
   Evaluate fEvaluate;
   std::vector<std::int64_t> fColumn, fSum; ///< buffers for what is computed: a column of a place, a sum of tables
};

} // namespace hepae
