// Streams of LZMA2: how many bytes there should be, then the stream.
#include "target.hpp"

#include <hepae/lzma.hpp>

#include <vector>

void hepae_fuzz::decode(hepae::Bytes data)
{
   if (data.size() < 2)
      return;
   std::vector<std::uint8_t> out(data[0] | std::size_t{data[1]} << 8);
   hepae::unpack_lzma2(data.from(2), out);
}
