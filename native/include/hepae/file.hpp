// Trees that were compressed as a whole, from bytes that the caller has: no ROOT, no file system, no Python. For frameworks
// and trigger farms that keep schemas and payloads in containers of their own (docs/format/v1.md, section 17.1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json.hpp"
#include "open_schema.hpp"
#include "reference.hpp"
#include "span.hpp"
#include "tables.hpp"
#include "values.hpp"

namespace hepae {

/// A chunk of entries, whose columns are decoded when they are asked for. It refers to its file and to the payload, which
/// must live as long.
class FileChunk {
public:
   FileChunk(const OpenSchema &schema, std::size_t entries, std::uint32_t number, Bytes payload, std::vector<std::size_t> edges)
      : fSchema(&schema), fTables(schema, entries, number,
                                  [payload, edges = std::move(edges)](const std::vector<std::size_t> &streams) {
                                     return parts(payload, edges, streams);
                                  })
   {
   }

   /// Values and counts of a column, of the number that `File::number` gives; there as long as this.
   const Values &column(std::size_t number)
   {
      require(number < fSchema->schema().columns.size(), "no such column");
      return fTables.column(number);
   }

private:
   const OpenSchema *fSchema;
   OpenTables fTables;

   static std::vector<std::vector<std::uint8_t>> parts(Bytes payload, const std::vector<std::size_t> &edges,
                                                       const std::vector<std::size_t> &streams)
   {
      std::vector<std::vector<std::uint8_t>> out;
      for (std::size_t stream : streams) {
         const Bytes part = payload.part(edges[stream], edges[stream + 1] - edges[stream]);
         out.emplace_back(part.begin(), part.end());
      }
      return out;
   }
};

/// What a schema says of its chunks. It may be shared by threads, of which each opens chunks of its own. Whatever is no part
/// of a compressed file is refused with a `CorruptionError`.
class File {
public:
   /// The JSON of a schema: the last `schema` bytes of `data` in a row of `hepae_schemas`.
   explicit File(std::string_view schema) : fSchema(from_json<StoredTree>(parse_json(schema))) {}

   /// The same where columns have trained models, which `find_model` gives by their SHA-256 (`onnx` in `hepae_models`).
   File(std::string_view schema, FindModel find_model)
      : fSchema(from_json<StoredTree>(parse_json(schema)), std::move(find_model))
   {
   }

   /// A row of `hepae_schemas`, which may refer to a model of a data set. `ModelStore` finds models in folders.
   static File of_row(Bytes data, std::int32_t schema, const FindModel &find_model)
   {
      return File(schema_row(data, schema, find_model).text, find_model);
   }

   /// Names of all columns, by their numbers.
   std::vector<std::string> names() const
   {
      std::vector<std::string> out;
      for (const Column &column : fSchema.schema().columns)
         out.push_back(column.name);
      return out;
   }

   std::size_t number(std::string_view name) const
   {
      const std::vector<Column> &columns = fSchema.schema().columns;
      for (std::size_t number = 0; number < columns.size(); ++number)
         if (columns[number].name == name)
            return number;
      throw CorruptionError("no column " + std::string(name));
   }

   /// A row of the payload tree: `entries`, `chunk`, `payload` and `sizes`.
   FileChunk open(std::size_t entries, std::uint32_t chunk, Bytes payload, Span<const std::uint32_t> sizes) const
   {
      require(sizes.size() == fSchema.schema().streams.size(), "a chunk of other streams");
      std::vector<std::size_t> edges{0};
      for (std::uint32_t size : sizes)
         edges.push_back(edges.back() + size);
      require(edges.back() == payload.size(), "a chunk of another length");
      return FileChunk(fSchema, entries, chunk, payload, std::move(edges));
   }

private:
   OpenSchema fSchema;
};

} // namespace hepae
