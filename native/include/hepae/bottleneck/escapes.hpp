// Values that are stored bit for bit, event by event (docs/format/v1.md, section 13).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../error.hpp"
#include "../span.hpp"

namespace hepae {

struct Escape {
   std::size_t object = 0; ///< among all objects
   std::uint64_t bits = 0;
};

/// The escapes of each column, by object.
class Escapes {
public:
   static constexpr std::size_t kRecord = 14; ///< place in the event (4), place of the column (2), bits (8)

   /// `sizes` are the bytes of each event.
   Escapes(Span<const std::int64_t> counts, Span<const std::int64_t> sizes, Bytes records, std::size_t columns) : fOf(columns)
   {
      require(counts.size() == sizes.size(), "escapes of other events");
      std::size_t at = 0, first = 0;
      for (std::size_t event = 0; event < counts.size(); ++event) {
         const std::int64_t size = sizes[event];
         require(size >= 0 && size % static_cast<std::int64_t>(kRecord) == 0, "escapes that are not whole");
         const Bytes own = records.part(at, static_cast<std::size_t>(size));
         add(own, first, static_cast<std::size_t>(counts[event]));
         at += own.size();
         first += static_cast<std::size_t>(counts[event]);
      }
      require(at == records.size(), "escapes that are not whole");
   }

   const std::vector<Escape> &of(std::size_t column) const { return fOf[column]; }

private:
   std::vector<std::vector<Escape>> fOf;

   static std::uint64_t number(Bytes bytes, std::size_t at, std::size_t size)
   {
      std::uint64_t out = 0;
      for (std::size_t i = 0; i < size; ++i)
         out |= std::uint64_t{bytes[at + i]} << (8 * i);
      return out;
   }

   /// Of one event, whose objects begin at `first`. They rise by object, then by column.
   void add(Bytes records, std::size_t first, std::size_t objects)
   {
      std::uint64_t next = 0;
      for (std::size_t at = 0; at < records.size(); at += kRecord) {
         const std::uint64_t rank = number(records, at, 4), column = number(records, at + 4, 2);
         require(rank < objects && column < fOf.size(), "an escape of an object that is not there");
         const std::uint64_t place = rank * fOf.size() + column;
         require(place >= next, "escapes out of order");
         next = place + 1;
         fOf[static_cast<std::size_t>(column)].push_back({first + static_cast<std::size_t>(rank), number(records, at + 6, 8)});
      }
   }
};

} // namespace hepae
