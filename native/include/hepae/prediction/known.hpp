// What is known of a chunk while it is decoded. All columns are in rank order but those that are given.
#pragma once

#include <cstdint>
#include <vector>

#include "../lattice.hpp"
#include "../values.hpp"
#include "rank_order.hpp"

namespace hepae {

/// Stands for "there is no such object" in a column.
constexpr std::int64_t kMissing = -(std::int64_t{1} << 62);

/// Integers of a place: those of the objects at positions 0, 1, …
using Block = Span<std::int64_t>;

class Known {
public:
   const RankOrder *order = nullptr;
   const std::vector<OpenLattice> *lattices = nullptr; ///< of features, then of given columns
   std::vector<std::vector<std::int64_t>> integers, latents; ///< by feature; empty where they are not known
   std::vector<std::vector<double>> given;      ///< by linked column, in the order of events; not a number where none
   std::vector<std::vector<double>> conditions; ///< by event

   std::size_t objects() const { return order->objects(); }
   bool is_known(std::size_t feature) const { return !integers[feature].empty(); }

   /// Size in memory.
   std::size_t bytes() const
   {
      std::size_t numbers = 0;
      for (const auto *columns : {&integers, &latents})
         for (const std::vector<std::int64_t> &column : *columns)
            numbers += column.size();
      for (const auto *columns : {&given, &conditions})
         for (const std::vector<double> &column : *columns)
            numbers += column.size();
      return 8 * numbers;
   }

   /// The integers of a feature at a place.
   const std::int64_t *at(std::size_t feature, std::size_t place) const
   {
      require(!integers[feature].empty(), "a prediction looks ahead");
      return integers[feature].data() + order->start(place);
   }

   const std::int64_t *latents_at(std::size_t feature, std::size_t place) const
   {
      require(!latents[feature].empty(), "a prediction looks ahead");
      return latents[feature].data() + order->start(place);
   }

   /// The values of a feature at a place, as predictions see them.
   const double *values_at(std::size_t feature, std::size_t place) const
   {
      const std::size_t start = order->start(place), end = start + order->size(place);
      if (feature >= fCentres.size() || fCentres[feature].size < end)
         extend(feature, end);
      return fCentres[feature].values.data() + start;
   }

   /// The value of a feature for the object at a position of a place.
   double value(std::size_t feature, std::size_t place, std::size_t position) const
   {
      return values_at(feature, place)[position];
   }

   /// Takes what was computed of the integers of a feature back.
   void forget(std::size_t feature)
   {
      if (feature < fCentres.size())
         fCentres[feature] = {};
   }

private:
   /// Values of the first objects in rank order.
   struct Centres {
      std::size_t size = 0;
      std::vector<double> values;
   };

   mutable std::vector<Centres> fCentres; ///< by feature

   void extend(std::size_t feature, std::size_t end) const
   {
      require(!integers[feature].empty(), "a prediction looks ahead");
      if (fCentres.empty())
         fCentres.resize(integers.size());
      Centres &known = fCentres[feature];
      known.values.resize(order->objects());
      const Span<const std::int64_t> q = Span<const std::int64_t>(integers[feature]).part(known.size, end - known.size);
      (*lattices)[feature].centres(q, known.values.data() + known.size);
      known.size = end;
   }
};

} // namespace hepae
