// Events that are compressed by a bottleneck model, from what their branches hold (docs/format/v1.md, section 13).
//
//    const hepae::BottleneckCodec codec(onnx);             // a row of hepae_models
//    hepae::OpenEvents events(codec, std::move(stored));   // checked event by event
//    const hepae::Values &pt = events.feature("pt");
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../buffer.hpp"
#include "../error.hpp"
#include "../span.hpp"
#include "../values.hpp"
#include "codec.hpp"
#include "escapes.hpp"
#include "event_check.hpp"

namespace hepae {

/// A branch over some events: how many numbers each has, and the numbers one after the other, little endian.
struct EventBranch {
   Counts counts;
   std::vector<std::uint8_t> numbers;
};

/// What the branches of a collection hold of events that name one model.
struct StoredEvents {
   Counts counts;                            ///< objects of each event
   std::uint32_t model = 0;                  ///< `_model__hepae`, the same in all of them
   std::vector<std::uint32_t> checks;        ///< `_check__hepae`
   EventBranch escapes, latents;             ///< `_escape__hepae`, `_latent__hepae`
   std::map<std::string, EventBranch> codes; ///< by short name of the feature
};

/// A run of events that is read feature by feature.
class OpenEvents {
public:
   OpenEvents(const BottleneckCodec &codec, StoredEvents stored) : fCodec(&codec), fStored(std::move(stored))
   {
      require(fStored.model == codec.number(), "events of another model");
      fObjects = sum_of(*fStored.counts);
      check_events();
      const BottleneckSpec &spec = codec.spec();
      require(fStored.latents.numbers.size() == fObjects * spec.latents * codec.latent_width(), "latents and objects differ in number");
      fEscapes.emplace(*fStored.counts, *fStored.escapes.counts, Bytes(fStored.escapes.numbers), spec.columns.size());
   }

   /// The values of a feature, by its short name; there as long as this.
   const Values &feature(const std::string &name)
   {
      const auto known = fValues.find(name);
      if (known != fValues.end())
         return known->second;
      const std::size_t place = fCodec->spec().place_of(name);
      if (!fIsPredicted)
         fPredicted = fCodec->predict(Bytes(fStored.latents.numbers));
      fIsPredicted = true;
      Values out;
      out.dtype = fCodec->spec().columns[place].dtype;
      out.levels = {fStored.counts};
      const Span<const float> predicted(fPredicted.data() + place * fObjects, fObjects);
      out.bytes = fCodec->restore(place, predicted, Bytes(fStored.codes.at(name).numbers), fEscapes->of(place));
      return fValues.emplace(name, std::move(out)).first->second;
   }

private:
   const BottleneckCodec *fCodec;
   StoredEvents fStored;
   std::size_t fObjects = 0;
   std::optional<Escapes> fEscapes;
   bool fIsPredicted = false;
   Buffer<float> fPredicted;
   std::map<std::string, Values> fValues;

   /// Compares the checksum of each event before anything of it is believed.
   void check_events() const
   {
      const std::size_t events = fStored.counts->size();
      const std::vector<std::int64_t> once(events, 1);
      const std::vector<std::uint32_t> models(events, fStored.model);
      require(fStored.checks.size() == events, "events without checksums");
      EventChecks found(events);
      found.add(once, bytes_of(*fStored.counts), 8);
      found.add(once, bytes_of(models), 4);
      found.add(*fStored.escapes.counts, fStored.escapes.numbers, 1);
      found.add(*fStored.latents.counts, fStored.latents.numbers, fCodec->latent_width());
      for (const BottleneckColumn &column : fCodec->spec().columns) {
         const auto codes = fStored.codes.find(column.name);
         require(codes != fStored.codes.end(), "a feature was dropped, without which the others cannot be checked", column.name);
         const std::size_t width = fCodec->spec().latents_only ? 1 : column.code_width();
         found.add(*codes->second.counts, codes->second.numbers, width);
      }
      for (std::size_t event = 0; event < events; ++event)
         if (found.of(event) != fStored.checks[event])
            throw CorruptionError("an event does not carry its checksum: event " + std::to_string(event) + " of those read together");
   }

   template <class T>
   static Bytes bytes_of(const std::vector<T> &numbers)
   {
      return {reinterpret_cast<const std::uint8_t *>(numbers.data()), numbers.size() * sizeof(T)};
   }
};

} // namespace hepae
