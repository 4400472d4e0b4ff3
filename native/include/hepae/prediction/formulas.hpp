// Formulas of four-vectors (docs/format/v1.md, section 10.4).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "../exact.hpp"
#include "known.hpp"
#include "open_column.hpp"

namespace hepae::formulas {

/// Values of event-level branches: 0 for what is not finite, or absurdly large.
inline double bounded(double value)
{
   return std::fabs(value) < 0x1p40 ? value : 0;
}

inline double transverse(double x, double y)
{
   return std::sqrt(x * x + y * y);
}

inline double pseudorapidity(double x, double y, double z)
{
   const double a = std::fabs(z) / std::max(transverse(x, y), 1e-12);
   const double size = std::min(exact::log(std::max(a + std::sqrt(a * a + 1), 1.0)), known::kLargestEta);
   return z < 0 ? -size : size;
}

inline void mass_shell(const Known &known, const OpenColumn &c, std::size_t place, Span<double> out)
{
   const std::int64_t *kind = known.at(c.mass_kind, place), first = c.spec->first;
   const auto masses = static_cast<std::int64_t>(c.spec->masses.size());
   const double *x = known.values_at(c.features[0], place), *y = known.values_at(c.features[1], place),
                *z = known.values_at(c.features[2], place);
   for (std::size_t p = 0; p < out.size(); ++p) {
      const double m = c.spec->masses[static_cast<std::size_t>(std::clamp(kind[p], first, first + masses - 1) - first)];
      out[p] = std::sqrt(((x[p] * x[p] + y[p] * y[p]) + z[p] * z[p]) + m * m);
   }
}

/// The columns that a formula takes.
using Arguments = std::array<const double *, 4>;

/// A formula by its name: which function of each feature it takes, and what it makes of them for many objects.
struct Formula {
   const char *name;
   std::size_t size;
   std::array<Function, 4> functions;
   void (*values)(const Arguments &v, Span<double> out);
};

template <class OfObject>
void each(Span<double> out, OfObject of_object)
{
   for (std::size_t p = 0; p < out.size(); ++p)
      out[p] = of_object(p);
}

constexpr Function kX = Function::kValue;

inline const Formula kFormulas[] = {
   {"energy", 3, {kX, Function::kCosh, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) {
          const double p = v[0][i] * v[1][i];
          return std::sqrt(p * p + v[2][i] * v[2][i]);
       });
    }},
   {"energy_massless", 2, {kX, Function::kCosh, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return v[0][i] * v[1][i]; });
    }},
   {"energy_cartesian", 3, {kX, kX, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return std::sqrt((v[0][i] * v[0][i] + v[1][i] * v[1][i]) + v[2][i] * v[2][i]); });
    }},
   {"energy_cartesian_massive", 4, {kX, kX, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) {
          return std::sqrt(((v[0][i] * v[0][i] + v[1][i] * v[1][i]) + v[2][i] * v[2][i]) + v[3][i] * v[3][i]);
       });
    }},
   {"mass", 3, {kX, Function::kCosh, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) {
          const double p = v[0][i] * v[1][i];
          return std::sqrt(std::max(v[2][i] - p, 0.0) * (v[2][i] + p));
       });
    }},
   {"px", 2, {kX, Function::kCos, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return v[0][i] * v[1][i]; });
    }},
   {"py", 2, {kX, Function::kSin, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return v[0][i] * v[1][i]; });
    }},
   {"pz", 2, {kX, Function::kSinh, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return v[0][i] * v[1][i]; });
    }},
   {"py_along", 3, {kX, Function::kSin, Function::kCos, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return v[0][i] * (v[1][i] / (v[2][i] == 0 ? 1 : v[2][i])); });
    }},
   {"py_across", 3, {kX, kX, Function::kSin, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) {
          const double length = std::sqrt(std::max(v[1][i] * v[1][i] - v[0][i] * v[0][i], 0.0));
          return v[2][i] < 0 ? -length : length;
       });
    }},
   {"pz_cartesian", 3, {kX, kX, Function::kSinh, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return transverse(v[0][i], v[1][i]) * v[2][i]; });
    }},
   {"pt", 2, {kX, kX, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return transverse(v[0][i], v[1][i]); });
    }},
   {"phi", 2, {kX, kX, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return exact::arctan2(v[1][i], v[0][i]); });
    }},
   {"eta", 3, {kX, kX, kX, kX}, [](const Arguments &v, Span<double> out) {
       each(out, [v](std::size_t i) { return pseudorapidity(v[0][i], v[1][i], v[2][i]); });
    }},
};

/// A formula by its name, and how many features it has.
inline const Formula &named(const std::string &name, std::size_t size)
{
   for (const Formula &formula : kFormulas)
      if (name == formula.name && size == formula.size)
         return formula;
   throw CorruptionError("no such formula: " + name);
}

/// The values of a formula or of a mass shell for the objects of a place.
inline void values(const Known &known, const OpenColumn &c, std::size_t place, Span<double> out)
{
   if (c.kind == OpenColumn::Kind::kMassShell)
      return mass_shell(known, c, place, out);
   const Formula &formula = named(c.spec->formula, c.features.size());
   Arguments arguments{};
   for (std::size_t i = 0; i < formula.size; ++i)
      arguments[i] = known.values_at(c.features[i], place, formula.functions[i]);
   formula.values(arguments, out);
}

} // namespace hepae::formulas
