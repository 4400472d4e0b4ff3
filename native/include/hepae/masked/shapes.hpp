// Coding tables from integers: frequencies of symbols, and the small network that gives them for each cell
// (docs/format/v1.md, section 12).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "../error.hpp"
#include "../model_file.hpp"
#include "../spec/predictors.hpp"
#include "tans.hpp"

namespace hepae::shapes {

using Row = std::vector<std::int64_t>;
using Rows = std::vector<Row>;

constexpr std::int64_t kUnit = 16, kRange = 20; ///< logarithms are in 1/kUnit of a binary digit, of so many digits
constexpr std::size_t kMostCells = 4096;
constexpr std::size_t kMostHidden = 1024; ///< so that a model cannot take minutes; hepae's have 24 at most
constexpr int kShift = 6;

/// 2^(k/16) in 1/65536.
constexpr std::array<std::int64_t, 16> kMantissas{65536, 68438, 71468, 74632, 77936,  81386,  84990,  88752,
                                                  92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515};

inline std::int64_t floor_divided(std::int64_t a, std::int64_t b)
{
   return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/// Makes the sum right: in proportion first, then by one at the largest frequencies.
inline void balance(Row &found)
{
   constexpr std::int64_t states = tans::kStates;
   const std::int64_t before = std::accumulate(found.begin(), found.end(), std::int64_t{0});
   const std::int64_t excess = before - states, sign = (excess > 0) - (excess < 0);
   for (std::int64_t &one : found)
      one -= sign * (one * (excess * sign) / before);
   const std::int64_t left = std::accumulate(found.begin(), found.end(), std::int64_t{0}) - states;
   std::vector<std::size_t> order(found.size());
   std::iota(order.begin(), order.end(), std::size_t{0});
   std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return found[a] > found[b]; });
   const auto most = std::min<std::size_t>(order.size(), static_cast<std::size_t>(left < 0 ? -left : left));
   for (std::size_t i = 0; i < most; ++i)
      found[order[i]] -= (left > 0) - (left < 0);
   const bool good = *std::min_element(found.begin(), found.end()) >= 0 && found.back() > 0;
   require(good && std::accumulate(found.begin(), found.end(), std::int64_t{0}) == states,
           "coding tables with too many bins");
}

/// Frequencies of the bins and of "other" from logarithms of the bins.
inline Row frequencies(const Row &logs)
{
   constexpr std::int64_t states = tans::kStates;
   const std::int64_t top = *std::max_element(logs.begin(), logs.end());
   Row raw, out;
   for (std::int64_t log : logs) {
      const std::int64_t below = std::min(top - log, kRange * kUnit), digits = (below + kUnit - 1) / kUnit;
      raw.push_back(kMantissas[static_cast<std::size_t>(digits * kUnit - below)] << (kRange - digits));
   }
   const std::int64_t total = std::accumulate(raw.begin(), raw.end(), std::int64_t{0});
   std::int64_t rare = 0;
   for (std::int64_t weight : raw) {
      out.push_back((weight * states + total / 2) / total);
      rare += out.back() == 0 ? weight : 0;
   }
   out.push_back(std::max<std::int64_t>((rare * states + total / 2) / total, 1));
   balance(out);
   return out;
}

/// Cells of a grid.
inline std::size_t cells(const std::vector<std::int64_t> &levels)
{
   std::size_t out = 1;
   for (std::int64_t level : levels) {
      require(level > 0 && static_cast<std::size_t>(level) <= kMostCells / out, "a grid of too many cells");
      out *= static_cast<std::size_t>(level);
   }
   return out;
}

/// The coordinates of a cell; the last varies fastest.
inline Row coordinates(std::size_t cell, const std::vector<std::int64_t> &levels)
{
   Row out(levels.size());
   for (std::size_t axis = levels.size(); axis-- > 0;) {
      const auto place = static_cast<std::int64_t>(cell % static_cast<std::size_t>(levels[axis]));
      cell /= static_cast<std::size_t>(levels[axis]);
      out[axis] = 128 * place / std::max<std::int64_t>(levels[axis] - 1, 1) - 64;
   }
   return out;
}

/// `rows` · `weights` + `bias`, over 64 and rounded. What could leave 64 bits is refused before.
inline Row layer(const Row &row, const Row &weights, const Row &bias)
{
   Row out;
   for (std::size_t j = 0; j < bias.size(); ++j) {
      std::int64_t sum = bias[j] + (1 << kShift >> 1);
      for (std::size_t i = 0; i < row.size(); ++i)
         sum += row[i] * weights[i * bias.size() + j];
      out.push_back(sum >> kShift);
   }
   return out;
}

/// Values at every bin from those at the anchors.
inline Row interpolated(const Row &given, const std::vector<std::int64_t> &anchors)
{
   Row out{given[0]};
   for (std::size_t k = 1; k < anchors.size(); ++k) {
      const std::int64_t run = anchors[k] - anchors[k - 1], rise = given[k] - given[k - 1];
      for (std::int64_t x = 1; x < run; ++x)
         out.push_back(given[k - 1] + floor_divided(rise * x, run));
      out.push_back(given[k]);
   }
   return out;
}

/// Logarithms of the bins of each cell.
inline Rows log_tables(const Shape &shape, const ModelFile &model, const std::string &place)
{
   const std::size_t axes = shape.levels.size(), anchors = shape.anchors.size();
   const ModelArray &bias_array = model.table("hidden_bias" + place);
   const std::size_t width = bias_array.values.size();
   require(width <= kMostHidden, "a network of tables that is too large");
   const Row hidden = model.table("hidden" + place).integers({axes, width}), bias = bias_array.integers({width});
   const Row out = model.table("out" + place).integers({width, anchors});
   const Row out_bias = model.table("out_bias" + place).integers({anchors});
   Rows logs;
   for (std::size_t cell = 0; cell < cells(shape.levels); ++cell) {
      Row active = layer(coordinates(cell, shape.levels), hidden, bias);
      for (std::int64_t &one : active)
         one = std::clamp<std::int64_t>(one, 0, 255);
      logs.push_back(interpolated(layer(active, out, out_bias), shape.anchors));
   }
   return logs;
}

/// The coding tables of a shape: one for each cell, and the last for what the others have no room for.
inline tans::Tables tables(const Shape &shape, const ModelFile &model, const std::string &place)
{
   const std::size_t bins = shape.alphabet.bins();
   Rows logs;
   if (shape.levels.empty()) {
      Row marginal = model.table("marginal" + place).integers({bins});
      for (std::int64_t &one : marginal)
         one = -one;
      logs.push_back(std::move(marginal));
   } else {
      const bool whole = !shape.anchors.empty() && shape.anchors[0] == 0 &&
                         shape.anchors.back() + 1 == static_cast<std::int64_t>(bins);
      require(whole && std::is_sorted(shape.anchors.begin(), shape.anchors.end(), std::less_equal<>()),
              "anchors do not rise from the first bin to the last");
      logs = log_tables(shape, model, place);
   }
   Rows found;
   for (const Row &row : logs)
      found.push_back(frequencies(row));
   found.push_back(frequencies(Row(bins, 0)));
   return tans::Tables(found);
}

} // namespace hepae::shapes
