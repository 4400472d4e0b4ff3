// Lifting: integers are predictions and latents (docs/format/v1.md, sections 10.2 and 11).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "buffer.hpp"
#include "integers.hpp"
#include "prediction/predict.hpp"
#include "span.hpp"
#include "varint.hpp"

namespace hepae {

/// Deals the latents of classes to the objects: each takes the next one of its class. The objects stand in a few runs that are
/// dealt side by side, since the next latent is known only when the one before is taken.
class Dealing {
public:
   Dealing(Span<const std::uint8_t> numbers, std::size_t classes)
      : fNumbers(numbers), fRun(numbers.size() / kRuns), fCounts(classes)
   {
      for (std::size_t i = 0; i < fRun; ++i)
         for (std::size_t run = 0; run < kRuns; ++run)
            ++fNext[run][numbers[run * fRun + i]];
      std::array<std::uint32_t, kMost> last{};
      for (std::size_t i = kRuns * fRun; i < numbers.size(); ++i)
         ++last[numbers[i]];
      std::uint32_t begin = 0;
      for (std::size_t one = 0; one < classes; ++one) {
         const std::uint32_t first = begin;
         for (auto &run : fNext) {
            const std::uint32_t count = run[one];
            run[one] = begin;
            begin += count;
         }
         begin += last[one]; // the last objects go on where the last run ends
         fCounts[one] = begin - first;
      }
   }

   /// Objects of each class.
   const std::vector<std::size_t> &counts() const { return fCounts; }

   /// From the latents of the classes, one class after the other.
   template <class T>
   void deal(const T *latents, T *out) const
   {
      auto next = fNext;
      for (std::size_t i = 0; i < fRun; ++i)
         for (std::size_t run = 0; run < kRuns; ++run)
            out[run * fRun + i] = latents[next[run][fNumbers[run * fRun + i]]++];
      for (std::size_t i = kRuns * fRun; i < fNumbers.size(); ++i)
         out[i] = latents[next[kRuns - 1][fNumbers[i]]++];
   }

   /// The other way: from the latents of the objects.
   template <class T>
   void collect(const T *latents, T *out) const
   {
      auto next = fNext;
      for (std::size_t i = 0; i < fRun; ++i)
         for (std::size_t run = 0; run < kRuns; ++run)
            out[next[run][fNumbers[run * fRun + i]]++] = latents[run * fRun + i];
      for (std::size_t i = kRuns * fRun; i < fNumbers.size(); ++i)
         out[next[kRuns - 1][fNumbers[i]]++] = latents[i];
   }

private:
   static constexpr std::size_t kRuns = 4, kMost = 256;

   Span<const std::uint8_t> fNumbers;
   std::size_t fRun;
   std::array<std::array<std::uint32_t, kMost>, kRuns> fNext{};
   std::vector<std::size_t> fCounts;
};

/// The features of a chunk, decoded one after the other.
class OpenLifting {
public:
   OpenLifting(const PreparedPredictors &predictors, Predict &predict) : fPredictors(&predictors), fPredict(&predict) {}

   /// Decode a feature from its payload, those of derived features taken off. Its integers are known afterwards.
   void decode(std::size_t feature, Bytes payload)
   {
      require(!payload.empty(), "a payload is empty");
      const unsigned marked = payload[0] >> integers::kKind, kind = marked & ~kAround;
      const bool around = marked & kAround;
      require(marked == kPlain || kind == kLatents || kind == kClasses, "a payload of a kind that is not known");
      try {
         if (marked == kPlain)
            plain(feature, payload);
         else if (kind == kLatents)
            latents(feature, payload, around);
         else
            classes(feature, payload, around);
         fPredict->known().integers[feature].finish();
         fPredict->known().latents[feature].finish();
      } catch (...) {
         fPredict->forget(feature);
         throw;
      }
   }

private:
   enum Kind : unsigned { kPlain = 0, kLatents = 1, kClasses = 2, kAround = 4 };

   /// The latents of a class that are not taken yet.
   template <class T>
   struct Class {
      const T *next = nullptr, *end = nullptr;
   };
   template <class T>
   using Classes = std::vector<Class<T>>;

   const PreparedPredictors *fPredictors;
   Predict *fPredict;
   Buffer<std::int64_t> fLatents; ///< as they are stored: of the classes, one after the other
   Buffer<std::int32_t> fSmall;   ///< the same, where all are small
   std::vector<std::uint8_t> fNumbers; ///< classes of the objects

   const RankOrder &order() const { return fPredict->order(); }
   const OpenPredictor &predictor(std::size_t feature) const { return fPredictors->predictor(feature); }
   Integers &integers(std::size_t feature) { return fPredict->known().integers[feature]; }
   Integers &kept(std::size_t feature) { return fPredict->known().latents[feature]; }

   /// Whether small latents give small integers, all objects at once.
   bool is_quick(std::size_t feature, bool around) const
   {
      const OpenPredictor &one = predictor(feature);
      return one.fine.is_small && !one.base && !one.ranked && !(around && one.period);
   }

   /// Latents become integers, which are kept.
   void restore_small(std::size_t feature, Buffer<std::int32_t> latents)
   {
      if (predictor(feature).wants_latent)
         kept(feature).put(latents);
      fPredict->restore_small(feature, latents);
      integers(feature).put(std::move(latents));
   }

