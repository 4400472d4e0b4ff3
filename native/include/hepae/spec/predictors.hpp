// What a schema or a manifest says of predictions (docs/format/v1.md, sections 10.2, 10.6, 11 and 12).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../limits.hpp"
#include "../record.hpp"
#include "columns.hpp"
#include "lattice.hpp"

namespace hepae {

/// A table of a source: the value for missing objects, then the values at its knots.
struct Term {
   std::size_t source = 0;
   std::vector<std::int64_t> values;

   void fields(Record &r)
   {
      r.need("source", source);
      r.need("values", values);
   }
};

/// A column as the index of tables.
struct Source {
   PredictorColumn column;
   std::int64_t low = 0;
   int shift = 0;
   std::vector<std::int64_t> knots;

   void fields(Record &r)
   {
      r.need("column", column);
      r.need("low", low);
      r.need("shift", shift);
      r.need("knots", knots);
   }
   void check() const
   {
      const bool starts = !knots.empty() && knots.front() == 1 && knots.back() <= limits::kKnot;
      require(starts, "knots of a table do not start at 1");
      require(shift >= 0 && shift < 62, "a source with a wrong shift");
      for (std::size_t i = 1; i < knots.size(); ++i)
         require(knots[i - 1] < knots[i], "knots of a table do not rise");
   }
};

/// A feature on a circle: after `high` comes `low` again.
struct Period {
   std::int64_t low = 0, high = 0;

   std::int64_t length() const { return high - low + 1; }

   void fields(Record &r)
   {
      r.need("low", low);
      r.need("high", high);
   }
   void check() const
   {
      // what is beyond 2^62 is no lattice integer (section 7.2)
      constexpr std::int64_t farthest = std::int64_t{1} << 62, longest = std::int64_t{1} << 40;
      const bool near = low >= -farthest && low <= farthest && high <= farthest;
      require(near && low < high && high - low <= longest, "a circle that cannot be");
   }
};

/// Classes of residuals: a sum of tables, cut at rising edges.
struct Widths {
   std::int64_t constant = 0;
   std::vector<Term> terms;
   std::vector<std::int64_t> edges;

   void fields(Record &r)
   {
      r.need("constant", constant);
      r.need("terms", terms);
      r.need("edges", edges);
   }
   void check() const
   {
      require(edges.size() <= 255, "too many classes");
      for (std::size_t i = 1; i < edges.size(); ++i)
         require(edges[i - 1] <= edges[i], "edges of classes do not rise");
   }
};

struct Predictor {
   std::string feature;
   std::int64_t constant = 0;
   std::vector<Term> terms;
   std::optional<PredictorColumn> base;
   std::optional<Period> period;
   std::optional<Widths> widths;

   std::size_t classes() const { return widths ? widths->edges.size() + 1 : 1; }

   void fields(Record &r)
   {
      r.need("feature", feature);
      r.may("constant", constant);
      r.may("terms", terms);
      r.may("base", base);
      r.may("period", period);
      r.may("widths", widths);
   }
};

/// A feature without a branch, computed from others; its payload is in front of that of the first of them.
struct Derived {
   std::string name, formula;
   std::vector<std::string> features;
   Lattice lattice;

   const std::string &carrier() const { return features.front(); }

   void fields(Record &r)
   {
      r.need("name", name);
      r.need("formula", formula);
      r.need("features", features);
      r.need("lattice", lattice);
   }
   void check() const
   {
      const std::size_t wanted = formula == "pt" || formula == "phi" ? 2 : formula == "eta" ? 3 : 0;
      require(wanted > 0 && features.size() == wanted, "a feature is derived by no formula", name);
   }
};

/// The predictors of all features in coding order, and the sources that their tables share.
struct Predictors {
   std::vector<Predictor> features;
   std::vector<Source> sources;
   std::vector<Derived> derived;
   std::int64_t last_rank = 6;

   void fields(Record &r)
   {
      r.need("features", features);
      r.may("sources", sources);
      r.may("derived", derived);
      r.may("last_rank", last_rank);
   }

