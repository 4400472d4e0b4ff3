// The lanes of a latent, and the offsets in its bins, for AVX2.
#pragma once

#include "../processor.hpp"

#if HEPAE_HAS_AVX2

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bits.hpp"
#include "nodes.hpp"

namespace hepae::pcodec {

/// Four lanes of tANS in registers. What follows of the bits stands in one of them too, filled up before each row.
template <class L>
class Lanes {
public:
   using States = std::array<std::uint32_t, kLanes>;

   HEPAE_AVX2 HEPAE_INLINE Lanes(const Entry<L> *nodes, const States &states, const std::uint8_t *data, std::size_t at)
      : fNodes(nodes), fA(states[0]), fB(states[1]), fC(states[2]), fD(states[3]), fNext(data + at / 8)
   {
      fill();
      fBits >>= at % 8;
      fThere -= at % 8;
   }

   HEPAE_AVX2 HEPAE_INLINE States states() const
   {
      const auto narrow = [](std::uint64_t state) { return static_cast<std::uint32_t>(state); };
      return {narrow(fA), narrow(fB), narrow(fC), narrow(fD)};
   }
   HEPAE_AVX2 HEPAE_INLINE std::size_t position(const std::uint8_t *data) const
   {
      return 8 * static_cast<std::size_t>(fNext - data) - fThere;
   }

   /// The nodes of the next latents, one of each lane.
   HEPAE_AVX2 HEPAE_INLINE void row(Entry<L> *out)
   {
      fill();
      std::uint64_t used = step(fA, out[0]); // lowest bytes of four nodes add up to less than 256
      used += step(fB, out[1]);
      used += step(fC, out[2]);
      used += step(fD, out[3]);
      fThere -= used & 0xFF;
   }

   /// The same of the first lanes only.
   HEPAE_AVX2 HEPAE_INLINE void row(Entry<L> *out, std::size_t lanes)
   {
      fill();
      std::uint64_t used = lanes > 0 ? step(fA, out[0]) : 0;
      used += lanes > 1 ? step(fB, out[1]) : 0;
      used += lanes > 2 ? step(fC, out[2]) : 0;
      fThere -= used & 0xFF;
   }

private:
   const Entry<L> *fNodes;
   std::uint64_t fA, fB, fC, fD;
   const std::uint8_t *fNext;
   std::uint64_t fBits = 0, fThere = 0; ///< how many of the bits are not from `fNext` on

   /// At least 56 bits are there then. Those beyond them are read again: the same bits.
   HEPAE_AVX2 HEPAE_INLINE void fill()
   {
      std::uint64_t word;
      std::memcpy(&word, fNext, sizeof(word));
      fBits |= word << fThere;
      fNext += (fThere ^ 63) >> 3;
      fThere |= 56;
   }

   /// Instructions take the lowest byte of a node for a number of bits.
   HEPAE_AVX2 HEPAE_INLINE std::uint64_t step(std::uint64_t &state, Entry<L> &out)
   {
      const std::uint64_t node = fNodes[state].all;
      *const_cast<volatile std::uint64_t *>(&out.all) = node; // one by one: compilers would collect four of them first
      state = (node >> 48) + _bzhi_u64(fBits, static_cast<unsigned>(node));
      fBits >>= node & 63;
      return node;
   }
};

/// The low halves of eight numbers of 64 bits.
HEPAE_AVX2 HEPAE_INLINE __m256i low_halves(__m256i a, __m256i b)
{
   const __m256 both = _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), _MM_SHUFFLE(2, 0, 2, 0));
   return _mm256_permute4x64_epi64(_mm256_castps_si256(both), _MM_SHUFFLE(3, 1, 2, 0));
}

/// Latents from their nodes, eight at once, as signed numbers: lower ends, and the offsets in them.
template <class L, class Offsets>
HEPAE_AVX2 HEPAE_INLINE __m256i joined(const Entry<L> *nodes, Offsets &offsets)
{
   const auto *from = reinterpret_cast<const __m256i *>(nodes);
   const __m256i a = _mm256_loadu_si256(from), b = _mm256_loadu_si256(from + 1), low = low_halves(a, b);
   const __m256i widths = _mm256_and_si256(_mm256_srli_epi32(low, 8), _mm256_set1_epi32(0xFF));
   const __m256i inside = offsets.take(widths);
   if constexpr (sizeof(L) == 2)
      return _mm256_srai_epi32(_mm256_add_epi32(low, _mm256_slli_epi32(inside, 16)), 16); // wraps as 16 bits do
   else
      return _mm256_add_epi32(low_halves(_mm256_srli_epi64(a, 16), _mm256_srli_epi64(b, 16)), inside);
}

HEPAE_AVX2 HEPAE_INLINE void put(__m256i eight, std::int32_t *out)
{
   _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), eight);
}
HEPAE_AVX2 HEPAE_INLINE void put(__m256i eight, std::int64_t *out)
{
   auto *to = reinterpret_cast<__m256i *>(out);
   _mm256_storeu_si256(to, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(eight)));
   _mm256_storeu_si256(to + 1, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(eight, 1)));
}

} // namespace hepae::pcodec

#endif
