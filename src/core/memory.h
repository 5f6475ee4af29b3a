/*
 * Checked sizes and aligned memory. Every array of the library whose size depends on an input is asked for here, so
 * that no product of shapes can wrap around before it reaches the allocator.
 */
#ifndef RHM_CORE_MEMORY_H
#define RHM_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "rhm/status.h"

/* Widest vector register and cache line: arrays start on this boundary. */
enum { RHM_ALIGNMENT = 64 };

/* *product *= factor; false, leaving *product unusable, when the result does not fit. */
static inline bool rhm_size_mul(size_t *product, size_t factor) {
    return !__builtin_mul_overflow(*product, factor, product);
}

/*
 * Zeroed, aligned memory for n0 x n1 x n2 elements. NULL with `error` filled (RHM_NO_MEMORY, naming `what` and the
 * shape) when the size overflows or the system refuses. A zero extent yields a valid pointer. Free with rhm_free.
 */
void *rhm_alloc(size_t element_nbytes, size_t n0, size_t n1, size_t n2, const char *what, rhm_error *error)
    __attribute__((malloc, warn_unused_result));

#define RHM_NEW(type, n0, n1, n2, what, error) ((type *)rhm_alloc(sizeof(type), (n0), (n1), (n2), (what), (error)))

/*
 * Grow *memory (from rhm_alloc, or NULL) from `old_count` to `new_count` elements, keeping the contents and zeroing the
 * rest. On failure *memory stays valid and unchanged.
 */
rhm_status rhm_grow(void **memory, size_t element_nbytes, size_t old_count, size_t new_count, const char *what,
                    rhm_error *error);

void rhm_free(void *memory);

#endif
