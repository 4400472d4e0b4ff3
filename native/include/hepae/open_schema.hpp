// A schema with what follows from it, checked; shared by all who read chunks (docs/format/v1.md, section 17.2).
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec.hpp"
#include "limits.hpp"
#include "schema.hpp"
#include "sha256.hpp"

namespace hepae {

/// Gives the bytes of a model by its SHA-256, as hexadecimal digits; throws where it is not at hand.
using FindModel = std::function<std::vector<std::uint8_t>(const std::string &)>;

class OpenSchema {
public:
   explicit OpenSchema(StoredTree tree, FindModel find_model = without_models)
      : fTree(std::move(tree)), fFindModel(std::move(find_model)), fCodecs(schema().codecs.size())
   {
      require(schema().format == limits::kFormatVersion, "a schema of another version");
      require(!schema().tables.empty() && schema().columns.size() <= limits::kColumns, "a schema that cannot be");
      place_columns();
      check_tables();
      for (const Codec &codec : schema().codecs)
         check_codec(codec);
      for (const StoredBranch &branch : fTree.branches)
         check_branch(branch);
   }

   const StoredTree &tree() const { return fTree; }
   const TreeSchema &schema() const { return fTree.schema; }

   std::size_t stream_of(std::size_t column) const { return fStreamOf[column]; }

   /// The place of a column in its stream, or among the columns of its codec.
   std::size_t place_of(std::size_t column) const { return fPlaceOf[column]; }

   /// The tables from below table 0 down to this one: one for each level of counts.
   std::vector<std::size_t> chain(std::size_t table) const
   {
      std::vector<std::size_t> out;
      for (; table != 0; table = schema().tables[table].parent)
         out.insert(out.begin(), table);
      return out;
   }

   /// What decodes the columns of a codec; made when it is first asked for.
   const ChunkCodec &codec(std::size_t number) const
   {
      const std::lock_guard<std::mutex> lock(fMutex);
      if (!fCodecs[number])
         fCodecs[number] = std::make_unique<ChunkCodec>(parts_of(schema().codecs[number]));
      return *fCodecs[number];
   }

   /// The columns that must be decoded before this one: of its codec, of linked rows with what names them, and counters.
   std::vector<std::size_t> needs(std::size_t column) const
   {
      std::vector<std::size_t> out;
      for (std::size_t table : chain(schema().columns[column].table))
         out.push_back(schema().tables[table].counter);
      const Stream &stream = schema().streams[fStreamOf[column]];
      if (!stream.codec)
         return out;
      const Codec &spec = schema().codecs[*stream.codec];
      const ChunkCodec &decoder = codec(*stream.codec);
      for (std::size_t feature : decoder.needs(fPlaceOf[column]))
         if (spec.columns[feature] != column)
            out.push_back(spec.columns[feature]);
      out.insert(out.end(), spec.conditions.begin(), spec.conditions.end());
      for (std::size_t one : decoder.given(fPlaceOf[column]))
         for (std::size_t number : spec.linked[one].needs())
            out.push_back(number);
      return out;
   }

private:
   StoredTree fTree;
   FindModel fFindModel;
   std::vector<std::size_t> fStreamOf, fPlaceOf;
   mutable std::mutex fMutex;
   mutable std::vector<std::unique_ptr<ChunkCodec>> fCodecs;

   [[noreturn]] static std::vector<std::uint8_t> without_models(const std::string &sha256)
   {
      throw CorruptionError("a model that is not at hand: " + sha256);
   }

   CodecParts parts_of(const Codec &spec) const
   {
      if (!spec.has_model())
         return CodecParts::of(spec);
      const std::vector<std::uint8_t> onnx = fFindModel(spec.sha256);
      const Sha256::Digest digest = Sha256::of({reinterpret_cast<const char *>(onnx.data()), onnx.size()});
      require(Sha256::digits(digest) == spec.sha256, "a model was changed", spec.sha256);
      CodecParts out = CodecParts::of(Bytes(onnx), digest);
      const bool fits = out.features.size() == spec.columns.size() && out.conditions.size() == spec.conditions.size();
      require(fits, "a model of other columns", spec.sha256);
      for (std::size_t i = 0; i < out.features.size(); ++i)
         require(out.features[i].dtype == schema().columns[spec.columns[i]].dtype, "a model of other columns",
                 out.features[i].name);
      return out;
   }

   bool is_column(std::size_t number) const { return number < schema().columns.size(); }

   void place_columns()
   {
      constexpr std::size_t nowhere = SIZE_MAX;
      fStreamOf.assign(schema().columns.size(), nowhere);
      fPlaceOf.assign(schema().columns.size(), 0);
      for (std::size_t stream = 0; stream < schema().streams.size(); ++stream)
         for (std::size_t place = 0; place < schema().streams[stream].columns.size(); ++place) {
            const std::size_t column = schema().streams[stream].columns[place];
            require(is_column(column) && fStreamOf[column] == nowhere, "a column in no stream or in two");
            fStreamOf[column] = stream;
            fPlaceOf[column] = place_in_codec(schema().streams[stream], column, place);
         }
      for (std::size_t stream : fStreamOf)
         require(stream != nowhere, "a column in no stream or in two");
   }

