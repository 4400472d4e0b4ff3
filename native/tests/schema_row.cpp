// Names of the columns of a row of `hepae_schemas`: `schema_row DATA SCHEMA`, where SCHEMA is 0 if the data refer to a model in
// a folder of HEPAE_MODEL_PATH.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <hepae/file.hpp>
#include <hepae/model_store.hpp>

int main(int argc, char **argv)
{
   if (argc != 3)
      return 2;
   try {
      std::ifstream stream(argv[1], std::ios::binary);
      const std::vector<std::uint8_t> data{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
      const hepae::ModelStore models;
      const auto find = [&](const std::string &sha256) { return models.find(sha256).second; };
      const hepae::File file = hepae::File::of_row(hepae::Bytes(data), std::atoi(argv[2]), find);
      for (const std::string &name : file.names())
         std::printf("%s\n", name.c_str());
   } catch (const hepae::CorruptionError &problem) {
      std::fprintf(stderr, "%s\n", problem.what());
      return 1;
   }
   return 0;
}
