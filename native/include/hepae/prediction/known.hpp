// What is known of a chunk while it is decoded. All columns are in rank order but those that are given.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "../buffer.hpp"
#include "../exact.hpp"
#include "../lattice.hpp"
#include "../values.hpp"
#include "rank_order.hpp"

namespace hepae {

/// Stands for "there is no such object" in a column.
constexpr std::int64_t kMissing = -(std::int64_t{1} << 62);

/// Integers of a place: those of the objects at positions 0, 1, …
using Block = Span<std::int64_t>;

/// Integers in 64 bits, and in 32 where all are small. Each form is made of the other when it is asked for.
class Integers {
public:
   /// Sums of two such integers and a prediction that is as small fit into 32 bits.
   static constexpr std::int32_t kSmall = 1 << 29;

   bool empty() const { return fSize == 0; }
   std::size_t size() const { return fSize; }
   std::size_t bytes() const { return 8 * fWide.size() + 4 * fNarrow.size(); }

   void clear() { *this = {}; }

   /// Zeros that are about to be replaced; `finish` says when they are.
   Buffer<std::int64_t> &begin(std::size_t size)
   {
      clear();
      fSize = size;
      fWide.resize(size, 0);
      return fWide;
   }
   Buffer<std::int64_t> &changed() { return fWide; }
   void finish() { fFinished = true; }
   bool is_finished() const { return fFinished; }

   /// Small integers, none of them beyond `kSmall` in magnitude.
   void put(Buffer<std::int32_t> narrow)
   {
      clear();
      fSize = narrow.size();
      fNarrow = std::move(narrow);
      fFinished = fChecked = true;
   }

   const std::int64_t *wide() const
   {
      if (fWide.empty())
         fWide.assign(fNarrow.begin(), fNarrow.end());
      return fWide.data();
   }

   /// Null where some are not small, or not known yet.
   const std::int32_t *narrow() const
   {
      if (fFinished && !fChecked) {
         fChecked = true;
         std::int64_t least = 0, most = 0;
         for (std::int64_t q : fWide) {
            least = std::min(least, q);
            most = std::max(most, q);
         }
         if (-kSmall <= least && most <= kSmall)
            fNarrow.assign(fWide.begin(), fWide.end());
      }
      return fNarrow.empty() ? nullptr : fNarrow.data();
   }

private:
   std::size_t fSize = 0;
   bool fFinished = false;
   mutable bool fChecked = false;
   mutable Buffer<std::int64_t> fWide;
   mutable Buffer<std::int32_t> fNarrow;
};

/// Functions of the value of a feature that columns look at.
enum class Function { kValue, kCos, kSin, kCosh, kSinh };

namespace known {

constexpr double kLargestEta = 30;
constexpr std::int32_t kNoLog = std::numeric_limits<std::int32_t>::min();

inline double computed(Function function, double value)
{
   switch (function) {
   case Function::kCos: return exact::cos(value);
   case Function::kSin: return exact::sin(value);
   case Function::kCosh: return exact::cosh(std::clamp(value, -kLargestEta, kLargestEta));
   case Function::kSinh: return exact::sinh(std::clamp(value, -kLargestEta, kLargestEta));
   case Function::kValue: break;
   }
   return value;
}

/// The logarithm of a value in 1/1024.
inline std::int32_t log(double value)
{
   return static_cast<std::int32_t>(exact::rint(exact::log(std::max(std::fabs(value), exact::kSmallest)) * 1024));
}

/// A function of the first integers of a column. Where they are near each other, it is computed once for each of them:
/// there are far fewer integers than objects.
template <class T>
class Memo {
public:
   std::size_t size() const { return fSize; }
   const T *data() const { return fOut.data(); }

   template <class Q, class Compute>
   void extend(const Q *q, std::size_t end, std::size_t all, T none, Compute compute)
   {
      fOut.resize(all);
      const auto [low, high] = range(q + fSize, q + end);
      if (fits(low, high, none))
         for (; fSize < end; ++fSize) {
            T &known = fTable[static_cast<std::size_t>(std::int64_t{q[fSize]} - fLow)];
            if (is_none(known, none))
               known = compute(std::int64_t{q[fSize]});
            fOut[fSize] = known;
         }
      else
         for (; fSize < end; ++fSize)
            fOut[fSize] = compute(std::int64_t{q[fSize]});
   }

private:
   static constexpr std::uint64_t kTable = 1 << 16;

   std::size_t fSize = 0;
   std::int64_t fLow = 0;
   std::vector<T> fTable;
   Buffer<T> fOut;

   static bool is_none(T known, T none)
   {
      if constexpr (std::is_floating_point_v<T>)
         return known != known;
      else
         return known == none;
   }

   template <class Q>
   static std::pair<std::int64_t, std::int64_t> range(const Q *first, const Q *last)
   {
      if (first == last)
         return {0, 0};
      Q low = *first, high = *first;
      for (; first != last; ++first) {
         low = std::min(low, *first);
         high = std::max(high, *first);
      }
      return {low, high};
   }

