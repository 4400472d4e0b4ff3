// Indexes of objects into the tables of a source, for a few objects at a time: what is looked up stays in the cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "evaluate.hpp"
#include "known.hpp"
#include "prepared.hpp"

namespace hepae {

/// Some objects of a place, neighbours in rank order.
struct Stretch {
   static constexpr std::size_t kMost = 1024;
   std::size_t place, first, size; ///< `first` within the place
};

class Indexes {
public:
   Indexes(const PreparedPredictors &predictors, const Known &known, Evaluate &evaluate)
      : fPredictors(&predictors), fKnown(&known), fEvaluate(&evaluate), fWhole(predictors.sources().size() + predictors.inputs().size()),
        fOfPlace(fWhole.size())
   {
   }

   /// Indexes for some objects: in `buffer`, which has room for them, or where they are kept.
   const std::uint32_t *of(std::size_t source, const Stretch &part, std::uint32_t *buffer)
   {
      const OpenSource &from = number(source);
      const std::size_t start = fKnown->order->start(part.place);
      if (!fWhole[source].empty())
         return fWhole[source].data() + start + part.first;
      if (!is_finished(from))
         return at_place(source, part.place) + part.first;
      if (!from.shared && quick(from, part, buffer))
         return buffer;
      if (source >= fPredictors->sources().size()) // what networks see is kept as levels
         return at_place(source, part.place) + part.first;
      make_whole(source);
      return fWhole[source].data() + start + part.first;
   }

   /// Takes back what was found with features that are not known any more.
   void forget()
   {
      fWhole.assign(fWhole.size(), {});
      fOfPlace.assign(fOfPlace.size(), {});
   }

private:
   struct OfPlace {
      std::size_t next = 0; ///< the place that follows it
      std::vector<std::uint32_t> indexes;
   };

   const PreparedPredictors *fPredictors;
   const Known *fKnown;
   Evaluate *fEvaluate;
   std::vector<Buffer<std::uint32_t>> fWhole; ///< by source, of all objects
   std::vector<OfPlace> fOfPlace;                  ///< by source, of the place that was asked for last
   std::vector<std::int64_t> fColumn;
   double fReals[Stretch::kMost];

   /// The inputs of networks follow the sources.
   const OpenSource &number(std::size_t source) const
   {
      const std::size_t sources = fPredictors->sources().size();
      return source < sources ? fPredictors->sources()[source] : fPredictors->inputs()[source - sources].source;
   }

   bool is_finished(const OpenSource &source) const
   {
      return std::all_of(source.needs.begin(), source.needs.end(),
                         [&](std::size_t one) { return fKnown->integers[one].is_finished(); });
   }

   const std::uint32_t *at_place(std::size_t source, std::size_t place)
   {
      OfPlace &out = fOfPlace[source];
      if (out.next != place + 1) {
         out.indexes.resize(fKnown->order->size(place));
         any(number(source), place, out.indexes.data());
         out.next = place + 1;
      }
      return out.indexes.data();
   }

   void make_whole(std::size_t source)
   {
      const OpenSource &from = number(source);
      Buffer<std::uint32_t> whole(fKnown->objects());
      const RankOrder &order = *fKnown->order;
      for (std::size_t place = 0; place < order.places(); ++place) {
         std::uint32_t *out = whole.data() + order.start(place);
         bool done = true;
         for (std::size_t first = 0; done && first < order.size(place); first += Stretch::kMost)
            done = quick(from, {place, first, std::min(Stretch::kMost, order.size(place) - first)}, out + first);
         if (!done)
            any(from, place, out);
      }
      fWhole[source] = std::move(whole);
   }

   /// Any column: its integers first, in 64 bits.
   void any(const OpenSource &source, std::size_t place, std::uint32_t *out)
   {
      const std::size_t size = fKnown->order->size(place);
      fColumn.resize(std::max(fColumn.size(), size));
      fEvaluate->column(source.column, place, Block(fColumn).part(0, size));
      const Scale scale = source.scale;
      for (std::size_t p = 0; p < size; ++p)
         out[p] = static_cast<std::uint32_t>(scale.index(fColumn[p]));
   }

