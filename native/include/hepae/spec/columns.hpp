// What a schema or a manifest says of the columns that predictions look at (docs/format/v1.md, section 10.4).
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../record.hpp"

namespace hepae {

/// A column that gives each object an integer. One struct for all kinds: a kind uses the members that `fields` reads for
/// it, all others stay empty. (A std::variant of thirty structs takes the compiler fifteen times as long.)
struct PredictorColumn {
   enum class Kind {
      kHere,
      kLatent,
      kNeighbour,
      kProduct,
      kMix,
      kCount,
      kRank,
      kCondition,
      kFormula,
      kBlend,
      kFormulaOffset,
      kRecoil,
      kRecoilSize,
      kRecoilPoint,
      kCeiling,
      kWhen,
      kConditionPoint,
      kLeading,
      kNearest,
      kAxis,
      kLeft,
      kMassShell,
      kSlope,
      kApart,
      kGiven,
      kGivenPoint,
      kMother,
      kSiblings,
      kRemainder,
      kRowsBefore,
      kOffBefore,
      kPredicted,
      kPredictedOffset
   };

   Kind kind = Kind::kCount;
   std::string feature, target, by, branch, formula, pt, phi, met, met_phi, total, centre, name, index, part, which;
   std::string kind_feature; ///< of a mass shell: the feature whose integer says which mass
   std::vector<std::string> features;
   std::vector<std::int64_t> weights;              ///< of a product, of a mix
   std::vector<double> factors;                    ///< "weights" of a blend
   std::vector<std::vector<double>> factors_before; ///< "weights" of rows before, by rank
   std::vector<double> masses, constants, scales;
   std::optional<double> scale;
   double constant = 0;
   std::int64_t offset = 0, place = 0, most = 0, shift = 0, first = 0, otherwise = 0, length = 0;
   bool relative = true, around = false, all = false;
   /// "column", "recoil" or "point", and "base": columns inside this; none or one each.
   std::vector<PredictorColumn> inner, base;

   void fields(Record &r)
   {
      kind = kind_of(r.tag());
      read(r);
   }

private:
   static Kind kind_of(const std::string &tag)
   {
      // in the order of Kind
      static constexpr const char *names[] = {
         "here",           "latent",       "neighbour",    "product",  "mix",     "count",           "rank",
         "condition",      "formula",      "blend",        "formula_offset", "recoil", "recoil_size", "recoil_point",
         "ceiling",        "when",         "condition_point", "leading", "nearest", "axis",          "left",
         "mass_shell",     "slope",        "apart",        "given",    "given_point", "mother",      "siblings",
         "remainder",      "rows_before",  "off_before",   "predicted",    "predicted_offset"};
      int number = 0;
      for (const char *name : names) {
         if (tag == name)
            return static_cast<Kind>(number);
         ++number;
      }
      throw CorruptionError("a column that is not known: " + tag);
   }

   /// A column inside this, of one of some kinds.
   static void nested(Record &r, const char *key, std::vector<PredictorColumn> &member, std::vector<Kind> kinds)
   {
      r.need(key, member.emplace_back());
      bool among = false;
      for (Kind kind : kinds)
         among |= member[0].kind == kind;
      require(among, "a column inside a column that cannot be there", key);
   }

   void read(Record &r)
   {
      switch (kind) {
      case Kind::kCount:
      case Kind::kRank: return;
      case Kind::kHere:
      case Kind::kLatent:
      case Kind::kPredicted:
      case Kind::kPredictedOffset: return r.need("feature", feature);
      case Kind::kGiven: return r.need("name", name);
      case Kind::kSlope: return r.need("phi", phi);
      case Kind::kNeighbour: r.need("feature", feature); return r.need("offset", offset);
      case Kind::kLeading: r.need("feature", feature); return r.need("place", place);
      case Kind::kMother: r.need("feature", feature); return r.need("index", index);
      case Kind::kSiblings: r.need("index", index); return r.need("all", all);
      case Kind::kCondition: r.need("branch", branch); return r.may("scale", scale);
      case Kind::kConditionPoint: r.need("target", target); return r.need("branch", branch);
      default: return read_sums(r);
      }
   }

