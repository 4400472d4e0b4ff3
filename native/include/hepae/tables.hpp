// A chunk of a tree that is read column by column: what was decoded for one is there for the next
// (docs/format/v1.md, section 17.3).
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "bundle.hpp"
#include "checksum.hpp"
#include "codec.hpp"
#include "links.hpp"
#include "open_schema.hpp"
#include "span.hpp"
#include "values.hpp"

namespace hepae {

class OpenTables {
public:
   /// Gives the bytes of streams, by their numbers: as many as asked for, in this order, which is rising.
   using Fetch = std::function<std::vector<std::vector<std::uint8_t>>(const std::vector<std::size_t> &)>;

   OpenTables(const OpenSchema &schema, std::size_t entries, std::uint32_t chunk, Fetch fetch)
      : fSchema(&schema), fEntries(entries), fChunk(chunk), fFetch(std::move(fetch))
   {
      require(entries <= limits::kEvents, "too many entries in a chunk");
   }

   std::size_t entries() const { return fEntries; }

   /// Reads the bytes of all streams that some columns need.
   void expect(const std::vector<std::size_t> &columns)
   {
      std::vector<std::size_t> missing;
      std::vector<std::size_t> waiting = columns;
      std::vector<bool> seen(fSchema->schema().columns.size());
      while (!waiting.empty()) {
         const std::size_t column = waiting.back();
         waiting.pop_back();
         if (seen[column] || fColumns.count(column))
            continue;
         seen[column] = true;
         if (fStreams.emplace(fSchema->stream_of(column), std::vector<std::uint8_t>{}).second)
            missing.push_back(fSchema->stream_of(column));
         const std::vector<std::size_t> needs = fSchema->needs(column);
         waiting.insert(waiting.end(), needs.begin(), needs.end());
      }
      std::sort(missing.begin(), missing.end()); // in the order of the file
      fetch(missing);
   }

   /// A restored column.
   const Values &column(std::size_t number)
   {
      const auto known = fColumns.find(number);
      if (known != fColumns.end())
         return known->second;
      expect({number});
      require(fWaiting.insert(number).second, "a column waits for itself");
      const Column &spec = fSchema->schema().columns[number];
      const std::size_t stream = fSchema->stream_of(number);
      Levels levels;
      for (std::size_t table : fSchema->chain(spec.table))
         levels.push_back(counts(table));
      const bool exact = !fSchema->schema().streams[stream].codec || OpenBundle::is_bundle(fStreams.at(stream));
      Values out = exact ? unpacked(number, levels) : decoded(number, levels);
      fWaiting.erase(number);
      return fColumns.emplace(number, std::move(out)).first->second;
   }

   /// How many rows of a table belong to each row of its parent.
   Counts counts(std::size_t table)
   {
      Counts &out = fCounts[table];
      if (!out)
         out = std::make_shared<std::vector<std::int64_t>>(to_int64(column(fSchema->schema().tables[table].counter)));
      return out;
   }

private:
   const OpenSchema *fSchema;
   std::size_t fEntries;
   std::uint32_t fChunk;
   Fetch fFetch;
   std::map<std::size_t, std::vector<std::uint8_t>> fStreams;
   std::map<std::size_t, OpenBundle> fBundles;
   std::map<std::size_t, Counts> fCounts;
   std::map<std::size_t, Values> fColumns;
   std::map<std::size_t, OpenChunk> fChunks;
   std::set<std::size_t> fWaiting; ///< columns that are being decoded

   void fetch(const std::vector<std::size_t> &missing)
   {
      if (missing.empty())
         return;
      std::vector<std::vector<std::uint8_t>> streams = fFetch(missing);
      require(streams.size() == missing.size(), "streams are missing");
      for (std::size_t i = 0; i < missing.size(); ++i) {
         check_seal(missing[i], streams[i]);
         streams[i].resize(streams[i].size() - kSeal);
         fStreams[missing[i]] = std::move(streams[i]);
      }
   }

   static constexpr std::size_t kSeal = 4;

