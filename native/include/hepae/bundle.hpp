// Exact columns in one stream (docs/format/v1.md, section 17.4).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "integers.hpp"
#include "limits.hpp"
#include "lzma.hpp"
#include "plain_block.hpp"
#include "schema.hpp"
#include "span.hpp"
#include "values.hpp"
#include "varint.hpp"

namespace hepae {

/// The parts of a bundle, one for each of its columns.
class OpenBundle {
public:
   OpenBundle(Bytes stream, std::size_t columns)
   {
      require(is_bundle(stream), "a stream that is no bundle");
      Bytes content = stream.from(1);
      if (stream[0] == kSqueezed)
         content = unsqueezed(content);
      split(content, columns);
   }

   OpenBundle(const OpenBundle &) = delete; // parts are views of the content
   OpenBundle(OpenBundle &&) = default;

   static bool is_bundle(Bytes stream)
   {
      return !stream.empty() && (stream[0] == kBlocks || stream[0] == kSqueezed);
   }

   Bytes part(std::size_t number) const { return fParts[number]; }

private:
   static constexpr std::uint8_t kBlocks = 0x70, kSqueezed = 0x71;

   std::vector<std::uint8_t> fContent; ///< where it was squeezed
   std::vector<Bytes> fParts;

   Bytes unsqueezed(Bytes packed)
   {
      std::size_t at = 0;
      const std::uint64_t size = read_varint(packed, at);
      require(size <= limits::kPayloadBytes, "a bundle is too large");
      fContent.resize(static_cast<std::size_t>(size));
      unpack_lzma2(packed.from(at), fContent);
      return fContent;
   }

   void split(Bytes content, std::size_t columns)
   {
      std::size_t at = 0;
      std::vector<std::size_t> sizes(columns);
      for (std::size_t &size : sizes)
         size = read_length(content, at);
      for (std::size_t size : sizes) {
         fParts.push_back(content.part(at, size));
         at += size;
      }
      require(at == content.size(), "a bundle of another length");
   }
};

namespace bundle {

/// The counts of a column that has its own.
inline Levels own_levels(Bytes part, std::size_t &at, std::size_t depth, std::size_t entries)
{
   Levels levels;
   std::size_t rows = entries;
   for (std::size_t level = 0; level < depth; ++level) {
      const std::size_t size = read_length(part, at);
      auto counts = std::make_shared<std::vector<std::int64_t>>(rows);
      unpack_integers(part.part(at, size), *counts);
      at += size;
      rows = sum_of(*counts);
      levels.push_back(std::move(counts));
   }
   return levels;
}

} // namespace bundle

/// A column from its part of a bundle; `levels` are those of its table.
inline Values unpack_column(Bytes part, const Column &column, const Levels &levels, std::size_t entries)
{
   require(!part.empty(), "a part of a bundle is empty", column.name);
   Values out;
   out.dtype = column.dtype;
   out.levels = levels;
   std::size_t at = 1;
   if (part[0] != 0) {
      require(part[0] == levels.size(), "a column of another depth", column.name);
      out.levels = bundle::own_levels(part, at, levels.size(), entries);
   }
   const std::size_t numbers = rows_of(out.levels, entries) * column.width();
   require(numbers <= limits::kPayloadBytes / size_of(column.dtype), "a column is too large", column.name);
   out.bytes.resize(numbers * size_of(column.dtype));
   unpack_plain(part.from(at), column.dtype, out.bytes);
   return out;
}

} // namespace hepae
