// Predictors made ready: tables expanded, names resolved, dependences known. The same for all chunks and threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../lattice.hpp"
#include "../spec/predictors.hpp"
#include "classes.hpp"
#include "known.hpp"
#include "open_column.hpp"
#include "scale.hpp"

namespace hepae {

/// A column as the index of tables.
struct OpenSource {
   OpenColumn column;
   Scale scale;
   bool shared = false;             ///< more than one table is indexed by it
   std::vector<std::size_t> needs; ///< features that it looks at
   std::vector<double> weights;     ///< of a mix, as binary64
   bool small = false;              ///< of a product: sums of its logarithms fit into 32 bits
};

/// What networks see of a column: 0 … 255, by its index.
struct OpenInput {
   OpenSource source;
   std::vector<std::uint8_t> levels;
};

/// A sum of tables.
struct TableSum {
   struct Part {
      std::size_t source;
      std::vector<std::int64_t> table;
      std::vector<std::int32_t> small; ///< the same, where all sums are small
   };
   std::int64_t constant = 0;
   std::vector<Part> parts;
   bool is_small = false;

   /// Keeps tables in 32 bits where no sum can leave them.
   void make_small()
   {
      std::int64_t largest = std::abs(constant); // at most 2^44 (section 10.2)
      for (const Part &part : parts) {
         const auto [low, high] = std::minmax_element(part.table.begin(), part.table.end());
         largest += std::max(std::abs(*low), std::abs(*high));
      }
      is_small = largest < Integers::kSmall;
      for (Part &part : parts)
         if (is_small)
            part.small.assign(part.table.begin(), part.table.end());
   }
};

struct OpenPredictor {
   const Predictor *spec = nullptr;
   TableSum fine, widths; ///< in 1/64 of an integer; what classes are cut from
   Classes classes;
   std::vector<std::uint8_t> class_table; ///< classes by the index of the only table of `widths`; else empty
   std::optional<OpenColumn> base;
   std::optional<Period> period;
   bool ranked = false;       ///< it looks at itself, in objects before
   bool wants_latent = false; ///< another one looks at its latents
   std::vector<std::size_t> needs, given;

   /// Whether all objects are predicted the same.
   bool is_constant() const { return !base && fine.parts.empty(); }
};

class PreparedPredictors {
public:
   /// The features that have a branch, and the columns that are given, with their lattices.
   PreparedPredictors(const Predictors &spec, const std::vector<Feature> &features,
                      const std::vector<std::pair<std::string, Lattice>> &given,
                      const std::vector<std::string> &conditions)
      : fSpec(spec), fBranches(features.size())
   {
      for (const Feature &feature : features)
         add(feature.name, feature.lattice);
      for (const Derived &derived : fSpec.derived)
         add(derived.name, derived.lattice);
      for (std::size_t i = 0; i < given.size(); ++i) {
         require(fNames.given.emplace(given[i].first, i).second, "two linked columns of one name", given[i].first);
         fLattices.emplace_back(given[i].second);
      }
      for (std::size_t i = 0; i < conditions.size(); ++i)
         fNames.conditions.emplace(conditions[i], i);
      for (const Source &source : fSpec.sources)
         fSources.push_back(open(source));
      fPredictors.resize(fNames.features.size());
      fExpanded = std::vector<std::atomic<bool>>(fPredictors.size());
      for (const Predictor &predictor : fSpec.features)
         add_predictor(predictor);
      require(fOrder.size() == fNames.features.size(), "predictors and features differ");
      add_carriers();
   }

   /// The networks of the masked codec look at further columns.
   void look_at(const MaskedSpec &spec)
   {
      fMaskedInputs = spec.inputs;
      for (const Source &source : fMaskedInputs)
         fInputs.push_back({open(source), levels_of(source.knots)});
      for (std::size_t place = 0; place < spec.shapes.size(); ++place)
         for (std::size_t input : spec.shapes[place].inputs)
            look_at(fInputs[input].source.column, fOrder[place]);
      for (const std::string &name : spec.together)
         fPredictors[fNames.features.at(name)].ranked = true;
   }

   PreparedPredictors(const PreparedPredictors &) = delete; // columns point into the specification

