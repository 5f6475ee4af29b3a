/* What one thread of a trial works on, and its work. */
#ifndef RHM_CEILINGS_LANE_H
#define RHM_CEILINGS_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "ceilings/loops.h"
#include "core/memory.h"

enum {
    CEILINGS_STEPS_PER_ROUND = 1024,
    CEILINGS_MAX_VALUES = CEILINGS_CHAINS * CEILINGS_MAX_LANES,
    CEILINGS_MAX_SEGMENTS = 16,
};

typedef enum rhm_ceilings_kind {
    CEILINGS_FMA_F32,
    CEILINGS_FMA_F64,
    CEILINGS_READ,
    CEILINGS_UPDATE,
    CEILINGS_FILL,
    CEILINGS_FILL_PAST
} rhm_ceilings_kind;

/*
 * The same for all threads. A round of multiply-adds is CEILINGS_STEPS_PER_ROUND steps. A round of the others is one
 * segment: rounds go through the segments in a circle, so that memory larger than the caches stays cold although a
 * trial sees a part of it only.
 */
typedef struct rhm_ceilings_job {
    const rhm_ceilings_kernels *kernels;
    rhm_ceilings_kind kind;
    unsigned arrays;         /* 1 to read or fill, 3 to update, 0 for multiply-adds */
    unsigned segments;       /* of an array */
    uint64_t segment_nbytes; /* whole blocks of CEILINGS_BLOCK_NBYTES */
} rhm_ceilings_job;

typedef struct rhm_ceilings_lane {
    void *memory; /* mapping of memory_nbytes; NULL for multiply-adds */
    uint64_t memory_nbytes;
    char *array[3];
    uint64_t expected[CEILINGS_MAX_SEGMENTS]; /* checksums of the first array */
    uint64_t checksum, wanted;                /* of the last run */
    unsigned cursor;                          /* segment of the next round */
    union {
        float f32[CEILINGS_MAX_VALUES];
        double f64[CEILINGS_MAX_VALUES];
    } values;
    char padding[RHM_ALIGNMENT]; /* neighbours share no cache line */
} rhm_ceilings_lane;

/* To be called by the thread that will use it: memory belongs to who touches it first. False: the system refused
 * memory. */
bool rhm_ceilings_lane_fill(rhm_ceilings_lane *lane, const rhm_ceilings_job *job);
void rhm_ceilings_lane_release(rhm_ceilings_lane *lane); /* accepts a zeroed one */

void rhm_ceilings_lane_run(rhm_ceilings_lane *lane, const rhm_ceilings_job *job, uint64_t rounds);

/* Whether the last run did its work: exactly for reading, by samples of the last segment for updating and filling. */
bool rhm_ceilings_lane_verify(const rhm_ceilings_lane *lane, const rhm_ceilings_job *job, uint64_t rounds);

#endif