   std::size_t place_in_codec(const Stream &stream, std::size_t column, std::size_t place) const
   {
      if (!stream.codec)
         return place;
      require(*stream.codec < schema().codecs.size(), "a stream of no codec");
      const std::vector<std::size_t> &columns = schema().codecs[*stream.codec].columns;
      for (std::size_t i = 0; i < columns.size(); ++i)
         if (columns[i] == column)
            return i;
      throw CorruptionError("a stream of a column that its codec does not have");
   }

   void check_tables() const
   {
      std::set<std::string_view> names;
      for (const Column &column : schema().columns) {
         require(column.table < schema().tables.size(), "a column of no table", column.name);
         require(names.insert(column.name).second, "two columns of one name", column.name);
         column.width();
      }
      for (std::size_t number = 1; number < schema().tables.size(); ++number) {
         const Table &table = schema().tables[number];
         require(table.parent < number && is_column(table.counter), "a table that nothing counts", table.name);
         const Column &counter = schema().columns[table.counter];
         const bool counts = is_integer(counter.dtype) && counter.shape.empty() && counter.table == table.parent;
         const bool exact = !schema().streams[fStreamOf[table.counter]].codec;
         require(counts && exact, "a table that nothing counts", table.name);
      }
   }

   void check_codec(const Codec &codec) const
   {
      require(is_column(codec.columns[0]), "a codec of no columns");
      const std::size_t table = schema().columns[codec.columns[0]].table;
      std::set<std::size_t> numbers;
      for (std::size_t i = 0; i < codec.columns.size(); ++i) {
         require(is_column(codec.columns[i]) && numbers.insert(codec.columns[i]).second, "a codec of no columns");
         const Column &column = schema().columns[codec.columns[i]];
         const bool fits = codec.has_model() || codec.features[i].dtype == column.dtype;
         require(column.table == table && column.shape.empty() && fits, "a codec of other columns", column.name);
      }
      for (std::size_t condition : codec.conditions)
         require(is_condition(condition), "a condition that is no column of events");
      check_names(codec);
      for (const Linked &linked : codec.linked)
         check_linked(linked, table);
   }

   bool is_condition(std::size_t number) const
   {
      return is_column(number) && schema().columns[number].table == 0 && schema().columns[number].shape.empty();
   }

   void check_names(const Codec &codec) const
   {
      std::set<std::string_view> names;
      for (const Feature &feature : codec.features)
         require(names.insert(feature.name).second, "two features of one name", feature.name);
      for (const Linked &linked : codec.linked)
         require(names.insert(linked.name).second, "two features of one name", linked.name);
   }

   bool counted_in_entries(std::size_t table) const { return table != 0 && schema().tables[table].parent == 0; }

   void check_linked(const Linked &linked, std::size_t table) const
   {
      for (std::size_t number : linked.needs())
         require(is_column(number) && schema().columns[number].shape.empty(), "a link of no columns", linked.name);
      const std::size_t other = schema().columns[linked.column].table;
      require(counted_in_entries(other) && std::isfinite(linked.factor), "a link that cannot be", linked.name);
      for (const Only &one : linked.only) {
         const Column &kind = schema().columns[one.column];
         require(kind.table == other && is_integer(kind.dtype), "a link that cannot be", linked.name);
      }
      const bool sums = !linked.only.empty() || linked.least;
      if (linked.index) {
         const Column &index = schema().columns[*linked.index];
         const bool names = index.table == table && is_integer(index.dtype) && counted_in_entries(table);
         require(names && !linked.row && !sums, "a link that cannot be", linked.name);
      } else {
         require(table == 0 && !(linked.row && sums), "a link that cannot be", linked.name);
      }
   }

   void check_branch(const StoredBranch &branch) const
   {
      require(branch.layout < fTree.layouts.size() && !branch.columns.empty(), "a branch without a layout or columns");
      for (std::size_t column : branch.columns)
         require(is_column(column), "a branch of no columns");
      const std::vector<Part> &parts = fTree.layout_of(branch).parts;
      bool alike = parts.size() == branch.columns.size();
      for (std::size_t i = 0; alike && i < parts.size(); ++i) {
         const Column &column = schema().columns[branch.columns[i]];
         alike = *parts[i].field.dtype == column.dtype && parts[i].field.shape == column.shape &&
                 chain(column.table).size() == parts[i].levels;
      }
      require(alike, "a branch of other columns", fTree.path_of(branch));
   }
};

} // namespace hepae