   const Predictors &spec() const { return fSpec; }
   std::size_t features() const { return fPredictors.size(); }
   const std::vector<std::size_t> &order() const { return fOrder; }
   const std::vector<OpenLattice> &lattices() const { return fLattices; }
   const std::vector<OpenSource> &sources() const { return fSources; }
   const std::vector<OpenInput> &inputs() const { return fInputs; }

   /// Its tables, which take long, are made when they are first asked for: of a wide collection few columns are read.
   const OpenPredictor &predictor(std::size_t feature) const
   {
      if (!fExpanded[feature].load(std::memory_order_acquire))
         expand(feature);
      return fPredictors[feature];
   }

   /// The columns of other tables that a feature looks at.
   const std::vector<std::size_t> &given(std::size_t feature) const { return fPredictors[feature].given; }

   /// The derived features whose payloads are in front of that of a feature, in their order.
   const std::vector<std::size_t> &carried(std::size_t feature) const { return fCarried[feature]; }

   /// The feature in whose payload that of a feature is: itself, unless it is derived.
   std::size_t carrier(std::size_t feature) const
   {
      return feature < fBranches ? feature : fNames.features.at(fSpec.derived[feature - fBranches].carrier());
   }

   /// The features that must be decoded for one, in coding order, itself included.
   std::vector<std::size_t> closure(std::size_t feature) const
   {
      std::vector<bool> wanted(fPredictors.size());
      std::vector<std::size_t> waiting{feature}, out;
      while (!waiting.empty()) {
         const std::size_t one = waiting.back();
         waiting.pop_back();
         if (wanted[one])
            continue;
         wanted[one] = true;
         for (const std::vector<std::size_t> *more : {&std::as_const(fPredictors)[one].needs, &fCarried[one]})
            waiting.insert(waiting.end(), more->begin(), more->end());
      }
      for (std::size_t one : fOrder)
         if (wanted[one])
            out.push_back(one);
      return out;
   }

private:
   Predictors fSpec;
   std::size_t fBranches;
   Names fNames;
   std::vector<OpenLattice> fLattices;
   std::vector<OpenSource> fSources;
   std::vector<Source> fMaskedInputs; ///< columns point into them
   std::vector<OpenInput> fInputs;
   mutable std::vector<OpenPredictor> fPredictors;
   mutable std::vector<std::atomic<bool>> fExpanded; ///< by feature: whether its tables are made
   mutable std::mutex fMutex;
   std::vector<std::size_t> fOrder;
   std::vector<std::vector<std::size_t>> fCarried;
   std::set<std::size_t> fUsed; ///< sources that a table is indexed by

   void add(const std::string &name, const Lattice &lattice)
   {
      require(fNames.features.emplace(name, fNames.features.size()).second, "two features of one name", name);
      fLattices.emplace_back(lattice);
   }

   OpenSource open(const Source &source) const
   {
      OpenColumn column(source.column, fNames);
      const std::int64_t first = column.optional() ? 0 : 1;
      const std::int64_t last = source.knots.back();
      OpenSource out{std::move(column), {static_cast<std::uint64_t>(source.low), source.shift, first, last}, false, {}, {}, false};
      out.needs = out.column.needs();
      if (source.column.kind == OpenColumn::Kind::kMix)
         for (std::int64_t weight : source.column.weights)
            out.weights.push_back(static_cast<double>(weight) / std::ldexp(1, static_cast<int>(source.column.shift)));
      if (source.column.kind == OpenColumn::Kind::kProduct)
         out.small = is_small_product(source.column);
      return out;
   }

   /// Logarithms are below 2^20 (section 10.3: of numbers up to 2^1024, in 1/1024).
   static bool is_small_product(const PredictorColumn &product)
   {
      std::int64_t sum = 0;
      for (std::int64_t weight : product.weights) {
         if (weight < -1024 || weight > 1024)
            return false;
         sum += std::abs(weight);
      }
      return sum <= Integers::kSmall >> 20;
   }

   /// Levels rise in equal steps from 0 to 255 at the knots; what is missing is in the middle (section 12).
   static std::vector<std::uint8_t> levels_of(const std::vector<std::int64_t> &knots)
   {
      constexpr std::int64_t missing = 128, top = 255;
      std::vector<std::int64_t> values{missing};
      for (std::size_t k = 0; k < knots.size(); ++k)
         values.push_back(top * static_cast<std::int64_t>(k) / std::max<std::int64_t>(static_cast<std::int64_t>(knots.size()) - 1, 1));
      std::vector<std::int64_t> table = table_of(knots, values);
      table.resize(table.size() + 3); // four bytes are read from each on
      return {table.begin(), table.end()};
   }

