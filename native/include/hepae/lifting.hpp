// Lifting: integers are predictions and latents (docs/format/v1.md, sections 10.2 and 11).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "integers.hpp"
#include "prediction/evaluate.hpp"
#include "prediction/known.hpp"
#include "prediction/prepared.hpp"
#include "prediction/rank_order.hpp"
#include "span.hpp"
#include "varint.hpp"

namespace hepae {

/// The features of a chunk, decoded one after the other.
class OpenLifting {
public:
   OpenLifting(const PreparedPredictors &predictors, Span<const std::int64_t> counts)
      : fPredictors(&predictors), fOrder(counts, predictors.spec().last_rank), fEvaluate(fKnown)
   {
      fKnown.order = &fOrder;
      fKnown.lattices = &predictors.lattices();
      fKnown.integers.resize(predictors.features());
      fKnown.latents.resize(predictors.features());
      fKnown.given.resize(predictors.lattices().size() - predictors.features());
      fColumn.resize(fOrder.size(0));
   }

   OpenLifting(const OpenLifting &) = delete; // what is known points at the order

   const RankOrder &order() const { return fOrder; }
   Known &known() { return fKnown; }
   bool is_decoded(std::size_t feature) const { return fOrder.objects() == 0 || !fKnown.integers[feature].empty(); }
   const std::vector<std::int64_t> &integers(std::size_t feature) const { return fKnown.integers[feature]; }

   /// Size in memory of what is known.
   std::size_t bytes() const
   {
      std::size_t numbers = 0;
      for (const auto *columns : {&fKnown.integers, &fKnown.latents})
         for (const std::vector<std::int64_t> &column : *columns)
            numbers += column.size();
      for (const auto *columns : {&fKnown.given, &fKnown.conditions})
         for (const std::vector<double> &column : *columns)
            numbers += column.size();
      return 8 * numbers;
   }

   /// The integers of a feature from its payload, those of derived features taken off. They are known afterwards.
   void decode(std::size_t feature, Bytes payload)
   {
      require(!payload.empty(), "a payload is empty");
      const unsigned marked = payload[0] >> integers::kKind, kind = marked & ~kAround;
      std::vector<std::int64_t> &q = fKnown.integers[feature];
      q.assign(fOrder.objects(), 0);
      try {
         if (marked == kPlain)
            plain(feature, payload, q);
         else if (kind == kLatents)
            latents(feature, payload, marked & kAround, q);
         else if (kind == kClasses)
            classes(feature, payload, marked & kAround, q);
         else
            throw CorruptionError("a payload of a kind that is not known");
      } catch (...) {
         q.clear(); // half a feature must not be taken for a whole one
         throw;
      }
   }

private:
   enum Kind : unsigned { kPlain = 0, kLatents = 1, kClasses = 2, kAround = 4 };

   /// The latents of a class, of which some are taken already.
   struct Class {
      std::vector<std::int64_t> latents;
      std::size_t taken = 0;
   };

   const PreparedPredictors *fPredictors;
   RankOrder fOrder;
   Known fKnown;
   Evaluate fEvaluate;
   std::vector<std::int64_t> fColumn;

   void plain(std::size_t feature, Bytes payload, std::vector<std::int64_t> &q)
   {
      unpack_integers(payload, q);
      const OpenPredictor &predictor = fPredictors->predictor(feature);
      if (!predictor.wants_latent)
         return;
      const auto off = [&](std::int64_t one) { return one < predictor.period->low || one > predictor.period->high; };
      const bool around = predictor.period && std::none_of(q.begin(), q.end(), off);
      std::vector<std::int64_t> &latent = fKnown.latents[feature];
      latent.assign(q.size(), 0);
      std::vector<std::int64_t> prediction(fColumn.size());
      for (std::size_t place = 0; place < fOrder.places(); ++place) {
         predict(predictor, place, prediction);
         for (std::size_t p = 0; p < fOrder.size(place); ++p) {
            const std::size_t i = fOrder.start(place) + p;
            const std::int64_t r = difference(q[i], prediction[p]);
            latent[i] = around ? wrapped(r, -(predictor.period->length() / 2), predictor.period->length()) : r;
         }
      }
   }

   void latents(std::size_t feature, Bytes payload, bool around, std::vector<std::int64_t> &q)
   {
      std::vector<std::int64_t> latent(q.size());
      unpack_integers(payload, latent);
      for (std::size_t place = 0; place < fOrder.places(); ++place)
         restore(feature, place, latent.data() + fOrder.start(place), around, q);
      keep_latents(feature, std::move(latent));
   }

