// The one exception that malformed input throws.
#pragma once

#include <stdexcept>
#include <string>

namespace hepae {

/// Bytes that cannot be those of a compressed file. Whatever a file holds, nothing else is thrown because of it.
class CorruptionError : public std::runtime_error {
public:
   explicit CorruptionError(const std::string &what) : std::runtime_error(what) {}
};

/// Out of the way of what calls `require`, so that loops stay short.
[[noreturn]] inline __attribute__((noinline, cold)) void refuse(const char *what)
{
   throw CorruptionError(what);
}

/// Refuse input unless a condition holds.
inline __attribute__((always_inline)) void require(bool holds, const char *what)
{
   if (__builtin_expect(!holds, false))
      refuse(what);
}

inline void require(bool holds, const char *what, const std::string &where)
{
   if (!holds)
      throw CorruptionError(where + ": " + what);
}

} // namespace hepae
