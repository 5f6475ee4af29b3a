/* How long a load takes whose address the load before it has brought: a walk through memory in random order. */
#ifndef RHM_CEILINGS_CHASE_H
#define RHM_CEILINGS_CHASE_H

#include <stddef.h>
#include <stdint.h>

enum { RHM_CHASE_LINE_NBYTES = 64 };

static inline size_t rhm_chase_whole(uint64_t nbytes) {
    return (size_t)nbytes / RHM_CHASE_LINE_NBYTES * RHM_CHASE_LINE_NBYTES;
}

/* Make one cycle through all lines of `memory` (nbytes, whole lines, aligned to one), the same for every seed. */
void rhm_chase_make(void *memory, size_t nbytes, uint64_t seed);

/* Seconds a load, on the calling thread: the least of some walks of two milliseconds at most, shorter than
 * a slice of the scheduler or the host, after one that warms up. NAN
 * for less than two lines. */
double rhm_chase_seconds(const void *memory, size_t nbytes);

#endif
