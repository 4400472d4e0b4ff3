// Values along a link: rows of one table name rows of another (docs/format/v1.md, section 17.2).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "span.hpp"
#include "values.hpp"

namespace hepae {

namespace links {

template <class T, class Index>
void along(const Values &column, const std::vector<Index> &index, Span<const std::int64_t> counts,
           std::vector<double> &out)
{
   const Span<const T> values = column.as<T>();
   const std::vector<std::int64_t> &rows = *column.levels.back();
   std::size_t at = 0, first = 0;
   for (std::size_t entry = 0; entry < counts.size(); ++entry) {
      for (const std::size_t end = at + static_cast<std::size_t>(counts[entry]); at < end; ++at)
         if (index[at] >= 0 && index[at] < rows[entry])
            out[at] = static_cast<double>(values[first + static_cast<std::size_t>(index[at])]);
      first += static_cast<std::size_t>(rows[entry]);
   }
}

} // namespace links

/// The values that the rows of a table are linked to; not a number where an index names no row.
inline std::vector<double> along(const Values &column, const Values &index, const Counts &counts)
{
   const std::vector<std::int64_t> numbers = to_int64(index);
   std::vector<double> out(numbers.size(), std::numeric_limits<double>::quiet_NaN());
   // where the index has rows of its own in this chunk, it names none; every count is of the same entries
   if (index.levels.back() != counts && *index.levels.back() != *counts)
      return std::vector<double>(sum_of(*counts), std::numeric_limits<double>::quiet_NaN());
   require(column.levels.back()->size() == counts->size(), "a link between tables of other entries");
   with_type(column.dtype, [&](auto number) { links::along<decltype(number)>(column, numbers, *counts, out); });
   return out;
}

} // namespace hepae
