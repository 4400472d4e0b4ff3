// Schemas of trees, and chunks of one without bytes: every column must be refused or be empty.
#include "target.hpp"

#include <hepae/tables.hpp>

#include <string_view>
#include <vector>

void hepae_fuzz::decode(hepae::Bytes data)
{
   const std::string_view json(reinterpret_cast<const char *>(data.data()), data.size());
   const hepae::OpenSchema schema(hepae::from_json<hepae::StoredTree>(hepae::parse_json(json)));
   const auto fetch = [](const std::vector<std::size_t> &streams) {
      return std::vector<std::vector<std::uint8_t>>(streams.size(), std::vector<std::uint8_t>(8));
   };
   hepae::OpenTables tables(schema, 0, 0, fetch);
   for (std::size_t column = 0; column < schema.schema().columns.size(); ++column)
      tables.column(column);
}
