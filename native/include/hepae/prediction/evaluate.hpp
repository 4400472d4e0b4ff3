// The integers that columns give the objects of a place (docs/format/v1.md, section 10.4).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "../exact.hpp"
#include "formulas.hpp"
#include "known.hpp"
#include "links.hpp"
#include "open_column.hpp"
#include "sums.hpp"

namespace hepae {

/// Evaluates columns for one place after the other; what is summed over the places before is kept for the next.
class Evaluate {
public:
   explicit Evaluate(const Known &known) : fKnown(&known), fSums(known), fLinks(known) {}

   void column(const OpenColumn &c, std::size_t place, Block out)
   {
      using Kind = OpenColumn::Kind;
      switch (c.kind) {
      case Kind::kHere: return copy(fKnown->at(c.feature, place), out);
      case Kind::kLatent: return copy(fKnown->latents_at(c.feature, place), out);
      case Kind::kNeighbour: return neighbour(c.feature, c.spec->offset, place, out);
      case Kind::kCount: return count(out);
      case Kind::kRank: return fill(static_cast<std::int64_t>(order().rank(place)), out);
      case Kind::kGiven:
      case Kind::kGivenPoint: return given(c, place, out);
      case Kind::kProduct: return product(c, place, out);
      case Kind::kMix: return mix(c, place, out);
      case Kind::kBlend: return blend(c, place, out);
      case Kind::kLeading: return leading(c, place, out);
      case Kind::kNearest: return nearest(c, place, out);
      case Kind::kMother: return fLinks.mother(c, place, out);
      case Kind::kSiblings: return fLinks.siblings(c, place, out);
      case Kind::kRemainder: return fLinks.remainder(c, place, out);
      case Kind::kRowsBefore: return rows_before(c, place, out);
      case Kind::kOffBefore: return off_before(c, place, out);
      case Kind::kWhen: return when(c, place, out);
      case Kind::kApart: return apart(c, place, out);
      case Kind::kCondition: return condition(c, out);
      case Kind::kConditionPoint: return condition_point(c, out);
      case Kind::kFormula:
      case Kind::kMassShell: return formula(c, place, out);
      case Kind::kFormulaOffset: return formula_offset(c, place, out);
      case Kind::kSlope: return slope(c, place, out);
      case Kind::kRecoil:
      case Kind::kRecoilSize:
      case Kind::kRecoilPoint: return fSums.recoil(c, place, out);
      case Kind::kCeiling: return ceiling(c, place, out);
      case Kind::kAxis: return fSums.axis(c, place, out);
      case Kind::kLeft: return fSums.left(c, place, out);
      case Kind::kPredicted:
      case Kind::kPredictedOffset: break;
      }
      throw CorruptionError("a column that cannot be looked at here");
   }

   /// Takes back what was summed over features that are not known any more.
   void forget()
   {
      fSums = Sums(*fKnown);
      fLinks = Links(*fKnown);
   }

private:
   const Known *fKnown;
   Sums fSums;
   Links fLinks;
   std::vector<double> fReals;           ///< values before they become integers
   std::vector<std::int64_t> fOther;     ///< a second column
   std::vector<std::int64_t> fCounts;    ///< objects of the events, by position
   std::vector<std::uint64_t> fDistances;

   const RankOrder &order() const { return *fKnown->order; }
   const OpenLattice &lattice(std::size_t number) const { return (*fKnown->lattices)[number]; }

   static void copy(const std::int64_t *from, Block out) { std::copy(from, from + out.size(), out.begin()); }
   static void fill(std::int64_t value, Block out) { std::fill(out.begin(), out.end(), value); }

   /// Objects of an event: the places that have its position.
   void count(Block out)
   {
      if (fCounts.empty()) {
         fCounts.resize(order().size(0));
         for (std::size_t place = 0; place < order().places(); ++place)
            for (std::size_t p = 0; p < order().size(place); ++p)
               ++fCounts[p];
      }
      copy(fCounts.data(), out);
   }

   void neighbour(std::size_t feature, std::int64_t offset, std::size_t place, Block out) const
   {
      const std::int64_t other = static_cast<std::int64_t>(place) + offset;
      const bool hidden = other < 0 || (offset < 0 && other >= static_cast<std::int64_t>(order().last()));
      const std::size_t size = hidden ? 0 : std::min(out.size(), order().size(static_cast<std::size_t>(other)));
      if (size > 0)
         copy(fKnown->at(feature, static_cast<std::size_t>(other)), out.part(0, size));
      fill(kMissing, out.from(size));
   }

