// A bottleneck model made ready: its decoder, checked on this machine, and what follows it (docs/format/v1.md, section 13).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "../buffer.hpp"
#include "../error.hpp"
#include "../json.hpp"
#include "../limits.hpp"
#include "../model_file.hpp"
#include "../sha256.hpp"
#include "../span.hpp"
#include "../spec/manifest.hpp"
#include "corrections.hpp"
#include "latents.hpp"
#include "network.hpp"
#include "network_reader.hpp"

namespace hepae {

/// May be shared by threads.
class BottleneckCodec {
public:
   /// Of the bytes of a model file. Refuses a decoder whose results are too far from the writer's.
   explicit BottleneckCodec(Bytes onnx) : BottleneckCodec(ModelFile(onnx))
   {
      const Sha256::Digest digest = Sha256::of({reinterpret_cast<const char *>(onnx.data()), onnx.size()});
      for (std::size_t i = 0; i < 4; ++i)
         fNumber = fNumber << 8 | digest[i];
   }

   const std::vector<Feature> &features() const { return fFeatures; }
   const BottleneckSpec &spec() const { return fSpec; }

   /// What events call the model: the first bytes of its SHA-256.
   std::uint32_t number() const { return fNumber; }

   std::size_t latent_width() const { return fLoader.width(); }

   /// What the decoder makes of the stored latents of objects, column by column.
   Buffer<float> predict(Bytes latents) const
   {
      const std::size_t each = fSpec.latents * fLoader.width(), columns = fSpec.columns.size();
      require(latents.size() % each == 0, "latents that are not whole");
      const std::size_t objects = latents.size() / each;
      require(objects <= limits::kObjects && objects <= limits::kPayloadBytes / sizeof(float) / columns, "too many objects at once");
      Buffer<float> out(objects * columns);
      FloatNetwork::Scratch scratch = fNetwork.scratch();
      for (std::size_t first = 0; first < objects; first += kTogether) {
         const std::size_t n = std::min(kTogether, objects - first);
         fLoader.load(latents.data() + first * each, n, fNetwork.input(scratch));
         fNetwork.evaluate(scratch);
         const float *block = fNetwork.output(scratch);
         for (std::size_t column = 0; column < columns; ++column)
            std::memcpy(out.data() + column * objects + first, block + column * kTogether, n * sizeof(float));
      }
      return out;
   }

   /// The values of a column of the network, as their bytes, from what `predict` gave of it.
   Buffer<std::uint8_t> restore(std::size_t column, Span<const float> predicted, Bytes codes, const std::vector<Escape> &escapes) const
   {
      const Corrections &own = fCorrections[column];
      return fSpec.latents_only ? own.uncorrected(predicted, escapes) : own.restored(predicted, codes, escapes);
   }

private:
   std::vector<Feature> fFeatures;
   BottleneckSpec fSpec;
   LatentLoader fLoader;
   FloatNetwork fNetwork;
   std::vector<Corrections> fCorrections;
   std::uint32_t fNumber = 0;

   explicit BottleneckCodec(const ModelFile &model) : BottleneckCodec(model, manifest_of(model)) {}

   BottleneckCodec(const ModelFile &model, Manifest manifest)
      : fFeatures(std::move(manifest.features)), fSpec(std::move(*manifest.codec.bottleneck)), fLoader(fSpec),
        fNetwork(FloatNetworkReader(model, "decoder").read("latents", fSpec.latents, "features", fSpec.columns.size()))
   {
      for (const BottleneckColumn &column : fSpec.columns) {
         require_feature(column);
         fCorrections.emplace_back(column);
      }
      probe(model);
   }

   static Manifest manifest_of(const ModelFile &model)
   {
      Manifest out = from_json<Manifest>(parse_json(model.manifest()));
      require(out.codec.bottleneck.has_value(), "a model of another codec");
      return out;
   }

   void require_feature(const BottleneckColumn &column) const
   {
      const auto same = [&](const Feature &one) { return one.name == column.name && one.dtype == column.dtype; };
      require(std::count_if(fFeatures.begin(), fFeatures.end(), same) == 1, "a column of no feature", column.name);
   }

   static const ModelArray &table(const ModelFile &model, const std::string &name, std::size_t width)
   {
      constexpr std::int64_t float32 = 1;
      const ModelArray &out = model.table(name);
      const bool fits = out.type == float32 && out.shape.size() == 2 && out.shape[0] > 0 && out.shape[1] == width;
      require(fits, "a model without its probe", name);
      return out;
   }

   /// The results of the writer's machine, against those of this one.
   void probe(const ModelFile &model) const
   {
      const std::size_t latents = fSpec.latents, columns = fSpec.columns.size();
      const ModelArray &given = table(model, "probe_latents", latents), &expected = table(model, "probe_features", columns);
      const std::size_t probes = given.shape[0];
      require(expected.shape[0] == probes && probes <= kMostProbes, "a model without its probe");
      FloatNetwork::Scratch scratch = fNetwork.scratch();
      for (std::size_t first = 0; first < probes; first += kTogether) {
         const std::size_t n = std::min(kTogether, probes - first);
         float *in = fNetwork.input(scratch);
         std::fill(in, in + latents * kTogether, 0.f);
         for (std::size_t p = 0; p < n; ++p)
            for (std::size_t j = 0; j < latents; ++j)
               in[j * kTogether + p] = static_cast<float>(given.values[(first + p) * latents + j]);
         fNetwork.evaluate(scratch);
         for (std::size_t p = 0; p < n; ++p)
            for (std::size_t f = 0; f < columns; ++f) {
               const auto got = static_cast<double>(fNetwork.output(scratch)[f * kTogether + p]);
               const double off = std::fabs(got - expected.values[(first + p) * columns + f]);
               require(off <= fSpec.columns[f].drift, "the decoder's results on this machine are too far from the writer's",
                       fSpec.columns[f].name);
            }
      }
   }

   static constexpr std::size_t kMostProbes = 4096;
};

} // namespace hepae
