/* What the tests of the kernels share: every table that can run here, and memory that is exactly as large as granted.
 */
#ifndef RHM_TESTS_KERNEL_TABLES_H
#define RHM_TESTS_KERNEL_TABLES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "guarded.h"
#include "kernels/kernels.h"
#include "kernels/tables.h"

extern const rhm_kernels rhm_kernels_emulated_4, rhm_kernels_emulated_16;

static rhm_random source = {.seed = 20260119, .stream = 1 << 20};

static inline float uniform(float scale) {
    return scale * (2 * (float)rhm_random_word(&source) * 0x1p-32f - 1);
}

static inline size_t below(size_t bound) {
    return rhm_random_below(&source, (uint32_t)bound);
}

static inline double *doubles(const guarded *g) {
    return g->data;
}

static inline float *floats(const guarded *g) {
    return g->data;
}

static inline guarded guarded_floats(size_t count) {
    return guard(sizeof(float) * count);
}

static inline guarded random_floats(size_t count, float scale) {
    guarded g = guarded_floats(count);
    for (size_t i = 0; i < count; i++)
        floats(&g)[i] = uniform(scale);
    return g;
}

static inline void same_doubles(const double *a, const double *b, size_t count, const char *what, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            fail_msg("%s of %s differs at %zu of %zu: %a, reference %a (seed %llu)", what, name, i, count, a[i], b[i],
                     (unsigned long long)source.seed);
}

/* All tables this CPU can run; the emulated ones stand for code of widths that it may lack. */
enum { TABLES = RHM_ISA_COUNT + 4 };
static inline size_t tables(rhm_kernels out[TABLES]) {
    size_t n = 0;
    out[n++] = rhm_kernels_reference;
    out[n++] = rhm_kernels_emulated_4;
    out[n++] = rhm_kernels_emulated_16;
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        if (rhm_isa_includes(rhm_isa_here(), (rhm_isa)isa))
            out[n++] = rhm_kernels_at((rhm_isa)isa);
    return n;
}

#endif