   void plain(std::size_t feature, Bytes payload)
   {
      Buffer<std::int32_t> small(order().objects());
      if (unpack_small(payload, small))
         integers(feature).put(std::move(small));
      else
         unpack_integers(payload, integers(feature).begin(order().objects()));
      integers(feature).finish();
      if (!predictor(feature).wants_latent)
         return;
      const bool around = fPredict->is_around(feature);
      kept(feature).begin(order().objects());
      for (std::size_t place = 0; place < order().places(); ++place)
         fPredict->find_latents(feature, place, around);
   }

   void latents(std::size_t feature, Bytes payload, bool around)
   {
      Buffer<std::int32_t> small(order().objects());
      const bool is_small = unpack_small(payload, small);
      if (is_small && is_quick(feature, around))
         return restore_small(feature, std::move(small));
      if (is_small)
         return restore_by_place(feature, small, around);
      fLatents.resize(order().objects());
      unpack_integers(payload, fLatents);
      restore_by_place(feature, fLatents, around);
   }

   template <class T>
   void restore_by_place(std::size_t feature, const Buffer<T> &latents, bool around)
   {
      integers(feature).begin(order().objects());
      if (predictor(feature).wants_latent)
         std::copy(latents.begin(), latents.end(), kept(feature).begin(latents.size()).begin());
      for (std::size_t place = 0; place < order().places(); ++place)
         fPredict->restore(feature, place, around, latents.data() + order().start(place));
   }

   void classes(std::size_t feature, Bytes payload, bool around)
   {
      fNumbers.resize(order().objects());
      if (predictor(feature).ranked)
         return classes_by_place(feature, payload, around);
      for (std::size_t place = 0; place < order().places(); ++place)
         fPredict->classify(predictor(feature), place, fNumbers.data() + order().start(place));
      const Dealing dealing(fNumbers, predictor(feature).classes.size());
      Classes<std::int32_t> small;
      fSmall.resize(order().objects());
      if (split(payload, dealing.counts(), false, fSmall, small)) {
         Buffer<std::int32_t> out(order().objects());
         dealing.deal(fSmall.data(), out.data());
         return is_quick(feature, around) ? restore_small(feature, std::move(out)) : restore_by_place(feature, out, around);
      }
      Classes<std::int64_t> large;
      fLatents.resize(order().objects());
      split(payload, dealing.counts(), false, fLatents, large);
      Buffer<std::int64_t> out(order().objects());
      dealing.deal(fLatents.data(), out.data());
      restore_by_place(feature, out, around);
   }

   /// Where the class of an object can depend on this feature of the objects before it.
   void classes_by_place(std::size_t feature, Bytes payload, bool around)
   {
      const std::vector<std::size_t> counts(predictor(feature).classes.size());
      Classes<std::int32_t> small;
      fSmall.resize(order().objects());
      if (split(payload, counts, true, fSmall, small))
         return deal_places(feature, around, small);
      Classes<std::int64_t> large;
      fLatents.resize(order().objects());
      split(payload, counts, true, fLatents, large);
      deal_places(feature, around, large);
   }

   template <class T>
   void deal_places(std::size_t feature, bool around, Classes<T> &classes)
   {
      const OpenPredictor &one = predictor(feature);
      integers(feature).begin(order().objects());
      if (one.wants_latent)
         kept(feature).begin(order().objects());
      std::vector<T> dealt(order().size(0));
      for (std::size_t place = 0; place < order().places(); ++place) {
         const std::size_t start = order().start(place), size = order().size(place);
         fPredict->classify(one, place, fNumbers.data() + start);
         deal(classes, fNumbers.data() + start, size, dealt.data());
         if (one.wants_latent)
            std::copy_n(dealt.begin(), size, kept(feature).changed().begin() + static_cast<std::ptrdiff_t>(start));
         fPredict->restore(feature, place, around, dealt.data());
      }
   }

   /// The next latents of the classes, for some objects.
   template <class T>
   static void deal(Classes<T> &classes, const std::uint8_t *number, std::size_t size, T *out)
   {
      for (std::size_t p = 0; p < size; ++p) {
         Class<T> &from = classes[number[p]];
         require(from.next != from.end, "a class of latents is too short");
         out[p] = *from.next++;
      }
   }

   /// The latents of the classes, one after the other; where the feature is ranked, their counts stand before them. False
   /// where some are not small enough.
   template <class T>
   static bool split(Bytes payload, const std::vector<std::size_t> &counts, bool ranked, Buffer<T> &latents,
                     Classes<T> &out)
   {
      Span<T> left = latents;
      std::size_t at = 1;
      for (std::size_t i = 0; i < counts.size(); ++i) {
         const std::uint64_t count = ranked ? read_varint(payload, at) : counts[i];
         require(count <= left.size(), "classes of too many latents");
         const std::size_t length = i + 1 < counts.size() ? read_length(payload, at) : payload.size() - at;
         const Span<T> block = left.part(0, static_cast<std::size_t>(count));
         if (!unpack_into(payload.part(at, length), block))
            return false;
         out.push_back({block.begin(), block.end()});
         left = left.from(block.size());
         at += length;
      }
      require(left.empty(), "classes of too few latents");
      return true;
   }

   static bool unpack_into(Bytes block, Span<std::int32_t> out) { return unpack_small(block, out); }
   static bool unpack_into(Bytes block, Span<std::int64_t> out)
   {
      unpack_integers(block, out);
      return true;
   }
};

} // namespace hepae
