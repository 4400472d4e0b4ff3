// What libFuzzer calls: input is decoded, or refused with the exception of the library. Anything else ends the program.
//
//    clang++ -std=c++17 -g -O1 -fsanitize=fuzzer,address,undefined -Inative/include native/fuzz/integers.cpp -o integers
//    ./integers corpus/
//
// HEPAE_REPLAY makes a program of it that decodes the files that it is given.
#pragma once

#include <cstddef>
#include <cstdint>

#include <hepae/error.hpp>
#include <hepae/span.hpp>

namespace hepae_fuzz {

/// What is fuzzed.
void decode(hepae::Bytes data);

} // namespace hepae_fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
   try {
      hepae_fuzz::decode({data, size});
   } catch (const hepae::CorruptionError &) {
   }
   return 0;
}

#ifdef HEPAE_REPLAY
#include <fstream>
#include <iterator>
#include <vector>

int main(int argc, char **argv)
{
   for (int i = 1; i < argc; ++i) {
      std::ifstream file(argv[i], std::ios::binary);
      const std::vector<std::uint8_t> data{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      LLVMFuzzerTestOneInput(data.data(), data.size());
   }
   return 0;
}
#endif
