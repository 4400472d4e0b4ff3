// Fields of an RNTuple by its original header: names and types of the columns that were replaced (docs/format/v1.md, section
// 17.6). Source: RNTuple Binary Format Specification 1.0.0.1.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checksum.hpp"
#include "dtype.hpp"
#include "error.hpp"
#include "schema.hpp"
#include "span.hpp"

namespace hepae {

namespace ntuple {

struct Field {
   std::string name, type;
   std::uint32_t parent = 0; ///< its own number at the top
   std::uint16_t role = 0, flags = 0;
};

/// A column of a projected field: the physical column that it shows, and the field.
struct Alias {
   std::uint32_t column, field;
};

constexpr std::uint16_t kCollection = 1, kRecord = 2;

/// Goes through the bytes of an envelope.
class Cursor {
public:
   explicit Cursor(Bytes data) : fData(data) {}

   template <class T>
   T number()
   {
      T out;
      std::memcpy(&out, take(sizeof(T)).data(), sizeof(T));
      return out;
   }
   std::string string()
   {
      const Bytes text = take(number<std::uint32_t>());
      return {text.begin(), text.end()};
   }
   Bytes take(std::size_t size)
   {
      const Bytes out = fData.part(fAt, size);
      fAt += size;
      return out;
   }

   /// What is in a record frame, of which later versions of the format may write more.
   Cursor record()
   {
      const auto size = number<std::int64_t>();
      require(size >= 8, "a frame of no record");
      return Cursor(take(static_cast<std::size_t>(size) - 8));
   }

   /// The records of a list frame.
   std::vector<Cursor> records()
   {
      const auto size = number<std::int64_t>();
      const auto count = number<std::uint32_t>();
      require(size <= -12 && size > INT64_MIN, "a frame of no list");
      Cursor items(take(static_cast<std::size_t>(-size) - 12));
      std::vector<Cursor> out;
      for (std::uint32_t i = 0; i < count; ++i)
         out.push_back(items.record());
      return out;
   }

   bool at_end() const { return fAt == fData.size(); }

private:
   Bytes fData;
   std::size_t fAt = 0;
};

/// Fields and columns of a header, and of what was added to it.
class Header {
public:
   /// Two envelopes: of the header, and of a footer.
   explicit Header(Bytes data)
   {
      const std::size_t size = length(data);
      Cursor header = opened(data.part(0, size), 1);
      for (int i = 0; i < 3; ++i)
         header.string(); // name, description, writer
      read(header);
      Cursor footer = opened(data.from(size), 2);
      footer.take(8); // the checksum of the header
      Cursor extension = footer.record();
      if (!extension.at_end())
         read(extension);
   }

   std::size_t columns() const { return fColumns.size(); }
   std::uint32_t field_of(std::size_t column) const { return fColumns[column]; }
   const std::vector<Alias> &aliases() const { return fAliases; }
   const Field &field(std::uint32_t number) const { return fFields[number]; }

   /// The name as RDataFrame has it: those of records and what is in them, without the items of collections.
   std::string path(std::uint32_t number) const
   {
      const Field &field = fFields[number];
      if (field.parent == number)
         return field.name;
      const bool item = field.name == "_0" && fFields[field.parent].role != kRecord;
      return item ? path(field.parent) : path(field.parent) + "." + field.name;
   }

   bool is_below(std::uint32_t number, std::uint32_t other) const
   {
      while (number > other && fFields[number].parent != number)
         number = fFields[number].parent;
      return number == other;
   }

   std::size_t collections_above(std::uint32_t number) const
   {
      std::size_t out = 0;
      for (; fFields[number].parent != number; number = fFields[number].parent)
         out += fFields[fFields[number].parent].role == kCollection;
      return out;
   }

private:
   std::vector<Field> fFields;
   std::vector<std::uint32_t> fColumns; ///< the field of each
   std::vector<Alias> fAliases;

   static std::size_t length(Bytes data)
   {
      require(data.size() >= 8, "an envelope is cut short");
      return static_cast<std::size_t>(xxh3::read64(data.data()) >> 16);
   }

   static Cursor opened(Bytes data, unsigned kind)
   {
      require(data.size() >= 24 && length(data) == data.size() && (data[0] | data[1] << 8) == static_cast<int>(kind),
              "another envelope of an RNTuple");
      const Bytes body = data.part(0, data.size() - 8);
      Checksum checksum;
      checksum.add(body);
      require(checksum.value() == xxh3::read64(data.data() + body.size()), "an envelope does not carry its checksum");
      Cursor out(body.from(8));
      require(out.number<std::uint64_t>() == 0, "an RNTuple with features that are not known");
      return out;
   }

   void read(Cursor &at)
   {
      for (Cursor &one : at.records())
         add_field(one);
      for (Cursor &one : at.records()) {
         one.take(4); // type of the elements, and their bits
         fColumns.push_back(one.number<std::uint32_t>());
         require(fColumns.back() < fFields.size(), "a column is of a field that is not there");
      }
      for (Cursor &one : at.records()) {
         const auto column = one.number<std::uint32_t>(), field = one.number<std::uint32_t>();
         require(column < fColumns.size() && field < fFields.size(), "a projected column of what is not there");
         fAliases.push_back({column, field});
      }
   }

