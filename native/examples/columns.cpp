// Columns of a chunk without ROOT: `columns SCHEMA CHUNK NAME...` prints how many numbers each has, and their sum.
//
//    c++ -std=c++17 -O3 -ffp-contract=off -I"$(hepae --include)" columns.cpp -o columns
//
// SCHEMA holds the JSON of a schema. CHUNK is what a framework may keep of a row of the payload tree: entries, number and
// number of streams, then the size of each stream (all uint32), then the payload. With uproot they are written so:
//
//    rows, schemas = file["Events__hepae"], file["hepae_schemas"]
//    size = schemas["schema"].array()[0]
//    open("schema", "wb").write(bytes(schemas["data"].array(library="np")[0][-size:]))
//    row = {name: rows[name].array(library="np")[0] for name in ("entries", "chunk", "sizes", "payload")}
//    head = numpy.array([row["entries"], row["chunk"], len(row["sizes"]), *row["sizes"]], "<u4")
//    open("chunk", "wb").write(head.tobytes() + row["payload"].tobytes())
#include <hepae/file.hpp>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

std::string bytes_of(const char *path)
{
   std::ifstream file(path, std::ios::binary);
   return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::uint32_t> numbers(const std::string &bytes, std::size_t first, std::size_t size)
{
   hepae::require(first + 4 * size <= bytes.size(), "a chunk is cut short");
   std::vector<std::uint32_t> out(size);
   std::memcpy(out.data(), bytes.data() + first, 4 * size);
   return out;
}

} // namespace

int main(int argc, char **argv)
{
   if (argc < 4)
      return 2;
   try {
      const hepae::File file(bytes_of(argv[1]));
      const std::string chunk = bytes_of(argv[2]);
      const std::vector<std::uint32_t> head = numbers(chunk, 0, 3), sizes = numbers(chunk, 12, head[2]);
      const std::size_t begin = 12 + 4 * sizes.size();
      const hepae::Bytes payload(reinterpret_cast<const std::uint8_t *>(chunk.data()) + begin, chunk.size() - begin);
      hepae::FileChunk opened = file.open(head[0], head[1], payload, sizes);
      for (int i = 3; i < argc; ++i) {
         double sum = 0;
         const std::vector<double> values = hepae::to_doubles(opened.column(file.number(argv[i])));
         for (double value : values)
            sum += value;
         std::printf("%s %zu %.17g\n", argv[i], values.size(), sum);
      }
   } catch (const hepae::CorruptionError &problem) {
      std::fprintf(stderr, "%s\n", problem.what());
      return 1;
   }
   return 0;
}
