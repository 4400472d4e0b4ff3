// How a tree is stored: tables, columns, codecs, streams, and the branches made of them (docs/format/v1.md, section 17.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dtype.hpp"
#include "layout.hpp"
#include "limits.hpp"
#include "record.hpp"
#include "spec/predictors.hpp"

namespace hepae {

/// Rows with one multiplicity: as many as `counter`, a column of the table `parent`, counts. Table 0 has one per entry.
struct Table {
   std::string name;
   std::size_t parent = 0, counter = 0;

   void fields(Record &r)
   {
      r.need("name", name);
      r.need("parent", parent);
      r.need("counter", counter);
   }
};

struct Column {
   std::string name;
   Dtype dtype = Dtype::kFloat32;
   std::vector<std::size_t> shape;
   std::size_t table = 0;

   /// Numbers in one value.
   std::size_t width() const
   {
      std::size_t out = 1;
      for (std::size_t size : shape) {
         require(size > 0 && size <= limits::kObjects / out, "a column of a size that cannot be", name);
         out *= size;
      }
      return out;
   }

   void fields(Record &r)
   {
      r.need("name", name);
      r.need("dtype", dtype);
      r.may("shape", shape);
      r.may("table", table);
   }
};

/// Rows that are summed: those whose column of integers has one of some values.
struct Only {
   std::size_t column = 0;
   std::vector<std::int64_t> values;

   void fields(Record &r)
   {
      r.need("column", column);
      r.need("values", values);
   }
};

/// A column of another table that the columns of a codec may be predicted from: of the row that `index` names, of row number
/// `row` of each entry, or summed over the rows of each entry.
struct Linked {
   std::string name;
   std::size_t column = 0;
   std::optional<std::size_t> index, row;
   double factor = 1;
   std::optional<double> least;
   std::vector<Only> only;
   Lattice lattice;

   void fields(Record &r)
   {
      r.need("name", name);
      r.need("column", column);
      r.may("index", index);
      r.may("row", row);
      r.may("factor", factor);
      r.may("least", least);
      r.may("only", only);
      r.need("lattice", lattice);
   }

   /// The columns that it is made of.
   std::vector<std::size_t> needs() const
   {
      std::vector<std::size_t> out{column};
      if (index)
         out.push_back(*index);
      for (const Only &one : only)
         out.push_back(one.column);
      return out;
   }
};

/// Columns of one table that are coded with a model, or without a model file.
struct Codec {
   std::vector<std::size_t> columns;

   std::string sha256;                  // of the model; empty without
   std::vector<std::size_t> conditions; // of the model

   std::vector<Feature> features;      // without a model
   std::optional<LiftingSpec> lifting; // none where each column is coded by itself
   std::vector<Linked> linked;         // columns of other tables that `lifting` predicts from

   bool has_model() const { return !sha256.empty(); }

   void fields(Record &r)
   {
      const std::string tag = r.tag();
      require(tag == "model" || tag == "plain", "a codec that is not known", tag);
      r.need("columns", columns);
      if (tag == "model") {
         r.need("sha256", sha256);
         r.may("conditions", conditions);
      } else {
         r.need("features", features);
         r.may("lifting", lifting);
         r.may("linked", linked);
      }
   }

   void check() const
   {
      require(!columns.empty(), "a codec without columns");
      require(has_model() ? sha256.size() == 64 : columns.size() == features.size(), "a codec of other columns");
   }
};

/// Bytes of a chunk: exact columns that are read together, or one column of a codec.
struct Stream {
   std::vector<std::size_t> columns;
   std::optional<std::size_t> codec;

   void fields(Record &r)
   {
      const std::string tag = r.tag();
      if (tag == "frame") {
         r.need("codec", codec);
         r.need("column", columns.emplace_back());
      } else {
         require(tag == "bundle", "a stream that is not known", tag);
         r.need("columns", columns);
      }
   }
};

struct TreeSchema {
   std::int64_t format = 0;
   std::vector<Table> tables;
   std::vector<Column> columns;
   std::vector<Codec> codecs;
   std::vector<Stream> streams;

   void fields(Record &r)
   {
      r.need("format", format);
      r.need("tables", tables);
      r.need("columns", columns);
      r.need("codecs", codecs);
      r.need("streams", streams);
   }
};

/// A branch that was replaced, made of columns of the schema by a layout of the tree.
struct StoredBranch {
   std::optional<std::string> written_path; ///< none where it is the name of the first column
   std::size_t layout = 0;
   std::vector<std::size_t> columns;
   std::int64_t compression = 0;

   void fields(Record &r)
   {
      r.need("layout", layout);
      r.need("columns", columns);
      r.may("path", written_path);
      r.may("compression", compression);
   }
};

/// A field of an RNTuple that was replaced: pairs of physical column and column of the schema.
struct StoredField {
   std::string name;
   std::vector<std::pair<std::int64_t, std::size_t>> columns;
   std::int64_t compression = 0;

   void fields(Record &r)
   {
      r.need("name", name);
      r.need("columns", columns);
      r.may("compression", compression);
   }
};

struct StoredTree {
   TreeSchema schema;
   std::vector<Layout> layouts;
   std::vector<StoredBranch> branches;
   std::string tree;
   std::vector<StoredField> stored_fields;

   const Layout &layout_of(const StoredBranch &branch) const { return layouts[branch.layout]; }
   const std::string &path_of(const StoredBranch &branch) const
   {
      return branch.written_path ? *branch.written_path : schema.columns[branch.columns[0]].name;
   }

   void fields(Record &r)
   {
      r.need("schema", schema);
      r.may("layouts", layouts);
      r.may("branches", branches);
      r.may("tree", tree);
      r.may("fields", stored_fields);
   }
};

} // namespace hepae
