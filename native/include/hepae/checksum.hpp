// XXH3 of 64 bits with seed 0, over parts that follow each other. Source: xxHash specification 0.2.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "processor.hpp"
#include "span.hpp"

namespace hepae {

namespace xxh3 {

constexpr std::uint64_t kPrime32_1 = 0x9E3779B1, kPrime32_2 = 0x85EBCA77, kPrime32_3 = 0xC2B2AE3D;
constexpr std::uint64_t kPrime64_1 = 0x9E3779B185EBCA87, kPrime64_2 = 0xC2B2AE3D27D4EB4F,
                        kPrime64_3 = 0x165667B19E3779F9, kPrime64_4 = 0x85EBCA77C2B2AE63,
                        kPrime64_5 = 0x27D4EB2F165667C5;

/// The default secret of the specification.
constexpr std::uint8_t kSecret[192] = {
   0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
   0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
   0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
   0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
   0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
   0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
   0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
   0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
   0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
   0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
   0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
   0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e};

/// Little-endian numbers: this machine is little endian too.
inline std::uint64_t read64(const std::uint8_t *from)
{
   std::uint64_t out;
   std::memcpy(&out, from, sizeof(out));
   return out;
}

inline std::uint64_t read32(const std::uint8_t *from)
{
   std::uint32_t out;
   std::memcpy(&out, from, sizeof(out));
   return out;
}

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b)
{
   __extension__ using Wide = unsigned __int128;
   const Wide product = static_cast<Wide>(a) * b;
   return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t rotate(std::uint64_t x, int bits)
{
   return x << bits | x >> (64 - bits);
}

inline std::uint64_t avalanche(std::uint64_t h)
{
   h = (h ^ h >> 37) * 0x165667919E3779F9;
   return h ^ h >> 32;
}

inline std::uint64_t avalanche64(std::uint64_t h)
{
   h = (h ^ h >> 33) * kPrime64_2;
   h = (h ^ h >> 29) * kPrime64_3;
   return h ^ h >> 32;
}

inline std::uint64_t mix16(const std::uint8_t *in, const std::uint8_t *secret)
{
   return fold(read64(in) ^ read64(secret), read64(in + 8) ^ read64(secret + 8));
}

inline std::uint64_t up_to_16(const std::uint8_t *in, std::size_t n)
{
   if (n > 8) {
      const std::uint64_t low = read64(in) ^ read64(kSecret + 24) ^ read64(kSecret + 32);
      const std::uint64_t high = read64(in + n - 8) ^ read64(kSecret + 40) ^ read64(kSecret + 48);
      return avalanche(n + __builtin_bswap64(low) + high + fold(low, high));
   }
   if (n >= 4) {
      const std::uint64_t both = read32(in + n - 4) + (read32(in) << 32);
      std::uint64_t h = both ^ read64(kSecret + 8) ^ read64(kSecret + 16);
      h = (h ^ rotate(h, 49) ^ rotate(h, 24)) * 0x9FB21C651E98DF25;
      h = (h ^ ((h >> 35) + n)) * 0x9FB21C651E98DF25;
      return h ^ h >> 28;
   }
   if (n == 0)
      return avalanche64(read64(kSecret + 56) ^ read64(kSecret + 64));
   const std::uint64_t first = in[0], middle = in[n / 2], last = in[n - 1];
   const std::uint64_t all = first << 16 | middle << 24 | last | static_cast<std::uint64_t>(n) << 8;
   return avalanche64(all ^ (read32(kSecret) ^ read32(kSecret + 4)));
}

inline std::uint64_t up_to_128(const std::uint8_t *in, std::size_t n)
{
   std::uint64_t h = n * kPrime64_1;
   for (std::size_t i = (n - 1) / 32 + 1; i-- > 0;) // pairs, from the middle to the ends
      h += mix16(in + 16 * i, kSecret + 32 * i) + mix16(in + n - 16 * (i + 1), kSecret + 32 * i + 16);
   return avalanche(h);
}

inline std::uint64_t up_to_240(const std::uint8_t *in, std::size_t n)
{
   std::uint64_t h = n * kPrime64_1;
   for (std::size_t i = 0; i < 8; ++i)
      h += mix16(in + 16 * i, kSecret + 16 * i);
   h = avalanche(h);
   for (std::size_t i = 8; i < n / 16; ++i)
      h += mix16(in + 16 * i, kSecret + 16 * (i - 8) + 3);
   return avalanche(h + mix16(in + n - 16, kSecret + 136 - 17));
}

constexpr std::size_t kStripe = 64, kStripesOfBlock = 16, kShort = 240;

struct Accumulators {
   std::uint64_t lanes[8] = {kPrime32_3, kPrime64_1, kPrime64_2, kPrime64_3,
                             kPrime64_4, kPrime32_2, kPrime64_5, kPrime32_1};

   void add(const std::uint8_t *stripe, const std::uint8_t *secret)
   {
      for (std::size_t i = 0; i < 8; ++i) {
         const std::uint64_t value = read64(stripe + 8 * i), key = value ^ read64(secret + 8 * i);
         lanes[i ^ 1] += value;
         lanes[i] += (key & 0xFFFFFFFF) * (key >> 32);
      }
   }

   /// Stripes that follow each other within a block, of which `before` have been added.
   void add_stripes(const std::uint8_t *stripes, std::size_t number, std::size_t before)
   {
#if HEPAE_HAS_AVX2
      if (processor::has_avx2())
         return add_stripes_with_avx2(stripes, number, before);
#endif
      for (std::size_t i = 0; i < number; ++i)
         add(stripes + i * kStripe, kSecret + 8 * (before + i));
   }

#if HEPAE_HAS_AVX2
   HEPAE_AVX2 static __m256i load(const void *from) { return _mm256_loadu_si256(static_cast<const __m256i *>(from)); }

   HEPAE_AVX2 void add_stripes_with_avx2(const std::uint8_t *stripes, std::size_t number, std::size_t before)
   {
      __m256i halves[2] = {load(lanes), load(lanes + 4)};
      for (std::size_t i = 0; i < number; ++i)
         for (std::size_t half = 0; half < 2; ++half) {
            const __m256i value = load(stripes + i * kStripe + 32 * half);
            const __m256i key = _mm256_xor_si256(value, load(kSecret + 8 * (before + i) + 32 * half));
            const __m256i product = _mm256_mul_epu32(key, _mm256_srli_epi64(key, 32));
            const __m256i neighbours = _mm256_shuffle_epi32(value, _MM_SHUFFLE(1, 0, 3, 2));
            halves[half] = _mm256_add_epi64(halves[half], _mm256_add_epi64(product, neighbours));
         }
      for (std::size_t half = 0; half < 2; ++half)
         _mm256_storeu_si256(reinterpret_cast<__m256i *>(lanes + 4 * half), halves[half]);
   }
#endif

   void scramble()
   {
      for (std::size_t i = 0; i < 8; ++i)
         lanes[i] = (lanes[i] ^ lanes[i] >> 47 ^ read64(kSecret + 128 + 8 * i)) * kPrime32_1;
   }

   std::uint64_t merged(std::uint64_t n) const
   {
      std::uint64_t h = n * kPrime64_1;
      for (std::size_t i = 0; i < 8; i += 2)
         h += fold(lanes[i] ^ read64(kSecret + 11 + 8 * i), lanes[i + 1] ^ read64(kSecret + 19 + 8 * i));
      return avalanche(h);
   }
};

} // namespace xxh3

/// The checksum of bytes that come in parts.
class Checksum {
public:
   void add(Bytes part)
   {
      if (fSize < xxh3::kShort) { // short inputs are hashed in another way, so their bytes are kept
         const std::size_t kept = std::min(part.size(), xxh3::kShort - static_cast<std::size_t>(fSize));
         if (kept)
            std::memcpy(fHead + fSize, part.data(), kept);
      }
      fSize += part.size();
      while (!part.empty()) {
         if (fWaiting == xxh3::kStripe) // more follows: this stripe is not the last
            use(fStripe);
         part = fWaiting || part.size() <= xxh3::kStripe ? buffered(part) : straight(part);
      }
   }