   void add_field(Cursor &at)
   {
      Field field;
      at.take(8); // versions of the field and of its type
      field.parent = at.number<std::uint32_t>();
      field.role = at.number<std::uint16_t>();
      field.flags = at.number<std::uint16_t>();
      field.name = at.string();
      field.type = at.string();
      require(field.parent <= fFields.size(), "a field is in one that stands behind it");
      fFields.push_back(std::move(field));
   }
};

/// The dtype of the numbers of a type in C++; none of another type.
inline std::optional<Dtype> dtype_of(const std::string &type)
{
   static constexpr std::pair<const char *, Dtype> names[] = {
      {"bool", Dtype::kBool},           {"char", Dtype::kInt8},           {"std::int8_t", Dtype::kInt8},
      {"std::int16_t", Dtype::kInt16},  {"std::int32_t", Dtype::kInt32},  {"std::int64_t", Dtype::kInt64},
      {"std::uint8_t", Dtype::kUint8},  {"std::uint16_t", Dtype::kUint16}, {"std::uint32_t", Dtype::kUint32},
      {"std::uint64_t", Dtype::kUint64}, {"float", Dtype::kFloat32},       {"double", Dtype::kFloat64}};
   for (const auto &[name, dtype] : names)
      if (type == name)
         return dtype;
   return std::nullopt;
}

/// The same of a number of items.
inline std::optional<Dtype> dtype_of_count(const std::string &type)
{
   if (type == "ROOT::RNTupleCardinality<std::uint32_t>")
      return Dtype::kUint32;
   return type == "ROOT::RNTupleCardinality<std::uint64_t>" ? std::optional(Dtype::kUint64) : std::nullopt;
}

/// Shows the columns of replaced fields as branches of a tree, those that are numbers or texts in memory as they are stored.
class Shown {
public:
   Shown(StoredTree &tree, Bytes header) : fTree(&tree), fHeader(header)
   {
      std::vector<std::optional<std::size_t>> stored(fHeader.columns());
      for (const StoredField &field : tree.stored_fields)
         for (const auto &[physical, column] : field.columns) {
            const bool there = physical >= 0 && static_cast<std::size_t>(physical) < stored.size();
            require(there && column < tree.schema.columns.size(), "a field of columns that are not there", field.name);
            stored[static_cast<std::size_t>(physical)] = column;
         }
      for (std::size_t physical = 0; physical < stored.size(); ++physical)
         if (stored[physical])
            show(fHeader.field_of(physical), *stored[physical], dtype_of(type_of(fHeader.field_of(physical))));
      for (const Alias &alias : fHeader.aliases())
         if (stored[alias.column])
            show(alias.field, *stored[alias.column], dtype_of(type_of(alias.field)));
         else if (const std::optional<std::size_t> counter = counter_of(fHeader.field_of(alias.column), stored))
            show(alias.field, *counter, dtype_of_count(type_of(alias.field)));
   }

private:
   StoredTree *fTree;
   Header fHeader;

   std::size_t levels_of(std::size_t table) const
   {
      std::size_t out = 0;
      for (; table != 0; ++out) {
         require(table < fTree->schema.tables.size() && fTree->schema.tables[table].parent < table, "a table that cannot be");
         table = fTree->schema.tables[table].parent;
      }
      return out;
   }

   const std::string &type_of(std::uint32_t field) const { return fHeader.field(field).type; }

   /// What counts the items of a collection in entries, some of whose columns were replaced.
   std::optional<std::size_t> counter_of(std::uint32_t collection, const std::vector<std::optional<std::size_t>> &stored) const
   {
      for (std::size_t physical = 0; physical < stored.size(); ++physical)
         if (stored[physical] && fHeader.is_below(fHeader.field_of(physical), collection)) {
            std::size_t table = fTree->schema.columns[*stored[physical]].table;
            const std::size_t outer = fHeader.collections_above(collection), levels = levels_of(table);
            for (std::size_t level = outer + 1; level < levels; ++level)
               table = fTree->schema.tables[table].parent;
            return levels > outer ? std::optional(fTree->schema.tables[table].counter) : std::nullopt;
         }
      return std::nullopt;
   }

   void show(std::uint32_t field, std::size_t number, std::optional<Dtype> seen)
   {
      require(number < fTree->schema.columns.size(), "a table that nothing counts");
      const Column &column = fTree->schema.columns[number];
      Part part{{}, levels_of(column.table), type_of(field) == "std::string"};
      part.field.name = column.name;
      part.field.dtype = column.dtype;
      part.field.shape = column.shape;
      if (!part.text) {
         const bool alike = seen && size_of(*seen) == size_of(column.dtype) && is_float(*seen) == is_float(column.dtype);
         if (!alike)
            return;
         part.field.seen = name_of(*seen);
      }
      StoredBranch branch;
      branch.written_path = fHeader.path(field);
      branch.layout = fTree->layouts.size();
      branch.columns = {number};
      Layout layout;
      layout.type = "scalar";
      layout.parts = {std::move(part)};
      fTree->layouts.push_back(std::move(layout));
      fTree->branches.push_back(std::move(branch));
   }
};

} // namespace ntuple

/// Shows the fields of an RNTuple that was compressed as a whole as branches.
inline void show_fields(StoredTree &tree, Bytes header)
{
   ntuple::Shown(tree, header);
}

} // namespace hepae
