// What a row of one table sees of another: the row that it names, or what an entry's rows say of the entry
// (docs/format/v1.md, section 17.2).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
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

/// `take(entry, first, rows)` for the rows of each entry.
template <class Take>
void each_entry(const Counts &rows, Take take)
{
   std::size_t first = 0;
   for (std::size_t entry = 0; entry < rows->size(); ++entry) {
      const auto size = static_cast<std::size_t>((*rows)[entry]);
      take(entry, first, size);
      first += size;
   }
}

} // namespace links

/// The value of row number `row` of each entry; not a number where there is no such row.
inline std::vector<double> of_row(const Values &column, std::size_t row)
{
   const Counts &rows = column.levels.back();
   std::vector<double> out(rows->size(), std::numeric_limits<double>::quiet_NaN());
   with_type(column.dtype, [&](auto number) {
      const auto values = column.as<decltype(number)>();
      links::each_entry(rows, [&](std::size_t entry, std::size_t first, std::size_t size) {
         if (row < size)
            out[entry] = static_cast<double>(values[first + row]);
      });
   });
   return out;
}

/// Rows with values of at least so much.
inline std::vector<bool> at_least(const Values &column, double least)
{
   std::vector<bool> out;
   with_type(column.dtype, [&](auto number) {
      for (const auto value : column.as<decltype(number)>())
         out.push_back(static_cast<double>(value) >= least);
   });
   return out;
}

/// Leaves out the rows of other kinds than these.
inline void only_kinds(const Values &kinds, const std::vector<std::int64_t> &values, std::vector<bool> &chosen)
{
   const std::vector<std::int64_t> numbers = to_int64(kinds);
   const std::set<std::int64_t> wanted(values.begin(), values.end());
   for (std::size_t row = 0; row < numbers.size(); ++row)
      chosen[row] = chosen[row] && wanted.count(numbers[row]) > 0;
}

/// The sum over the chosen rows of each entry, added one after the other to 0.
inline std::vector<double> summed(const Values &column, const std::vector<bool> &chosen)
{
   const Counts &rows = column.levels.back();
   std::vector<double> out(rows->size(), 0.0);
   with_type(column.dtype, [&](auto number) {
      const auto values = column.as<decltype(number)>();
      links::each_entry(rows, [&](std::size_t entry, std::size_t first, std::size_t size) {
         for (std::size_t row = first; row < first + size; ++row)
            if (chosen[row])
               out[entry] += static_cast<double>(values[row]);
      });
   });
   return out;
}

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