   void classes(std::size_t feature, Bytes payload, bool around, std::vector<std::int64_t> &q)
   {
      const OpenPredictor &predictor = fPredictors->predictor(feature);
      std::vector<std::uint8_t> number(predictor.ranked ? fColumn.size() : q.size());
      std::vector<std::size_t> counts(predictor.edges.size() + 1);
      if (!predictor.ranked)
         for (std::size_t place = 0; place < fOrder.places(); ++place)
            classify(predictor, place, number.data() + fOrder.start(place), counts);
      std::vector<Class> classes = split(payload, counts, predictor.ranked);
      std::vector<std::int64_t> latent(q.size());
      for (std::size_t place = 0; place < fOrder.places(); ++place) {
         const std::size_t start = fOrder.start(place);
         if (predictor.ranked)
            classify(predictor, place, number.data(), counts);
         const std::uint8_t *of = number.data() + (predictor.ranked ? 0 : start);
         for (std::size_t p = 0; p < fOrder.size(place); ++p) {
            Class &from = classes[of[p]];
            require(from.taken < from.latents.size(), "a class of latents is too short");
            latent[start + p] = from.latents[from.taken++];
         }
         restore(feature, place, latent.data() + start, around, q);
      }
      for (const Class &one : classes)
         require(one.taken == one.latents.size(), "a class of latents is too long");
      keep_latents(feature, std::move(latent));
   }

   /// Blocks of the classes; where the feature is ranked, their counts stand before them.
   std::vector<Class> split(Bytes payload, const std::vector<std::size_t> &counts, bool ranked) const
   {
      std::vector<Class> out(counts.size());
      std::size_t at = 1;
      for (std::size_t i = 0; i < counts.size(); ++i) {
         const std::uint64_t count = ranked ? read_varint(payload, at) : counts[i];
         require(count <= fOrder.objects(), "a class of too many latents");
         const std::size_t length = i + 1 < counts.size() ? read_length(payload, at) : payload.size() - at;
         out[i].latents.resize(static_cast<std::size_t>(count));
         unpack_integers(payload.part(at, length), out[i].latents);
         at += length;
      }
      return out;
   }

   void classify(const OpenPredictor &predictor, std::size_t place, std::uint8_t *out, std::vector<std::size_t> &counts)
   {
      std::vector<std::int64_t> sum(fOrder.size(place));
      add_tables(predictor.widths, place, sum);
      for (std::size_t p = 0; p < sum.size(); ++p) {
         std::uint8_t number = 0;
         for (std::int64_t edge : predictor.edges)
            number = static_cast<std::uint8_t>(number + (sum[p] >= edge));
         out[p] = number;
         ++counts[number];
      }
   }

   void add_tables(const TableSum &tables, std::size_t place, Block out)
   {
      std::fill(out.begin(), out.end(), tables.constant);
      const Block column = Block(fColumn).part(0, out.size());
      for (const TableSum::Part &part : tables.parts) {
         const OpenSource &source = fPredictors->sources()[part.source];
         fEvaluate.column(source.column, place, column);
         const std::int64_t *table = part.table.data();
         for (std::size_t p = 0; p < out.size(); ++p)
            out[p] += table[source.index(column[p])];
      }
   }

   void predict(const OpenPredictor &predictor, std::size_t place, std::vector<std::int64_t> &out)
   {
      const Block block = Block(out).part(0, fOrder.size(place));
      add_tables(predictor.fine, place, block);
      for (std::int64_t &one : block)
         one >>= 6;
      if (!predictor.base)
         return;
      const Block column = Block(fColumn).part(0, block.size());
      fEvaluate.column(*predictor.base, place, column);
      for (std::size_t p = 0; p < block.size(); ++p)
         block[p] = added(block[p], column[p]);
   }

   void restore(std::size_t feature, std::size_t place, const std::int64_t *latent, bool around,
                std::vector<std::int64_t> &q)
   {
      const OpenPredictor &predictor = fPredictors->predictor(feature);
      std::vector<std::int64_t> prediction(fOrder.size(place));
      predict(predictor, place, prediction);
      std::int64_t *out = q.data() + fOrder.start(place);
      for (std::size_t p = 0; p < prediction.size(); ++p)
         out[p] = added(latent[p], prediction[p]);
      if (around && predictor.period)
         for (std::size_t p = 0; p < prediction.size(); ++p)
            out[p] = wrapped(out[p], predictor.period->low, predictor.period->length());
   }

   void keep_latents(std::size_t feature, std::vector<std::int64_t> latent)
   {
      if (fPredictors->predictor(feature).wants_latent)
         fKnown.latents[feature] = std::move(latent);
   }

   /// Sums and differences modulo 2^64.
   static std::int64_t added(std::int64_t a, std::int64_t b)
   {
      return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
   }
   static std::int64_t difference(std::int64_t a, std::int64_t b)
   {
      return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
   }

   /// The number of a circle that begins at `low` and is so long.
   static std::int64_t wrapped(std::int64_t value, std::int64_t low, std::int64_t length)
   {
      const std::int64_t over = difference(value, low) % length;
      return low + (over < 0 ? over + length : over);
   }
};

} // namespace hepae
