// What is known of a chunk while it is decoded. All columns are in rank order but those that are given.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../buffer.hpp"
#include "../exact.hpp"
#include "../gather.hpp"
#include "../lattice.hpp"
#include "../processor.hpp"
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
         fNarrow.resize(fWide.size());
         processor::run([&]() HEPAE_INLINED {
            const std::int64_t *from = fWide.data();
            std::int32_t *to = fNarrow.data();
            std::int64_t low = 0, high = 0;
            for (std::size_t i = 0, size = fWide.size(); i < size; ++i) {
               low = from[i] < low ? from[i] : low;
               high = from[i] > high ? from[i] : high;
               to[i] = static_cast<std::int32_t>(from[i]);
            }
            least = low;
            most = high;
         });
         if (least < -kSmall || most > kSmall)
            fNarrow.clear();
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

/// A function of values that are finite.
template <class OfValue>
void each(const double *values, std::size_t size, double *out, OfValue of_value)
{
   processor::run([&]() HEPAE_INLINED {
      const double *from = values;
      double *to = out;
      for (std::size_t i = 0; i < size; ++i)
         to[i] = of_value(from[i]);
   });
}

HEPAE_INLINE double near_the_middle(double eta)
{
   const double least = eta < -kLargestEta ? -kLargestEta : eta;
   return least > kLargestEta ? kLargestEta : least;
}

inline void computed(Function function, const double *values, std::size_t size, double *out)
{
   switch (function) {
   case Function::kCos: return each(values, size, out, [](double x) HEPAE_INLINED { return exact::cos(x); });
   case Function::kSin: return each(values, size, out, [](double x) HEPAE_INLINED { return exact::sin(x); });
   case Function::kCosh:
      return each(values, size, out, [](double x) HEPAE_INLINED { return exact::cosh_of_small(near_the_middle(x)); });
   case Function::kSinh:
      return each(values, size, out, [](double x) HEPAE_INLINED { return exact::sinh_of_small(near_the_middle(x)); });
   case Function::kValue: std::copy(values, values + size, out);
   }
}

/// Logarithms of values that are finite, in 1/1024.
inline void logs(const double *values, std::size_t size, std::int32_t *out)
{
   processor::run([&]() HEPAE_INLINED {
      const double *from = values;
      std::int32_t *to = out;
      for (std::size_t i = 0; i < size; ++i) {
         const double magnitude = std::fabs(from[i]);
         const double log = exact::log_of_normal(magnitude < exact::kSmallest ? exact::kSmallest : magnitude);
         constexpr double whole = 0x1.8p+52; // the lowest bits of a sum show the nearest integer
         to[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(exact::bits_of(log * 1024 + whole)));
      }
   });
}

/// A function of the first integers of a column. Where they are near each other, it is computed once for each integer: there
/// are far fewer of them than objects.
template <class T>
class Memo {
public:
   std::size_t size() const { return fOut.size(); }
   const T *data() const { return fOut.data(); }

   /// Goes on to so many of the integers of a column of `objects`.
   template <class Q, class OfValues>
   void extend(const Q *q, std::size_t end, std::size_t objects, const OpenLattice &lattice, OfValues of_values)
   {
      const std::size_t first = fOut.size();
      fOut.resize(end);
      if (!reach(range(q + first, end - first), objects, lattice, of_values))
         return compute(q, first, end, lattice, of_values);
      gather(fTable.data(), q + first, static_cast<Q>(fLow), end - first, fOut.data() + first);
   }

private:
   static constexpr std::size_t kTable = 1 << 16, kTile = 256;

   Buffer<T> fOut, fTable; ///< the function of the integers from `fLow` on
   std::int32_t fLow = 0;

   template <class Q>
   static std::pair<std::int64_t, std::int64_t> range(const Q *q, std::size_t size)
   {
      Q low = q[0], high = q[0];
      processor::run([&]() HEPAE_INLINED {
         Q least = low, most = high;
         for (std::size_t i = 0; i < size; ++i) {
            least = q[i] < least ? q[i] : least;
            most = q[i] > most ? q[i] : most;
         }
         low = least;
         high = most;
      });
      return {low, high};
   }

   /// Makes the table reach over some integers, unless it would be too long.
   template <class OfValues>
   bool reach(std::pair<std::int64_t, std::int64_t> over, std::size_t objects, const OpenLattice &lattice, OfValues of_values)
   {
      std::int64_t low = over.first, high = over.second; // no structured binding: lambdas of C++17 cannot capture them
      const std::int64_t end = fLow + static_cast<std::int64_t>(fTable.size());
      if (!fTable.empty()) {
         low = std::min<std::int64_t>(low, fLow);
         high = std::max(high, end - 1);
      }
      const std::uint64_t size = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
      const bool small = -Integers::kSmall <= low && high <= Integers::kSmall;
      if (!small || size > kTable || size > 2 * objects)
         return false;
      if (size == fTable.size())
         return true;
      Buffer<T> table(static_cast<std::size_t>(size));
      const auto fill = [&](std::int64_t first, std::int64_t last) {
         const auto begin = static_cast<std::size_t>(first - low), n = static_cast<std::size_t>(last - first);
         Buffer<double> values(n);
         lattice.centres_from(static_cast<std::int32_t>(first), values);
         of_values(values.data(), n, table.data() + begin);
      };
      if (fTable.empty()) {
         fill(low, high + 1);
      } else {
         fill(low, fLow);
         std::copy(fTable.begin(), fTable.end(), table.begin() + (fLow - low));
         fill(end, high + 1);
      }
      fLow = static_cast<std::int32_t>(low);
      fTable = std::move(table);
      return true;
   }

   template <class Q, class OfValues>
   void compute(const Q *q, std::size_t first, std::size_t end, const OpenLattice &lattice, OfValues of_values)
   {
      double values[kTile];
      for (std::size_t begin = first; begin < end; begin += kTile) {
         const std::size_t n = std::min(kTile, end - begin);
         lattice.centres(q + begin, Span<double>(values, n));
         of_values(values, n, fOut.data() + begin);
      }
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
         extend(memo, feature, end, [function](const double *values, std::size_t size, double *out) {
            known::computed(function, values, size, out);
         });
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
         extend(memos.logs, feature, end, known::logs);
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

   template <class T, class OfValues>
   void extend(known::Memo<T> &memo, std::size_t feature, std::size_t end, OfValues of_values) const
   {
      const Integers &q = column(integers, feature);
      const OpenLattice &lattice = (*lattices)[feature];
      if (const std::int32_t *narrow = q.narrow()) // all are known
         memo.extend(narrow, q.size(), q.size(), lattice, of_values);
      else
         memo.extend(q.wide(), end, q.size(), lattice, of_values);
   }
};

} // namespace hepae
