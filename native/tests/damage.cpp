// Damages what a file holds and decodes it: `damage CASE SEED FIRST LAST` does the damages of these numbers. Each must give
// the values of the undamaged bytes or a CorruptionError; anything else is counted, or ends the program. Sanitizers see the rest.
//
// A case (case.hpp) is a model with a chunk of its frames, a schema with a chunk of its tree, or a bottleneck model with events. Most
// damages are sealed again, so that checksums do not catch them first.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <hepae/codec.hpp>
#include <hepae/tables.hpp>

#include "case.hpp"
#include "events.hpp"

namespace {

using hepae_tests::Case;
using hepae_tests::Data;
using Random = std::mt19937_64;

/// A few bits turned, bytes set to what is extreme, moved, or cut off, from a place on.
Data damaged(Data data, std::size_t from, Random &random)
{
   const std::size_t size = data.size() - from;
   if (size == 0)
      return data;
   const auto place = [&] { return from + static_cast<std::size_t>(random() % size); };
   static constexpr std::uint8_t extremes[] = {0, 1, 0x7F, 0x80, 0xFF};
   switch (random() % 6) {
   case 0: data[place()] ^= static_cast<std::uint8_t>(1u << random() % 8); break;
   case 1: data[place()] = extremes[random() % 5]; break;
   case 2:
      for (std::uint64_t i = random() % 8; i-- > 0;)
         data[place()] = static_cast<std::uint8_t>(random());
      break;
   case 3: data.resize(place()); break;
   case 4: data.insert(data.begin() + static_cast<std::ptrdiff_t>(place()), static_cast<std::uint8_t>(random())); break;
   default: data[from + static_cast<std::size_t>(random() % std::min<std::size_t>(size, 24))] ^= static_cast<std::uint8_t>(random());
   }
   return data;
}

Data data_of(const hepae::Buffer<std::uint8_t> &bytes)
{
   return {bytes.begin(), bytes.end()};
}

std::uint64_t checksum(const std::vector<hepae::Bytes> &parts)
{
   hepae::Checksum out;
   for (hepae::Bytes part : parts)
      out.add(part);
   return out.value();
}

void put(Data &out, std::uint64_t value, std::size_t bytes)
{
   for (std::size_t i = 0; i < bytes; ++i)
      out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

/// The damages of one case.
struct Subject {
   std::function<std::vector<Data>(Random *)> decode; ///< with a damage, or without
   std::vector<Data> expected;
};

/// A model and the frames of a chunk.
Subject frames(Case &file)
{
   const Data onnx = file.data(), sha256 = file.data(), counts = file.data();
   const std::vector<Data> conditions = file.list(), reals = file.list(), frames = file.list();
   const auto decode = [=](Random *random) {
      Data model = onnx;
      std::vector<Data> bytes = frames;
      std::array<std::uint8_t, 32> digest{};
      std::copy(sha256.begin(), sha256.end(), digest.begin());
      std::vector<hepae::Bytes> raw(conditions.begin(), conditions.end()), parts{sha256, counts};
      parts.insert(parts.end(), raw.begin(), raw.end());
      if (random && (*random)() % 4 == 0) {
         model = damaged(model, 0, *random);
      } else if (random) {
         Data &frame = bytes[(*random)() % bytes.size()];
         frame.resize(frame.size() - 6);
         frame = damaged(frame, (*random)() % 8 == 0 ? 0 : 14, *random);
         Data context, digested;
         put(context, checksum(parts), 8);
         put(digested, checksum({frame}), 8);
         put(frame, checksum({digested, context}), 2);
         put(frame, checksum({frame}), 4);
      }
      const hepae::ChunkCodec codec(hepae::CodecParts::of(hepae::Bytes(model), digest));
      auto rows = std::make_shared<std::vector<std::int64_t>>(counts.size() / 8);
      std::memcpy(rows->data(), counts.data(), counts.size());
      hepae::OpenChunk chunk(codec, rows, raw);
      for (const Data &real : reals) {
         std::vector<double> values(real.size() / 8);
         std::memcpy(values.data(), real.data(), real.size());
         chunk.add_condition(std::move(values));
      }
      hepae::require(codec.features().size() == bytes.size(), "a model of other features");
      for (std::size_t i = 0; i < bytes.size(); ++i)
         chunk.add_frame(i, bytes[i]);
      std::vector<Data> out;
      for (std::size_t i = 0; i < bytes.size(); ++i)
         out.push_back(data_of(chunk.decode(i)));
      return out;
   };
   return {decode, {}};
}

/// A schema and a chunk of a tree.
Subject tree(Case &file)
{
   const Data schema = file.data();
   const std::uint64_t entries = file.number(), chunk = file.number();
   const std::vector<Data> streams = file.list();
   const auto decode = [=](Random *random) {
      Data text = schema;
      std::vector<Data> bytes = streams;
      if (random && (*random)() % 3 == 0) {
         text = damaged(text, 0, *random);
      } else if (random) {
         const std::size_t number = (*random)() % bytes.size();
         Data &stream = bytes[number];
         stream.resize(stream.size() - 4);
         stream = damaged(stream, 0, *random);
         Data head;
         put(head, chunk, 4);
         put(head, number, 4);
         put(stream, checksum({head, stream}), 4);
      }
      const std::string_view json(reinterpret_cast<const char *>(text.data()), text.size());
      const hepae::OpenSchema opened(hepae::from_json<hepae::StoredTree>(hepae::parse_json(json)));
      const auto fetch = [&](const std::vector<std::size_t> &numbers) {
         std::vector<Data> out;
         for (std::size_t number : numbers) {
            hepae::require(number < bytes.size(), "a stream is missing");
            out.push_back(bytes[number]);
         }
         return out;
      };
      hepae::OpenTables tables(opened, entries, static_cast<std::uint32_t>(chunk), fetch);
      std::vector<Data> out;
      for (std::size_t column = 0; column < opened.schema().columns.size(); ++column)
         out.push_back(data_of(tables.column(column).bytes));
      return out;
   };
   return {decode, {}};
}

/// The checksums that events would carry if they had been written so.
void seal(hepae::StoredEvents &events, const hepae::BottleneckCodec &codec)
{
   const std::vector<std::int64_t> once(events.checks.size(), 1);
   const std::vector<std::uint32_t> models(events.checks.size(), events.model = codec.number());
   hepae::EventChecks found(once.size());
   found.add(once, {reinterpret_cast<const std::uint8_t *>(events.counts->data()), 8 * events.counts->size()}, 8);
   found.add(once, {reinterpret_cast<const std::uint8_t *>(models.data()), 4 * once.size()}, 4);
   found.add(*events.escapes.counts, events.escapes.numbers, 1);
   found.add(*events.latents.counts, events.latents.numbers, codec.latent_width());
   for (const hepae::BottleneckColumn &column : codec.spec().columns) {
      const hepae::EventBranch &codes = events.codes.at(column.name);
      found.add(*codes.counts, codes.numbers, codec.spec().latents_only ? 1 : column.code_width());
   }
   for (std::size_t event = 0; event < once.size(); ++event)
      events.checks[event] = found.of(event);
}

/// Whether a damage of events is sealed again; others must be found by the checksums alone.
bool is_sealed(Random &random)
{
   return random() % 4 != 0;
}

/// A bottleneck model and events.
Subject events(Case &file)
{
   const hepae_tests::EventCase whole = hepae_tests::event_case(file);
   const auto decode = [=](Random *random) {
      hepae_tests::EventCase given = whole;
      const bool sealed = random && is_sealed(*random);
      if (random && (*random)() % 3 == 0) {
         given.model = damaged(given.model, 0, *random);
      } else if (random) {
         std::vector<Data *> parts{&given.counts, &given.escapes.first, &given.escapes.second, &given.latents.first, &given.latents.second};
         for (auto &[counts, codes] : given.codes)
            parts.insert(parts.end(), {&counts, &codes});
         Data &part = *parts[(*random)() % parts.size()];
         part = damaged(part, 0, *random);
      }
      const hepae::BottleneckCodec codec{hepae::Bytes(given.model)};
      hepae::StoredEvents stored = hepae_tests::stored(given, codec);
      if (sealed)
         seal(stored, codec);
      hepae::OpenEvents opened(codec, std::move(stored));
      std::vector<Data> out;
      for (const hepae::BottleneckColumn &column : codec.spec().columns)
         out.push_back(data_of(opened.feature(column.name).bytes));
      return out;
   };
   return {decode, {}};
}

} // namespace

int main(int argc, char **argv)
{
   if (argc != 5)
      return 2;
   Case file(argv[1]);
   const std::uint64_t kind = file.number();
   const Subject subject = kind == 0 ? frames(file) : kind == 1 ? tree(file) : events(file);
   const std::vector<Data> expected = subject.decode(nullptr);
   unsigned long same = 0, refused = 0, others = 0, wrong = 0;
   for (std::uint64_t number = std::strtoull(argv[3], nullptr, 10); number < std::strtoull(argv[4], nullptr, 10); ++number) {
      Random random(std::strtoull(argv[2], nullptr, 10) * 1'000'003 + number);
      try {
         Random again = random;
         const bool may_differ = kind == 1 || (kind == 2 && is_sealed(again));
         ++(subject.decode(&random) == expected ? same : may_differ ? others : wrong);
      } catch (const hepae::CorruptionError &) {
         ++refused;
      } catch (const std::exception &problem) {
         std::fprintf(stderr, "damage %llu: %s\n", static_cast<unsigned long long>(number), problem.what());
         return 1;
      }
   }
   // a schema or a bundle says what columns are: another one is another file, which checksums of models and chunks catch. Events that
   // are sealed again are other events
   std::printf("%lu same, %lu refused, %lu others, %lu wrong\n", same, refused, others, wrong);
   return wrong ? 1 : 0;
}
