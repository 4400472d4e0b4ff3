// Raw LZMA2, unpacked into memory of known size. The output is the window, so nothing is copied twice.
// Source: the LZMA specification of Igor Pavlov (lzma-specification.txt) and the LZMA2 description of the .xz format.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "error.hpp"
#include "span.hpp"

namespace hepae {

namespace lzma {

using Probability = std::uint16_t;
constexpr Probability kHalf = 1 << 10; ///< of 2^11

/// Adaptive binary range decoder.
class RangeDecoder {
public:
   explicit RangeDecoder(Bytes data) : fNext(data.begin()), fEnd(data.end())
   {
      require(next() == 0, "LZMA data do not begin with 0");
      for (int i = 0; i < 4; ++i)
         fCode = fCode << 8 | next();
   }

   bool bit(Probability &probability)
   {
      normalise();
      const std::uint32_t bound = (fRange >> 11) * probability;
      if (fCode < bound) {
         fRange = bound;
         probability = static_cast<Probability>(probability + ((2048 - probability) >> 5));
         return false;
      }
      fRange -= bound;
      fCode -= bound;
      probability = static_cast<Probability>(probability - (probability >> 5));
      return true;
   }

   /// Bits of equal probability, highest first.
   std::uint32_t direct(unsigned count)
   {
      std::uint32_t out = 0;
      while (count-- > 0) {
         normalise();
         fRange >>= 1;
         const bool one = fCode >= fRange;
         fCode -= one ? fRange : 0;
         out = out << 1 | one;
      }
      return out;
   }

   /// A number of so many bits, highest first, each with a probability that depends on those before.
   std::uint32_t tree(Probability *probabilities, unsigned bits)
   {
      std::uint32_t at = 1;
      for (unsigned i = 0; i < bits; ++i)
         at = at << 1 | bit(probabilities[at]);
      return at - (std::uint32_t{1} << bits);
   }

   /// The same, lowest bit first.
   std::uint32_t reverse_tree(Probability *probabilities, unsigned bits)
   {
      std::uint32_t at = 1, out = 0;
      for (unsigned i = 0; i < bits; ++i) {
         const std::uint32_t one = bit(probabilities[at]);
         at = at << 1 | one;
         out |= one << i;
      }
      return out;
   }

   void finish()
   {
      normalise();
      require(fCode == 0 && fNext == fEnd, "LZMA data do not end where they should");
   }

private:
   const std::uint8_t *fNext, *fEnd;
   std::uint32_t fRange = 0xFFFFFFFF, fCode = 0;

   std::uint8_t next()
   {
      require(fNext != fEnd, "LZMA data are cut short");
      return *fNext++;
   }

   void normalise()
   {
      if (fRange < (std::uint32_t{1} << 24)) {
         fRange <<= 8;
         fCode = fCode << 8 | next();
      }
   }
};

constexpr unsigned kStates = 12, kPositions = 16;

struct LengthModel {
   Probability choice, choice2, low[kPositions][8], middle[kPositions][8], high[256];

   std::uint32_t decode(RangeDecoder &coder, unsigned position)
   {
      constexpr std::uint32_t shortest = 2;
      if (!coder.bit(choice))
         return shortest + coder.tree(low[position], 3);
      if (!coder.bit(choice2))
         return shortest + 8 + coder.tree(middle[position], 3);
      return shortest + 16 + coder.tree(high, 8);
   }
};

/// All probabilities; nothing else, so that they are reset as one array.
struct Model {
   Probability match[kStates][kPositions], rep[kStates], rep0[kStates], rep1[kStates], rep2[kStates];
   Probability rep0_long[kStates][kPositions];
   Probability slot[4][64], special[128], align[16];
   LengthModel match_length, rep_length;
   Probability literal[16][0x300];

   void reset()
   {
      static_assert(sizeof(Model) % sizeof(Probability) == 0, "an array");
      auto *first = reinterpret_cast<Probability *>(this);
      std::fill(first, first + sizeof(Model) / sizeof(Probability), kHalf);
   }
};

class Decoder {
public:
   Decoder(Bytes in, Span<std::uint8_t> out) : fIn(in), fOut(out) {}

   void run()
   {
      while (const unsigned control = take(1))
         control < 0x80 ? stored(control) : compressed(control);
      require(fIn.empty() && fAt == fOut.size(), "LZMA data hold another number of bytes");
   }

private:
   Bytes fIn;
   Span<std::uint8_t> fOut;
   std::size_t fAt = 0;
   std::size_t fFirst = 0; ///< where the dictionary begins
   bool fHasDictionary = false, fHasProperties = false, fHasState = false;
   unsigned fLiteralContext = 0, fLiteralMask = 0, fPositionMask = 0;
   unsigned fState = 0;
   std::uint32_t fRep[4] = {0, 0, 0, 0};
   Model fModel;

   /// A big-endian number of the input.
   unsigned take(std::size_t bytes)
   {
      unsigned out = 0;
      for (std::uint8_t byte : fIn.part(0, bytes))
         out = out << 8 | byte;
      fIn = fIn.from(bytes);
      return out;
   }

   void reset_dictionary()
   {
      fFirst = fAt;
      fHasDictionary = true;
   }

   void stored(unsigned control)
   {
      require(control <= 2, "an unknown LZMA2 chunk");
      if (control == 1)
         reset_dictionary();
      const std::size_t size = std::size_t{take(2)} + 1;
      require(fHasDictionary && size <= fOut.size() - fAt, "an LZMA2 chunk is too long");
      std::memcpy(fOut.data() + fAt, fIn.part(0, size).data(), size);
      fIn = fIn.from(size);
      fAt += size;
   }

