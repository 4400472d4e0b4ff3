// Blocks of integers (docs/format/v1.md, section 9).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "gather.hpp"
#include "pcodec.hpp"
#include "processor.hpp"
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

/// The distinct values, of which the integers are some: the smallest one, and the gaps between them. What follows are the
/// numbers of the values.
inline std::vector<std::int64_t> distinct_values(Bytes block, std::size_t &at)
{
   at = 1;
   std::uint64_t value = static_cast<std::uint64_t>(unzigzag(read_varint(block, at)));
   const std::uint64_t distinct = read_varint(block, at);
   require(distinct > 1 && distinct <= kMostDistinct, "a dictionary of a wrong size");
   const std::size_t length = read_length(block, at);
   std::vector<std::int64_t> gaps(static_cast<std::size_t>(distinct - 1)), values;
   unpack_integers(block.part(at, length), gaps);
   values.push_back(static_cast<std::int64_t>(value));
   for (std::int64_t gap : gaps)
      values.push_back(static_cast<std::int64_t>(value += static_cast<std::uint64_t>(gap)));
   at += length;
   return values;
}

/// Numbers of values become these values.
template <class T>
void look_up(const std::vector<T> &values, Span<T> out)
{
   using Number = std::make_unsigned_t<T>; // those below 0 are large
   const auto distinct = static_cast<Number>(values.size());
   bool inside = true;
   processor::run([&]() HEPAE_INLINED {
      const T *numbers = out.data();
      Number beyond = 0;
      for (std::size_t i = 0, size = out.size(); i < size; ++i)
         beyond |= static_cast<Number>(numbers[i]) < distinct ? Number{0} : Number{1};
      inside = beyond == 0;
   });
   require(inside, "no such value in a dictionary");
   gather(values.data(), out.data(), T{0}, out.size(), out.data());
}

inline void looked_up(Bytes block, Span<std::int64_t> out)
{
   std::size_t at = 0;
   const std::vector<std::int64_t> values = distinct_values(block, at);
   unpack_integers(block.from(at), out);
   look_up(values, out);
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

namespace integers {

template <class T>
bool are_small(Span<const T> values)
{
   T least = 0, most = 0;
   processor::run([&]() HEPAE_INLINED {
      const T *from = values.data();
      T low = 0, high = 0;
      for (std::size_t i = 0, size = values.size(); i < size; ++i) {
         low = from[i] < low ? from[i] : low;
         high = from[i] > high ? from[i] : high;
      }
      least = low;
      most = high;
   });
   return -kSmallLatent <= least && most <= kSmallLatent;
}

/// Integers of 64 bits in 32; false where some are not small.
inline bool narrowed(Span<const std::int64_t> wide, std::int32_t *out)
{
   for (std::size_t i = 0; i < wide.size(); ++i)
      out[i] = static_cast<std::int32_t>(wide[i]);
   return are_small(wide);
}

} // namespace integers

/// The same in 32 bits; false where some are not small.
inline bool unpack_small(Bytes block, Span<std::int32_t> out)
{
   require(!block.empty(), "a block of integers is empty");
   const unsigned mode = block[0] & ((1u << integers::kKind) - 1);
   require((mode == 0) == out.empty(), "a block holds another number of integers");
   switch (mode) {
   case 2: unpack_pcodec(block.from(1), 2, out); return true;
   case 3: unpack_pcodec(block.from(1), 4, out); return integers::are_small(Span<const std::int32_t>(out));
   case 8: {
      std::size_t at = 0;
      const std::vector<std::int64_t> values = integers::distinct_values(block, at);
      std::vector<std::int32_t> small(values.size());
      if (!integers::narrowed(values, small.data()))
         return false;
      require(unpack_small(block.from(at), out), "no such value in a dictionary");
      integers::look_up(small, out);
      return true;
   }
   default: {
      std::vector<std::int64_t> wide(out.size());
      unpack_integers(block, wide);
      return integers::narrowed(wide, out.data());
   }
   }
}

} // namespace hepae
