// A view of values that somebody else owns: a pointer and a length (C++17 has no std::span).
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "error.hpp"

namespace hepae {

template <class T>
class Span {
public:
   Span() = default;
   Span(T *data, std::size_t size) : fData(data), fSize(size) {}
   template <class Allocator>
   Span(const std::vector<std::remove_const_t<T>, Allocator> &values) : fData(values.data()), fSize(values.size())
   {
   }
   template <class Allocator>
   Span(std::vector<std::remove_const_t<T>, Allocator> &values) : fData(values.data()), fSize(values.size())
   {
   }

   T *data() const { return fData; }
   std::size_t size() const { return fSize; }
   bool empty() const { return fSize == 0; }
   T *begin() const { return fData; }
   T *end() const { return fData + fSize; }
   T &operator[](std::size_t i) const { return fData[i]; }

   /// A part, which must lie inside.
   Span part(std::size_t first, std::size_t size) const
   {
      require(first <= fSize && size <= fSize - first, "data is cut short");
      return {fData + first, size};
   }
   Span from(std::size_t first) const
   {
      require(first <= fSize, "data is cut short");
      return {fData + first, fSize - first};
   }

   operator Span<const T>() const { return {fData, fSize}; }

private:
   T *fData = nullptr;
   std::size_t fSize = 0;
};

using Bytes = Span<const std::uint8_t>;

} // namespace hepae
