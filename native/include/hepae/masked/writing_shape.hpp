// How a writer codes the residuals of a feature (docs/format/v1.md, section 12).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "open_shape.hpp"
#include "tans_encoder.hpp"

namespace hepae {

/// Which bin integers are in.
class Bins {
public:
   explicit Bins(const OpenAlphabet &alphabet) : fStarts(alphabet.starts)
   {
      const std::size_t last = fStarts.size() - 2; // behind it there is an entry for what is outside
      fStarts.back() = fStarts[last] + (std::int64_t{1} << alphabet.widths[last]);
      while (range() >> fShift >= kTable)
         ++fShift;
      for (std::uint64_t i = 0; i <= range() >> fShift; ++i)
         fTable.push_back(static_cast<std::uint16_t>(at_most(static_cast<std::int64_t>(i << fShift) + fStarts[0])));
      fTable.push_back(static_cast<std::uint16_t>(last));
   }

   /// The number of its bin; outside all of them, how many these are.
   std::uint16_t of(std::int64_t value) const
   {
      if (value < fStarts.front() || value >= fStarts.back())
         return static_cast<std::uint16_t>(fStarts.size() - 1);
      const std::uint16_t *near = fTable.data() + (static_cast<std::uint64_t>(value - fStarts[0]) >> fShift);
      if (near[0] == near[1])
         return near[0];
      const auto begin = fStarts.begin() + near[0];
      return static_cast<std::uint16_t>(std::upper_bound(begin, fStarts.begin() + near[1] + 1, value) - fStarts.begin() - 1);
   }

private:
   static constexpr std::uint64_t kTable = 1 << 15; ///< fits into a cache of the second level

   std::vector<std::int64_t> fStarts; ///< and where the last one ends
   std::vector<std::uint16_t> fTable; ///< bins at equal distances
   int fShift = 0;

   std::uint64_t range() const { return static_cast<std::uint64_t>(fStarts.back() - fStarts.front()); }
   std::size_t at_most(std::int64_t value) const
   {
      const auto found = static_cast<std::size_t>(std::upper_bound(fStarts.begin(), fStarts.end(), value) - fStarts.begin());
      return std::min(found, fStarts.size() - 1) - 1;
   }
};

/// How a writer codes the residuals of a feature.
struct WritingShape {
   Bins bins;
   tans::EncodingTables tables;

   explicit WritingShape(const OpenShape &shape) : bins(shape.alphabet), tables(shape.tables) {}
};

} // namespace hepae
