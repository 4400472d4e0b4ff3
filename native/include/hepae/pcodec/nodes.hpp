// The decoding table of a latent: tANS, in which a state says a bin and how the next state is made.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "../error.hpp"
#include "bits.hpp"

namespace hepae::pcodec {

constexpr unsigned kLargestTable = 14; ///< bits of a state

template <class L>
struct Bin {
   std::uint32_t weight;
   L lower;
   std::uint8_t offset_bits;
};

/// An entry of the table: how the next state is made, and the bin of this one.
template <class L>
struct Node {
   std::uint8_t bits, offset_bits;
   std::uint16_t base;
   std::uint64_t lower;
};

/// The same in eight bytes: bits, width of the offset, lower end, base of the next state, the lowest first.
template <class L>
struct Packed {
   std::uint64_t all = 0;

   Packed() = default;
   Packed(const Node<L> &node)
      : all(node.bits | std::uint64_t{node.offset_bits} << 8 | (node.lower & 0xFFFFFFFF) << 16 | std::uint64_t{node.base} << 48)
   {
   }
   operator Node<L>() const
   {
      return {static_cast<std::uint8_t>(all), static_cast<std::uint8_t>(all >> 8), static_cast<std::uint16_t>(all >> 48),
              all >> 16 & 0xFFFFFFFF};
   }
};

/// What tables hold: those of 64 bits need more than eight bytes.
template <class L>
using Entry = std::conditional_t<sizeof(L) == 8, Node<L>, Packed<L>>;

/// The table, read from chunk metadata. `bias` is added to all lower ends, modulo 2 to the width of L.
template <class L>
class Nodes {
public:
   Nodes(Bits &bits, L bias) : fSizeLog(static_cast<unsigned>(bits.take(4)))
   {
      const std::size_t count = bits.take(15);
      const bool sensible = fSizeLog <= kLargestTable && count >= 1 && count <= std::size_t{1} << fSizeLog;
      require(sensible && (count > 1 || fSizeLog == 0), "a table of bins that cannot be");
      std::vector<Bin<L>> bins(count);
      std::size_t sum = 0;
      for (Bin<L> &bin : bins) {
         bin.weight = static_cast<std::uint32_t>(bits.take(fSizeLog)) + 1;
         bin.lower = static_cast<L>(bits.take(8 * sizeof(L)) + bias);
         bin.offset_bits = static_cast<std::uint8_t>(bits.take(sizeof(L) == 8 ? 7 : sizeof(L) == 4 ? 6 : 5));
         require(bin.offset_bits <= 8 * sizeof(L), "a bin that is too wide");
         fWidest = std::max<unsigned>(fWidest, bin.offset_bits);
         sum += bin.weight;
      }
      require(sum == std::size_t{1} << fSizeLog, "weights of bins do not add up");
      make(bins);
   }

   unsigned size_log() const { return fSizeLog; }
   unsigned widest() const { return fWidest; } ///< bits of the widest offset
   const Entry<L> *data() const { return fEntries.data(); }

private:
   unsigned fSizeLog, fWidest = 0;
   std::vector<Entry<L>> fEntries;

   void make(const std::vector<Bin<L>> &bins)
   {
      const std::uint32_t size = std::uint32_t{1} << fSizeLog, stride = (3 * size / 5) | 1;
      std::vector<std::uint16_t> symbols(size);
      std::uint32_t step = 0;
      for (std::size_t bin = 0; bin < bins.size(); ++bin)
         for (std::uint32_t i = 0; i < bins[bin].weight; ++i)
            symbols[stride * step++ & (size - 1)] = static_cast<std::uint16_t>(bin);
      std::vector<std::uint32_t> next;
      for (const Bin<L> &bin : bins)
         next.push_back(bin.weight);
      fEntries.resize(size);
      for (std::uint32_t i = 0; i < size; ++i) {
         const Bin<L> &bin = bins[symbols[i]];
         const std::uint32_t state = next[symbols[i]]++;
         const auto read = static_cast<std::uint8_t>(fSizeLog - (31 - static_cast<unsigned>(__builtin_clz(state))));
         fEntries[i] = Node<L>{read, bin.offset_bits, static_cast<std::uint16_t>((state << read) - size), bin.lower};
      }
   }
};

} // namespace hepae::pcodec
