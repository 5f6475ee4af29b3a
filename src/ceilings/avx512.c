/* Sixteen floats or eight doubles a register. */
#include "ceilings/loops.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET     __attribute__((target("avx512f")))
#define LANES      16
#define F32        __m512
#define SET_F32    _mm512_set1_ps
#define LOAD_F32   _mm512_loadu_ps
#define STORE_F32  _mm512_storeu_ps
#define STREAM_F32 _mm512_stream_ps
#define FMA_F32    _mm512_fmadd_ps
#define F64        __m512d
#define SET_F64    _mm512_set1_pd
#define LOAD_F64   _mm512_loadu_pd
#define STORE_F64  _mm512_storeu_pd
#define FMA_F64    _mm512_fmadd_pd
#define BITS       __m512i
#define ZERO_BITS  _mm512_setzero_si512
#define LOAD_BITS  _mm512_load_si512
#define STORE_BITS _mm512_storeu_si512
#define XOR_BITS   _mm512_xor_si512
#define LOOPS      rhm_ceilings_kernels_avx512
#include "ceilings/vector_loops.h"
#endif
