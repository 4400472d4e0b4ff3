#ifndef HEPAE_RUNTIME
#define HEPAE_RUNTIME 1

// What all exported decoders of hepae share. C++17 and its standard library, nothing else; where ROOT's headers are
// found, columns are ROOT::RVec, so that RDataFrame can compute with them. Define HEPAE_STD_VECTOR to have std::vector.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#if !defined(HEPAE_STD_VECTOR) && __has_include(<ROOT/RVec.hxx>)
#include <ROOT/RVec.hxx>
namespace hepae {
template <class T> using Values = ROOT::RVec<T>;
}
#else
namespace hepae {
template <class T> using Values = std::vector<T>;
}
#endif

namespace hepae {

// What the decoder makes of the latents of one event, in the network's own units: [objects][features].
struct Prediction {
  std::uint32_t model = 0;
  std::size_t objects = 0, columns = 0;
  std::vector<float> features;
};

enum class Kind { absolute, relative, integer };

// One feature: its place in the network, the way out of it, and the unit of its corrections.
struct Column {
  std::size_t place;
  bool logarithm;
  double shift, scale, low, high;
  Kind kind;
  double step;
  std::size_t frequent;
  const std::uint64_t *patterns;
};

[[noreturn]] inline void refuse(const std::string &what) { throw std::runtime_error("hepae: " + what); }

// y = x W + b, summed in double, so that the result is closer to the exact one than any allowance for drift.
template <std::size_t In, std::size_t Out>
inline void affine(const float *x, const float (&weights)[In * Out], const float (&bias)[Out], float *y) {
  double sum[Out];
  for (std::size_t j = 0; j < Out; ++j) sum[j] = bias[j];
  for (std::size_t i = 0; i < In; ++i)
    for (std::size_t j = 0; j < Out; ++j) sum[j] += static_cast<double>(x[i]) * static_cast<double>(weights[i * Out + j]);
  for (std::size_t j = 0; j < Out; ++j) y[j] = static_cast<float>(sum[j]);
}

inline float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }
inline float relu(float x) { return x > 0.0f ? x : 0.0f; }
inline float leaky_relu(float x, float alpha) { return x > 0.0f ? x : alpha * x; }
inline float elu(float x, float alpha) { return x > 0.0f ? x : alpha * std::expm1(x); }

// IEEE 754 binary16 from its bits.
inline float half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                   : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return bits >> 15 ? -size : size;
}

// Fixed-point: one product and one sum in single precision, never fused.
inline float fixed_point(float stored, float low, float step) {
  const volatile float product = stored * step;
  return product + low;
}

// RDataFrame gives latents as std::array<T, K> per object, older versions of ROOT as one number after the other.
template <class T> struct Element {
  using type = T;
  static constexpr std::size_t width = 1;
};
template <class T, std::size_t K> struct Element<std::array<T, K>> {
  using type = T;
  static constexpr std::size_t width = K;
};

template <class Model, class Latents> Prediction predict(const Latents &latents, std::uint32_t model) {
  using Item = std::decay_t<decltype(*latents.data())>;
  using Stored = typename Element<Item>::type;
  static_assert(sizeof(Item) == sizeof(Stored) * Element<Item>::width, "latents are not packed");
  const std::size_t numbers = latents.size() * Element<Item>::width;
  if (numbers % Model::latents != 0) refuse("latents of another model");
  Prediction made;
  made.model = model;
  made.objects = numbers / Model::latents;
  made.columns = Model::features;
  made.features.resize(made.objects * Model::features);
  const auto *stored = reinterpret_cast<const Stored *>(latents.data());
  for (std::size_t k = 0; k < made.objects; ++k) {
    float x[Model::latents];
    for (std::size_t j = 0; j < Model::latents; ++j) x[j] = Model::load(stored[k * Model::latents + j], j);
    Model::decode(x, made.features.data() + k * Model::features);
  }
  return made;
}

// Whether the decoder gives, on this machine, what it gave where the model was made; throws where it does not.
template <class Model> bool probed() {
  for (std::size_t k = 0; k < Model::probes; ++k) {
    float y[Model::features];
    Model::decode(Model::probe_latents + k * Model::latents, y);
    for (std::size_t j = 0; j < Model::features; ++j)
      if (!(std::abs(static_cast<double>(y[j]) - Model::probe_features[k * Model::features + j]) <= Model::drift[j]))
        refuse("the decoder's results on this machine are too far from the writer's");
  }
  return true;
}

inline double inverse(const Column &column, float y) {
  const double x = std::min(std::max(static_cast<double>(y), column.low), column.high) / column.scale + column.shift;
  return column.logarithm ? std::exp(std::min(std::max(x, -745.0), 709.78)) : x;
}

template <class T> T from_bits(std::uint64_t bits) {
  if constexpr (std::is_same_v<T, bool>) {
    return bits != 0;
  } else {
    using Pattern = std::conditional_t<
        sizeof(T) == 1, std::uint8_t,
        std::conditional_t<sizeof(T) == 2, std::uint16_t,
                           std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;
    const auto pattern = static_cast<Pattern>(bits);
    T value;
    std::memcpy(&value, &pattern, sizeof value);
    return value;
  }
}

