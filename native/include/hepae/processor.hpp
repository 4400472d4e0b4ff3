// Loops that are compiled twice, for any processor of a kind and for those with AVX2, and chosen when they are called.
//
// The plain form is there always, and says what the other one does. HEPAE_PLAIN leaves the other one out; so does ROOT's
// interpreter, which does not know what the processor has. HEPAE_NO_AVX512 leaves out what only some processors with AVX2 have.
#pragma once

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(__CLING__) && !defined(HEPAE_PLAIN)
#include <immintrin.h>
#define HEPAE_HAS_AVX2 1
#define HEPAE_AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define HEPAE_VNNI __attribute__((target("avx2,bmi,bmi2,avx512f,avx512vl,avx512vnni")))
#define HEPAE_FMA __attribute__((target("avx2,fma,bmi,bmi2")))
#define HEPAE_AVX512 __attribute__((target("avx2,fma,bmi,bmi2,avx512f")))
#else
#define HEPAE_HAS_AVX2 0
#endif

#define HEPAE_INLINE inline __attribute__((always_inline))
#define HEPAE_INLINED __attribute__((always_inline)) ///< the same, behind the parameters of a lambda

/// The next loop goes four steps at once; or all of its few steps, so that an array that it goes through is in registers.
#if defined(__clang__)
#define HEPAE_UNROLLED _Pragma("unroll 4")
#define HEPAE_WITHOUT_LOOP _Pragma("unroll")
#elif defined(__GNUC__)
#define HEPAE_UNROLLED _Pragma("GCC unroll 4")
#define HEPAE_WITHOUT_LOOP _Pragma("GCC unroll 8")
#else
#define HEPAE_UNROLLED
#define HEPAE_WITHOUT_LOOP
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
#if HEPAE_HAS_AVX2 && !defined(HEPAE_NO_AVX512)
   static const bool has = has_avx2() && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
   return has;
#else
   return false;
#endif
}

/// Whether it runs what is marked with HEPAE_FMA: products and sums of floats with one rounding.
inline bool has_fma()
{
#if HEPAE_HAS_AVX2
   static const bool has = has_avx2() && __builtin_cpu_supports("fma");
   return has;
#else
   return false;
#endif
}

/// Whether it runs what is marked with HEPAE_AVX512.
inline bool has_avx512()
{
#if HEPAE_HAS_AVX2 && !defined(HEPAE_NO_AVX512)
   static const bool has = has_fma() && __builtin_cpu_supports("avx512f");
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

#if HEPAE_HAS_AVX2
template <class Loop>
HEPAE_AVX512 void run_with_avx512(const Loop &loop)
{
   loop();
}
#endif

/// The same with a third form for AVX-512, for loops of floats that take most of the time.
template <class Loop>
inline void run_wide(const Loop &loop)
{
#if HEPAE_HAS_AVX2
   if (has_avx512())
      return run_with_avx512(loop);
#endif
   run(loop);
}

} // namespace hepae::processor