   void given(const OpenColumn &c, std::size_t place, Block out)
   {
      const std::vector<double> &values = fKnown->given[c.given];
      require(!values.empty(), "a linked column is not there");
      const bool point = c.kind == OpenColumn::Kind::kGivenPoint;
      // lattices of given columns follow those of the features
      const OpenLattice &grid = lattice(point ? c.target : fKnown->integers.size() + c.given);
      const std::int64_t without = point ? c.spec->otherwise : kMissing;
      fReals.resize(out.size());
      for (std::size_t p = 0; p < out.size(); ++p)
         fReals[p] = values[order().in_events(place, p)];
      grid.nearest(fReals, out);
      for (std::size_t p = 0; p < out.size(); ++p)
         out[p] = std::isnan(fReals[p]) ? without : out[p];
   }

   void product(const OpenColumn &c, std::size_t place, Block out) const
   {
      fill(0, out);
      for (std::size_t i = 0; i < c.features.size(); ++i) {
         const auto weight = static_cast<std::uint64_t>(c.spec->weights[i]);
         const std::int32_t *logs = fKnown->logs_at(c.features[i], place);
         for (std::size_t p = 0; p < out.size(); ++p)
            out[p] = static_cast<std::int64_t>(static_cast<std::uint64_t>(out[p]) +
                                               weight * static_cast<std::uint64_t>(std::int64_t{logs[p]}));
      }
      for (std::int64_t &one : out)
         one >>= c.spec->shift;
   }

   void mix(const OpenColumn &c, std::size_t place, Block out) const
   {
      constexpr std::int64_t largest = std::int64_t{1} << 40;
      require(!c.features.empty(), "a sum of nothing");
      std::vector<double> weights;
      for (std::int64_t weight : c.spec->weights)
         weights.push_back(static_cast<double>(weight) / std::ldexp(1, static_cast<int>(c.spec->shift)));
      for (std::size_t p = 0; p < out.size(); ++p) {
         double sum = 0;
         for (std::size_t i = 0; i < weights.size(); ++i) {
            const std::int64_t q = std::clamp(fKnown->at(c.features[i], place)[p], -largest, largest);
            const double part = static_cast<double>(q) * weights[i];
            sum = i == 0 ? part + 0.5 : sum + part;
         }
         // weights are any integers: what is too large for an integer becomes the nearest
         out[p] = static_cast<std::int64_t>(std::clamp(std::floor(sum), -0x1p62, 0x1p62));
      }
   }

   void blend(const OpenColumn &c, std::size_t place, Block out)
   {
      fReals.assign(out.size(), c.spec->constant);
      for (std::size_t i = 0; i < c.features.size(); ++i) {
         const double *values = fKnown->values_at(c.features[i], place), factor = c.spec->factors[i];
         for (std::size_t p = 0; p < out.size(); ++p)
            fReals[p] = fReals[p] + values[p] * factor;
      }
      lattice(c.target).nearest(fReals, out);
   }

   void leading(const OpenColumn &c, std::size_t place, Block out) const
   {
      const std::int64_t other = c.spec->place;
      if (other < 0 || other >= static_cast<std::int64_t>(order().rank(place)))
         return fill(kMissing, out);
      copy(fKnown->at(c.feature, static_cast<std::size_t>(other)), out);
   }

   void nearest(const OpenColumn &c, std::size_t place, Block out)
   {
      const std::size_t most = c.spec->most < 0 ? 0 : static_cast<std::size_t>(c.spec->most);
      const std::size_t places = std::min(order().rank(place), most);
      const std::int64_t *here = fKnown->at(c.by, place);
      fill(kMissing, out);
      fDistances.assign(out.size(), INT64_MAX);
      std::uint64_t *least = fDistances.data();
      for (std::size_t other = 0; other < places; ++other) {
         const std::int64_t *by = fKnown->at(c.by, other), *feature = fKnown->at(c.feature, other);
         for (std::size_t p = 0; p < out.size(); ++p) {
            const std::uint64_t there = static_cast<std::uint64_t>(here[p]) - static_cast<std::uint64_t>(by[p]);
            const std::uint64_t distance = static_cast<std::int64_t>(there) < 0 ? 0 - there : there;
            if (distance < least[p]) {
               least[p] = distance;
               out[p] = feature[p];
            }
         }
      }
   }

   void rows_before(const OpenColumn &c, std::size_t place, Block out)
   {
      const std::size_t rank = order().rank(place);
      fReals.assign(out.size(), 0);
      if (rank < c.spec->constants.size()) {
         std::fill(fReals.begin(), fReals.end(), 0 + c.spec->constants[rank]);
         for (std::size_t other = 0; other < c.spec->factors_before[rank].size(); ++other) {
            const double *values = fKnown->values_at(c.target, other), factor = c.spec->factors_before[rank][other];
            for (std::size_t p = 0; p < out.size(); ++p)
               fReals[p] = fReals[p] + values[p] * factor;
         }
      }
      lattice(c.target).nearest(fReals, out);
   }

