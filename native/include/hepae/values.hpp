// A column of one chunk in memory: numbers, and the counts of its levels.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "buffer.hpp"
#include "dtype.hpp"
#include "limits.hpp"
#include "span.hpp"

namespace hepae {

/// How many rows of a level belong to each row of the level above; shared by the columns of a table.
using Counts = std::shared_ptr<const std::vector<std::int64_t>>;
using Levels = std::vector<Counts>;

struct Values {
   Dtype dtype = Dtype::kUint8;
   Levels levels;
   Buffer<std::uint8_t> bytes; ///< aligned for every dtype, as operator new does

   template <class T>
   Span<const T> as() const
   {
      return {reinterpret_cast<const T *>(bytes.data()), bytes.size() / sizeof(T)};
   }
   template <class T>
   Span<T> as()
   {
      return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
   }
   std::size_t size() const { return bytes.size() / size_of(dtype); }
};

/// The rows that counts add up to.
inline std::size_t sum_of(Span<const std::int64_t> counts)
{
   std::uint64_t out = 0;
   for (std::int64_t count : counts) {
      require(count >= 0, "a count is below zero");
      out += static_cast<std::uint64_t>(count);
      require(out <= limits::kObjects, "too many objects in a chunk");
   }
   return static_cast<std::size_t>(out);
}

/// The rows of the last of some levels over so many entries. Each level must count the rows of the level above.
inline std::size_t rows_of(const Levels &levels, std::size_t entries)
{
   std::size_t rows = entries;
   for (const Counts &counts : levels) {
      require(counts->size() == rows, "a level counts other rows than those above it");
      rows = sum_of(*counts);
   }
   return rows;
}

namespace values {

template <class T>
void widen(const Values &values, std::vector<std::int64_t> &out)
{
   const Span<const T> from = values.as<T>();
   out.assign(from.begin(), from.end());
}

} // namespace values

/// Integers of any dtype as int64; those of uint64 modulo 2^64.
inline std::vector<std::int64_t> to_int64(const Values &column)
{
   std::vector<std::int64_t> out;
   switch (column.dtype) {
   case Dtype::kInt8: values::widen<std::int8_t>(column, out); break;
   case Dtype::kInt16: values::widen<std::int16_t>(column, out); break;
   case Dtype::kInt32: values::widen<std::int32_t>(column, out); break;
   case Dtype::kInt64:
   case Dtype::kUint64: values::widen<std::int64_t>(column, out); break;
   case Dtype::kUint8: values::widen<std::uint8_t>(column, out); break;
   case Dtype::kUint16: values::widen<std::uint16_t>(column, out); break;
   case Dtype::kUint32: values::widen<std::uint32_t>(column, out); break;
   default: throw CorruptionError("counts that are no integers");
   }
   return out;
}

/// Calls a function with a number of the type of a column. Those of float16 have no type here.
template <class Function>
void with_type(Dtype dtype, Function function)
{
   switch (dtype) {
   case Dtype::kBool:
   case Dtype::kUint8: return function(std::uint8_t{});
   case Dtype::kInt8: return function(std::int8_t{});
   case Dtype::kInt16: return function(std::int16_t{});
   case Dtype::kInt32: return function(std::int32_t{});
   case Dtype::kInt64: return function(std::int64_t{});
   case Dtype::kUint16: return function(std::uint16_t{});
   case Dtype::kUint32: return function(std::uint32_t{});
   case Dtype::kUint64: return function(std::uint64_t{});
   case Dtype::kFloat32: return function(float{});
   case Dtype::kFloat64: return function(double{});
   case Dtype::kFloat16: throw CorruptionError("numbers of 16 bits are not looked at"); // no branch of ROOT has them
   }
}

/// Numbers of any dtype in binary64.
inline std::vector<double> to_doubles(const Values &column)
{
   std::vector<double> out;
   with_type(column.dtype, [&](auto number) {
      for (const auto value : column.as<decltype(number)>())
         out.push_back(static_cast<double>(value));
   });
   return out;
}

} // namespace hepae
