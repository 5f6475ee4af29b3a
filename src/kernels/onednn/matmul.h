/*
 * The part of oneDNN's C API that the backend uses, the same for oneDNN 2.x and 3.x: matrix products C = A B or
 * C += A B as matmul primitives, and B brought into the layout that a primitive likes best.
 *
 * All functions run on the calling thread alone: a oneDNN call from a serial part of the program would start a team of
 * its own next to the engine's (it runs sequentially only inside a parallel region of more than one thread).
 * Objects may be used by one thread at a time.
 */
#ifndef RHM_KERNELS_ONEDNN_MATMUL_H
#define RHM_KERNELS_ONEDNN_MATMUL_H

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/registry.h"
#include "rhm/status.h"

/* Descriptors of memory became opaque pointers in 3.0; here both are plain values that are destroyed after use. */
typedef dnnl_memory_desc_t rhm_dnnl_desc;

/* A (m, k), B (k, n), C (m, n): floats; strides in floats, columns of C are adjacent. Compared as memory: no padding.
 */
typedef struct rhm_matmul_shape {
    int64_t m, k, n;
    int64_t a_row, a_column;
    int64_t b_row, b_column; /* 0, 0: B is packed */
    int64_t c_row;
    int64_t accumulate; /* 1: C += A B */
} rhm_matmul_shape;

/* A primitive with its arguments, whose addresses are set anew in every run. */
typedef struct rhm_matmul {
    dnnl_primitive_t primitive;
    dnnl_memory_t a, b, c, pad;
    size_t pad_nbytes; /* working memory that a run must be given */
} rhm_matmul;

/* How oneDNN wants a constant B (k, n) to be stored. */
typedef struct rhm_packing {
    rhm_dnnl_desc desc;
    bool made;
    int64_t k, n;
    size_t nbytes;
} rhm_packing;

/*
 * A oneDNN engine for the CPU, its instructions limited to `isa` (which oneDNN keeps per process, so that a narrower
 * level after a wider one is RHM_UNSUPPORTED).
 */
rhm_status rhm_dnnl_open(dnnl_engine_t *out, rhm_isa isa, rhm_error *error);
void rhm_dnnl_close(dnnl_engine_t engine); /* accepts NULL */

rhm_status rhm_dnnl_stream(dnnl_stream_t *out, dnnl_engine_t engine, rhm_error *error);

/* The library that runs, such as "oneDNN 2.6.3". */
enum { RHM_DNNL_NAME_NBYTES = 48 };
void rhm_dnnl_name(char name[RHM_DNNL_NAME_NBYTES]);

/* `packing` describes a packed B and is NULL for others. */
rhm_status rhm_matmul_create(rhm_matmul *out, dnnl_engine_t engine, const rhm_matmul_shape *shape,
                             const rhm_packing *packing, rhm_error *error);
void rhm_matmul_destroy(rhm_matmul *matmul); /* accepts a zeroed one */
rhm_status rhm_matmul_run(const rhm_matmul *matmul, dnnl_stream_t stream, const float *a, const float *b, float *c,
                          void *pad, rhm_error *error);

/*
 * The layout that suits products with m rows, a_row floats apart. The distance matters: oneDNN's fastest AVX-512 code
 * takes dense rows only, and what it packs for itself no other code of its reads but the reference, a thousand times
 * slower.
 */
rhm_status rhm_packing_choose(rhm_packing *out, dnnl_engine_t engine, int64_t m, int64_t k, int64_t n, int64_t a_row,
                              rhm_error *error);
void rhm_packing_destroy(rhm_packing *packing); /* accepts a zeroed one */

/* Store B, given with its strides, in `out` (packing->nbytes). */
rhm_status rhm_packing_pack(const rhm_packing *packing, dnnl_engine_t engine, dnnl_stream_t stream, const float *b,
                            int64_t b_row, int64_t b_column, void *out, rhm_error *error);

#endif
