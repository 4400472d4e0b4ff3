// A case for the programs here, which tests/native_cases.py makes: numbers of 8 bytes, and texts behind their lengths.
#pragma once

#include <cstdint>
#include <fstream>
#include <vector>

namespace hepae_tests {

using Data = std::vector<std::uint8_t>;

class Case {
public:
   explicit Case(const char *path) : fFile(path, std::ios::binary) {}

   std::uint64_t number()
   {
      std::uint64_t out = 0;
      fFile.read(reinterpret_cast<char *>(&out), sizeof(out));
      return out;
   }
   Data data()
   {
      Data out(static_cast<std::size_t>(number()));
      fFile.read(reinterpret_cast<char *>(out.data()), static_cast<std::streamsize>(out.size()));
      return out;
   }
   std::vector<Data> list()
   {
      std::vector<Data> out(static_cast<std::size_t>(number()));
      for (Data &one : out)
         one = data();
      return out;
   }

private:
   std::ifstream fFile;
};

} // namespace hepae_tests
