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
      fSum.resize(fOrder.size(0));
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
         fKnown.forget(feature);
         throw;
      }
   }

private:
   enum Kind : unsigned { kPlain = 0, kLatents = 1, kClasses = 2, kAround = 4 };

   /// The latents of a class that are not taken yet.
   struct Class {
      const std::int64_t *next = nullptr, *end = nullptr;
   };

   const PreparedPredictors *fPredictors;
   RankOrder fOrder;
   Known fKnown;
   Evaluate fEvaluate;
   // buffers for what is computed: a column of a place, a sum of tables, classes of the objects and their latents
   std::vector<std::int64_t> fColumn, fSum, fLatents;
   std::vector<std::uint8_t> fNumbers;

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
      for (std::size_t place = 0; place < fOrder.places(); ++place) {
         const Block prediction = predict(predictor, place);
         for (std::size_t p = 0; p < fOrder.size(place); ++p) {
            const std::size_t i = fOrder.start(place) + p;
            const std::int64_t r = difference(q[i], prediction[p]);
            latent[i] = around ? wrapped(r, -(predictor.period->length() / 2), predictor.period->length()) : r;
         }
      }
   }

   /// The latents are where the integers will be.
   void latents(std::size_t feature, Bytes payload, bool around, std::vector<std::int64_t> &q)
   {
      unpack_integers(payload, q);
      if (fPredictors->predictor(feature).wants_latent)
         fKnown.latents[feature] = q;
      for (std::size_t place = 0; place < fOrder.places(); ++place)
         restore(feature, place, around, q);
   }

   void classes(std::size_t feature, Bytes payload, bool around, std::vector<std::int64_t> &q)
   {
      const OpenPredictor &predictor = fPredictors->predictor(feature);
      fNumbers.resize(q.size());
      std::vector<std::size_t> counts(predictor.classes.size());
      if (!predictor.ranked)
         for (std::size_t place = 0; place < fOrder.places(); ++place)
            classify(predictor, place, counts);
      fLatents.resize(q.size());
      std::vector<Class> classes = split(payload, counts, predictor.ranked);
      std::vector<std::int64_t> &latent = fKnown.latents[feature];
      latent.resize(predictor.wants_latent ? q.size() : 0);
      for (std::size_t place = 0; place < fOrder.places(); ++place) {
         if (predictor.ranked)
            classify(predictor, place, counts);
         deal(classes, place, q);
         if (predictor.wants_latent)
            std::copy_n(q.begin() + fOrder.start(place), fOrder.size(place), latent.begin() + fOrder.start(place));
         restore(feature, place, around, q);
      }
   }

   /// The next latents of the classes, for the objects of a place.
   void deal(std::vector<Class> &classes, std::size_t place, std::vector<std::int64_t> &q) const
   {
      const std::uint8_t *number = fNumbers.data() + fOrder.start(place);
      std::int64_t *out = q.data() + fOrder.start(place);
      for (std::size_t p = 0; p < fOrder.size(place); ++p) {
         Class &from = classes[number[p]];
         require(from.next != from.end, "a class of latents is too short");
         out[p] = *from.next++;
      }
   }

   /// The latents of the classes, one after the other; where the feature is ranked, their counts stand before them.
   std::vector<Class> split(Bytes payload, const std::vector<std::size_t> &counts, bool ranked)
   {
      std::vector<Class> out(counts.size());
      Block left = fLatents;
      std::size_t at = 1;
      for (std::size_t i = 0; i < counts.size(); ++i) {
         const std::uint64_t count = ranked ? read_varint(payload, at) : counts[i];
         require(count <= left.size(), "classes of too many latents");
         const std::size_t length = i + 1 < counts.size() ? read_length(payload, at) : payload.size() - at;
         const Block block = left.part(0, static_cast<std::size_t>(count));
         unpack_integers(payload.part(at, length), block);
         out[i] = {block.begin(), block.end()};
         left = left.from(block.size());
         at += length;
      }
      require(left.empty(), "classes of too few latents");
      return out;
   }

   void classify(const OpenPredictor &predictor, std::size_t place, std::vector<std::size_t> &counts)
   {
      std::uint8_t *out = fNumbers.data() + fOrder.start(place);
      const std::size_t size = fOrder.size(place);
      if (!predictor.class_table.empty()) {
         const OpenSource &source = fPredictors->sources()[predictor.widths.parts[0].source];
         const std::int64_t *column = column_of(source.column, place, size);
         const Scale scale = source.scale;
         const std::uint8_t *table = predictor.class_table.data();
         for (std::size_t p = 0; p < size; ++p)
            out[p] = table[scale.index(column[p])];
      } else {
         const Block sum = Block(fSum).part(0, size);
         add_tables(predictor.widths, place, sum);
         for (std::size_t p = 0; p < size; ++p)
            out[p] = predictor.classes.of(sum[p]);
      }
      for (std::size_t p = 0; p < size; ++p)
         ++counts[out[p]];
   }

   void add_tables(const TableSum &tables, std::size_t place, Block out)
   {
      if (tables.parts.empty())
         return std::fill(out.begin(), out.end(), tables.constant);
      std::int64_t constant = tables.constant;
      for (const TableSum::Part &part : tables.parts) {
         const OpenSource &source = fPredictors->sources()[part.source];
         const std::int64_t *column = column_of(source.column, place, out.size());
         const std::int64_t *table = part.table.data();
         const Scale scale = source.scale; // a copy: the compiler cannot tell that the sums do not overwrite it
         if (&part == &tables.parts.front())
            for (std::size_t p = 0; p < out.size(); ++p)
               out[p] = constant + table[scale.index(column[p])];
         else
            for (std::size_t p = 0; p < out.size(); ++p)
               out[p] += table[scale.index(column[p])];
      }
   }

   /// A column at a place: where it is, or computed.
   const std::int64_t *column_of(const OpenColumn &column, std::size_t place, std::size_t size)
   {
      if (column.kind == OpenColumn::Kind::kHere)
         return fKnown.at(column.feature, place);
      if (column.kind == OpenColumn::Kind::kLatent)
         return fKnown.latents_at(column.feature, place);
      fEvaluate.column(column, place, Block(fColumn).part(0, size));
      return fColumn.data();
   }

   /// Predictions for a place, which are there until the next ones.
   Block predict(const OpenPredictor &predictor, std::size_t place)
   {
      const Block block = Block(fSum).part(0, fOrder.size(place));
      add_tables(predictor.fine, place, block);
      for (std::int64_t &one : block)
         one >>= 6;
      if (!predictor.base)
         return block;
      const std::int64_t *column = column_of(*predictor.base, place, block.size());
      for (std::size_t p = 0; p < block.size(); ++p)
         block[p] = added(block[p], column[p]);
      return block;
   }

   /// Latents of a place become integers.
   void restore(std::size_t feature, std::size_t place, bool around, std::vector<std::int64_t> &q)
   {
      const OpenPredictor &predictor = fPredictors->predictor(feature);
      std::int64_t *out = q.data() + fOrder.start(place);
      const std::size_t size = fOrder.size(place);
      if (predictor.is_constant()) {
         for (std::size_t p = 0; p < size; ++p)
            out[p] = added(out[p], predictor.fine.constant >> 6);
      } else {
         const Block prediction = predict(predictor, place);
         for (std::size_t p = 0; p < size; ++p)
            out[p] = added(out[p], prediction[p]);
      }
      if (around && predictor.period)
         for (std::size_t p = 0; p < size; ++p)
            out[p] = wrapped(out[p], predictor.period->low, predictor.period->length());
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
      std::int64_t over = difference(value, low);
      if (over < 0 || over >= length) // few are
         over %= length;
      return low + (over < 0 ? over + length : over);
   }
};

} // namespace hepae
