/*
 * A core that errs, between the kernels and everybody who calls them:
 *
 *     RHM_WRONG_CPU=N             processor N flips the lowest bit of one result
 *     RHM_WRONG_OPERATION=NAME    of product, gradient or gram
 *     RHM_WRONG_EVERY=K           in every K-th call there
 *     RHM_SLOW_CPU=N              processor N takes longer for products and gradients,
 *     RHM_SLOW_PERCENT=P          by so much (20)
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernels.h"

rhm_kernels __real_rhm_kernels_at(rhm_isa isa);
rhm_kernels __wrap_rhm_kernels_at(rhm_isa isa);

static atomic_uint calls;

static int number_of(const char *variable, int otherwise) {
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

/* Whether this call of `operation` goes wrong. */
static bool errs(const char *operation) {
    const char *wanted = getenv("RHM_WRONG_OPERATION");
    if (number_of("RHM_WRONG_CPU", -1) != sched_getcpu() || !wanted || strcmp(wanted, operation) != 0)
        return false;
    return atomic_fetch_add(&calls, 1) % (unsigned)number_of("RHM_WRONG_EVERY", 1) == 0;
}

static void flip(void *number) {
    unsigned char byte;
    memcpy(&byte, number, 1);
    byte ^= 1;
    memcpy(number, &byte, 1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* As long again as a share of what has passed since `begin`. */
static void dawdle(int64_t begin) {
    const int64_t lasted = now() - begin;
    if (number_of("RHM_SLOW_CPU", -1) == sched_getcpu())
        for (const int64_t end = begin + lasted + lasted * number_of("RHM_SLOW_PERCENT", 20) / 100; now() < end;)
            ;
}

/* One set of functions for each table, for they cannot be told whose they are. */
#define FAULTY(isa)                                                                                                    \
    static rhm_kernels sound_##isa;                                                                                    \
    static void product_##isa(size_t classes, size_t padded, const float *packed, size_t count, const float *x,        \
                              float *y) {                                                                              \
        const int64_t begin = now();                                                                                   \
        sound_##isa.product(classes, padded, packed, count, x, y);                                                     \
        dawdle(begin);                                                                                                 \
        if (count > 0 && errs("product"))                                                                              \
            flip(y);                                                                                                   \
    }                                                                                                                  \
    static void gradient_##isa(size_t classes, size_t padded, size_t count, const float *r, const float *x,            \
                               double *g) {                                                                            \
        const int64_t begin = now();                                                                                   \
        sound_##isa.gradient(classes, padded, count, r, x, g);                                                         \
        dawdle(begin);                                                                                                 \
        if (count > 0 && errs("gradient"))                                                                             \
            flip(g);                                                                                                   \
    }                                                                                                                  \
    static void gram_##isa(size_t blocks, size_t count, const float *a, const float *b, size_t b_stride, double *c) {  \
        sound_##isa.gram(blocks, count, a, b, b_stride, c);                                                            \
        if (count > 0 && errs("gram"))                                                                                 \
            flip(c);                                                                                                   \
    }

FAULTY(0)
FAULTY(1)
FAULTY(2)
_Static_assert(RHM_ISA_COUNT == 3, "a set of faulty functions for each table");

rhm_kernels __wrap_rhm_kernels_at(rhm_isa isa) {
    rhm_kernels table = __real_rhm_kernels_at(isa);
    rhm_kernels *sound[] = {&sound_0, &sound_1, &sound_2};
    *sound[isa] = table;
    table.product = (void (*[])(size_t, size_t, const float *, size_t, const float *, float *)){product_0, product_1,
                                                                                                product_2}[isa];
    table.gradient = (void (*[])(size_t, size_t, size_t, const float *, const float *, double *)){
        gradient_0, gradient_1, gradient_2}[isa];
    table.gram =
        (void (*[])(size_t, size_t, const float *, const float *, size_t, double *)){gram_0, gram_1, gram_2}[isa];
    return table;
}
