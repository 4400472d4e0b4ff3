// Vectors whose numbers are not set to 0 when they are made: all of them are written before they are read.
#pragma once

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

} // namespace hepae
