// What a writer of the masked codec codes: residuals as symbols, with the tables that networks choose, and bits inside their
// bins (docs/format/v1.md, section 12). How the residuals outside all bins become bytes is not here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "../buffer.hpp"
#include "../codec.hpp"
#include "../fields.hpp"
#include "../prediction/predict.hpp"
#include "../span.hpp"
#include "cells.hpp"
#include "prepared.hpp"
#include "tans_encoder.hpp"

namespace hepae {

/// A feature as the masked codec codes it.
struct CodedResiduals {
   bool around = false;   ///< residuals are taken around the circle of the feature
   std::size_t pairs = 0; ///< of lanes
   std::vector<std::uint8_t> symbols, raw; ///< coded symbols; bits inside bins that do not hide in them
   Buffer<std::int64_t> outside; ///< residuals outside all bins
};

/// The residuals of a chunk, feature by feature in coding order.
class ResidualWriter {
public:
   ResidualWriter(const ChunkCodec &codec, const std::vector<std::int64_t> &counts)
      : fCodec(&codec), fPredict(codec.predictors(), codec.rows(counts)), fCells(codec.predictors(), fPredict)
   {
      require(codec.masked(), "a codec that is not masked");
   }

   ResidualWriter(const ResidualWriter &) = delete; // predictions point at what is known

   /// Values of a column of events; all are there before the first feature.
   void add_condition(std::vector<double> values) { fPredict.known().conditions.push_back(std::move(values)); }

   /// The integers of a feature in the order of events. Those of features that are decoded together come before the first
   /// of them is coded.
   void put(std::size_t feature, Span<const std::int64_t> in_events)
   {
      require(in_events.size() == order().objects(), "a feature of other objects");
      Integers &known = fPredict.known().integers[feature];
      Buffer<std::int64_t> &q = known.begin(order().objects());
      for (std::size_t i = 0; i < q.size(); ++i)
         q[i] = in_events[order().in_events()[i]];
      known.finish();
   }

   CodedResiduals code(std::size_t feature)
   {
      const OpenShape &shape = fCodec->masked()->shape(feature);
      const WritingShape &writing = fCodec->masked()->writing(feature);
      CodedResiduals out;
      out.around = fPredict.is_around(feature);
      const Buffer<std::int64_t> &residuals = find_residuals(feature, out.around);
      split(shape, writing.bins, residuals, out);
      const bool ranked = predictor(feature).ranked;
      const std::size_t lanes = lanes_for(residuals.size(), ranked ? 0 : out.raw.size());
      std::vector<std::uint32_t> states = hide(out.raw, lanes, ranked);
      out.pairs = lanes / 2;
      out.symbols = coded(shape, writing.tables, fCells.of(feature, shape, 0, order().places()), ranked, std::move(states));
      if (!predictor(feature).wants_latent)
         fPredict.known().latents[feature].clear();
      return out;
   }

private:
   static constexpr std::size_t kObjectsPerLane = 32, kObjectsPerPaidLane = 1024, kMostLanes = 2048;

   const ChunkCodec *fCodec;
   Predict fPredict;
   Cells fCells;
   std::vector<std::uint16_t> fSymbols; ///< of the feature that is coded

   const RankOrder &order() const { return fPredict.order(); }
   const OpenPredictor &predictor(std::size_t feature) const { return fPredict.predictor(feature); }

   const Buffer<std::int64_t> &find_residuals(std::size_t feature, bool around)
   {
      const std::int64_t *q = fPredict.known().integers[feature].wide();
      const std::vector<std::int64_t> &predictions = fCells.predict(feature);
      Integers &latents = fPredict.known().latents[feature];
      Buffer<std::int64_t> &out = latents.begin(order().objects());
      for (std::size_t i = 0; i < out.size(); ++i)
         out[i] = difference(q[i], predictions[i]);
      if (around) {
         const std::int64_t length = predictor(feature).period->length();
         for (std::int64_t &one : out)
            one = wrapped(one, -(length / 2), length);
      }
      latents.finish();
      return out;
   }

   /// Symbols, the bits inside their bins, and what is outside.
   void split(const OpenShape &shape, const Bins &bins, const Buffer<std::int64_t> &residuals, CodedResiduals &out)
   {
      const OpenAlphabet &alphabet = shape.alphabet;
      fSymbols.resize(residuals.size());
      std::size_t bits = 0;
      for (std::size_t i = 0; i < residuals.size(); ++i) {
         fSymbols[i] = bins.of(residuals[i]);
         bits += alphabet.widths[fSymbols[i]];
         if (fSymbols[i] == shape.other())
            out.outside.push_back(residuals[i]);
      }
      fields::Writer inside(bits);
      for (std::size_t i = 0; i < residuals.size(); ++i)
         if (const std::uint8_t width = alphabet.widths[fSymbols[i]])
            inside.put(static_cast<std::uint64_t>(residuals[i] - alphabet.starts[fSymbols[i]]), width);
      out.raw = inside.finish();
   }

   /// Lanes that cost nothing since raw bits hide in them, or few that do cost. An even number: whole bytes.
   static std::size_t lanes_for(std::size_t objects, std::size_t raw_bytes)
   {
      const std::size_t free = std::min({objects / kObjectsPerLane, 8 * raw_bytes / tans::kPrecision, kMostLanes});
      return std::max({free, objects / kObjectsPerPaidLane, std::size_t{2}}) & ~std::size_t{1};
   }

   /// The states that lanes end with: the first raw bits, which are taken off, where there are enough of them.
   static std::vector<std::uint32_t> hide(std::vector<std::uint8_t> &raw, std::size_t lanes, bool ranked)
   {
      std::vector<std::uint32_t> states(lanes);
      const std::size_t size = lanes * tans::kPrecision / 8;
      if (ranked || size > raw.size())
         return states;
      for (std::size_t i = 0; i < lanes; i += 2) {
         const std::uint8_t *from = raw.data() + i / 2 * 3;
         const auto two = static_cast<std::uint32_t>(from[0] | from[1] << 8 | from[2] << 16);
         states[i] = two & (tans::kStates - 1);
         states[i + 1] = two >> tans::kPrecision;
      }
      raw.erase(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(size));
      return states;
   }

   /// The symbols piece by piece: with their own tables, then those that these have no room for with the last one.
   std::vector<std::uint8_t> coded(const OpenShape &shape, const tans::EncodingTables &tables, Span<const std::uint16_t> cells,
                                   bool ranked, std::vector<std::uint32_t> states) const
   {
      tans::Encoder encoder(tables);
      for (std::size_t place = 0; place < order().places();) {
         const std::size_t after = ranked && place < order().last() ? place + 1 : order().places();
         const std::size_t first = order().start(place), last = order().start(after - 1) + order().size(after - 1);
         std::vector<std::uint16_t> others;
         for (std::size_t i = first; i < last; ++i) {
            const bool has_room = tables.has_room(cells[i], fSymbols[i]);
            encoder.add(cells[i], has_room ? fSymbols[i] : shape.other());
            if (!has_room || fSymbols[i] == shape.other())
               others.push_back(fSymbols[i]);
         }
         encoder.end_piece();
         for (std::uint16_t symbol : others)
            encoder.add(shape.last(), symbol);
         encoder.end_piece();
         place = after;
      }
      return encoder.finish(std::move(states));
   }
};

} // namespace hepae
