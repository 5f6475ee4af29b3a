/*
 * Phasors of the rows of a table, for patches that repeat them: rhm_phase_map says what they are, README.md when they
 * pay and what they cost in accuracy.
 */
#ifndef RHM_KERNELS_PHASORS_H
#define RHM_KERNELS_PHASORS_H

#include "engine/memory.h"
#include "kernels/kernels.h"

typedef struct rhm_phasors {
    size_t rows;
    rhm_buffer row;   /* (s, rows, rhm_feature_stride(padded)) floats */
    rhm_replica near; /* once per NUMA node */
} rhm_phasors;

/* Whether phasors of so many rows may be kept, if they pay. */
bool rhm_phasors_fit(size_t tokens, size_t padded, size_t rows);

/*
 * Whether features of `count` patches of s `tokens` out of `rows` different ones take less work with phasors. A
 * function of these sizes alone, never of the machine: features made with and without them differ in the last digits,
 * and so do models.
 */
bool rhm_phasors_pay(size_t tokens, size_t embedding, size_t padded, size_t rows, size_t count);

/*
 * Whether weights rotated for each of `runs` runs are less work than the features of `count` patches by their phasors.
 * Likewise a function of these numbers alone.
 */
bool rhm_rotation_pays(size_t classes, size_t count, size_t runs);

/* Floats of a table of phasors. */
static inline double rhm_phasors_floats(size_t tokens, size_t padded, size_t rows) {
    return (double)tokens * (double)rows * (double)rhm_feature_stride(padded);
}

/* Of table (rows, d_e), at each of the map's positions. RHM_NO_MEMORY, with the numbers. */
rhm_status rhm_phasors_make(rhm_phasors *out, const rhm_engine *engine, const rhm_phase_map *map, const float *table,
                            size_t rows, rhm_error *error);
void rhm_phasors_clear(rhm_phasors *phasors, const rhm_engine *engine); /* accepts zeroed ones */

/* The map as thread `thread` should use it. */
static inline rhm_phase_map rhm_phasors_map(const rhm_phasors *phasors, rhm_phase_map map, int thread) {
    if (phasors->row.data) {
        map.phasors = rhm_replica_at(&phasors->near, thread);
        map.phasor_rows = phasors->rows;
    }
    return map;
}

#endif
