// Columns of sums over the objects before: balances, axes, what is left (docs/format/v1.md, section 10.4).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "../exact.hpp"
#include "../gather.hpp"
#include "../processor.hpp"
#include "formulas.hpp"
#include "known.hpp"
#include "open_column.hpp"

namespace hepae {

namespace sums {

/// Angles of vectors, from a table.
inline void angles(const double *x, const double *y, Span<double> out)
{
   constexpr std::size_t tile = 256;
   std::int32_t places[tile];
   for (std::size_t done = 0; done < out.size(); done += tile) {
      const std::size_t size = std::min(tile, out.size() - done);
      const double *dx = x + done, *dy = y + done;
      double *to = out.data() + done;
      processor::run([&]() HEPAE_INLINED {
         for (std::size_t p = 0; p < size; ++p)
            places[p] = exact::place_of_angle(dy[p], dx[p]);
      });
      gather(exact::angle_table().data(), places, 0, size, to);
      processor::run([&]() HEPAE_INLINED {
         for (std::size_t p = 0; p < size; ++p)
            to[p] = exact::turned(to[p], dy[p], dx[p]);
      });
   }
}

} // namespace sums

class Sums {
public:
   explicit Sums(const Known &known) : fKnown(&known) {}

   /// The three columns of a recoil.
   void recoil(const OpenColumn &c, std::size_t place, Block out)
   {
      if (c.kind == OpenColumn::Kind::kRecoilPoint)
         return recoil_point(c.inner[0], place, out);
      const bool direction = c.kind == OpenColumn::Kind::kRecoil;
      const OpenColumn &spec = direction ? c : c.inner[0];
      const Pair &balance = balance_at(spec, place);
      if (!direction)
         return sizes(balance, c.spec->relative ? fKnown->values_at(spec.pt, place) : nullptr, out);
      fReals.resize(out.size());
      sums::angles(balance.first.data(), balance.second.data(), fReals);
      lattice(spec.phi).nearest(fReals, out);
   }

   void recoil_point(const OpenColumn &c, std::size_t place, Block out)
   {
      const Pair &balance = balance_at(c, place);
      fReals.resize(out.size());
      for (std::size_t p = 0; p < out.size(); ++p)
         fReals[p] = formulas::transverse(balance.first[p], balance.second[p]);
      lattice(c.pt).nearest(fReals, out);
      for (std::size_t p = 0; p < out.size(); ++p)
         out[p] = fReals[p] > 0 ? out[p] : kMissing;
   }

   void axis(const OpenColumn &c, std::size_t place, Block out)
   {
      const bool centred = !c.spec->centre.empty();
      require(centred == !c.spec->total.empty(), "an axis with half of its total");
      if (!centred && place == 0)
         return std::fill(out.begin(), out.end(), lattice(c.feature).nearest(0));
      const Pair &seen = sums_at(c, place, [&](std::size_t other, std::size_t p, double &pt, double &pull) {
         pt = fKnown->value(c.pt, other, p);
         const double away = fKnown->value(c.feature, other, p) - reference(c, p);
         pull = pt * (c.spec->around ? wrapped(away) : away);
      });
      fReals.resize(out.size());
      for (std::size_t p = 0; p < out.size(); ++p) {
         const double value = reference(c, p) + shift(c, seen, p);
         fReals[p] = c.spec->around ? wrapped(value) : value;
      }
      lattice(c.feature).nearest(fReals, out);
   }

   void left(const OpenColumn &c, std::size_t place, Block out)
   {
      require(c.spec->phi.empty() == c.spec->centre.empty(), "half of an azimuth");
      const Pair &seen = sums_at(c, place, [&](std::size_t other, std::size_t p, double &taken, double &) {
         taken = along(c, other, p);
      });
      const std::size_t rank = order().rank(place);
      for (std::size_t p = 0; p < out.size(); ++p) {
         const double total = condition(c.total, p);
         const double rest = std::max(total - seen.first[p], total * 0x1p-10);
         const double before = rank == 0 ? total : fKnown->value(c.pt, rank - 1, p);
         const double to_come = static_cast<double>(objects_of(p) - rank);
         out[p] = exact::octaves(rest / (std::max(before, exact::kSmallest) * to_come));
      }
   }

private:
   /// Two sums for each event, by its position.
   struct Pair {
      std::size_t ranks = 0; ///< summed
      std::vector<double> first, second;
   };

   static constexpr double kTurn = 2 * exact::kPi;

   const Known *fKnown;
   std::map<const OpenColumn *, Pair> fPairs;
   std::vector<double> fReals; ///< values before they become integers

