// The parts of a payload whose latents are stored by class (docs/format/v1.md, section 11).
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "error.hpp"
#include "integers.hpp"
#include "limits.hpp"
#include "span.hpp"
#include "varint.hpp"

namespace hepae {

/// A payload of classes: which of them share a block, and the blocks.
struct StoredClasses {
   std::vector<std::int64_t> groups, counts; ///< by class; counts where the classes of a rank depend on the ranks before
   std::vector<std::size_t> order;           ///< of the classes, as their latents stand: group by group
   std::vector<Bytes> blocks;                ///< by group

   /// `counted`: whether counts are stored.
   static StoredClasses by_class(Bytes payload, std::size_t classes, bool counted)
   {
      StoredClasses out(classes);
      std::size_t at = 1;
      for (std::size_t i = 0; i < classes; ++i) {
         if (counted)
            out.counts.push_back(static_cast<std::int64_t>(std::min(read_varint(payload, at), kTooMany)));
         out.blocks.push_back(i + 1 < classes ? sized(payload, at) : payload.from(at));
      }
      std::iota(out.groups.begin(), out.groups.end(), std::int64_t{0});
      return out;
   }

   static StoredClasses by_group(Bytes payload, std::size_t classes, bool counted)
   {
      StoredClasses out(classes);
      std::size_t at = 1;
      std::vector<std::int64_t> &groups = out.groups;
      unpack_integers(sized(payload, at), Span<std::int64_t>(groups));
      const auto [low, high] = std::minmax_element(groups.begin(), groups.end());
      require(*low >= 0 && *high < static_cast<std::int64_t>(classes), "a group of classes that cannot be");
      if (counted) {
         out.counts.resize(classes);
         unpack_integers(sized(payload, at), Span<std::int64_t>(out.counts));
      }
      for (std::int64_t group = 0; group < *high; ++group)
         out.blocks.push_back(sized(payload, at));
      out.blocks.push_back(payload.from(at));
      std::stable_sort(out.order.begin(), out.order.end(),
                       [&](std::size_t a, std::size_t b) { return groups[a] < groups[b]; });
      return out;
   }

private:
   static constexpr std::uint64_t kTooMany = limits::kObjects + 1;

   explicit StoredClasses(std::size_t classes) : groups(classes), order(classes)
   {
      std::iota(order.begin(), order.end(), std::size_t{0});
   }

   /// The next block, which stands after its length.
   static Bytes sized(Bytes payload, std::size_t &at)
   {
      const std::size_t length = read_length(payload, at);
      at += length;
      return payload.part(at - length, length);
   }
};

} // namespace hepae
