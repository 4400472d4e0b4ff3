// Exact columns: blocks of values, each by itself (docs/format/v1.md, section 17.4).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "dtype.hpp"
#include "integers.hpp"
#include "limits.hpp"
#include "lzma.hpp"
#include "span.hpp"

namespace hepae {

namespace plain {

enum Method : std::uint8_t { kNone, kIntegers, kBytes, kPlanes, kBits, kRaw };

/// Integers modulo the width of their dtype; each must be one of its values.
template <class T>
void store_integers(Span<const std::int64_t> from, std::uint8_t *out)
{
   std::uint64_t differ = 0;
   for (std::size_t i = 0; i < from.size(); ++i) {
      const T value = static_cast<T>(from[i]);
      differ |= static_cast<std::uint64_t>(from[i] ^ static_cast<std::int64_t>(value));
      std::memcpy(out + i * sizeof(T), &value, sizeof(T));
   }
   require(differ == 0, "an integer beyond its dtype");
}

/// Floats by their bits: an integer n >= 0 has the bits n << shift, one below zero those of -1 - n, with the sign.
template <class T>
void store_floats(Span<const std::int64_t> from, unsigned shift, std::uint8_t *out)
{
   constexpr unsigned top = 8 * sizeof(T) - 1;
   require(shift <= top, "integers that were shifted too far");
   std::uint64_t beyond = 0;
   for (std::size_t i = 0; i < from.size(); ++i) {
      const std::uint64_t sign = static_cast<std::uint64_t>(from[i] >> 63);
      const std::uint64_t magnitude = static_cast<std::uint64_t>(from[i]) ^ sign;
      beyond |= magnitude >> (top - shift);
      const T bits = static_cast<T>(magnitude << shift | (sign & 1) << top);
      std::memcpy(out + i * sizeof(T), &bits, sizeof(T));
   }
   require(beyond == 0, "an integer beyond all floats");
}

inline void store(Span<const std::int64_t> from, unsigned shift, Dtype dtype, std::uint8_t *out)
{
   require(shift == 0 || is_float(dtype), "integers that were shifted");
   switch (dtype) {
   case Dtype::kBool:
      for (std::int64_t value : from)
         require(value == 0 || value == 1, "a boolean that is neither 0 nor 1");
      return store_integers<std::uint8_t>(from, out);
   case Dtype::kInt8: return store_integers<std::int8_t>(from, out);
   case Dtype::kInt16: return store_integers<std::int16_t>(from, out);
   case Dtype::kInt32: return store_integers<std::int32_t>(from, out);
   case Dtype::kUint8: return store_integers<std::uint8_t>(from, out);
   case Dtype::kUint16: return store_integers<std::uint16_t>(from, out);
   case Dtype::kUint32: return store_integers<std::uint32_t>(from, out);
   case Dtype::kInt64:
   case Dtype::kUint64: return store_integers<std::int64_t>(from, out);
   case Dtype::kFloat16: return store_floats<std::uint16_t>(from, shift, out);
   case Dtype::kFloat32: return store_floats<std::uint32_t>(from, shift, out);
   case Dtype::kFloat64: return store_floats<std::uint64_t>(from, shift, out);
   }
}

/// All first bytes, then all second bytes, and so on, to numbers.
inline void join_planes(Span<const std::uint8_t> planes, std::size_t width, std::uint8_t *out)
{
   const std::size_t n = planes.size() / width;
   for (std::size_t byte = 0; byte < width; ++byte)
      for (std::size_t i = 0; i < n; ++i)
         out[i * width + byte] = planes[byte * n + i];
}

inline void spread_bits(Span<const std::uint8_t> packed, Span<std::uint8_t> out)
{
   for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = packed[i / 8] >> (7 - i % 8) & 1;
}

} // namespace plain

/// The numbers of a block, as their bytes. (This machine's are little endian, as those of the format.)
inline void unpack_plain(Bytes block, Dtype dtype, Span<std::uint8_t> out)
{
   require(!block.empty(), "a block is empty");
   const std::uint8_t method = block[0];
   const Bytes rest = block.from(1);
   const std::size_t width = size_of(dtype), n = out.size() / width;
   require((method == plain::kNone) == (n == 0), "a block of another number of values");
   std::vector<std::uint8_t> scratch;
   switch (method) {
   case plain::kNone: require(rest.empty(), "a block of no values is not empty"); return;
   case plain::kIntegers: {
      require(rest.size() > 1, "a block is cut short");
      std::vector<std::int64_t> integers(n);
      unpack_integers(rest.from(1), integers);
      return plain::store(integers, rest[0], dtype, out.data());
   }
   case plain::kBytes: unpack_lzma2(rest, out); break;
   case plain::kPlanes:
      scratch.resize(out.size());
      unpack_lzma2(rest, scratch);
      plain::join_planes(scratch, width, out.data());
      break;
   case plain::kBits:
      require(dtype == Dtype::kBool, "bits that are no booleans");
      scratch.resize((n + 7) / 8);
      unpack_lzma2(rest, scratch);
      return plain::spread_bits(scratch, out);
   case plain::kRaw:
      require(rest.size() == out.size(), "a block of another length");
      std::memcpy(out.data(), rest.data(), out.size());
      break;
   default: throw CorruptionError("a block of a method that is not known");
   }
   if (dtype == Dtype::kBool)
      require(std::all_of(out.begin(), out.end(), [](std::uint8_t one) { return one <= 1; }), "a boolean above 1");
}

} // namespace hepae
