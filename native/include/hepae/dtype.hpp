// Types of numbers, named as in NumPy.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "record.hpp"

namespace hepae {

enum class Dtype : std::uint8_t {
   kBool,
   kInt8,
   kInt16,
   kInt32,
   kInt64,
   kUint8,
   kUint16,
   kUint32,
   kUint64,
   kFloat16,
   kFloat32,
   kFloat64
};

namespace dtype {

struct Facts {
   const char *name;
   std::uint8_t size;
};

/// In the order of `Dtype`.
constexpr std::array<Facts, 12> kFacts{{{"bool", 1},
                                        {"int8", 1},
                                        {"int16", 2},
                                        {"int32", 4},
                                        {"int64", 8},
                                        {"uint8", 1},
                                        {"uint16", 2},
                                        {"uint32", 4},
                                        {"uint64", 8},
                                        {"float16", 2},
                                        {"float32", 4},
                                        {"float64", 8}}};

} // namespace dtype

/// Bytes of a number.
constexpr std::size_t size_of(Dtype type)
{
   return dtype::kFacts[static_cast<std::size_t>(type)].size;
}

inline const char *name_of(Dtype type)
{
   return dtype::kFacts[static_cast<std::size_t>(type)].name;
}

constexpr bool is_float(Dtype type)
{
   return type >= Dtype::kFloat16;
}

/// Integers, which may hold counts: neither booleans nor floats.
constexpr bool is_integer(Dtype type)
{
   return type != Dtype::kBool && !is_float(type);
}

constexpr bool is_signed(Dtype type)
{
   return type >= Dtype::kInt8 && type <= Dtype::kInt64;
}

inline Dtype dtype_of(const std::string &name)
{
   for (std::size_t i = 0; i < dtype::kFacts.size(); ++i)
      if (name == dtype::kFacts[i].name)
         return static_cast<Dtype>(i);
   throw CorruptionError("no dtype: " + name);
}

template <>
struct record::Reader<Dtype> {
   static Dtype read(const Json &json) { return dtype_of(json.string()); }
};

} // namespace hepae
