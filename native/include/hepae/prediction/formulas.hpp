// Formulas of four-vectors (docs/format/v1.md, section 10.4).
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "../exact.hpp"
#include "known.hpp"
#include "open_column.hpp"

namespace hepae::formulas {

constexpr double kLargestEta = 30;

/// Values of event-level branches: 0 for what is not finite, or absurdly large.
inline double bounded(double value)
{
   return std::fabs(value) < 0x1p40 ? value : 0;
}

inline double cosh(double eta)
{
   return exact::cosh(std::clamp(eta, -kLargestEta, kLargestEta));
}

inline double sinh(double eta)
{
   return exact::sinh(std::clamp(eta, -kLargestEta, kLargestEta));
}

inline double transverse(double x, double y)
{
   return std::sqrt(x * x + y * y);
}

inline double pseudorapidity(double x, double y, double z)
{
   const double a = std::fabs(z) / std::max(transverse(x, y), 1e-12);
   const double size = std::min(exact::log(std::max(a + std::sqrt(a * a + 1), 1.0)), kLargestEta);
   return z < 0 ? -size : size;
}

inline double mass_shell(const Known &known, const OpenColumn &c, std::size_t place, std::size_t p)
{
   const std::int64_t kind = known.at(c.mass_kind, place)[p], first = c.spec->first;
   const auto masses = static_cast<std::int64_t>(c.spec->masses.size());
   const double m = c.spec->masses[static_cast<std::size_t>(std::clamp(kind, first, first + masses - 1) - first)];
   const double x = known.value(c.features[0], place, p), y = known.value(c.features[1], place, p),
                z = known.value(c.features[2], place, p);
   return std::sqrt(((x * x + y * y) + z * z) + m * m);
}

/// A function of the values of some features.
using Formula = double (*)(const double *v);

/// A formula by its name, and how many features it has.
inline Formula named(const std::string &name, std::size_t size)
{
   const auto is = [&](const char *expected, std::size_t arguments) { return name == expected && size == arguments; };
   if (is("energy", 3))
      return [](const double *v) {
         const double p = v[0] * cosh(v[1]);
         return std::sqrt(p * p + v[2] * v[2]);
      };
   if (is("energy_massless", 2))
      return [](const double *v) { return v[0] * cosh(v[1]); };
   if (is("energy_cartesian", 3))
      return [](const double *v) { return std::sqrt((v[0] * v[0] + v[1] * v[1]) + v[2] * v[2]); };
   if (is("energy_cartesian_massive", 4))
      return [](const double *v) { return std::sqrt(((v[0] * v[0] + v[1] * v[1]) + v[2] * v[2]) + v[3] * v[3]); };
   if (is("mass", 3))
      return [](const double *v) {
         const double p = v[0] * cosh(v[1]);
         return std::sqrt(std::max(v[2] - p, 0.0) * (v[2] + p));
      };
   if (is("px", 2))
      return [](const double *v) { return v[0] * exact::cos(v[1]); };
   if (is("py", 2))
      return [](const double *v) { return v[0] * exact::sin(v[1]); };
   if (is("pz", 2))
      return [](const double *v) { return v[0] * sinh(v[1]); };
   if (is("py_along", 3))
      return [](const double *v) {
         const double cosine = exact::cos(v[2]);
         return v[0] * (exact::sin(v[1]) / (cosine == 0 ? 1 : cosine));
      };
   if (is("py_across", 3))
      return [](const double *v) {
         const double length = std::sqrt(std::max(v[1] * v[1] - v[0] * v[0], 0.0));
         return exact::sin(v[2]) < 0 ? -length : length;
      };
   if (is("pz_cartesian", 3))
      return [](const double *v) { return transverse(v[0], v[1]) * sinh(v[2]); };
   if (is("pt", 2))
      return [](const double *v) { return transverse(v[0], v[1]); };
   if (is("phi", 2))
      return [](const double *v) { return exact::arctan2(v[1], v[0]); };
   if (is("eta", 3))
      return [](const double *v) { return pseudorapidity(v[0], v[1], v[2]); };
   throw CorruptionError("no such formula: " + name);
}

/// The values of a formula or of a mass shell for the objects of a place.
inline void values(const Known &known, const OpenColumn &c, std::size_t place, Span<double> out)
{
   if (c.kind == OpenColumn::Kind::kMassShell) {
      for (std::size_t p = 0; p < out.size(); ++p)
         out[p] = mass_shell(known, c, place, p);
      return;
   }
   constexpr std::size_t most = 4;
   const Formula formula = named(c.spec->formula, c.features.size());
   const double *of[most] = {};
   for (std::size_t i = 0; i < c.features.size(); ++i) // as many as the formula has
      of[i] = known.values_at(c.features[i], place);
   for (std::size_t p = 0; p < out.size(); ++p) {
      double v[most] = {};
      for (std::size_t i = 0; i < c.features.size(); ++i)
         v[i] = of[i][p];
      out[p] = formula(v);
   }
}

} // namespace hepae::formulas
