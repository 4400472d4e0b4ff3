// A checksum for each event over all that it is restored from (docs/format/v1.md, section 13).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../error.hpp"
#include "../span.hpp"

namespace hepae {

class EventChecks {
public:
   explicit EventChecks(std::size_t events) : fSums(events) {}

   /// The next branch: numbers of `width` bytes, so many in each event.
   void add(Span<const std::int64_t> counts, Bytes numbers, std::size_t width)
   {
      switch (width) {
      case 1: return add_of<std::uint8_t>(counts, numbers);
      case 2: return add_of<std::uint16_t>(counts, numbers);
      case 4: return add_of<std::uint32_t>(counts, numbers);
      case 8: return add_of<std::uint64_t>(counts, numbers);
      default: throw CorruptionError("a branch of numbers that are not looked at");
      }
   }

   std::uint32_t of(std::size_t event) const { return static_cast<std::uint32_t>(mixed(fSums[event]) >> 32); }

private:
   std::vector<std::uint64_t> fSums, fKeys;
   std::size_t fBranches = 0;

   static std::uint64_t mixed(std::uint64_t x)
   {
      x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
      x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
      return x ^ (x >> 31);
   }

   static std::uint64_t key(std::uint64_t j) { return mixed((j + 1) * 0x9E3779B97F4A7C15) | 1; }

   template <class T>
   void add_of(Span<const std::int64_t> counts, Bytes numbers)
   {
      require(counts.size() == fSums.size(), "a branch of other events");
      const std::uint64_t own = key(fBranches++);
      std::size_t at = 0;
      const std::size_t all = numbers.size() / sizeof(T);
      for (std::size_t event = 0; event < counts.size(); ++event) {
         require(counts[event] >= 0 && static_cast<std::uint64_t>(counts[event]) <= all - at, "a branch is cut short");
         const auto n = static_cast<std::size_t>(counts[event]);
         while (fKeys.size() < n)
            fKeys.push_back(key(fKeys.size()));
         std::uint64_t sum = 0;
         for (std::size_t i = 0; i < n; ++i) {
            T word;
            std::memcpy(&word, numbers.data() + (at + i) * sizeof(T), sizeof(T));
            sum += (std::uint64_t{word} + 1) * fKeys[i];
         }
         fSums[event] += sum * own;
         at += n;
      }
      require(at * sizeof(T) == numbers.size(), "a branch of another length");
   }
};

} // namespace hepae
