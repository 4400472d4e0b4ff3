// Indexes of objects into the tables of a source, for a few objects at a time: what is looked up stays in the cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "evaluate.hpp"
#include "known.hpp"
#include "prepared.hpp"
#include "stretches.hpp"

namespace hepae {

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
   stretches::Columns fColumns; ///< of the sum that is looked at

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

   std::size_t first(const Stretch &part) const { return fKnown->order->start(part.place) + part.first; }

   bool here(const std::int32_t *q, const Scale &scale, const Stretch &part, std::uint32_t *out) const
   {
      if (q)
         stretches::here(q + first(part), scale, part.size, out);
      return q;
   }

   bool mix(const OpenSource &source, const Stretch &part, std::uint32_t *out)
   {
      fColumns.clear();
      for (std::size_t feature : source.column.features) {
         const std::int32_t *q = fKnown->narrow(feature);
         if (!q)
            return false;
         fColumns.push_back(q + first(part));
      }
      stretches::mix(fColumns, source.weights, source.scale, part.size, out);
      return !fColumns.empty();
   }

   bool product(const OpenSource &source, const Stretch &part, std::uint32_t *out)
   {
      if (!source.small)
         return false;
      fColumns.clear();
      for (std::size_t feature : source.column.features)
         fColumns.push_back(fKnown->logs_at(feature, part.place) + part.first);
      const PredictorColumn &spec = *source.column.spec;
      stretches::product(fColumns, spec.weights, static_cast<int>(std::min<std::int64_t>(spec.shift, 31)), source.scale,
                         part.size, out);
      return true;
   }
};

} // namespace hepae
