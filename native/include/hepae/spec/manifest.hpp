// What a model is for (docs/format/v1.md, section 5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../limits.hpp"
#include "../record.hpp"
#include "bottleneck.hpp"
#include "lattice.hpp"
#include "predictors.hpp"

namespace hepae {

/// The codec of a manifest, by its tag.
struct ModelCodec {
   std::optional<LiftingSpec> lifting;
   std::optional<MaskedSpec> masked;
   std::optional<BottleneckSpec> bottleneck;
};

template <>
struct record::Reader<ModelCodec> {
   static ModelCodec read(const Json &json)
   {
      ModelCodec out;
      const std::string tag = Record(json).tag("codec");
      if (tag == "masked")
         out.masked = from_json<MaskedSpec>(json);
      else if (tag == "lifting")
         out.lifting = from_json<LiftingSpec>(json);
      else if (tag == "bottleneck")
         out.bottleneck = from_json<BottleneckSpec>(json);
      else
         throw CorruptionError("a codec that is not read: " + tag);
      return out;
   }
};

struct Manifest {
   std::int64_t format = 0;
   std::string collection;
   std::optional<std::string> counter;
   std::vector<Feature> features;
   std::vector<std::string> conditions;
   ModelCodec codec;

   void fields(Record &r)
   {
      r.need("format", format);
      r.need("collection", collection);
      r.need("counter", counter);
      r.need("features", features);
      r.need("conditions", conditions);
      r.need("codec", codec);
      r.ignore("training"); // provenance
   }

   void check() const
   {
      require(format == limits::kFormatVersion, "a manifest of another version of the format");
      require(!features.empty() && features.size() <= limits::kFeatures, "a manifest of too many features");
   }
};

} // namespace hepae
