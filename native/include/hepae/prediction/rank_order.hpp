// Rank order: first the first objects of all events, then the second ones, and so on (docs/format/v1.md, section 10.1).
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "../span.hpp"
#include "../values.hpp"

namespace hepae {

/// The objects of a place stand together, in the order of `events`: those with the most objects first. So the object
/// of the event at position p of this order is number starts[place] + p, and exists if p < sizes[place].
class RankOrder {
public:
   RankOrder(Span<const std::int64_t> counts, std::int64_t last)
      : fLast(static_cast<std::size_t>(last)), fObjects(sum_of(counts))
   {
      order_events(counts);
      std::size_t start = 0;
      for (std::size_t position = fEvents.size(); position > 0; --position)
         while (fSizes.size() < static_cast<std::size_t>(counts[fEvents[position - 1]]))
            fSizes.push_back(position);
      for (std::size_t size : fSizes) {
         fStarts.push_back(start);
         start += size;
      }
      number_objects(counts);
   }

   std::size_t objects() const { return fObjects; }
   std::size_t places() const { return fSizes.size(); }
   std::size_t last() const { return fLast; }
   std::size_t rank(std::size_t place) const { return std::min(place, fLast); }
   std::size_t start(std::size_t place) const { return fStarts[place]; }
   std::size_t size(std::size_t place) const { return place < fSizes.size() ? fSizes[place] : 0; }

   /// Number in the order of events of the object at a position of a place.
   std::size_t in_events(std::size_t place, std::size_t position) const
   {
      return fInEvents[fStarts[place] + position];
   }

   /// Numbers in the order of events of all objects.
   Span<const std::uint32_t> in_events() const { return fInEvents; }

   /// Number of the event at a position.
   std::size_t event(std::size_t position) const { return fEvents[position]; }

private:
   std::size_t fLast, fObjects;
   std::vector<std::uint32_t> fEvents;        ///< by number of objects, falling
   std::vector<std::size_t> fSizes, fStarts; ///< of places
   std::vector<std::uint32_t> fInEvents;     ///< by object

   void number_objects(Span<const std::int64_t> counts)
   {
      std::vector<std::uint32_t> first; // objects of the events before
      first.reserve(counts.size());
      std::size_t before = 0;
      for (std::int64_t count : counts) {
         first.push_back(static_cast<std::uint32_t>(before));
         before += static_cast<std::size_t>(count);
      }
      fInEvents.reserve(fObjects);
      for (std::size_t place = 0; place < places(); ++place)
         for (std::size_t position = 0; position < fSizes[place]; ++position)
            fInEvents.push_back(first[fEvents[position]] + static_cast<std::uint32_t>(place));
   }

   /// Sorted by counting: equal ones stay in order.
   void order_events(Span<const std::int64_t> counts)
   {
      const std::int64_t most = counts.empty() ? 0 : *std::max_element(counts.begin(), counts.end());
      std::vector<std::size_t> begin(static_cast<std::size_t>(most) + 2);
      for (std::int64_t count : counts)
         ++begin[static_cast<std::size_t>(most - count) + 1];
      std::partial_sum(begin.begin(), begin.end(), begin.begin());
      fEvents.resize(counts.size());
      for (std::size_t event = 0; event < counts.size(); ++event)
         fEvents[begin[static_cast<std::size_t>(most - counts[event])]++] = static_cast<std::uint32_t>(event);
   }
};

} // namespace hepae
