/*
 * Features of patches whose tokens have phasors (kernels.h): cos + i sin of a patch is the product over its tokens. One
 * token after the other, so that any branching factor is the same loop.
 */
#ifndef RHM_KERNELS_LANES_PHASOR_H
#define RHM_KERNELS_LANES_PHASOR_H

#include "kernels/lanes/phase.h"

/* Where the cosines of part `part` of group `group` are. */
INLINE size_t lanes_at(layout at, size_t group, size_t part) {
    return group * 2 * at.step + part * at.part;
}

/* A register of phasors times another. */
INLINE void rotate(vec *cosine, vec *sine, vec c, vec s) {
    const vec old = *cosine;
    *cosine = vec_fnma(*sine, s, vec_mul(old, c));
    *sine = vec_fma(*sine, c, vec_mul(old, s));
}

/* to = a, or a times b, of `groups` groups of lanes; a and to may be the same. */
INLINE void phasor_row(const float *a, layout a_at, const float *b, layout b_at, float *to, layout at, size_t groups) {
    for (size_t g = 0; g < groups; g++)
        for (size_t part = 0; part < PARTS; part++) {
            const float *from = a + lanes_at(a_at, g, part), *by = b ? b + lanes_at(b_at, g, part) : NULL;
            vec cosine = vec_load_once(from), sine = vec_load_once(from + a_at.step);
            if (by)
                rotate(&cosine, &sine, vec_load_once(by), vec_load_once(by + b_at.step));
            vec_store(to + lanes_at(at, g, part), cosine);
            vec_store(to + lanes_at(at, g, part) + at.step, sine);
        }
}

/* Features of `length` frequencies from k on; x is where the first of them go. */
INLINE void phasor_slice(const gathered *g, size_t k, size_t length, float *x, layout at) {
    const rhm_phase_map *map = g->map;
    const layout row_at = {.step = RHM_LANES, .part = WIDTH};
    const uint32_t *ids = g->rows->ids + g->first * map->tokens;
    for (size_t i = 0; i < g->count; i++, ids += map->tokens, x += at.row) {
        const float *first = rhm_token_phasors(map, ids, 0) + 2 * k;
        if (map->tokens == 1)
            phasor_row(first, row_at, NULL, row_at, x, at, length / RHM_LANES);
        for (size_t t = 1; t < map->tokens; t++) {
            const float *next = rhm_token_phasors(map, ids, t) + 2 * k;
            if (t == 1)
                phasor_row(first, row_at, next, row_at, x, at, length / RHM_LANES);
            else
                phasor_row(x, at, next, row_at, x, at, length / RHM_LANES);
        }
    }
}

#endif