   /// Whether the table reaches over these integers, or could be made to.
   bool fits(std::int64_t low, std::int64_t high, T none)
   {
      if (!fTable.empty()) {
         low = std::min(low, fLow);
         high = std::max(high, fLow + static_cast<std::int64_t>(fTable.size()) - 1);
      }
      const std::uint64_t size = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
      if (size == 0 || size > kTable)
         return false;
      if (fTable.empty())
         fLow = low;
      fTable.insert(fTable.begin(), static_cast<std::size_t>(fLow - low), none);
      fTable.resize(static_cast<std::size_t>(size), none);
      fLow = low;
      return true;
   }
};

/// A function of integers that come again and again: each place keeps the last one that fell on it.
class Recent {
public:
   template <class Compute>
   double of(std::int64_t q, Compute compute)
   {
      if (fKept.empty())
         fKept.resize(kPlaces, {INT64_MIN, 0});
      auto &[kept, value] = fKept[static_cast<std::size_t>(q) % kPlaces];
      if (kept != q) {
         value = q == INT64_MIN ? 0 : compute(q);
         kept = q;
      }
      return value;
   }

private:
   static constexpr std::size_t kPlaces = 1 << 13;
   std::vector<std::pair<std::int64_t, double>> fKept;
};

} // namespace known

class Known {
public:
   const RankOrder *order = nullptr;
   const std::vector<OpenLattice> *lattices = nullptr; ///< of features, then of given columns
   std::vector<Integers> integers, latents;     ///< by feature; empty where they are not known
   std::vector<std::vector<double>> given;      ///< by linked column, in the order of events; not a number where none
   std::vector<std::vector<double>> conditions; ///< by event

   std::size_t objects() const { return order->objects(); }
   bool is_known(std::size_t feature) const { return !integers[feature].empty(); }

   /// Size in memory.
   std::size_t bytes() const
   {
      std::size_t out = 0;
      for (const auto *columns : {&integers, &latents})
         for (const Integers &column : *columns)
            out += column.bytes();
      for (const auto *columns : {&given, &conditions})
         for (const std::vector<double> &column : *columns)
            out += 8 * column.size();
      return out;
   }

   /// The integers of a feature at a place.
   const std::int64_t *at(std::size_t feature, std::size_t place) const
   {
      return column(integers, feature).wide() + order->start(place);
   }
   const std::int64_t *latents_at(std::size_t feature, std::size_t place) const
   {
      return column(latents, feature).wide() + order->start(place);
   }

   /// The same of all objects in 32 bits; null where that cannot be.
   const std::int32_t *narrow(std::size_t feature) const { return column(integers, feature).narrow(); }
   const std::int32_t *narrow_latents(std::size_t feature) const { return column(latents, feature).narrow(); }

   /// The values of a feature at a place, as predictions see them, through a function.
   const double *values_at(std::size_t feature, std::size_t place, Function function = Function::kValue) const
   {
      Memos &memos = memos_of(feature);
      const std::size_t end = order->start(place) + order->size(place);
      known::Memo<double> &memo = memos.values[static_cast<std::size_t>(function)];
      if (memo.size() < end)
         extend(memo, feature, end, std::numeric_limits<double>::quiet_NaN(),
                [&](double value) { return known::computed(function, value); });
      return memo.data() + order->start(place);
   }

   /// The value of a feature for the object at a position of a place.
   double value(std::size_t feature, std::size_t place, std::size_t position) const
   {
      return values_at(feature, place)[position];
   }

   /// The value of any integer on the lattice of a feature.
   double centre(std::size_t feature, std::int64_t q) const
   {
      return memos_of(feature).centres.of(q, [&](std::int64_t one) { return (*lattices)[feature].centre(one); });
   }

   /// Logarithms of the values of a feature at a place, in 1/1024.
   const std::int32_t *logs_at(std::size_t feature, std::size_t place) const
   {
      Memos &memos = memos_of(feature);
      const std::size_t end = order->start(place) + order->size(place);
      if (memos.logs.size() < end)
         extend(memos.logs, feature, end, known::kNoLog, known::log);
      return memos.logs.data() + order->start(place);
   }

   /// Takes what was computed of the integers of a feature back.
   void forget(std::size_t feature)
   {
      if (feature < fMemos.size())
         fMemos[feature] = {};
   }

private:
   struct Memos {
      std::array<known::Memo<double>, 5> values; ///< by `Function`
      known::Memo<std::int32_t> logs;
      known::Recent centres;
   };

   mutable std::vector<Memos> fMemos; ///< by feature

   const Integers &column(const std::vector<Integers> &among, std::size_t feature) const
   {
      require(!among[feature].empty(), "a prediction looks ahead");
      return among[feature];
   }

   Memos &memos_of(std::size_t feature) const
   {
      if (fMemos.empty())
         fMemos.resize(integers.size());
      return fMemos[feature];
   }

   template <class T, class Compute>
   void extend(known::Memo<T> &memo, std::size_t feature, std::size_t end, T none, Compute compute) const
   {
      const Integers &q = column(integers, feature);
      const OpenLattice &lattice = (*lattices)[feature];
      const auto of_integer = [&](std::int64_t one) { return compute(lattice.centre(one)); };
      if (const std::int32_t *narrow = q.narrow())
         memo.extend(narrow, end, order->objects(), none, of_integer);
      else
         memo.extend(q.wide(), end, order->objects(), none, of_integer);
   }
};

} // namespace hepae
