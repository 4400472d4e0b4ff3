// Vectors whose numbers are not set to 0 when they are made: all of them are written before they are read.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace hepae {

template <class T>
struct Unset : std::allocator<T> {
   template <class U>
   struct rebind {
      using other = Unset<U>;
   };
   template <class U>
   void construct(U *at) noexcept
   {
      ::new (static_cast<void *>(at)) U;
   }
   template <class U, class... Arguments>
   void construct(U *at, Arguments &&...arguments)
   {
      ::new (static_cast<void *>(at)) U(std::forward<Arguments>(arguments)...);
   }
};

template <class T>
using Buffer = std::vector<T, Unset<T>>;

/// Lets the GNU allocator keep what is freed, up to 31 MB at a time, for the columns of the next chunk: it hands blocks above
/// 128 kB back to the system otherwise, and fresh pages take a fifth of the time of a chunk. It raises that limit to the
/// largest such block that was freed (M_MMAP_THRESHOLD in mallopt(3)). Other allocators are not affected.
inline void keep_freed_memory()
{
   static const bool kept = [] {
      void *volatile block = std::malloc(std::size_t{31} << 20); // never touched
      std::free(block);
      return true;
   }();
   static_cast<void>(kept);
}

} // namespace hepae