template <class T> T corrected(const Column &column, double x, std::int64_t c) {
  switch (column.kind) {
  case Kind::absolute: return static_cast<T>(x + static_cast<double>(c) * column.step);
  case Kind::relative: return static_cast<T>(x * std::pow(column.step, static_cast<double>(c)));
  default: break;
  }
  const auto anchor = static_cast<std::int64_t>(std::nearbyint(x / column.step)) * static_cast<std::int64_t>(column.step);
  return static_cast<T>(anchor + c);
}

// Each escape is 14 bytes, little-endian: rank of the object (4), feature (2), bit pattern of the value (8).
template <class T, class Escapes, class Place>
std::size_t place_escapes(std::size_t feature, const Escapes &escapes, std::size_t objects, Place place) {
  if (escapes.size() % 14 != 0) refuse("escapes that are not whole");
  std::size_t placed = 0;
  for (std::size_t at = 0; at < escapes.size(); at += 14) {
    const auto number = [&](std::size_t first, std::size_t bytes) {
      std::uint64_t value = 0;
      for (std::size_t i = 0; i < bytes; ++i)
        value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(escapes[at + first + i])) << (8 * i);
      return value;
    };
    if (number(4, 2) != feature) continue;
    if (number(0, 4) >= objects) refuse("an escape of an object that is not there");
    place(static_cast<std::size_t>(number(0, 4)), from_bits<T>(number(6, 8)));
    ++placed;
  }
  return placed;
}

// Values of one feature of one event, from the decoder's prediction, the corrections and the escapes.
template <class T, class Codes, class Escapes>
Values<T> restore(const Column &column, const Prediction &prediction, const Codes &codes, const Escapes &escapes) {
  if (codes.size() != prediction.objects) refuse("corrections and latents differ in number");
  Values<T> values(prediction.objects);
  std::size_t escaped = 0;
  for (std::size_t k = 0; k < prediction.objects; ++k) {
    const auto code = static_cast<std::uint64_t>(codes[k]);
    if (code == 0) {
      ++escaped;
    } else if (code <= column.frequent) {
      values[k] = from_bits<T>(column.patterns[code - 1]);
    } else {
      const auto number = static_cast<std::int64_t>(code - 1 - column.frequent);
      const std::int64_t c = number % 2 ? -(number + 1) / 2 : number / 2;
      values[k] = corrected<T>(column, inverse(column, prediction.features[k * prediction.columns + column.place]), c);
    }
  }
  const std::size_t placed = place_escapes<T>(column.place, escapes, prediction.objects, [&](std::size_t k, T value) {
    if (codes[k] != 0) refuse("escapes and corrections differ");
    values[k] = value;
  });
  if (placed != escaped) refuse("escapes and corrections differ");
  return values;
}

// The same without corrections: what the decoder says, and the values that are not in its domain.
template <class T, class Escapes>
Values<T> uncorrected(const Column &column, const Prediction &prediction, const Escapes &escapes) {
  Values<T> values(prediction.objects);
  for (std::size_t k = 0; k < prediction.objects; ++k) {
    const double x = inverse(column, prediction.features[k * prediction.columns + column.place]);
    if constexpr (std::is_same_v<T, bool>) values[k] = x > 0.5;
    else if constexpr (std::is_integral_v<T>) {
      const double least = static_cast<double>(std::numeric_limits<T>::min());
      values[k] = static_cast<T>(std::min(std::max(std::nearbyint(x), least), static_cast<double>(std::numeric_limits<T>::max())));
    } else values[k] = static_cast<T>(x);
  }
  place_escapes<T>(column.place, escapes, prediction.objects, [&](std::size_t k, T value) { values[k] = value; });
  return values;
}

// The checksum of an event: section 13 of the format, each branch keyed by its number, each value by its place.
inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

inline std::uint64_t key(std::uint64_t j) { return mix((j + 1) * 0x9E3779B97F4A7C15u) | 1u; }

template <class T> std::uint64_t bits_of(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
  } else {
    return static_cast<std::uint64_t>(value);
  }
}

template <class Values> std::uint64_t keyed_sum(std::uint64_t branch, const Values &values) {
  if constexpr (std::is_arithmetic_v<Values>) {
    return (bits_of(values) + 1) * key(branch) * key(0);
  } else {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += (bits_of(values[i]) + 1) * key(i);
    return sum * key(branch);
  }
}

template <class... Branches> void require_check(std::uint32_t check, const Branches &...branches) {
  std::uint64_t sum = 0, number = 0;
  ((sum += keyed_sum(number++, branches)), ...);
  if (static_cast<std::uint32_t>(mix(sum) >> 32) != check) refuse("an event does not carry its checksum");
}

} // namespace hepae

#endif
