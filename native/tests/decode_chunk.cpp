// Decodes a chunk: `decode_chunk SCHEMA PAYLOAD ENTRIES CHUNK OUT SIZE...`. Writes each column: the counts of its levels as
// int64, then its values; the tests compare them with what Python decodes.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <hepae/tables.hpp>

namespace {

std::vector<std::uint8_t> bytes_of(const char *path)
{
   std::ifstream file(path, std::ios::binary);
   return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write(std::ofstream &out, const void *data, std::size_t size)
{
   out.write(static_cast<const char *>(data), static_cast<std::streamsize>(size));
}

} // namespace

int main(int argc, char **argv)
{
   try {
      const std::vector<std::uint8_t> text = bytes_of(argv[1]), payload = bytes_of(argv[2]);
      const std::string_view json(reinterpret_cast<const char *>(text.data()), text.size());
      const hepae::OpenSchema schema(hepae::from_json<hepae::StoredTree>(hepae::parse_json(json)));
      std::vector<std::size_t> edges{0};
      for (int i = 6; i < argc; ++i)
         edges.push_back(edges.back() + std::stoul(argv[i]));
      const auto fetch = [&](const std::vector<std::size_t> &streams) {
         std::vector<std::vector<std::uint8_t>> out;
         for (std::size_t one : streams)
            out.emplace_back(payload.data() + edges.at(one), payload.data() + edges.at(one + 1));
         return out;
      };
      const auto start = std::chrono::steady_clock::now();
      hepae::OpenTables tables(schema, std::stoul(argv[3]), static_cast<std::uint32_t>(std::stoul(argv[4])), fetch);
      std::ofstream out(argv[5], std::ios::binary);
      for (std::size_t column = 0; column < schema.schema().columns.size(); ++column) {
         const hepae::Values &values = tables.column(column);
         for (const hepae::Counts &counts : values.levels)
            write(out, counts->data(), 8 * counts->size());
         write(out, values.bytes.data(), values.bytes.size());
      }
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      std::printf("%.6f\n", took.count());
   } catch (const hepae::CorruptionError &problem) {
      std::fprintf(stderr, "%s\n", problem.what());
      return 1;
   }
   return 0;
}
