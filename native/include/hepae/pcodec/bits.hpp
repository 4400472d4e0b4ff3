// Bits of packed integers, the lowest first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../buffer.hpp"
#include "../error.hpp"
#include "../fields.hpp"
#include "../span.hpp"

namespace hepae::pcodec {

constexpr std::size_t kBatch = 256, kLanes = 4;

/// Bits, lowest first, of a copy with zeros behind it, so that a batch may be read beyond the end before that is noticed.
class Bits {
public:
   explicit Bits(Bytes data) : fSize(data.size()), fData(data.size() + kPadding)
   {
      std::copy(data.begin(), data.end(), fData.begin());
      std::fill_n(fData.data() + fSize, kPadding, std::uint8_t{0});
   }

   std::uint64_t take(unsigned bits)
   {
      const std::uint64_t out = at(fAt, bits);
      fAt += bits;
      require(byte() <= fSize, "packed integers are cut short");
      return out;
   }

   /// Goes on to the next byte; the bits between are zero.
   void align()
   {
      const unsigned left = static_cast<unsigned>(-fAt & 7);
      require(take(left) == 0, "packed integers hold bits where none should be");
   }

   bool at_end() const { return byte() == fSize; }
   std::size_t position() const { return fAt; }
   const std::uint8_t *data() const { return fData.data(); }

   /// After a batch: it must have ended inside.
   void go_to(std::size_t position)
   {
      fAt = position;
      require(byte() <= fSize, "packed integers are cut short");
   }

   /// At least 57 bits from a position on.
   std::uint64_t word(std::size_t position) const
   {
      return fields::word(fData.data(), position);
   }

   /// Up to 64 bits from a position on.
   std::uint64_t at(std::size_t position, unsigned bits) const
   {
      if (bits <= 57)
         return word(position) & ((std::uint64_t{1} << bits) - 1);
      const std::uint64_t low = word(position) & 0xFFFFFFFF;
      return low | at(position + 32, bits - 32) << 32;
   }

private:
   /// A batch of the widest numbers, with their states, and a word.
   static constexpr std::size_t kPadding = kBatch * (8 + 2) + 16;
   std::size_t fSize, fAt = 0;
   Buffer<std::uint8_t> fData;

   std::size_t byte() const { return (fAt + 7) / 8; }
};

} // namespace hepae::pcodec