   void add_u32(std::uint32_t value) { add_number(value); }
   void add_u64(std::uint64_t value) { add_number(value); }

   std::uint64_t value() const
   {
      if (fSize <= xxh3::kShort)
         return of_head(static_cast<std::size_t>(fSize));
      std::uint8_t last[xxh3::kStripe]; // overlaps the stripe before
      std::memcpy(last, fBefore + fWaiting, xxh3::kStripe - fWaiting);
      std::memcpy(last + xxh3::kStripe - fWaiting, fStripe, fWaiting);
      xxh3::Accumulators all = fAll;
      all.add(last, xxh3::kSecret + sizeof(xxh3::kSecret) - xxh3::kStripe - 7);
      return all.merged(fSize);
   }

private:
   xxh3::Accumulators fAll;
   std::uint64_t fSize = 0;
   std::size_t fWaiting = 0, fStripes = 0;
   std::uint8_t fHead[xxh3::kShort], fStripe[xxh3::kStripe], fBefore[xxh3::kStripe];

   template <class T>
   void add_number(T value)
   {
      std::uint8_t bytes[sizeof(T)];
      std::memcpy(bytes, &value, sizeof(T));
      add(Bytes(bytes, sizeof(T)));
   }

   std::uint64_t of_head(std::size_t n) const
   {
      if (n <= 16)
         return xxh3::up_to_16(fHead, n);
      return n <= 128 ? xxh3::up_to_128(fHead, n) : xxh3::up_to_240(fHead, n);
   }

   void accumulate(const std::uint8_t *stripes, std::size_t number)
   {
      while (number > 0) {
         const std::size_t now = std::min(number, xxh3::kStripesOfBlock - fStripes);
         fAll.add_stripes(stripes, now, fStripes);
         stripes += now * xxh3::kStripe;
         number -= now;
         fStripes += now;
         if (fStripes == xxh3::kStripesOfBlock) {
            fAll.scramble();
            fStripes = 0;
         }
      }
   }

   void use(const std::uint8_t *stripe)
   {
      accumulate(stripe, 1);
      std::memcpy(fBefore, stripe, xxh3::kStripe);
      fWaiting = 0;
   }

   Bytes buffered(Bytes part)
   {
      const std::size_t taken = std::min(part.size(), xxh3::kStripe - fWaiting);
      std::memcpy(fStripe + fWaiting, part.data(), taken);
      fWaiting += taken;
      return part.from(taken);
   }

   /// Whole stripes but the last, without a copy.
   Bytes straight(Bytes part)
   {
      const std::size_t stripes = (part.size() - 1) / xxh3::kStripe;
      accumulate(part.data(), stripes);
      std::memcpy(fBefore, part.data() + (stripes - 1) * xxh3::kStripe, xxh3::kStripe);
      return part.from(stripes * xxh3::kStripe);
   }
};

} // namespace hepae
