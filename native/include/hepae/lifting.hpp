// Lifting: integers are predictions and latents (docs/format/v1.md, sections 10.2 and 11).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "buffer.hpp"
#include "integers.hpp"
#include "prediction/predict.hpp"
#include "span.hpp"
#include "stored_classes.hpp"

namespace hepae {

/// Deals the latents of classes to the objects: each takes the next one of its class. The objects stand in a few runs that are
/// dealt side by side, since the next latent is known only when the one before is taken.
class Dealing {
public:
   /// `order`: that of the classes among the latents.
   Dealing(Span<const std::uint8_t> numbers, const std::vector<std::size_t> &order)
      : fNumbers(numbers), fRun(numbers.size() / kRuns), fCounts(order.size())
   {
      for (std::size_t i = 0; i < fRun; ++i)
         for (std::size_t run = 0; run < kRuns; ++run)
            ++fNext[run][numbers[run * fRun + i]];
      std::array<std::uint32_t, kMost> last{};
      for (std::size_t i = kRuns * fRun; i < numbers.size(); ++i)
         ++last[numbers[i]];
      std::uint32_t begin = 0;
      for (std::size_t one : order) {
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

   /// From the latents of the classes, one class after the other in their order.
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
      require(marked == kPlain || (kind >= kLatents && kind <= kGroups), "a payload of a kind that is not known");
      try {
         if (marked == kPlain)
            plain(feature, payload);
         else if (kind == kLatents)
            latents(feature, payload, around);
         else
            classes(feature, stored(feature, kind, payload), around);
         fPredict->known().integers[feature].finish();
         fPredict->known().latents[feature].finish();
      } catch (...) {
         fPredict->forget(feature);
         throw;
      }
   }

private:
   enum Kind : unsigned { kPlain = 0, kLatents = 1, kClasses = 2, kGroups = 3, kAround = 4 };

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

   StoredClasses stored(std::size_t feature, unsigned kind, Bytes payload) const
   {
      const OpenPredictor &one = predictor(feature);
      return kind == kGroups ? StoredClasses::by_group(payload, one.classes.size(), one.ranked)
                             : StoredClasses::by_class(payload, one.classes.size(), one.ranked);
   }

   void classes(std::size_t feature, const StoredClasses &stored, bool around)
   {
      fNumbers.resize(order().objects());
      if (predictor(feature).ranked)
         return classes_by_place(feature, stored, around);
      for (std::size_t place = 0; place < order().places(); ++place)
         fPredict->classify(predictor(feature), place, fNumbers.data() + order().start(place));
      const Dealing dealing(fNumbers, stored.order);
      Classes<std::int32_t> small;
      fSmall.resize(order().objects());
      if (split(stored, dealing.counts(), fSmall, small)) {
         Buffer<std::int32_t> out(order().objects());
         dealing.deal(fSmall.data(), out.data());
         return is_quick(feature, around) ? restore_small(feature, std::move(out)) : restore_by_place(feature, out, around);
      }
      Classes<std::int64_t> large;
      fLatents.resize(order().objects());
      split(stored, dealing.counts(), fLatents, large);
      Buffer<std::int64_t> out(order().objects());
      dealing.deal(fLatents.data(), out.data());
      restore_by_place(feature, out, around);
   }

   /// Where the class of an object can depend on this feature of the objects before it.
   void classes_by_place(std::size_t feature, const StoredClasses &stored, bool around)
   {
      std::vector<std::size_t> counts;
      for (std::int64_t count : stored.counts) {
         require(count >= 0 && count <= static_cast<std::int64_t>(order().objects()), "classes of other latents");
         counts.push_back(static_cast<std::size_t>(count));
      }
      Classes<std::int32_t> small;
      fSmall.resize(order().objects());
      if (split(stored, counts, fSmall, small))
         return deal_places(feature, around, small);
      Classes<std::int64_t> large;
      fLatents.resize(order().objects());
      split(stored, counts, fLatents, large);
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

   /// The latents of the classes, group by group. False where some are not small enough.
   template <class T>
   static bool split(const StoredClasses &stored, const std::vector<std::size_t> &counts, Buffer<T> &latents, Classes<T> &out)
   {
      require(std::accumulate(counts.begin(), counts.end(), std::size_t{0}) == latents.size(), "classes of other latents");
      out.resize(counts.size());
      T *begin = latents.data();
      auto next = stored.order.begin();
      for (std::size_t group = 0; group < stored.blocks.size(); ++group) {
         T *end = begin;
         for (; next != stored.order.end() && stored.groups[*next] == static_cast<std::int64_t>(group); ++next) {
            out[*next] = {end, end + counts[*next]};
            end += counts[*next];
         }
         if (!unpack_into(stored.blocks[group], {begin, static_cast<std::size_t>(end - begin)}))
            return false;
         begin = end;
      }
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
