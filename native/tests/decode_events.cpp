// Decodes events: `decode_events CASE OUT [REPEATS]` writes the values of each feature in the order of the network, and prints the
// shortest processor time in seconds and the bytes of the values. The tests compare them with what Python restores.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>

#include "events.hpp"

int main(int argc, char **argv)
{
   if (argc < 3)
      return 2;
   try {
      hepae_tests::Case file(argv[1]);
      if (file.number() != 2)
         return 2;
      const hepae_tests::EventCase given = hepae_tests::event_case(file);
      const hepae::BottleneckCodec codec{hepae::Bytes(given.model)};
      std::ofstream out(argv[2], std::ios::binary);
      double fastest = 1e9;
      std::size_t bytes = 0;
      for (int left = argc > 3 ? std::atoi(argv[3]) : 1; left > 0; --left) {
         hepae::StoredEvents stored = hepae_tests::stored(given, codec);
         const std::clock_t start = std::clock();
         hepae::OpenEvents events(codec, std::move(stored));
         bytes = 0;
         for (const hepae::BottleneckColumn &column : codec.spec().columns)
            bytes += events.feature(column.name).bytes.size();
         fastest = std::min(fastest, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
         if (left == 1)
            for (const hepae::BottleneckColumn &column : codec.spec().columns) {
               const hepae::Values &values = events.feature(column.name);
               out.write(reinterpret_cast<const char *>(values.bytes.data()), static_cast<std::streamsize>(values.bytes.size()));
            }
      }
      std::printf("%.6f %zu\n", fastest, bytes);
   } catch (const hepae::CorruptionError &problem) {
      std::fprintf(stderr, "%s\n", problem.what());
      return 1;
   }
   return 0;
}
