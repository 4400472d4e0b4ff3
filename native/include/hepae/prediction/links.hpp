// Columns of the row of the same table that an index names, its mother (docs/format/v1.md, section 10.4).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "../exact.hpp"
#include "formulas.hpp"
#include "known.hpp"
#include "open_column.hpp"

namespace hepae {

class Links {
public:
   explicit Links(const Known &known) : fKnown(&known) {}

   void mother(const OpenColumn &c, std::size_t place, Block out)
   {
      const std::int64_t *mothers = mothers_of(c.index).mother.data() + order().start(place);
      const std::int64_t *feature = fKnown->at(c.feature, 0);
      for (std::size_t p = 0; p < out.size(); ++p)
         out[p] = mothers[p] < 0 ? kMissing : feature[mothers[p]];
   }

   void siblings(const OpenColumn &c, std::size_t place, Block out)
   {
      const Family &family = mothers_of(c.index);
      for (std::size_t p = 0; p < out.size(); ++p) {
         const std::size_t i = order().start(place) + p;
         const std::int64_t mother = family.mother[i];
         out[p] = mother < 0 ? kMissing : c.spec->all ? family.children[static_cast<std::size_t>(mother)] : family.before[i];
      }
   }

   void remainder(const OpenColumn &c, std::size_t place, Block out)
   {
      const Family &family = mothers_of(c.index);
      const Remainders &left = left_at(c, family, order().rank(place));
      const std::int64_t *target = fKnown->at(c.target, 0);
      for (std::size_t p = 0; p < out.size(); ++p) {
         const std::size_t i = order().start(place) + p;
         const std::int64_t mother = family.mother[i];
         if (mother < 0)
            out[p] = c.spec->otherwise;
         else if (c.spec->part == "mother" || family.before[i] == 0)
            out[p] = target[mother];
         else
            out[p] = (*fKnown->lattices)[c.target].nearest(left_value(c, left, static_cast<std::size_t>(mother), place, p));
      }
   }

private:
   /// By object in rank order.
   struct Family {
      std::vector<std::int64_t> mother, before, children; ///< -1 without; siblings of smaller place; own children
   };

   /// What each object has left as a mother: one sum, or two components.
   struct Remainders {
      std::size_t ranks = 0; ///< taken in
      std::vector<double> first, second;
   };

   const Known *fKnown;
   std::map<std::size_t, Family> fFamilies;
   std::map<const OpenColumn *, Remainders> fLeft;

   const RankOrder &order() const { return *fKnown->order; }

   const Family &mothers_of(std::size_t index)
   {
      Family &family = fFamilies[index];
      if (family.mother.empty())
         make(index, family);
      return family;
   }

   void make(std::size_t index, Family &family) const
   {
      family.mother.assign(order().objects(), -1);
      family.before.assign(order().objects(), 0);
      family.children.assign(order().objects(), 0);
      for (std::size_t place = 0; place < order().places(); ++place)
         for (std::size_t p = 0; p < order().size(place); ++p) {
            const double row = exact::rint(fKnown->value(index, place, p));
            if (!(row >= 0 && row < static_cast<double>(order().rank(place))))
               continue;
            const std::size_t i = order().start(place) + p;
            const std::size_t mother = order().start(static_cast<std::size_t>(row)) + p;
            family.mother[i] = static_cast<std::int64_t>(mother);
            family.before[i] = family.children[mother]++;
         }
   }

   const Remainders &left_at(const OpenColumn &c, const Family &family, std::size_t rank)
   {
      Remainders &left = fLeft[&c];
      if (left.first.empty() || rank < left.ranks) {
         left.first.assign(order().objects(), 0);
         left.second.assign(order().objects(), 0);
         left.ranks = 0;
      }
      if (c.spec->part != "mother")
         for (; left.ranks < rank; ++left.ranks)
            take_in(c, family, left.ranks, left);
      return left;
   }

   /// The objects of a rank begin with what they are, and take it off their mothers.
   void take_in(const OpenColumn &c, const Family &family, std::size_t rank, Remainders &left) const
   {
      for (std::size_t p = 0; p < order().size(rank); ++p) {
         const std::size_t i = order().start(rank) + p;
         const double u = fKnown->value(c.target, rank, p);
         double first = u, second = 0;
         if (c.spec->part == "phi") {
            const double t = fKnown->value(c.pt, rank, p);
            first = t * fKnown->values_at(c.target, rank, Function::kCos)[p];
            second = t * fKnown->values_at(c.target, rank, Function::kSin)[p];
         } else if (c.spec->part == "eta") {
            first = fKnown->value(c.pt, rank, p) * fKnown->values_at(c.target, rank, Function::kSinh)[p];
         }
         left.first[i] = first;
         left.second[i] = second;
         if (family.mother[i] >= 0) {
            left.first[static_cast<std::size_t>(family.mother[i])] -= first;
            left.second[static_cast<std::size_t>(family.mother[i])] -= second;
         }
      }
   }

   double left_value(const OpenColumn &c, const Remainders &left, std::size_t mother, std::size_t place,
                     std::size_t p) const
   {
      if (c.spec->part == "phi")
         return exact::table_arctan2(left.second[mother], left.first[mother]);
      if (c.spec->part == "eta")
         return formulas::pseudorapidity(fKnown->value(c.pt, place, p), 0, left.first[mother]);
      return left.first[mother];
   }
};

} // namespace hepae