   void compressed(unsigned control)
   {
      const unsigned resets = control >> 5 & 3;
      const std::size_t size = ((control & 0x1F) << 16) + std::size_t{take(2)} + 1;
      const std::size_t packed = std::size_t{take(2)} + 1;
      if (resets == 3)
         reset_dictionary();
      if (resets >= 2)
         set_properties(take(1));
      if (resets >= 1)
         reset_state();
      require(fHasDictionary && fHasState && size <= fOut.size() - fAt, "an LZMA2 chunk that cannot be");
      RangeDecoder coder(fIn.part(0, packed));
      fIn = fIn.from(packed);
      decode(coder, fAt + size);
      coder.finish();
   }

   void set_properties(unsigned byte)
   {
      require(byte < 9 * 5 * 5, "LZMA properties that cannot be");
      const unsigned position = byte / 45, literal_position = byte / 9 % 5;
      fLiteralContext = byte % 9;
      require(fLiteralContext + literal_position <= 4, "LZMA properties that cannot be");
      fLiteralMask = (1u << literal_position) - 1;
      fPositionMask = (1u << position) - 1;
      fHasProperties = true;
   }

   void reset_state()
   {
      require(fHasProperties, "LZMA data without properties");
      fModel.reset();
      fState = 0;
      std::fill(std::begin(fRep), std::end(fRep), 0u);
      fHasState = true;
   }

   void decode(RangeDecoder &coder, std::size_t end)
   {
      while (fAt < end) {
         const unsigned position = static_cast<unsigned>(fAt - fFirst) & fPositionMask;
         if (!coder.bit(fModel.match[fState][position]))
            literal(coder);
         else
            copy(coder.bit(fModel.rep[fState]) ? repeated(coder, position) : matched(coder, position), end);
      }
   }

   void literal(RangeDecoder &coder)
   {
      const std::size_t position = fAt - fFirst;
      const unsigned before = position ? fOut[fAt - 1] : 0;
      const unsigned low = (static_cast<unsigned>(position) & fLiteralMask) << fLiteralContext;
      Probability *probabilities = fModel.literal[low + (before >> (8 - fLiteralContext))];
      unsigned symbol = 1;
      if (fState >= 7) { // after a match: the byte it would have gone on with says something
         require(fRep[0] < position, "LZMA data look before their beginning");
         unsigned match = fOut[fAt - 1 - fRep[0]], offset = 0x100;
         while (symbol < 0x100) {
            match <<= 1;
            const unsigned likely = match & offset;
            const unsigned one = coder.bit(probabilities[offset + likely + symbol]);
            symbol = symbol << 1 | one;
            offset &= one ? match : ~match;
         }
      }
      while (symbol < 0x100)
         symbol = symbol << 1 | coder.bit(probabilities[symbol]);
      fOut[fAt++] = static_cast<std::uint8_t>(symbol);
      fState = fState < 4 ? 0 : fState < 10 ? fState - 3 : fState - 6;
   }

   /// Length of a match at a distance used before.
   std::uint32_t repeated(RangeDecoder &coder, unsigned position)
   {
      if (!coder.bit(fModel.rep0[fState])) {
         if (!coder.bit(fModel.rep0_long[fState][position])) {
            fState = fState < 7 ? 9 : 11;
            return 1;
         }
      } else {
         unsigned which = 1;
         if (coder.bit(fModel.rep1[fState]))
            which = coder.bit(fModel.rep2[fState]) ? 3 : 2;
         std::rotate(fRep, fRep + which, fRep + which + 1);
      }
      fState = fState < 7 ? 8 : 11;
      return fModel.rep_length.decode(coder, position);
   }

   /// Length of a match at a distance of its own.
   std::uint32_t matched(RangeDecoder &coder, unsigned position)
   {
      fState = fState < 7 ? 7 : 10;
      const std::uint32_t length = fModel.match_length.decode(coder, position);
      std::rotate(fRep, fRep + 3, fRep + 4);
      fRep[0] = distance(coder, std::min(length - 2, std::uint32_t{3}));
      return length;
   }

   std::uint32_t distance(RangeDecoder &coder, unsigned of_length)
   {
      const std::uint32_t slot = coder.tree(fModel.slot[of_length], 6);
      if (slot < 4)
         return slot;
      const unsigned bits = slot / 2 - 1;
      const std::uint32_t base = (2 | (slot & 1)) << bits;
      if (slot < 14)
         return base + coder.reverse_tree(fModel.special + base - slot, bits);
      const std::uint32_t high = coder.direct(bits - 4) << 4;
      return base + high + coder.reverse_tree(fModel.align, 4);
   }

   void copy(std::uint32_t length, std::size_t end)
   {
      require(fRep[0] < fAt - fFirst, "LZMA data look before their beginning");
      require(length <= end - fAt, "an LZMA match is too long");
      std::uint8_t *to = fOut.data() + fAt;
      const std::uint8_t *from = to - fRep[0] - 1;
      fAt += length;
      while (length-- > 0) // may overlap: a run repeats itself
         *to++ = *from++;
   }
};

} // namespace lzma

/// Unpacks raw LZMA2 that holds exactly `out.size()` bytes.
inline void unpack_lzma2(Bytes in, Span<std::uint8_t> out)
{
   lzma::Decoder(in, out).run();
}

} // namespace hepae
