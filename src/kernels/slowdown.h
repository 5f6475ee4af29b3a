/*
 * An injected slow-down, for tests of the performance harness: the kernel named by the CMake option RHM_TEST_SLOWDOWN
 * does part of its work again. Normal builds have no such option set, and what is here is then nothing at all.
 */
#ifndef RHM_KERNELS_SLOWDOWN_H
#define RHM_KERNELS_SLOWDOWN_H

#include <stddef.h>

typedef enum rhm_slowable { RHM_SLOW_NONE, RHM_SLOW_FEATURES, RHM_SLOW_PRODUCT, RHM_SLOW_FORWARD } rhm_slowable;

#ifdef RHM_SLOWED

/*
 * After an operation on `count` patches: how many of them, from the first, to do again now; to be asked until it is 0.
 * Patches are owed one by one and paid in whole register tiles, since single ones would cost more than their share.
 */
static inline size_t rhm_slowdown_due(rhm_slowable kernel, size_t count) {
    enum { TILE = 12 };
    static _Thread_local size_t owed, asked; /* hundredths of a patch; the count that is being paid for */
    if (kernel != RHM_SLOWED || count == 0)
        return 0;
    if (asked != count)
        owed += count * RHM_SLOWED_PERCENT;
    const size_t tile = count < TILE ? count : TILE;
    if (owed < 100 * tile) {
        asked = 0;
        return 0;
    }
    asked = count;
    owed -= 100 * tile;
    return tile;
}

#else

static inline size_t rhm_slowdown_due(rhm_slowable kernel, size_t count) {
    (void)kernel, (void)count;
    return 0;
}

#endif
#endif
