// Loops that are compiled twice, for any processor of a kind and for those with AVX2, and chosen when they are called.
//
// The plain form is there always, and says what the other one does. HEPAE_PLAIN leaves the other one out; so does ROOT's
// interpreter, which does not know what the processor has.
#pragma once

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(__CLING__) && !defined(HEPAE_PLAIN)
#include <immintrin.h>
#define HEPAE_HAS_AVX2 1
#define HEPAE_AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define HEPAE_VNNI __attribute__((target("avx2,bmi,bmi2,avx512f,avx512vl,avx512vnni")))
#else
#define HEPAE_HAS_AVX2 0
#endif

#define HEPAE_INLINE inline __attribute__((always_inline))
#define HEPAE_INLINED __attribute__((always_inline)) ///< the same, behind the parameters of a lambda

/// The next loop goes four steps at once.
#if defined(__clang__)
#define HEPAE_UNROLLED _Pragma("unroll 4")
#elif defined(__GNUC__)
#define HEPAE_UNROLLED _Pragma("GCC unroll 4")
#else
#define HEPAE_UNROLLED
#endif

namespace hepae::processor {

/// Whether this processor runs what is marked with HEPAE_AVX2.
inline bool has_avx2()
{
#if HEPAE_HAS_AVX2
   static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
   return has;
#else
   return false;
#endif
}

/// Whether it runs what is marked with HEPAE_VNNI: sums of four products of bytes.
inline bool has_vnni()
{
#if HEPAE_HAS_AVX2
   static const bool has = has_avx2() && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
   return has;
#else
   return false;
#endif
}

#if HEPAE_HAS_AVX2
template <class Loop>
HEPAE_AVX2 void run_with_avx2(const Loop &loop)
{
   loop();
}
#endif

/// Calls a function without parameters that is marked with HEPAE_INLINED, so that the compiler makes both forms of its
/// loops.
template <class Loop>
inline void run(const Loop &loop)
{
#if HEPAE_HAS_AVX2
   if (has_avx2())
      return run_with_avx2(loop);
#endif
   loop();
}

} // namespace hepae::processor
