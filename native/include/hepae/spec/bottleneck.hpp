// What a manifest says of a float autoencoder (docs/format/v1.md, section 13).
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "../dtype.hpp"
#include "../limits.hpp"
#include "../record.hpp"
#include "lattice.hpp"

namespace hepae {

/// The way of a feature out of a network: y is clipped to low … high, then x = y / scale + shift, or its exponential.
struct Transform {
   bool log = false;
   double shift = 0, scale = 1, low = 0, high = 0;

   void fields(Record &r)
   {
      const std::string function = r.tag("function");
      require(function == "linear" || function == "log", "a transform that is not known", function);
      log = function == "log";
      r.need("shift", shift);
      r.need("scale", scale);
      r.need("low", low);
      r.need("high", high);
   }
   void check() const
   {
      const bool finite = std::isfinite(shift) && std::isfinite(low) && std::isfinite(high);
      require(finite && scale != 0 && std::isfinite(1 / scale), "a transform that cannot be");
   }
};

struct BottleneckColumn {
   std::string name;
   Dtype dtype = Dtype::kFloat32;
   Bound bound;
   Transform transform;
   double drift = 0; ///< how far the network may be from the writer's
   double step = 1;
   std::vector<std::uint64_t> frequent; ///< bits with codes of their own

   bool is_whole() const { return !is_float(dtype); }

   /// Bytes of a code.
   std::size_t code_width() const { return is_whole() ? size_of(dtype) : 2; }

   void fields(Record &r)
   {
      r.need("name", name);
      r.need("dtype", dtype);
      r.need("bound", bound);
      r.need("transform", transform);
      r.need("drift", drift);
      r.need("step", step);
      r.may("frequent", frequent);
   }
   void check() const
   {
      require(dtype != Dtype::kFloat16, "numbers of 16 bits are not looked at", name); // no branch of ROOT has them
      const bool ratio = bound.kind == "rel" || bound.kind == "bits";
      const bool large = std::isfinite(step) && step > (is_whole() || ratio ? 1 : 0) && (!is_whole() || step < 0x1p62);
      require(large || (is_whole() && step == 1), "a step that cannot be", name);
      require(std::isfinite(drift) && drift >= 0, "a drift that cannot be", name);
      const std::size_t width = 8 * size_of(dtype);
      for (std::uint64_t bits : frequent)
         require(width == 64 || bits >> width == 0, "a frequent value that is none of its dtype", name);
   }
};

/// How latents are stored.
struct LatentSpec {
   Dtype dtype = Dtype::kFloat32;
   std::vector<double> low, step; ///< of those in fixed point

   bool in_fixed_point() const { return !is_float(dtype); }

   void fields(Record &r)
   {
      r.need("dtype", dtype);
      r.may("low", low);
      r.may("step", step);
   }
   void check() const
   {
      const bool known = dtype == Dtype::kFloat32 || dtype == Dtype::kFloat16 || dtype == Dtype::kUint16 || dtype == Dtype::kUint8;
      require(known, "latents of another dtype");
      for (const std::vector<double> *numbers : {&low, &step})
         for (double one : *numbers)
            require(std::isfinite(one), "latents in a fixed point that cannot be");
   }
};

struct BottleneckSpec {
   std::vector<BottleneckColumn> columns;
   std::size_t latents = 0;
   LatentSpec latent;
   bool latents_only = false;

   /// The place of a feature in the network.
   std::size_t place_of(const std::string &feature) const
   {
      for (std::size_t place = 0; place < columns.size(); ++place)
         if (columns[place].name == feature)
            return place;
      throw CorruptionError("no feature of this model: " + feature);
   }

   void fields(Record &r)
   {
      require(r.tag("codec") == "bottleneck", "a codec that is not bottleneck");
      r.need("columns", columns);
      r.need("latents", latents);
      r.need("latent", latent);
      r.need("latents_only", latents_only);
      r.ignore("architecture"); // for people
   }
   void check() const
   {
      require(!columns.empty() && columns.size() <= limits::kFeatures, "a network of too many columns");
      require(latents > 0 && latents <= limits::kLatents, "a network of too many latents");
      const std::size_t numbers = latent.in_fixed_point() ? latents : 0;
      require(latent.low.size() == numbers && latent.step.size() == numbers, "latents in a fixed point that cannot be");
   }
};

} // namespace hepae