   const RankOrder &order() const { return *fKnown->order; }
   const OpenLattice &lattice(std::size_t number) const { return (*fKnown->lattices)[number]; }

   static double wrapped(double angle) { return angle - kTurn * exact::rint(angle * (1 / kTurn)); }

   double condition(std::size_t number, std::size_t p) const
   {
      return formulas::bounded(fKnown->conditions[number][order().event(p)]);
   }

   std::size_t objects_of(std::size_t p) const
   {
      std::size_t out = 0;
      while (out < order().places() && p < order().size(out))
         ++out;
      return out;
   }

   /// Sums of two numbers over the objects of ranks before, one after the other.
   template <class OfObject>
   const Pair &sums_at(const OpenColumn &c, std::size_t place, OfObject of_object)
   {
      Pair &pair = fPairs[&c];
      const std::size_t rank = order().rank(place);
      if (pair.first.empty() || rank < pair.ranks) {
         pair.first.assign(order().size(0), 0);
         pair.second.assign(order().size(0), 0);
         pair.ranks = 0;
      }
      for (; pair.ranks < rank; ++pair.ranks)
         for (std::size_t p = 0; p < order().size(pair.ranks); ++p) {
            double first = 0, second = 0;
            of_object(pair.ranks, p, first, second);
            pair.first[p] += first;
            pair.second[p] += second;
         }
      return pair;
   }

   const Pair &balance_at(const OpenColumn &c, std::size_t place)
   {
      Pair &pair = fPairs[&c];
      const std::size_t rank = order().rank(place);
      if (pair.first.empty() || rank < pair.ranks)
         begin_balance(c, pair);
      for (; pair.ranks < rank; ++pair.ranks) {
         const double *t = fKnown->values_at(c.pt, pair.ranks);
         const double *cosine = fKnown->values_at(c.phi, pair.ranks, Function::kCos);
         const double *sine = fKnown->values_at(c.phi, pair.ranks, Function::kSin);
         processor::run([&, size = order().size(pair.ranks)]() HEPAE_INLINED {
            double *x = pair.first.data(), *y = pair.second.data();
            for (std::size_t p = 0; p < size; ++p) {
               x[p] = x[p] - t[p] * cosine[p];
               y[p] = y[p] - t[p] * sine[p];
            }
         });
      }
      return pair;
   }

   void begin_balance(const OpenColumn &c, Pair &pair) const
   {
      pair.first.assign(order().size(0), 0);
      pair.second.assign(order().size(0), 0);
      pair.ranks = 0;
      if (c.spec->met.empty())
         return;
      for (std::size_t p = 0; p < order().size(0); ++p) {
         const double met = condition(c.met, p), angle = condition(c.met_phi, p);
         pair.first[p] = -met * exact::cos(angle);
         pair.second[p] = -met * exact::sin(angle);
      }
   }

   /// Logarithms of squared sizes, over the pt of the objects squared where there is one.
   static void sizes(const Pair &balance, const double *pt, Block out)
   {
      processor::run([&]() HEPAE_INLINED {
         const double *first = balance.first.data(), *second = balance.second.data();
         std::int64_t *to = out.data();
         for (std::size_t p = 0, size = out.size(); p < size; ++p) {
            const double square = first[p] * first[p] + second[p] * second[p];
            const double own = pt ? pt[p] * pt[p] : 1, least = own < exact::kSmallest ? exact::kSmallest : own;
            to[p] = square > 0 ? exact::octaves(square / least) : kMissing;
         }
      });
   }

   double reference(const OpenColumn &c, std::size_t p) const
   {
      return c.spec->centre.empty() ? fKnown->value(c.feature, 0, p) : condition(c.centre, p);
   }

   double shift(const OpenColumn &c, const Pair &seen, std::size_t p) const
   {
      double away;
      if (c.spec->centre.empty()) {
         away = seen.second[p] / std::max(seen.first[p], exact::kSmallest);
      } else {
         const double total = condition(c.total, p);
         const double left = std::max(total - seen.first[p], 0.0) + total * 0.0625;
         away = -seen.second[p] / std::max(left, exact::kSmallest);
      }
      return std::isnan(away) ? -1 : std::clamp(away, -1.0, 1.0);
   }

   /// What an object takes of a total, along it; the cosine is a polynomial.
   double along(const OpenColumn &c, std::size_t place, std::size_t p) const
   {
      const double pt = fKnown->value(c.pt, place, p);
      if (c.spec->phi.empty())
         return pt;
      const double away = wrapped(fKnown->value(c.phi, place, p) - condition(c.centre, p)), square = away * away;
      return pt * (1 - square * (0.5 - square * (1.0 / 24)));
   }
};

} // namespace hepae