   void read_sums(Record &r)
   {
      switch (kind) {
      case Kind::kProduct:
      case Kind::kMix:
         r.need("features", features);
         r.need("weights", weights);
         r.need("shift", shift);
         require(features.size() == weights.size() && shift >= 0 && shift < 62, "a sum that cannot be");
         return;
      case Kind::kBlend:
         r.need("target", target);
         r.need("features", features);
         r.need("weights", factors);
         r.need("constant", constant);
         require(features.size() == factors.size(), "a sum that cannot be");
         return;
      case Kind::kRowsBefore:
         r.need("target", target);
         r.need("constants", constants);
         r.need("weights", factors_before);
         require(constants.size() == factors_before.size(), "rows before that cannot be");
         for (std::size_t rank = 0; rank < constants.size(); ++rank)
            require(factors_before[rank].size() <= rank, "rows before that cannot be");
         return;
      case Kind::kOffBefore:
         r.need("target", target);
         r.need("scales", scales);
         r.need("most", most);
         require(most > 0, "rows before that cannot be");
         for (double scale : scales)
            require(scale > 0 && std::isfinite(scale), "rows before that cannot be");
         return;
      default: return read_points(r);
      }
   }

   void read_points(Record &r)
   {
      switch (kind) {
      case Kind::kFormula:
         r.need("formula", formula);
         r.need("target", target);
         r.need("features", features);
         return;
      case Kind::kMassShell:
         r.need("target", target);
         r.need("features", features);
         r.need("kind", kind_feature);
         r.need("first", first);
         r.need("masses", masses);
         require(features.size() == 3 && !masses.empty(), "a mass shell that cannot be");
         return;
      case Kind::kGivenPoint:
         r.need("target", target);
         r.need("name", name);
         r.need("otherwise", otherwise);
         return;
      case Kind::kNearest:
         r.need("feature", feature);
         r.need("by", by);
         r.need("most", most);
         return;
      case Kind::kFormulaOffset: return nested(r, "point", inner, {Kind::kFormula, Kind::kMassShell});
      default: return read_events(r);
      }
   }

   void read_events(Record &r)
   {
      switch (kind) {
      case Kind::kRecoil:
         r.need("pt", pt);
         r.need("phi", phi);
         r.may("met", met);
         r.may("met_phi", met_phi);
         return;
      case Kind::kAxis:
         r.need("pt", pt);
         r.need("feature", feature);
         r.may("around", around);
         r.may("total", total);
         r.may("centre", centre);
         return;
      case Kind::kLeft:
         r.need("pt", pt);
         r.need("total", total);
         r.may("phi", phi);
         r.may("centre", centre);
         return;
      case Kind::kRemainder:
         r.need("target", target);
         r.need("index", index);
         r.need("part", part);
         r.may("pt", pt);
         r.may("otherwise", otherwise);
         return;
      default: return read_nested(r);
      }
   }

   void read_nested(Record &r)
   {
      if (kind == Kind::kWhen) {
         r.need("which", which);
         require(which == "first" || which == "later" || which == "last", "objects that are none", which);
         nested(r, "column", inner, {Kind::kCondition, Kind::kNeighbour});
      } else if (kind == Kind::kApart) {
         nested(r, "column", inner,
                {Kind::kHere, Kind::kNeighbour, Kind::kLeading, Kind::kNearest, Kind::kFormula, Kind::kAxis});
         nested(r, "base", base,
                {Kind::kConditionPoint, Kind::kAxis, Kind::kFormula, Kind::kHere, Kind::kNeighbour, Kind::kLeading,
                 Kind::kRecoilPoint, Kind::kMother});
         r.may("length", length);
      } else { // kRecoilSize, kRecoilPoint, kCeiling
         nested(r, "recoil", inner, {Kind::kRecoil});
         if (kind == Kind::kRecoilSize)
            r.may("relative", relative);
      }
   }
};

} // namespace hepae
