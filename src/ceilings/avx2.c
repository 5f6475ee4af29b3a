/* Eight floats or four doubles a register; target attributes, so that no flag of this file leaks into others. */
#include "ceilings/loops.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET     __attribute__((target("avx2,fma")))
#define LANES      8
#define F32        __m256
#define SET_F32    _mm256_set1_ps
#define LOAD_F32   _mm256_loadu_ps
#define STORE_F32  _mm256_storeu_ps
#define STREAM_F32 _mm256_stream_ps
#define FMA_F32    _mm256_fmadd_ps
#define F64        __m256d
#define SET_F64    _mm256_set1_pd
#define LOAD_F64   _mm256_loadu_pd
#define STORE_F64  _mm256_storeu_pd
#define FMA_F64    _mm256_fmadd_pd
#define BITS       __m256i
#define ZERO_BITS  _mm256_setzero_si256
#define LOAD_BITS  _mm256_load_si256
#define STORE_BITS _mm256_storeu_si256
#define XOR_BITS   _mm256_xor_si256
#define LOOPS      rhm_ceilings_kernels_avx2
#include "ceilings/vector_loops.h"
#endif
