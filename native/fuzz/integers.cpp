// Blocks of integers: how many there should be, then the block. In 64 and in 32 bits they are the same.
#include "target.hpp"

#include <hepae/integers.hpp>

#include <cstdlib>
#include <vector>

void hepae_fuzz::decode(hepae::Bytes data)
{
   constexpr std::size_t most = 5000;
   if (data.size() < 2)
      return;
   const std::size_t n = (data[0] | std::size_t{data[1]} << 8) % most;
   std::vector<std::int64_t> wide(n);
   hepae::unpack_integers(data.from(2), wide);
   std::vector<std::int32_t> small(n);
   if (hepae::unpack_small(data.from(2), small) && !std::equal(small.begin(), small.end(), wide.begin()))
      std::abort();
}
