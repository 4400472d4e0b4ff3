// Decodes a chunk again and again: `time_chunk CASE REPEATS` prints the fastest time in seconds, the bytes of the columns and
// their number of values. A case (case.hpp) is a model with a chunk of its frames.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <hepae/codec.hpp>

#include "case.hpp"

namespace {

using hepae_tests::Data;

struct Frames {
   std::vector<Data> conditions, reals, frames;
   hepae::Counts counts;
};

/// All columns of the chunk: how many bytes they are.
__attribute__((noinline)) std::size_t decode(const hepae::ChunkCodec &codec, const Frames &given)
{
   hepae::OpenChunk chunk(codec, given.counts, {given.conditions.begin(), given.conditions.end()});
   for (const Data &real : given.reals) {
      std::vector<double> values(real.size() / 8);
      std::memcpy(values.data(), real.data(), real.size());
      chunk.add_condition(std::move(values));
   }
   for (std::size_t i = 0; i < given.frames.size(); ++i)
      chunk.add_frame(i, given.frames[i]);
   std::size_t bytes = 0;
   for (std::size_t i = 0; i < given.frames.size(); ++i)
      bytes += chunk.decode(i).size();
   return bytes;
}

} // namespace

int main(int argc, char **argv)
{
   if (argc != 3)
      return 2;
   hepae::keep_freed_memory();
   hepae_tests::Case file(argv[1]);
   if (file.number() != 0)
      return 2;
   const Data onnx = file.data(), sha256 = file.data(), counts = file.data();
   Frames given{file.list(), file.list(), file.list(), nullptr};
   auto rows = std::make_shared<std::vector<std::int64_t>>(counts.size() / 8);
   std::memcpy(rows->data(), counts.data(), counts.size());
   given.counts = rows;
   std::array<std::uint8_t, 32> digest{};
   std::copy(sha256.begin(), sha256.end(), digest.begin());
   const hepae::ChunkCodec codec(hepae::CodecParts::of(hepae::Bytes(onnx), digest));
   double fastest = 1e9;
   std::size_t bytes = decode(codec, given); // tables that are made once are not part of it
   for (int i = std::atoi(argv[2]); i > 0; --i) {
      const auto start = std::chrono::steady_clock::now();
      bytes = decode(codec, given);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      fastest = std::min(fastest, took.count());
   }
   std::size_t objects = 0;
   for (std::int64_t one : *rows)
      objects += static_cast<std::size_t>(one);
   std::printf("%.6f %zu %zu\n", fastest, bytes, objects * given.frames.size());
   return 0;
}