   void check_seal(std::size_t number, Bytes stream) const
   {
      require(stream.size() > kSeal, "a stream is cut short");
      const Bytes body = stream.part(0, stream.size() - kSeal);
      Checksum checksum;
      checksum.add_u32(fChunk);
      checksum.add_u32(static_cast<std::uint32_t>(number));
      checksum.add(body);
      std::uint32_t seal = 0;
      for (std::size_t i = 0; i < kSeal; ++i)
         seal |= static_cast<std::uint32_t>(stream[body.size() + i]) << (8 * i);
      require(static_cast<std::uint32_t>(checksum.value()) == seal, "a stream does not carry its checksum");
   }

   Values unpacked(std::size_t column, const Levels &levels)
   {
      const std::size_t stream = fSchema->stream_of(column);
      const bool framed = fSchema->schema().streams[stream].codec.has_value();
      auto bundle = fBundles.find(stream);
      if (bundle == fBundles.end()) {
         const std::size_t columns = fSchema->schema().streams[stream].columns.size();
         bundle = fBundles.emplace(stream, OpenBundle(fStreams.at(stream), columns)).first;
      }
      const Bytes part = bundle->second.part(framed ? 0 : fSchema->place_of(column));
      return unpack_column(part, fSchema->schema().columns[column], levels, fEntries);
   }

   Values decoded(std::size_t column, const Levels &levels)
   {
      rows_of(levels, fEntries);
      const std::size_t number = *fSchema->schema().streams[fSchema->stream_of(column)].codec;
      const Codec &spec = fSchema->schema().codecs[number];
      OpenChunk &chunk = opened(number, levels);
      const std::size_t feature = fSchema->place_of(column);
      for (std::size_t one : fSchema->codec(number).given(feature))
         if (!chunk.has_given(one))
            chunk.give(one, linked(spec.linked[one], rows(levels)));
      for (std::size_t one : fSchema->codec(number).needs(feature))
         chunk.add_frame(one, fStreams.at(fSchema->stream_of(spec.columns[one])));
      Values out;
      out.dtype = fSchema->schema().columns[column].dtype;
      out.levels = levels;
      out.bytes = chunk.decode(feature);
      return out;
   }

   std::vector<double> linked(const Linked &link, const Counts &counts)
   {
      const Values &from = column(link.column);
      std::vector<double> out = link.index ? along(from, column(*link.index), counts) : of_entries(link, from);
      require(out.size() == sum_of(*counts), "a link between tables of other entries", link.name);
      for (double &value : out)
         value *= link.factor;
      return out;
   }

   /// What the rows of each entry say of it; nothing where those of a kind are other rows in this chunk.
   std::vector<double> of_entries(const Linked &link, const Values &from)
   {
      if (link.row)
         return of_row(from, *link.row);
      std::vector<bool> chosen = link.least ? at_least(from, *link.least) : std::vector<bool>(from.size(), true);
      for (const Only &one : link.only) {
         const Values &kinds = column(one.column);
         if (kinds.levels.back() != from.levels.back() && *kinds.levels.back() != *from.levels.back())
            return std::vector<double>(fEntries, std::numeric_limits<double>::quiet_NaN());
         only_kinds(kinds, one.values, chosen);
      }
      return summed(from, chosen);
   }

   /// Rows of a table by row of its parent; one each in the event table.
   Counts rows(const Levels &levels) const
   {
      return levels.empty() ? std::make_shared<std::vector<std::int64_t>>(fEntries, 1) : levels.back();
   }

   OpenChunk &opened(std::size_t codec, const Levels &levels)
   {
      const auto known = fChunks.find(codec);
      if (known != fChunks.end())
         return known->second;
      std::vector<Bytes> raw;
      for (std::size_t condition : fSchema->schema().codecs[codec].conditions)
         raw.push_back(column(condition).bytes);
      OpenChunk &chunk = fChunks.try_emplace(codec, fSchema->codec(codec), rows(levels), raw).first->second;
      for (std::size_t condition : fSchema->schema().codecs[codec].conditions)
         chunk.add_condition(to_doubles(column(condition)));
      return chunk;
   }
};

} // namespace hepae
