// Frames: the bytes of one feature of a chunk (docs/format/v1.md, sections 8.2 and 8.3).
#pragma once

#include <cstdint>

#include "checksum.hpp"
#include "limits.hpp"
#include "span.hpp"
#include "varint.hpp"

namespace hepae {

enum class FrameCodec : std::uint8_t { kLifting = 1, kMasked = 2, kPlain = 3 };

/// The parts of a frame, which are views of its bytes.
struct Frame {
   FrameCodec codec = FrameCodec::kPlain;
   std::uint32_t model = 0; ///< first 4 bytes of the SHA-256 of the model, little endian
   std::uint32_t chunk = 0, content = 0;
   std::uint64_t feature = 0, events = 0, objects = 0;
   Bytes escaped, override, payload;
   std::uint64_t digest = 0; ///< checksum of all before the place checksum
   std::uint16_t place = 0;
};

namespace frame {

constexpr std::uint8_t kMagic = 0x68;
constexpr std::size_t kFixed = 14, kPlace = 2, kEnd = 4, kShortest = kFixed + 3 + kPlace + kEnd;
constexpr unsigned kExtras = 8;

inline std::uint32_t number(Bytes bytes, std::size_t at, std::size_t size)
{
   std::uint32_t out = 0;
   for (std::size_t i = 0; i < size; ++i)
      out |= static_cast<std::uint32_t>(bytes[at + i]) << (8 * i);
   return out;
}

inline std::uint64_t checksum_of(Bytes bytes)
{
   Checksum checksum;
   checksum.add(bytes);
   return checksum.value();
}

inline FrameCodec codec_of(std::uint8_t kind)
{
   require(kind >> 4 == limits::kFormatVersion, "a frame of another version of the format");
   const unsigned codec = kind & 7;
   require(codec >= 1 && codec <= 3, "a frame of an unknown codec");
   return static_cast<FrameCodec>(codec);
}

} // namespace frame

/// Checks the bytes of a frame and takes them apart.
inline Frame parse_frame(Bytes data)
{
   require(data.size() >= frame::kShortest, "a frame is cut short");
   require(data[0] == frame::kMagic, "no frame of hepae");
   Frame out;
   out.codec = frame::codec_of(data[1]);
   const Bytes tied = data.part(0, data.size() - frame::kEnd);
   const Bytes body = tied.part(0, tied.size() - frame::kPlace);
   const std::uint32_t own = frame::number(data, tied.size(), frame::kEnd);
   require(static_cast<std::uint32_t>(frame::checksum_of(tied)) == own, "a frame does not carry its checksum");
   out.model = frame::number(data, 2, 4);
   out.chunk = frame::number(data, 6, 4);
   out.content = frame::number(data, 10, 4);
   out.place = static_cast<std::uint16_t>(frame::number(data, body.size(), frame::kPlace));
   out.digest = frame::checksum_of(body);
   std::size_t at = frame::kFixed;
   for (std::uint64_t *one : {&out.feature, &out.events, &out.objects})
      *one = read_varint(body, at);
   const bool extras = data[1] & frame::kExtras;
   const std::uint64_t escaped = extras ? read_varint(body, at) : 0, override = extras ? read_varint(body, at) : 0;
   require(out.events <= limits::kEvents && out.objects <= limits::kObjects, "a frame of too many objects");
   require(escaped <= limits::kPayloadBytes && override <= limits::kPayloadBytes, "a frame is too large");
   out.escaped = body.part(at, static_cast<std::size_t>(escaped));
   out.override = body.part(at + out.escaped.size(), static_cast<std::size_t>(override));
   out.payload = body.from(at + out.escaped.size() + out.override.size());
   return out;
}

} // namespace hepae
