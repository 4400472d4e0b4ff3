// What refers to a model of a data set: after a 0 such a model; after a 1 the bytes of a reference, these, and a patch.
#include "target.hpp"

#include <hepae/reference.hpp>

void hepae_fuzz::decode(hepae::Bytes data)
{
   if (data.size() < 3)
      return;
   if (data[0] == 0) {
      hepae::reference_of(data.from(1));
      return;
   }
   const std::size_t size = data[1] | std::size_t{data[2]} << 8;
   hepae::patched(data.from(3).part(0, size), data.from(3 + size));
}
