// Model files, made ready as for reading, of events and of chunks.
#include "target.hpp"

#include <hepae/bottleneck/codec.hpp>
#include <hepae/codec.hpp>

#include <array>

void hepae_fuzz::decode(hepae::Bytes data)
{
   try {
      const hepae::BottleneckCodec of_events(data);
      return;
   } catch (const hepae::CorruptionError &) {
   }
   const hepae::ChunkCodec codec(hepae::CodecParts::of(data, std::array<std::uint8_t, 32>{}));
   for (std::size_t feature = 0; feature < codec.features().size(); ++feature) {
      codec.needs(feature);
      if (codec.masked())
         codec.masked()->shape(feature);
   }
}
