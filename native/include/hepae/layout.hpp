// What a replaced branch is made of, as far as its values go (docs/format/v1.md, section 17.5). How values become
// baskets is not here: readers of values do not need it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dtype.hpp"
#include "record.hpp"

namespace hepae {

/// How a uint32 n stands for a float: as low + n (high - low) / 2^bits, or truncated, as exponent << 16 | mantissa.
struct Coding {
   bool truncated = false;
   double low = 0, high = 0;
   int bits = 0;

   void fields(Record &r)
   {
      const std::string tag = r.tag();
      require(tag == "quantised" || tag == "truncated", "a coding that is not known", tag);
      truncated = tag == "truncated";
      r.need("bits", bits);
      if (!truncated) {
         r.need("low", low);
         r.need("high", high);
      }
   }
   void check() const
   {
      require(truncated ? bits >= 1 && bits <= 23 : bits >= 2 && bits <= 32, "a coded number of no size");
   }
};

/// A number of a row, or bytes that are the same in every row: then there is no dtype, and no column.
struct Field {
   std::string name, seen, constant;
   std::optional<Dtype> dtype;
   std::vector<std::size_t> shape;
   std::optional<Coding> coding;

   void fields(Record &r)
   {
      r.need("name", name);
      std::string type;
      r.need("dtype", type);
      if (!type.empty())
         dtype = dtype_of(type);
      r.may("shape", shape);
      r.may("seen", seen);
      r.may("coding", coding);
      r.may("constant", constant);
   }
   void check() const
   {
      const bool known = seen.empty() || seen == "bool" || seen == "float32" || seen == "float64";
      require(known, "a dtype that is not seen", seen);
   }
};

/// A column of a branch: its numbers, how many levels of counts it has, and whether the last are those of text.
struct Part {
   Field field;
   std::size_t levels = 0;
   bool text = false;
};

/// The columns of a branch in order, and the column that counts the first level.
struct Layout {
   std::string type, counter;
   std::vector<Part> parts;

   void fields(Record &r)
   {
      type = r.tag();
      if (type == "scalar")
         rows(r, 0, false);
      else if (type == "counted")
         counted(r);
      else if (type == "leaves")
         leaves(r);
      else if (type == "collection")
         collection(r);
      else
         memberwise(r);
      r.ignore("object");
   }

private:
   struct Leaf {
      Field field;
      std::string counter;
      bool inside = false;

      void fields(Record &r)
      {
         r.need("field", field);
         r.may("counter", counter);
         r.may("inside", inside);
      }
   };

   void add(const std::vector<Field> &fields, std::size_t levels, bool text)
   {
      for (const Field &field : fields)
         if (field.dtype)
            parts.push_back({field, levels, text});
   }

   void rows(Record &r, std::size_t levels, bool text)
   {
      std::vector<Field> fields;
      r.need("fields", fields);
      add(fields, levels, text);
   }

   void counted(Record &r)
   {
      rows(r, 1, false);
      r.need("counter", counter);
      r.ignore("flagged");
   }

   void leaves(Record &r)
   {
      std::vector<Leaf> leaves;
      r.need("leaves", leaves);
      for (const Leaf &leaf : leaves)
         parts.push_back({leaf.field, leaf.counter.empty() ? std::size_t{0} : std::size_t{1}});
   }

   void collection(Record &r)
   {
      std::size_t depth = 0;
      bool text = false;
      r.need("depth", depth);
      r.may("text", text);
      r.may("counter", counter);
      rows(r, depth + !counter.empty() + text, text);
      for (const char *of_baskets : {"header", "marks", "version", "blank"})
         r.ignore(of_baskets);
   }

   void memberwise(Record &r)
   {
      require(type == "memberwise", "a layout that is not known", type);
      std::vector<std::vector<Field>> groups;
      r.need("groups", groups);
      for (const std::vector<Field> &group : groups)
         add(group, 1, false);
      r.ignore("versions");
   }
};

} // namespace hepae