   void check() const
   {
      require(last_rank >= 1 && last_rank <= limits::kRank, "a last rank that cannot be");
      std::int64_t entries = 0;
      for (const Predictor &one : features) {
         std::int64_t largest = magnitude(one.constant);
         check_terms(one.terms, largest, entries);
         if (one.widths)
            check_terms(one.widths->terms, largest, entries);
      }
   }

private:
   /// Constant and largest values of a prediction add up to at most this (section 10.2).
   static constexpr std::int64_t kLargest = std::int64_t{1} << 44;

   static std::int64_t magnitude(std::int64_t value)
   {
      require(value >= -kLargest && value <= kLargest, "a prediction is too large");
      return value < 0 ? -value : value;
   }

   void check_terms(const std::vector<Term> &terms, std::int64_t &largest, std::int64_t &entries) const
   {
      for (const Term &term : terms) {
         require(term.source < sources.size(), "a term of no source");
         const auto &knots = sources[term.source].knots;
         require(term.values.size() == knots.size() + 1, "a table does not fit its source");
         std::int64_t most = 0;
         for (std::int64_t value : term.values)
            most = std::max(most, magnitude(value));
         largest += most;
         require(largest <= kLargest, "a prediction is too large");
         // a term of a few bytes becomes a table of a megabyte
         entries += knots.back();
         require(entries <= limits::kTableEntries, "tables have too many entries");
      }
   }
};

struct LiftingSpec {
   Predictors predictors;

   void fields(Record &r)
   {
      require(r.tag("codec") == "lifting", "a codec that is not lifting");
      r.need("predictors", predictors);
   }
};

/// Neighbouring bins of residuals from `low` on: runs of (log2 of the width, number of bins).
struct Alphabet {
   std::int64_t low = 0;
   std::vector<std::pair<std::int64_t, std::int64_t>> runs;

   std::size_t bins() const
   {
      std::size_t out = 0;
      for (const auto &[width, bins] : runs)
         out += static_cast<std::size_t>(bins);
      return out;
   }

   void fields(Record &r)
   {
      r.need("low", low);
      r.need("runs", runs);
   }
   void check() const
   {
      constexpr std::int64_t farthest = std::int64_t{1} << 50, widest = 40, most = 1022;
      require(low >= -farthest && low <= farthest, "bins begin too far out");
      for (const auto &[width, bins] : runs)
         require(width >= 0 && width <= widest && bins > 0 && bins <= most, "bins of a bad width");
      require(runs.size() <= most && bins() >= 1 && bins() <= most, "bins are too many, or none");
   }
};

/// How the residuals of a feature are coded: its bins, what its network sees, and the grid of its cells.
struct Shape {
   std::string feature;
   Alphabet alphabet;
   std::vector<std::size_t> inputs;
   std::vector<std::int64_t> levels, anchors;

   void fields(Record &r)
   {
      r.need("feature", feature);
      r.need("alphabet", alphabet);
      r.may("inputs", inputs);
      r.may("levels", levels);
      r.may("anchors", anchors);
   }
};

struct MaskedSpec {
   Predictors predictors;
   std::vector<Shape> shapes;
   std::vector<Source> inputs;
   std::vector<std::string> together;

   void fields(Record &r)
   {
      require(r.tag("codec") == "masked", "a codec that is not masked");
      r.need("predictors", predictors);
      r.need("shapes", shapes);
      r.may("inputs", inputs);
      r.may("together", together);
   }

   void check() const
   {
      require(shapes.size() == predictors.features.size(), "shapes and predictors differ");
      for (std::size_t i = 0; i < shapes.size(); ++i) {
         require(shapes[i].feature == predictors.features[i].feature, "shapes and predictors differ");
         for (std::size_t number : shapes[i].inputs)
            require(number < inputs.size(), "no such input", shapes[i].feature);
      }
      check_together();
   }

private:
   /// Features that are decoded together follow each other.
   void check_together() const
   {
      std::size_t at = 0;
      while (!together.empty() && at < shapes.size() && shapes[at].feature != together[0])
         ++at;
      require(together.size() <= shapes.size() - at, "features decoded together are no neighbours");
      for (std::size_t i = 0; i < together.size(); ++i)
         require(shapes[at + i].feature == together[i], "features decoded together are no neighbours");
   }
};

} // namespace hepae
