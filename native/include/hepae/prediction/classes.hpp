// Classes of latents by what is expected of them (docs/format/v1.md, section 10.2).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "../processor.hpp"
#include "../span.hpp"

namespace hepae {

/// Which class a sum falls into: how many of the rising edges it reaches.
class Classes {
public:
   Classes() = default;
   explicit Classes(std::vector<std::int64_t> edges) : fEdges(std::move(edges))
   {
      if (fEdges.empty())
         return;
      const std::uint64_t range = distance(fEdges.back());
      while (range >> fShift >= kTable)
         ++fShift;
      for (std::uint64_t i = 0; i <= range >> fShift; ++i)
         fTable.push_back(reached(static_cast<std::int64_t>(static_cast<std::uint64_t>(fEdges.front()) + (i << fShift))));
   }

   std::size_t size() const { return fEdges.size() + 1; }

   std::uint8_t of(std::int64_t sum) const
   {
      if (fEdges.empty() || sum < fEdges.front())
         return 0;
      std::size_t out = fTable[std::min<std::uint64_t>(distance(sum) >> fShift, fTable.size() - 1)];
      while (out < fEdges.size() && sum >= fEdges[out])
         ++out;
      return static_cast<std::uint8_t>(out);
   }

   /// Classes of small sums: of few edges, how many are reached, without a branch.
   void of(Span<const std::int32_t> sums, std::uint8_t *out) const
   {
      constexpr std::size_t few = 8;
      if (fEdges.size() > few) {
         for (std::size_t p = 0; p < sums.size(); ++p)
            out[p] = of(std::int64_t{sums[p]});
         return;
      }
      std::fill_n(out, sums.size(), std::uint8_t{0});
      for (std::int64_t edge : fEdges) {
         const auto near = static_cast<std::int32_t>(std::clamp<std::int64_t>(edge, INT32_MIN, INT32_MAX));
         processor::run([&]() HEPAE_INLINED {
            const std::int32_t *sum = sums.data(), least = near;
            std::uint8_t *to = out; // bytes may be anywhere: the compiler must see that they are not these
            for (std::size_t p = 0, size = sums.size(); p < size; ++p)
               to[p] = static_cast<std::uint8_t>(to[p] + (sum[p] >= least));
         });
      }
   }

private:
   static constexpr std::uint64_t kTable = 1 << 13; ///< fits into a cache of the first level

   std::vector<std::int64_t> fEdges;
   std::vector<std::uint8_t> fTable; ///< classes at equal distances from the first edge to the last one
   int fShift = 0;

   std::uint64_t distance(std::int64_t sum) const
   {
      return static_cast<std::uint64_t>(sum) - static_cast<std::uint64_t>(fEdges.front());
   }
   std::uint8_t reached(std::int64_t sum) const
   {
      return static_cast<std::uint8_t>(std::upper_bound(fEdges.begin(), fEdges.end(), sum) - fEdges.begin());
   }
};

} // namespace hepae
