#include "ceilings/chase.h"

#include <math.h>
#include <time.h>

#include "core/philox.h"

enum { CHASE_STREAM = (1 << 18) + 1, WALKS = 36, LEAST_LOADS = 1 << 12, MOST_LOADS = 1 << 14 };

/* A line holds the address of the next one. */
static void **line_at(void *memory, size_t i) {
    return (void **)(void *)((char *)memory + i * RHM_CHASE_LINE_NBYTES);
}

/* Sattolo's shuffle: a permutation that is one cycle. */
void rhm_chase_make(void *memory, size_t nbytes, uint64_t seed) {
    const size_t lines = nbytes / RHM_CHASE_LINE_NBYTES;
    rhm_random random = {.seed = seed, .stream = CHASE_STREAM};
    for (size_t i = 0; i < lines; i++)
        *line_at(memory, i) = line_at(memory, i);
    for (size_t i = lines; i-- > 1;) {
        void **a = line_at(memory, i), **b = line_at(memory, rhm_random_below(&random, (uint32_t)i));
        void *kept = *a;
        *a = *b;
        *b = kept;
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *const *walk(void *const *from, size_t loads) {
    for (size_t i = 0; i < loads; i += 8)
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++)
            from = (void *const *)*from;
    return from;
}

double rhm_chase_seconds(const void *memory, size_t nbytes) {
    const size_t lines = nbytes / RHM_CHASE_LINE_NBYTES;
    if (lines < 2)
        return (double)NAN;
    /* Each walk goes on where the last one ended: beyond the caches it meets lines that none of them holds. */
    const size_t loads = lines < LEAST_LOADS ? LEAST_LOADS : lines < MOST_LOADS ? lines : MOST_LOADS;
    void *const *place = walk((void *const *)memory, loads);
    double least = HUGE_VAL;
    for (int i = 0; i < WALKS; i++) {
        const double begin = now();
        place = walk(place, loads);
        __asm__ volatile("" : : "r"(place));
        least = fmin(least, now() - begin);
    }
    return least / (double)loads;
}