   void add_predictor(const Predictor &spec)
   {
      const auto at = fNames.features.find(spec.feature);
      require(at != fNames.features.end(), "predictors and features differ", spec.feature);
      const std::size_t feature = at->second;
      require(std::find(fOrder.begin(), fOrder.end(), feature) == fOrder.end(), "a feature is predicted twice");
      fOrder.push_back(feature);
      OpenPredictor &out = fPredictors[feature];
      out.spec = &spec;
      out.fine = sum_of(spec.constant + 32, spec.terms); // half of 1/64: rounds
      if (spec.widths) {
         out.widths = sum_of(spec.widths->constant, spec.widths->terms);
         out.classes = Classes(spec.widths->edges);
      }
      if (spec.base)
         out.base.emplace(*spec.base, fNames);
      out.period = spec.period;
      for (const TableSum *sum : {&out.fine, &out.widths})
         for (const TableSum::Part &part : sum->parts)
            look_at(fSources[part.source].column, feature);
      if (out.base)
         look_at(*out.base, feature);
   }

   void look_at(const OpenColumn &column, std::size_t feature)
   {
      OpenPredictor &out = fPredictors[feature];
      for (std::size_t need : column.needs()) {
         out.ranked |= need == feature;
         if (need != feature)
            out.needs.push_back(need);
      }
      if (column.is_given())
         out.given.push_back(column.given);
      if (column.kind == OpenColumn::Kind::kLatent)
         fPredictors[column.feature].wants_latent = true;
      if (column.kind == OpenColumn::Kind::kOffBefore)
         fPredictors[column.target].wants_latent = true;
   }

   void add_carriers()
   {
      fCarried.resize(fPredictors.size());
      for (std::size_t feature = fBranches; feature < fPredictors.size(); ++feature)
         fCarried[carrier(feature)].push_back(feature);
   }

   /// Without its tables yet.
   TableSum sum_of(std::int64_t constant, const std::vector<Term> &terms)
   {
      TableSum out;
      out.constant = constant;
      for (const Term &term : terms) {
         out.parts.push_back({term.source, {}, {}});
         fSources[term.source].shared = !fUsed.insert(term.source).second;
      }
      return out;
   }

   void expand(std::size_t feature) const
   {
      const std::lock_guard<std::mutex> lock(fMutex);
      if (fExpanded[feature].load(std::memory_order_relaxed))
         return;
      OpenPredictor &out = fPredictors[feature];
      expand(out.spec->terms, out.fine);
      if (out.spec->widths)
         expand(out.spec->widths->terms, out.widths);
      if (out.widths.parts.size() == 1)
         for (std::int64_t value : out.widths.parts[0].table)
            out.class_table.push_back(out.classes.of(out.widths.constant + value));
      fExpanded[feature].store(true, std::memory_order_release);
   }

   void expand(const std::vector<Term> &terms, TableSum &out) const
   {
      for (std::size_t i = 0; i < terms.size(); ++i)
         out.parts[i].table = table_of(fSpec.sources[terms[i].source].knots, terms[i].values);
      out.make_small();
   }

   /// The whole table from its values at knots: straight lines between them, rounded down.
   static std::vector<std::int64_t> table_of(const std::vector<std::int64_t> &knots,
                                             const std::vector<std::int64_t> &values)
   {
      std::vector<std::int64_t> out(static_cast<std::size_t>(knots.back()) + 1, values[0]);
      out[1] = values[1];
      for (std::size_t i = 1; i < knots.size(); ++i) {
         const std::int64_t run = knots[i] - knots[i - 1], rise = values[i + 1] - values[i];
         // rounded down, from one to the next without a division: tables have thousands of entries
         const std::int64_t step = rise / run - (rise % run < 0), rest = rise - step * run;
         std::int64_t value = values[i], over = 0;
         for (std::int64_t x = 1; x <= run; ++x) {
            value += step;
            over += rest;
            const bool more = over >= run;
            value += more;
            over -= more ? run : 0;
            out[static_cast<std::size_t>(knots[i - 1] + x)] = value;
         }
      }
      return out;
   }
};

} // namespace hepae
