// How integers of a column become indexes of tables (docs/format/v1.md, section 10.2).
#pragma once

#include <algorithm>
#include <cstdint>

#include "../processor.hpp"
#include "known.hpp"

namespace hepae {

struct Scale {
   std::uint64_t low;
   int shift;
   std::int64_t first, last; ///< indexes are clipped to these: 0 is for objects without the column

   /// Whether the integers that are told apart are small: others may be clipped to `Integers::kSmall` before.
   bool is_small() const
   {
      const auto begin = static_cast<std::int64_t>(low);
      return begin > -Integers::kSmall / 2 && begin < Integers::kSmall / 2 && shift < 20 &&
             (last + 2) << shift < Integers::kSmall / 2;
   }

   /// The same as `index` for small integers.
   HEPAE_INLINE std::uint32_t small_index(std::int32_t value) const
   {
      const std::int32_t shifted = (value - static_cast<std::int32_t>(low)) >> shift;
      const auto least = static_cast<std::int32_t>(first - 1), most = static_cast<std::int32_t>(last - 1);
      return static_cast<std::uint32_t>((shifted < least ? least : shifted > most ? most : shifted) + 1);
   }

   std::size_t index(std::int64_t value) const
   {
      const auto shifted = static_cast<std::int64_t>(static_cast<std::uint64_t>(value) - low) >> shift;
      return static_cast<std::size_t>(std::clamp(shifted, first - 1, last - 1) + 1);
   }
};

} // namespace hepae
