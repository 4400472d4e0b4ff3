// Small unsigned numbers in few bytes: seven bits a byte, least significant first (docs/format/v1.md, section 8.2).
#pragma once

#include <cstdint>

#include "span.hpp"

namespace hepae {

/// The number that begins at `at`, which moves behind it.
inline std::uint64_t read_varint(Bytes data, std::size_t &at)
{
   std::uint64_t value = 0;
   for (unsigned shift = 0; shift < 64 && at < data.size(); shift += 7) {
      const std::uint64_t byte = data[at++];
      const bool beyond = shift == 63 && byte > 1;
      require(!beyond && !(byte == 0 && shift > 0), "a number is too long");
      value |= (byte & 127) << shift;
      if (byte < 128)
         return value;
   }
   throw CorruptionError("a number is cut short or too long");
}

/// A length that begins at `at`, of something that stands behind it: as many bytes must be there.
inline std::size_t read_length(Bytes data, std::size_t &at)
{
   const std::uint64_t length = read_varint(data, at);
   require(length <= data.size() - at, "data are cut short");
   return static_cast<std::size_t>(length);
}

/// The signed number of an unsigned one: 0, 1, 2, 3 … are 0, -1, 1, -2 …
inline std::int64_t unzigzag(std::uint64_t value)
{
   return static_cast<std::int64_t>(value >> 1 ^ (0 - (value & 1)));
}

} // namespace hepae
