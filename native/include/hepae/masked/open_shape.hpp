// How the residuals of a feature are coded, made ready (docs/format/v1.md, section 12).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../fields.hpp"
#include "../integers.hpp"
#include "../model_file.hpp"
#include "../spec/predictors.hpp"
#include "network.hpp"
#include "shapes.hpp"
#include "tans.hpp"

namespace hepae {

/// Bins of residuals: where each begins, and log2 of its width. The last symbol is "other".
struct OpenAlphabet {
   std::vector<std::int64_t> starts;
   std::vector<std::uint8_t> widths;

   explicit OpenAlphabet(const Alphabet &spec)
   {
      std::int64_t at = spec.low; // 1022 bins of 2^40 from 2^50 on fit into 64 bits
      for (const auto &[width, bins] : spec.runs)
         for (std::int64_t i = 0; i < bins; ++i) {
            starts.push_back(at);
            widths.push_back(static_cast<std::uint8_t>(width));
            at += std::int64_t{1} << width;
         }
      is_small = spec.low >= -kSmallLatent && at <= kSmallLatent;
      starts.push_back(0);
      widths.push_back(0);
      if (is_small && *std::max_element(widths.begin(), widths.end()) <= fields::kNarrow) {
         small_starts.assign(starts.begin(), starts.end());
         small_widths.assign(widths.begin(), widths.end());
      }
   }

   bool is_small = false; ///< every integer in a bin is small
   std::vector<std::int32_t> small_starts, small_widths; ///< the same in 32 bits where it is, and widths are narrow
};

/// How the residuals of a feature are coded.
struct OpenShape {
   OpenAlphabet alphabet;
   std::vector<std::size_t> inputs;
   std::optional<IntegerNetwork> network;
   tans::Tables tables;

   OpenShape(const Shape &spec, const ModelFile &model, std::size_t place)
      : alphabet(spec.alphabet), inputs(spec.inputs), tables(shapes::tables(spec, model, std::to_string(place)))
   {
      if (spec.levels.empty())
         return;
      network = NetworkReader(model, "cell" + std::to_string(place)).read();
      require(network->inputs() == inputs.size(), "a network of other inputs", spec.feature);
      require(network->cells() < tables.size(), "a network names no cell", spec.feature);
   }

   /// "Look in the last table"; there, "outside".
   std::uint16_t other() const { return static_cast<std::uint16_t>(tables.symbols() - 1); }
   std::uint16_t last() const { return static_cast<std::uint16_t>(tables.size() - 1); }
};

} // namespace hepae
