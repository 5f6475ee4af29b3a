#include "core/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"

void *rhm_alloc(size_t element_nbytes, size_t n0, size_t n1, size_t n2, const char *what, rhm_error *error) {
    size_t nbytes = element_nbytes;
    if (!rhm_size_mul(&nbytes, n0) || !rhm_size_mul(&nbytes, n1) || !rhm_size_mul(&nbytes, n2) ||
        nbytes > PTRDIFF_MAX - RHM_ALIGNMENT) {
        rhm_fail(error, RHM_NO_MEMORY, "%s: %zu x %zu x %zu elements of %zu bytes exceed the address space", what, n0,
                 n1, n2, element_nbytes);
        return NULL;
    }
    const size_t rounded = (nbytes / RHM_ALIGNMENT + 1) * RHM_ALIGNMENT;
    void *memory = aligned_alloc(RHM_ALIGNMENT, rounded);
    if (!memory) {
        rhm_fail(error, RHM_NO_MEMORY, "%s: the system refused %zu bytes (%zu x %zu x %zu elements of %zu bytes)", what,
                 rounded, n0, n1, n2, element_nbytes);
        return NULL;
    }
    memset(memory, 0, rounded);
    return memory;
}

rhm_status rhm_grow(void **memory, size_t element_nbytes, size_t old_count, size_t new_count, const char *what,
                    rhm_error *error) {
    void *larger = rhm_alloc(element_nbytes, new_count, 1, 1, what, error);
    if (!larger)
        return RHM_NO_MEMORY;
    if (*memory)
        memcpy(larger, *memory, element_nbytes * old_count);
    rhm_free(*memory);
    *memory = larger;
    return RHM_OK;
}

void rhm_free(void *memory) {
    free(memory);
}
