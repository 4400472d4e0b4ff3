// Messages of Protocol Buffers, field by field. Source: protobuf.dev, "Encoding".
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "span.hpp"

namespace hepae::protobuf {

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// A field of a message: a number, or bytes.
struct Field {
   std::uint64_t number = 0;
   Wire wire = Wire::kVarint;
   std::uint64_t value = 0; ///< of a varint, or the bits of what has a fixed size
   Bytes bytes;

   std::string text() const
   {
      require(wire == Wire::kBytes, "a text that is none");
      return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
   }
   Bytes message() const
   {
      require(wire == Wire::kBytes, "a message that is none");
      return bytes;
   }
   float real() const
   {
      require(wire == Wire::kFixed32, "a number that is none");
      const auto bits = static_cast<std::uint32_t>(value);
      float out = 0;
      std::memcpy(&out, &bits, sizeof(out));
      return out;
   }
   std::int64_t integer() const
   {
      require(wire == Wire::kVarint, "an integer that is none");
      return static_cast<std::int64_t>(value);
   }
};

/// Goes through a message.
class Reader {
public:
   explicit Reader(Bytes data) : fData(data) {}

   bool next(Field &field)
   {
      if (fAt == fData.size())
         return false;
      const std::uint64_t key = varint();
      field.number = key >> 3;
      field.wire = static_cast<Wire>(key & 7);
      require(field.number > 0, "a field without number");
      switch (field.wire) {
      case Wire::kVarint: field.value = varint(); break;
      case Wire::kFixed64: field.value = fixed(8); break;
      case Wire::kFixed32: field.value = fixed(4); break;
      case Wire::kBytes: field.bytes = taken(varint()); break;
      default: throw CorruptionError("a field of a kind that is not known"); // groups, which ONNX has none of
      }
      return true;
   }

   /// Integers of a repeated field, packed in bytes.
   std::uint64_t varint()
   {
      std::uint64_t value = 0;
      for (unsigned shift = 0; shift < 64; shift += 7) {
         require(fAt < fData.size(), "a number is cut short");
         const std::uint64_t byte = fData[fAt++];
         value |= (byte & 127) << shift; // of the tenth byte only the lowest bit counts
         if (byte < 128)
            return value;
      }
      throw CorruptionError("a number is too long");
   }
   bool at_end() const { return fAt == fData.size(); }

private:
   Bytes fData;
   std::size_t fAt = 0;

   std::uint64_t fixed(std::size_t size)
   {
      const Bytes bytes = taken(size);
      std::uint64_t out = 0;
      std::memcpy(&out, bytes.data(), size);
      return out;
   }

   Bytes taken(std::uint64_t size)
   {
      require(size <= fData.size() - fAt, "a message is cut short");
      const Bytes out = fData.part(fAt, static_cast<std::size_t>(size));
      fAt += out.size();
      return out;
   }
};

} // namespace hepae::protobuf
