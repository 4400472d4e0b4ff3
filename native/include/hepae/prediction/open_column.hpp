// Columns that predictions look at, with names resolved to numbers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../error.hpp"
#include "../spec/columns.hpp"

namespace hepae {

/// Numbers of what a prediction may look at, by name.
struct Names {
   std::map<std::string, std::size_t, std::less<>> features, given, conditions;
};

struct OpenColumn {
   using Kind = PredictorColumn::Kind;

   const PredictorColumn *spec = nullptr;
   Kind kind = Kind::kCount;
   std::size_t feature = 0, by = 0, index = 0, pt = 0, phi = 0, target = 0, mass_kind = 0;
   std::vector<std::size_t> features;
   std::size_t given = 0, condition = 0, met = 0, met_phi = 0, total = 0, centre = 0;
   std::vector<OpenColumn> inner, base;

   OpenColumn(const PredictorColumn &column, const Names &names) : spec(&column), kind(column.kind)
   {
      feature = number(column.feature, names.features);
      by = number(column.by, names.features);
      index = number(column.index, names.features);
      pt = number(column.pt, names.features);
      phi = number(column.phi, names.features);
      target = number(column.target, names.features);
      mass_kind = number(column.kind_feature, names.features);
      for (const std::string &name : column.features)
         features.push_back(number(name, names.features));
      given = number(column.name, names.given);
      condition = number(column.branch, names.conditions);
      met = number(column.met, names.conditions);
      met_phi = number(column.met_phi, names.conditions);
      total = number(column.total, names.conditions);
      centre = number(column.centre, names.conditions);
      for (const PredictorColumn &one : column.inner)
         inner.emplace_back(one, names);
      for (const PredictorColumn &one : column.base)
         base.emplace_back(one, names);
   }

   /// Whether some objects lack it.
   bool optional() const
   {
      switch (kind) {
      case Kind::kNeighbour:
      case Kind::kCondition:
      case Kind::kRecoilSize:
      case Kind::kRecoilPoint:
      case Kind::kWhen:
      case Kind::kLeading:
      case Kind::kNearest:
      case Kind::kApart:
      case Kind::kGiven:
      case Kind::kMother:
      case Kind::kSiblings:
      case Kind::kOffBefore: return true;
      default: return false;
      }
   }

   /// Features that it looks at.
   std::vector<std::size_t> needs() const
   {
      std::vector<std::size_t> out = features;
      const auto add = [&out](const std::string &name, std::size_t number) {
         if (!name.empty())
            out.push_back(number);
      };
      if (!is_prediction())
         add(spec->feature, feature);
      add(spec->by, by);
      add(spec->index, index);
      add(spec->phi, phi);
      add(spec->kind_feature, mass_kind);
      if (kind != Kind::kRemainder || spec->part == "phi" || spec->part == "eta")
         add(spec->pt, pt);
      if (kind == Kind::kRemainder || kind == Kind::kRowsBefore || kind == Kind::kOffBefore)
         add(spec->target, target);
      for (const std::vector<OpenColumn> *part : {&inner, &base})
         for (const OpenColumn &one : *part)
            for (std::size_t need : one.needs())
               out.push_back(need);
      return out;
   }

   /// Whether it is the prediction of the feature that is decoded, before its residual is known.
   bool is_prediction() const { return kind == Kind::kPredicted || kind == Kind::kPredictedOffset; }

   bool is_given() const { return kind == Kind::kGiven || kind == Kind::kGivenPoint; }

private:
   static std::size_t number(const std::string &name, const std::map<std::string, std::size_t, std::less<>> &among)
   {
      if (name.empty())
         return 0;
      const auto at = among.find(name);
      require(at != among.end(), "a predictor looks at something that is not there", name);
      return at->second;
   }
};

} // namespace hepae