   void off_before(const OpenColumn &c, std::size_t place, Block out)
   {
      const std::size_t rank = order().rank(place);
      const std::vector<double> &scales = c.spec->scales;
      if (rank == 0 || rank >= scales.size())
         return fill(kMissing, out);
      const auto most = static_cast<std::size_t>(c.spec->most);
      const std::size_t first = rank - std::min(rank, most);
      fReals.assign(out.size(), 0);
      for (std::size_t other = first; other < rank; ++other) {
         const std::int64_t *latents = fKnown->latents_at(c.target, other);
         for (std::size_t p = 0; p < out.size(); ++p)
            fReals[p] += std::abs(static_cast<double>(latents[p])) / scales[other];
      }
      for (std::size_t p = 0; p < out.size(); ++p)
         out[p] = exact::octaves(fReals[p] / static_cast<double>(rank - first) * scales[rank]);
   }

   void when(const OpenColumn &c, std::size_t place, Block out)
   {
      column(c.inner[0], place, out);
      const std::size_t rank = order().rank(place);
      // objects with a later one in the next place come first
      const std::size_t followed = place < order().last() ? std::min(out.size(), order().size(place + 1)) : 0;
      if (c.spec->which == "last")
         fill(kMissing, out.part(0, followed));
      else if ((rank == 0) != (c.spec->which == "first"))
         fill(kMissing, out);
   }

   void apart(const OpenColumn &c, std::size_t place, Block out)
   {
      column(c.inner[0], place, out);
      fOther.resize(out.size());
      const Block below(fOther);
      column(c.base[0], place, below);
      const std::int64_t length = c.spec->length;
      for (std::size_t p = 0; p < out.size(); ++p) {
         const bool missing = out[p] == kMissing || below[p] == kMissing;
         auto d = static_cast<std::int64_t>(static_cast<std::uint64_t>(out[p]) - static_cast<std::uint64_t>(below[p]));
         if (length > 0) {
            d = (d + length / 2) % length;
            d = (d < 0 ? d + length : d) - length / 2;
         }
         out[p] = missing ? kMissing : d;
      }
   }

   void condition(const OpenColumn &c, Block out) const
   {
      for (std::size_t p = 0; p < out.size(); ++p) {
         const double value = fKnown->conditions[c.condition][order().event(p)];
         if (!std::isfinite(value))
            out[p] = kMissing;
         else if (c.spec->scale)
            out[p] = static_cast<std::int64_t>(std::rint(std::clamp(value * *c.spec->scale, -0x1p40, 0x1p40)));
         else
            out[p] = exact::octaves(value);
      }
   }

   void condition_point(const OpenColumn &c, Block out) const
   {
      for (std::size_t p = 0; p < out.size(); ++p)
         out[p] = lattice(c.target).nearest(formulas::bounded(fKnown->conditions[c.condition][order().event(p)]));
   }

   void formula(const OpenColumn &c, std::size_t place, Block out)
   {
      fReals.resize(out.size());
      formulas::values(*fKnown, c, place, fReals);
      lattice(c.target).nearest(fReals, out);
   }

   void formula_offset(const OpenColumn &c, std::size_t place, Block out)
   {
      const OpenColumn &point = c.inner[0];
      const OpenLattice &grid = lattice(point.target);
      fReals.resize(out.size());
      formulas::values(*fKnown, point, place, fReals);
      grid.nearest(fReals, out);
      for (std::size_t p = 0; p < out.size(); ++p) {
         const std::int64_t here = out[p];
         const double above = fKnown->centre(point.target, here + 1), below = fKnown->centre(point.target, here - 1);
         const double spacing = std::max(above - below, exact::kSmallest);
         const double offset = 128 * (fReals[p] - fKnown->centre(point.target, here)) / spacing;
         out[p] = std::isfinite(offset) ? static_cast<std::int64_t>(std::floor(std::clamp(offset, -128.0, 127.0))) : 0;
      }
   }

   void slope(const OpenColumn &c, std::size_t place, Block out) const
   {
      for (std::size_t p = 0; p < out.size(); ++p) {
         const double sine = fKnown->values_at(c.phi, place, Function::kSin)[p];
         const double cosine = fKnown->values_at(c.phi, place, Function::kCos)[p];
         out[p] = exact::octaves(sine) - exact::octaves(cosine);
      }
   }

   void ceiling(const OpenColumn &c, std::size_t place, Block out)
   {
      const OpenColumn &recoil = c.inner[0];
      fOther.resize(out.size());
      const Block before(fOther);
      fSums.recoil_point(recoil, place, out);
      neighbour(recoil.pt, -1, place, before);
      for (std::size_t p = 0; p < out.size(); ++p) {
         const bool lower = out[p] == kMissing || (before[p] != kMissing && before[p] < out[p]);
         const std::int64_t least = lower ? before[p] : out[p];
         out[p] = least == kMissing ? 0 : least;
      }
   }
};

} // namespace hepae
