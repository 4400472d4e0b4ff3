// Blocks of integers (docs/format/v1.md, section 9).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "pcodec.hpp"
#include "span.hpp"
#include "varint.hpp"

namespace hepae {

void unpack_integers(Bytes block, Span<std::int64_t> out);

namespace integers {

/// Bits of the first byte from this one on are the caller's.
constexpr unsigned kKind = 4;
constexpr std::size_t kMostDistinct = 256;

inline void constant(Bytes block, Span<std::int64_t> out)
{
   std::size_t at = 1;
   const std::int64_t value = unzigzag(read_varint(block, at));
   require(at == block.size(), "a block goes on after its end");
   std::fill(out.begin(), out.end(), value);
}

/// The smallest value, the gaps between the distinct values, and which of them each integer is.
inline void looked_up(Bytes block, Span<std::int64_t> out)
{
   std::size_t at = 1;
   std::uint64_t value = static_cast<std::uint64_t>(unzigzag(read_varint(block, at)));
   const std::uint64_t distinct = read_varint(block, at);
   require(distinct > 1 && distinct <= kMostDistinct, "a dictionary of a wrong size");
   const std::size_t length = read_length(block, at);
   std::vector<std::int64_t> gaps(static_cast<std::size_t>(distinct - 1)), values;
   unpack_integers(block.part(at, length), gaps);
   values.push_back(static_cast<std::int64_t>(value));
   for (std::int64_t gap : gaps)
      values.push_back(static_cast<std::int64_t>(value += static_cast<std::uint64_t>(gap)));
   unpack_integers(block.from(at + length), out);
   for (std::int64_t &index : out) {
      require(index >= 0 && static_cast<std::uint64_t>(index) < distinct, "no such value in a dictionary");
      index = values[static_cast<std::size_t>(index)];
   }
}

} // namespace integers

/// The integers of a block that holds exactly so many. The high half of its first byte is not looked at.
inline void unpack_integers(Bytes block, Span<std::int64_t> out)
{
   require(!block.empty(), "a block of integers is empty");
   const unsigned mode = block[0] & ((1u << integers::kKind) - 1);
   require((mode == 0) == out.empty(), "a block holds another number of integers");
   switch (mode) {
   case 0: return require(block.size() == 1, "a block goes on after its end");
   case 1: return integers::constant(block, out);
   case 2:
   case 3:
   case 4: return unpack_pcodec(block.from(1), 1u << (mode - 1), out);
   case 5:
   case 6:
   case 7: return unpack_pcodec_standalone(block.from(1), 1u << (mode - 4), out);
   case 8: return integers::looked_up(block, out);
   default: throw CorruptionError("a block of integers of a mode that is not known");
   }
}

/// Largest magnitude of what `unpack_small` takes: sums of two and a prediction fit into 32 bits.
constexpr std::int32_t kSmallLatent = 1 << 28;

/// The same in 32 bits; false where some are not small.
inline bool unpack_small(Bytes block, Span<std::int32_t> out)
{
   require(!block.empty(), "a block of integers is empty");
   const unsigned mode = block[0] & ((1u << integers::kKind) - 1);
   const bool wrapped = mode == 2 || mode == 3;
   if (!wrapped) {
      std::vector<std::int64_t> wide(out.size());
      unpack_integers(block, wide);
      std::int64_t least = 0, most = 0;
      for (std::size_t i = 0; i < wide.size(); ++i) {
         least = std::min(least, wide[i]);
         most = std::max(most, wide[i]);
         out[i] = static_cast<std::int32_t>(wide[i]);
      }
      return -kSmallLatent <= least && most <= kSmallLatent;
   }
   require(!out.empty(), "a block holds another number of integers");
   unpack_pcodec(block.from(1), 1u << (mode - 1), out);
   std::int32_t least = 0, most = 0;
   for (std::size_t i = 0; mode == 3 && i < out.size(); ++i) {
      least = std::min(least, out[i]);
      most = std::max(most, out[i]);
   }
   return -kSmallLatent <= least && most <= kSmallLatent;
}

} // namespace hepae
