// What files leave out that refer to a model of a data set: original headers, and how trees are stored (docs/format/v1.md,
// section 17.7).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"
#include "json.hpp"
#include "limits.hpp"
#include "lzma.hpp"
#include "model_file.hpp"
#include "open_schema.hpp"
#include "record.hpp"
#include "span.hpp"
#include "varint.hpp"

namespace hepae {

/// What is looked at of the manifest of a model of a data set.
struct DatasetManifest {
   struct Tree {
      std::size_t header = 0, schema = 0; ///< bytes in the reference

      void fields(Record &r)
      {
         r.need("header", header);
         r.need("schema", schema);
         for (const char *key : {"methods", "matches", "bits"})
            r.ignore(key);
      }
   };
   std::int64_t format = 0;
   std::vector<Tree> trees;

   void fields(Record &r)
   {
      r.need("format", format);
      r.need("trees", trees);
      for (const char *key : {"dither", "training"})
         r.ignore(key);
   }
   void check() const { require(format == limits::kFormatVersion, "a model of another version of the format"); }
};

/// The reference of the file of a model of a data set.
inline std::vector<std::uint8_t> reference_of(Bytes onnx)
{
   const ModelFile model(onnx, "hepae_dataset");
   const DatasetManifest manifest = from_json<DatasetManifest>(parse_json(model.manifest()));
   std::size_t size = 0;
   for (const DatasetManifest::Tree &tree : manifest.trees)
      for (std::size_t part : {tree.header, tree.schema}) {
         require(part <= limits::kReferenceBytes - size, "a reference is too large");
         size += part;
      }
   const ModelArray &table = model.table("reference");
   constexpr std::int64_t uint8 = 2;
   require(table.type == uint8 && table.shape.size() == 1, "a model of a data set with another table");
   std::vector<std::uint8_t> packed(table.values.begin(), table.values.end()), out(size);
   unpack_lzma2(packed, out);
   return out;
}

/// What a patch makes of a reference.
inline std::vector<std::uint8_t> patched(Bytes reference, Bytes patch)
{
   std::size_t at = 0;
   const std::uint64_t size = read_varint(patch, at);
   require(size <= limits::kReferenceBytes, "a patch makes too many bytes");
   std::vector<std::uint8_t> out;
   const auto append = [&](Bytes part) {
      require(part.size() <= size - out.size(), "a patch makes more bytes than it says");
      out.insert(out.end(), part.begin(), part.end());
   };
   while (out.size() < size) {
      const std::size_t own = read_length(patch, at);
      append(patch.part(at, own));
      at += own;
      if (out.size() == size)
         break;
      const std::uint64_t copied = read_varint(patch, at), start = read_varint(patch, at);
      require(copied > 0 && start <= reference.size() && copied <= reference.size() - start, "a patch copies what is not there");
      append(reference.part(static_cast<std::size_t>(start), static_cast<std::size_t>(copied)));
   }
   require(at == patch.size(), "a patch goes on after its end");
   return out;
}

/// What a row of `hepae_schemas` says.
struct SchemaRow {
   std::vector<std::uint8_t> header; ///< the original one
   std::string text;                 ///< how the tree is stored, JSON
};

/// Of `data`, whose last `schema` bytes are the JSON, or which refer to a model where these are none.
inline SchemaRow schema_row(Bytes data, std::int32_t schema, const FindModel &find_model)
{
   const auto split = [](Bytes all, std::uint64_t size) {
      require(size > 0 && size <= all.size() && size <= limits::kManifestBytes, "a schema of no size");
      return SchemaRow{{all.begin(), all.end() - size}, std::string(all.end() - size, all.end())};
   };
   if (schema != 0) {
      require(schema > 0, "a schema of no size");
      return split(data, static_cast<std::uint64_t>(schema));
   }
   Sha256::Digest digest{};
   std::size_t at = digest.size();
   require(data.size() > at, "a schema without its bytes");
   std::copy_n(data.begin(), at, digest.begin());
   const std::uint64_t size = read_varint(data, at);
   const std::vector<std::uint8_t> onnx = find_model(Sha256::digits(digest));
   require(Sha256::of({reinterpret_cast<const char *>(onnx.data()), onnx.size()}) == digest, "a model was changed");
   const std::vector<std::uint8_t> reference = reference_of(Bytes(onnx));
   return split(Bytes(patched(Bytes(reference), data.from(at))), size);
}

} // namespace hepae
