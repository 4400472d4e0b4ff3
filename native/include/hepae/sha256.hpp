// SHA-256, which names schemas and models. Source: FIPS 180-4.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace hepae {

class Sha256 {
public:
   using Digest = std::array<std::uint8_t, 32>;

   /// The 64 hexadecimal digits.
   static std::string digits(const Digest &digest)
   {
      std::string out;
      for (std::uint8_t byte : digest)
         for (int shift : {4, 0})
            out += "0123456789abcdef"[byte >> shift & 15];
      return out;
   }

   static Digest of(std::string_view data)
   {
      Sha256 state;
      std::size_t at = 0;
      for (; data.size() - at >= kBlock; at += kBlock)
         state.add(reinterpret_cast<const std::uint8_t *>(data.data()) + at);
      // the rest, a bit that is set, zeros, and the number of bits
      std::array<std::uint8_t, 2 * kBlock> end{};
      std::size_t size = 0;
      for (char c : data.substr(at))
         end[size++] = static_cast<std::uint8_t>(c);
      end[size] = 0x80;
      const std::size_t all = size + 9 <= kBlock ? kBlock : 2 * kBlock;
      for (std::size_t i = 0; i < 8; ++i)
         end[all - 1 - i] = static_cast<std::uint8_t>(std::uint64_t{8} * data.size() >> (8 * i));
      for (std::size_t i = 0; i < all; i += kBlock)
         state.add(end.data() + i);
      return state.digest();
   }

private:
   static constexpr std::size_t kBlock = 64;

   std::array<std::uint32_t, 8> fState{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

   static std::uint32_t rotated(std::uint32_t x, unsigned bits) { return x >> bits | x << (32 - bits); }

   /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
   static const std::array<std::uint32_t, 64> &constants()
   {
      static const std::array<std::uint32_t, 64> out = [] {
         std::array<std::uint32_t, 64> made{};
         std::size_t count = 0;
         for (unsigned n = 2; count < made.size(); ++n) {
            bool prime = true;
            for (unsigned d = 2; d * d <= n; ++d)
               prime &= n % d != 0;
            if (prime)
               made[count++] = cube_root_bits(n);
         }
         return made;
      }();
      return out;
   }

   /// In integers: the largest r with r^3 <= n * 2^96 is the root in 2^-32.
   static std::uint32_t cube_root_bits(unsigned n)
   {
      __extension__ using Wide = unsigned __int128;
      std::uint64_t root = 0;
      for (int bit = 34; bit >= 0; --bit) {
         const std::uint64_t more = root | std::uint64_t{1} << bit;
         const Wide cube = static_cast<Wide>(more) * more * more;
         root = cube <= static_cast<Wide>(n) << 96 ? more : root;
      }
      return static_cast<std::uint32_t>(root);
   }

   void add(const std::uint8_t *block)
   {
      std::array<std::uint32_t, 64> w{};
      for (std::size_t i = 0; i < 16; ++i)
         w[i] = static_cast<std::uint32_t>(block[4 * i]) << 24 | static_cast<std::uint32_t>(block[4 * i + 1]) << 16 |
                static_cast<std::uint32_t>(block[4 * i + 2]) << 8 | block[4 * i + 3];
      for (std::size_t i = 16; i < 64; ++i) {
         const std::uint32_t a = w[i - 15], b = w[i - 2];
         w[i] = w[i - 16] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) + w[i - 7] +
                (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
      }
      auto [a, b, c, d, e, f, g, h] = fState;
      for (std::size_t i = 0; i < 64; ++i) {
         const std::uint32_t one = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g)) +
                                   constants()[i] + w[i];
         const std::uint32_t two = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
         h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
      }
      const std::array<std::uint32_t, 8> out{a, b, c, d, e, f, g, h};
      for (std::size_t i = 0; i < 8; ++i)
         fState[i] += out[i];
   }

   Digest digest() const
   {
      Digest out{};
      for (std::size_t i = 0; i < out.size(); ++i)
         out[i] = static_cast<std::uint8_t>(fState[i / 4] >> (24 - 8 * (i % 4)));
      return out;
   }
};

} // namespace hepae
