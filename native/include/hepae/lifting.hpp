// Lifting: integers are predictions and latents (docs/format/v1.md, sections 10.2 and 11).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "integers.hpp"
#include "prediction/predict.hpp"
#include "span.hpp"
#include "varint.hpp"

namespace hepae {

/// The features of a chunk, decoded one after the other.
class OpenLifting {
public:
   OpenLifting(const PreparedPredictors &predictors, Predict &predict) : fPredictors(&predictors), fPredict(&predict) {}

   /// Decode a feature from its payload, those of derived features taken off. Its integers are known afterwards.
   void decode(std::size_t feature, Bytes payload)
   {
      require(!payload.empty(), "a payload is empty");
      const unsigned marked = payload[0] >> integers::kKind, kind = marked & ~kAround;
      std::vector<std::int64_t> &q = fPredict->known().integers[feature];
      q.assign(order().objects(), 0);
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
         fPredict->forget(feature);
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
   Predict *fPredict;
   std::vector<std::int64_t> fLatents; ///< of the classes, one after the other
   std::vector<std::uint8_t> fNumbers; ///< classes of the objects

   const RankOrder &order() const { return fPredict->order(); }

   void plain(std::size_t feature, Bytes payload, std::vector<std::int64_t> &q)
   {
      unpack_integers(payload, q);
      if (!fPredictors->predictor(feature).wants_latent)
         return;
      const bool around = fPredict->is_around(feature);
      fPredict->known().latents[feature].assign(q.size(), 0);
      for (std::size_t place = 0; place < order().places(); ++place)
         fPredict->find_latents(feature, place, around);
   }

   /// The latents are where the integers will be.
   void latents(std::size_t feature, Bytes payload, bool around, std::vector<std::int64_t> &q)
   {
      unpack_integers(payload, q);
      if (fPredictors->predictor(feature).wants_latent)
         fPredict->known().latents[feature] = q;
      for (std::size_t place = 0; place < order().places(); ++place)
         fPredict->restore(feature, place, around);
   }

   void classes(std::size_t feature, Bytes payload, bool around, std::vector<std::int64_t> &q)
   {
      const OpenPredictor &predictor = fPredictors->predictor(feature);
      fNumbers.resize(q.size());
      std::vector<std::size_t> counts(predictor.classes.size());
      if (!predictor.ranked)
         for (std::size_t place = 0; place < order().places(); ++place)
            classify(predictor, place, counts);
      fLatents.resize(q.size());
      std::vector<Class> classes = split(payload, counts, predictor.ranked);
      std::vector<std::int64_t> &latent = fPredict->known().latents[feature];
      latent.resize(predictor.wants_latent ? q.size() : 0);
      for (std::size_t place = 0; place < order().places(); ++place) {
         if (predictor.ranked)
            classify(predictor, place, counts);
         deal(classes, place, q);
         if (predictor.wants_latent)
            std::copy_n(q.begin() + order().start(place), order().size(place), latent.begin() + order().start(place));
         fPredict->restore(feature, place, around);
      }
   }

   /// The next latents of the classes, for the objects of a place.
   void deal(std::vector<Class> &classes, std::size_t place, std::vector<std::int64_t> &q) const
   {
      const std::uint8_t *number = fNumbers.data() + order().start(place);
      std::int64_t *out = q.data() + order().start(place);
      for (std::size_t p = 0; p < order().size(place); ++p) {
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
      std::uint8_t *out = fNumbers.data() + order().start(place);
      const std::size_t size = order().size(place);
      if (!predictor.class_table.empty()) {
         const OpenSource &source = fPredictors->sources()[predictor.widths.parts[0].source];
         const std::int64_t *column = fPredict->column(source.column, place);
         const Scale scale = source.scale;
         const std::uint8_t *table = predictor.class_table.data();
         for (std::size_t p = 0; p < size; ++p)
            out[p] = table[scale.index(column[p])];
      } else {
         const Block sums = fPredict->sums(predictor.widths, place);
         for (std::size_t p = 0; p < size; ++p)
            out[p] = predictor.classes.of(sums[p]);
      }
      for (std::size_t p = 0; p < size; ++p)
         ++counts[out[p]];
   }
};

} // namespace hepae
