// Predictions for the objects of one place after the other (docs/format/v1.md, section 10.2).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../processor.hpp"
#include "evaluate.hpp"
#include "indexes.hpp"
#include "known.hpp"
#include "prepared.hpp"
#include "rank_order.hpp"

namespace hepae {

/// Sums and differences modulo 2^64.
HEPAE_INLINE std::int64_t added(std::int64_t a, std::int64_t b)
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
      : fPredictors(&predictors), fOrder(counts, predictors.spec().last_rank), fEvaluate(fKnown),
        fIndexes(predictors, fKnown, fEvaluate)
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

   /// Calls a function with a few objects of a place after the other.
   template <class OfPart>
   void each_part(std::size_t place, OfPart of_part) const
   {
      for (std::size_t first = 0; first < fOrder.size(place); first += Stretch::kMost)
         of_part(Stretch{place, first, std::min(Stretch::kMost, fOrder.size(place) - first)});
   }

   /// Sums of tables that are small, for a few objects; there until the next ones.
   const std::int32_t *small_sums(const TableSum &tables, const Stretch &part)
   {
      std::int32_t *out = fSmall;
      std::fill_n(out, part.size, static_cast<std::int32_t>(tables.constant));
      for (const TableSum::Part &one : tables.parts)
         stretches::add(one.small.data(), fIndexes.of(one.source, part, fIndex), part.size, out);
      return out;
   }

   /// Indexes of a few objects into the tables of a source, or of an input of networks.
   const std::uint32_t *indexes(std::size_t source, const Stretch &part) { return fIndexes.of(source, part, fIndex); }
   const std::uint32_t *input_indexes(std::size_t input, const Stretch &part)
   {
      return fIndexes.of(fPredictors->sources().size() + input, part, fIndex);
   }

   /// Sums of tables, there until the next ones.
   Block sums(const TableSum &tables, std::size_t place)
   {
      const Block out = Block(fSum).part(0, fOrder.size(place));
      each_part(place, [&](const Stretch &part) {
         std::int64_t *sum = out.data() + part.first;
         if (tables.is_small) {
            const std::int32_t *small = small_sums(tables, part);
            std::copy(small, small + part.size, sum);
            return;
         }
         std::fill_n(sum, part.size, tables.constant);
         for (const TableSum::Part &one : tables.parts) {
            const std::uint32_t *index = indexes(one.source, part);
            for (std::size_t p = 0; p < part.size; ++p)
               sum[p] += one.table[index[p]];
         }
      });
      return out;
   }

   /// Predictions from sums of tables, in their place.
   Block from_sums(const OpenPredictor &predictor, std::size_t place, Block sums)
   {
      for (std::int64_t &one : sums)
         one >>= 6;
      if (predictor.base) {
         const std::int64_t *base = column(*predictor.base, place);
         processor::run([&]() HEPAE_INLINED {
            std::int64_t *to = sums.data();
            const std::int64_t *from = base;
            for (std::size_t p = 0, size = sums.size(); p < size; ++p)
               to[p] = added(to[p], from[p]);
         });
      }
      return sums;
   }

   /// Predictions for a place, there until the next ones.
   Block predictions(const OpenPredictor &predictor, std::size_t place)
   {
      return from_sums(predictor, place, sums(predictor.fine, place));
   }

   /// Latents of a place become integers; the feature is one that has been begun.
   template <class Latent>
   void restore(std::size_t feature, std::size_t place, bool around, const Latent *latents)
   {
      const OpenPredictor &one = predictor(feature);
      const Block out = Block(fKnown.integers[feature].changed()).part(fOrder.start(place), fOrder.size(place));
      const Block prediction = predictions(one, place);
      processor::run([&]() HEPAE_INLINED {
         const std::int64_t *from = prediction.data();
         const Latent *latent = latents;
         std::int64_t *to = out.data();
         for (std::size_t p = 0, size = out.size(); p < size; ++p)
            to[p] = added(latent[p], from[p]);
      });
      if (around && one.period)
         for (std::int64_t &q : out)
            q = wrapped(q, one.period->low, one.period->length());
   }

   /// Latents of all objects, which are small, become integers, where this needs nothing but small tables.
   void restore_small(std::size_t feature, Buffer<std::int32_t> &latents)
   {
      const OpenPredictor &one = predictor(feature);
      if (one.is_constant()) {
         for (std::int32_t &q : latents)
            q += static_cast<std::int32_t>(one.fine.constant >> 6);
         return;
      }
      for (std::size_t place = 0; place < fOrder.places(); ++place)
         each_part(place, [&](const Stretch &part) {
            const std::int32_t *sum = small_sums(one.fine, part);
            std::int32_t *out = latents.data() + fOrder.start(place) + part.first;
            processor::run([&]() HEPAE_INLINED {
               for (std::size_t p = 0; p < part.size; ++p)
                  out[p] += sum[p] >> 6;
            });
         });
   }

   /// Whether a writer that knows these integers takes latents around the circle.
   bool is_around(std::size_t feature) const
   {
      const std::optional<Period> &period = predictor(feature).period;
      if (!period)
         return false;
      const std::int64_t *q = fKnown.integers[feature].wide();
      return std::all_of(q, q + fKnown.integers[feature].size(),
                         [&](std::int64_t one) { return period->low <= one && one <= period->high; });
   }

   /// The latents that a writer would have found at a place for the integers that are known.
   void find_latents(std::size_t feature, std::size_t place, bool around)
   {
      const OpenPredictor &one = predictor(feature);
      const Block prediction = predictions(one, place);
      const std::size_t start = fOrder.start(place);
      const std::int64_t *q = fKnown.integers[feature].wide() + start;
      std::int64_t *out = fKnown.latents[feature].changed().data() + start;
      for (std::size_t p = 0; p < prediction.size(); ++p) {
         const std::int64_t r = difference(q[p], prediction[p]);
         out[p] = around ? wrapped(r, -(one.period->length() / 2), one.period->length()) : r;
      }
   }

   /// Numbers of the classes of the objects of a place.
   void classify(const OpenPredictor &predictor, std::size_t place, std::uint8_t *all)
   {
      if (!predictor.widths.is_small) {
         const Block sums = this->sums(predictor.widths, place);
         for (std::size_t p = 0; p < sums.size(); ++p)
            all[p] = predictor.classes.of(sums[p]);
         return;
      }
      each_part(place, [&](const Stretch &part) {
         std::uint8_t *out = all + part.first;
         if (predictor.class_table.empty())
            return predictor.classes.of(Span<const std::int32_t>(small_sums(predictor.widths, part), part.size), out);
         const std::uint32_t *index = indexes(predictor.widths.parts[0].source, part);
         const std::uint8_t *table = predictor.class_table.data();
         for (std::size_t p = 0; p < part.size; ++p)
            out[p] = table[index[p]];
      });
   }

   /// Half a feature must not be taken for a whole one.
   void forget(std::size_t feature)
   {
      fKnown.integers[feature].clear();
      fKnown.latents[feature].clear();
      fKnown.forget(feature);
      fEvaluate.forget();
      fIndexes.forget();
   }

private:
   const PreparedPredictors *fPredictors;
   RankOrder fOrder;
   Known fKnown;
   Evaluate fEvaluate;
   Indexes fIndexes;
   std::uint32_t fIndex[Stretch::kMost];
   std::int32_t fSmall[Stretch::kMost];
   std::vector<std::int64_t> fColumn, fSum; ///< buffers for what is computed: a column of a place, a sum of tables
};

} // namespace hepae