   /// Columns that are frequent, where all is small; false where it is another, or something is not.
   bool quick(const OpenSource &source, const Stretch &part, std::uint32_t *out)
   {
      if (!source.scale.is_small())
         return false;
      switch (source.column.kind) {
      case OpenColumn::Kind::kHere: return here(fKnown->narrow(source.column.feature), source.scale, part, out);
      case OpenColumn::Kind::kLatent: return here(fKnown->narrow_latents(source.column.feature), source.scale, part, out);
      case OpenColumn::Kind::kMix: return mix(source, part, out);
      case OpenColumn::Kind::kProduct: return product(source, part, out);
      default: return false;
      }
   }

   bool here(const std::int32_t *q, Scale scale, const Stretch &part, std::uint32_t *out) const
   {
      if (!q)
         return false;
      q += fKnown->order->start(part.place) + part.first;
      for (std::size_t p = 0; p < part.size; ++p)
         out[p] = scale.small_index(q[p]);
      return true;
   }

   bool mix(const OpenSource &source, const Stretch &part, std::uint32_t *out)
   {
      const std::size_t start = fKnown->order->start(part.place) + part.first;
      const Scale scale = source.scale;
      double *sum = fReals;
      for (std::size_t i = 0; i < source.weights.size(); ++i) {
         const std::int32_t *q = fKnown->narrow(source.column.features[i]);
         if (!q)
            return false;
         add(q + start, source.weights[i], i == 0, part.size, sum);
      }
      clip(sum, part.size);
      for (std::size_t p = 0; p < part.size; ++p)
         out[p] = scale.small_index(floor(sum[p]));
      return !source.weights.empty();
   }

   static void clip(double *sum, std::size_t size)
   {
      constexpr double most = Integers::kSmall;
      for (std::size_t p = 0; p < size; ++p)
         sum[p] = sum[p] < -most ? -most : sum[p];
      for (std::size_t p = 0; p < size; ++p)
         sum[p] = sum[p] > most ? most : sum[p];
   }

   /// Of a small number, without a branch: the nearest integer, which the lowest bits of a sum show, and one less where it
   /// is above.
   static std::int32_t floor(double value)
   {
      constexpr double whole = 0x1.8p+52;
      const double sum = value + whole, above = value - (sum - whole);
      const auto nearest = static_cast<std::uint32_t>(lattice::bits_as<std::uint64_t>(sum));
      return static_cast<std::int32_t>(nearest - static_cast<std::uint32_t>(lattice::bits_as<std::uint64_t>(above) >> 63));
   }

   /// The first product is added to a half, the others to the sum: all in the order of the format.
   static void add(const std::int32_t *q, double weight, bool first, std::size_t size, double *sum)
   {
      if (first)
         for (std::size_t p = 0; p < size; ++p)
            sum[p] = static_cast<double>(q[p]) * weight + 0.5;
      else
         for (std::size_t p = 0; p < size; ++p)
            sum[p] = sum[p] + static_cast<double>(q[p]) * weight;
   }

   bool product(const OpenSource &source, const Stretch &part, std::uint32_t *out) const
   {
      const PredictorColumn &spec = *source.column.spec;
      if (!source.small)
         return false;
      const Scale scale = source.scale;
      const int shift = static_cast<int>(std::min<std::int64_t>(spec.shift, 31));
      std::int32_t sum[Stretch::kMost] = {};
      for (std::size_t i = 0; i < spec.weights.size(); ++i) {
         const std::int32_t *logs = fKnown->logs_at(source.column.features[i], part.place) + part.first;
         const auto weight = static_cast<std::int32_t>(spec.weights[i]);
         for (std::size_t p = 0; p < part.size; ++p)
            sum[p] += weight * logs[p];
      }
      for (std::size_t p = 0; p < part.size; ++p)
         out[p] = scale.small_index(sum[p] >> shift);
      return true;
   }
};

} // namespace hepae
