// What a schema or a manifest says of lattices (docs/format/v1.md, sections 6 and 7).
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../dtype.hpp"
#include "../limits.hpp"
#include "../record.hpp"

namespace hepae {

/// Which integers stand for which values; members that its kind does not name are 0.
struct Grid {
   enum class Kind { kLinear, kLog, kPattern, kInteger };
   Kind kind = Kind::kInteger;
   double step = 0;              // linear
   double first = 0, base = 0;   // log
   std::int64_t top = 0;         // log
   int shift = 0;                // pattern

   void fields(Record &r)
   {
      const std::string tag = r.tag();
      if (tag == "linear") {
         kind = Kind::kLinear;
         r.need("step", step);
      } else if (tag == "log") {
         kind = Kind::kLog;
         r.need("first", first);
         r.need("base", base);
         r.need("top", top);
      } else if (tag == "pattern") {
         kind = Kind::kPattern;
         r.need("shift", shift);
      } else {
         require(tag == "integer", "a grid that is not known", tag);
      }
   }

   void check() const
   {
      if (kind == Kind::kLinear)
         require(step > 0 && std::isfinite(step), "a grid without step");
      if (kind == Kind::kLog) {
         const bool finite = std::isfinite(first) && std::isfinite(base);
         require(finite && first > 0 && base > 1 && top >= 0, "a grid of powers that cannot be");
         require(half_bits() <= 20 && (top >> half_bits()) < limits::kLogTable, "a grid of powers is too long");
      }
   }

   /// b of section 7.1: the tables of a log grid have 2^b, and (top >> b) + 1, entries.
   int half_bits() const
   {
      int length = 1;
      while (length < 63 && top >> length)
         ++length;
      return (length + 1) / 2;
   }

   /// Whether a value has a cell around it, in which dither may move it.
   bool has_cells() const { return kind == Kind::kLinear || kind == Kind::kLog; }
};

/// A point of its own before the grid point `at`: the number of these bits, or the escape.
struct Inserted {
   std::int64_t at = 0;
   std::optional<std::uint64_t> bits;

   void fields(Record &r)
   {
      r.need("at", at);
      r.may("bits", bits);
   }
};

struct Lattice {
   Dtype dtype = Dtype::kFloat32;
   Grid grid;
   std::vector<Inserted> inserted;

   void fields(Record &r)
   {
      r.need("dtype", dtype);
      r.need("grid", grid);
      r.may("inserted", inserted);
   }

   void check() const
   {
      check_grid();
      require(inserted.size() <= limits::kInsertedPoints, "a lattice with too many inserted points");
      const int width = 8 * static_cast<int>(size_of(dtype));
      constexpr std::int64_t farthest = std::int64_t{1} << 62;
      std::int64_t before = -farthest;
      int escapes = 0;
      for (const Inserted &point : inserted) {
         require(before <= point.at && point.at <= farthest, "inserted points that cannot be");
         require(!point.bits || width == 64 || *point.bits >> width == 0, "bits wider than their dtype");
         escapes += !point.bits;
         before = point.at;
      }
      require(escapes <= 1, "a lattice with two escapes");
   }

private:
   static constexpr int mantissa_bits(Dtype type)
   {
      return type == Dtype::kFloat16 ? 10 : type == Dtype::kFloat32 ? 23 : 52;
   }

   void check_grid() const
   {
      const bool whole = grid.kind == Grid::Kind::kInteger;
      require(whole != is_float(dtype), "a lattice of a wrong dtype");
      if (grid.kind == Grid::Kind::kPattern)
         require(grid.shift >= 0 && grid.shift <= mantissa_bits(dtype), "a grid that cannot be");
   }
};

struct Bound {
   std::string kind;
   double size = 0;

   void fields(Record &r)
   {
      r.need("kind", kind);
      r.may("size", size);
   }
   void check() const
   {
      require(kind == "abs" || kind == "rel" || kind == "bits" || kind == "exact", "a bound of no kind", kind);
   }
};

/// A compressed feature (section 5).
struct Feature {
   std::string name, branch, title;
   Dtype dtype = Dtype::kFloat32;
   Bound bound;
   Lattice lattice;
   bool dither = false;

   void fields(Record &r)
   {
      r.need("name", name);
      r.need("branch", branch);
      r.need("dtype", dtype);
      r.need("title", title);
      r.need("bound", bound);
      r.need("lattice", lattice);
      r.may("dither", dither);
   }
   void check() const
   {
      require(!dither || lattice.grid.has_cells(), "dither on a grid without cells", name);
      require(lattice.dtype == dtype, "a lattice of another dtype than its feature's", name);
   }
};

} // namespace hepae
