// Model files, made ready as for reading.
#include "target.hpp"

#include <hepae/codec.hpp>

#include <array>

void hepae_fuzz::decode(hepae::Bytes data)
{
   const hepae::ChunkCodec codec(hepae::CodecParts::of(data, std::array<std::uint8_t, 32>{}));
   for (std::size_t feature = 0; feature < codec.features().size(); ++feature) {
      codec.needs(feature);
      if (codec.masked())
         codec.masked()->shape(feature);
   }
}
