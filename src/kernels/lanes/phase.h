/*
 * Features in registers: phases of a few patches by a few frequencies, then their cosines and sines.
 */
#ifndef RHM_KERNELS_LANES_PHASE_H
#define RHM_KERNELS_LANES_PHASE_H

#include "kernels/lanes/lanes.h"
#include "kernels/sincos.h"

enum { MOST_INPUTS = 1024 }; /* s d_e whose values are gathered at a time */
_Static_assert((PHASE_VECTORS * WIDTH) % RHM_LANES == 0, "a phase tile starts at a lane group");
_Static_assert(BLOCK_PATCHES % PHASE_PATCHES == 0 && SLICE % (PHASE_VECTORS * WIDTH) == 0,
               "blocks and slices hold whole tiles");

/* Some patches, their inputs gathered tile by tile so that a tile's are one stream: (inputs, PHASE_PATCHES). */
typedef struct gathered {
    const rhm_phase_map *map;
    const rhm_patch_rows *rows;
    size_t first, count; /* which patches */
    size_t inputs;       /* s d_e */
    size_t from;         /* the first input in `h`; SIZE_MAX: none are */
    float *h;            /* (tiles, MOST_INPUTS, PHASE_PATCHES) */
} gathered;

INLINE gathered gathered_patches(const rhm_phase_map *map, const rhm_patch_rows *rows, size_t first, size_t count,
                                 float *h) {
    return (gathered){map, rows, first, count, map->tokens * map->embedding, SIZE_MAX, h};
}

static void gather(gathered *g, size_t from) {
    const size_t tokens = g->map->tokens, width = g->map->embedding, end = least(g->inputs, from + MOST_INPUTS);
    if (g->from == from)
        return;
    g->from = from;
    for (size_t i = 0; i < g->count; i++) {
        const uint32_t *ids = g->rows->ids + (g->first + i) * tokens;
        float *h = g->h + i / PHASE_PATCHES * PHASE_PATCHES * MOST_INPUTS + i % PHASE_PATCHES;
        for (size_t j = from; j < end;) {
            const float *row = g->rows->table + ids[j / width] * width;
            const size_t stop = least(end, (j / width + 1) * width);
            for (size_t k = j % width; j < stop; j++, k++)
                h[(j - from) * PHASE_PATCHES] = row[k];
        }
    }
}

INLINE void cos_sin(vec z, vec *cosine, vec *sine) {
    const vec n = vec_round(z);
    const vec r = vec_sub(z, n);
    const vec u = vec_mul(r, r);
    const vec sign = vec_parity_sign(n);
    vec s = vec_fma(vec_set(RHM_SIN4), u, vec_set(RHM_SIN3));
    s = vec_fma(s, u, vec_set(RHM_SIN2));
    s = vec_fma(s, u, vec_set(RHM_SIN1));
    s = vec_fma(s, u, vec_set(RHM_SIN0));
    s = vec_mul(s, r);
    vec c = vec_fma(vec_set(RHM_COS4), u, vec_set(RHM_COS3));
    c = vec_fma(c, u, vec_set(RHM_COS2));
    c = vec_fma(c, u, vec_set(RHM_COS1));
    c = vec_fma(c, u, vec_set(1.0f));
    *cosine = vec_xor(c, sign);
    *sine = vec_xor(s, sign);
}

/* Where the cosines of register v of a tile go. */
INLINE float *cosines_of(float *x, layout at, size_t patch, size_t v) {
    return x + patch * at.row + v / PARTS * 2 * at.step + v % PARTS * at.part;
}

/* Some inputs of one tile. Between the first and the last of them the phases wait where their cosines will be. */
INLINE void phase_tile(const float *panel, size_t panel_floats, const float *offset, const float *h, size_t inputs,
                       bool last, float *x, layout at, size_t patches, size_t vectors) {
    vec z[PHASE_PATCHES][PHASE_VECTORS];
    for (size_t p = 0; p < patches; p++)
        for (size_t v = 0; v < vectors; v++)
            z[p][v] = vec_load(offset ? offset + v * WIDTH : cosines_of(x, at, p, v));
    for (size_t j = 0; j < inputs; j++, panel += RHM_LANES, h += PHASE_PATCHES) {
        vec w[PHASE_VECTORS];
        for (size_t v = 0; v < vectors; v++)
            w[v] = vec_load(panel + v / PARTS * panel_floats + v % PARTS * WIDTH);
        for (size_t p = 0; p < patches; p++) {
            const vec hj = vec_broadcast(h + p);
            for (size_t v = 0; v < vectors; v++)
                z[p][v] = vec_fma(w[v], hj, z[p][v]);
        }
    }
    for (size_t p = 0; p < patches; p++)
        for (size_t v = 0; v < vectors; v++) {
            float *to = cosines_of(x, at, p, v);
            vec cosine = z[p][v], sine;
            if (last) {
                cos_sin(z[p][v], &cosine, &sine);
                vec_store(to + at.step, sine);
            }
            vec_store(to, cosine);
        }
}

/* Frequencies k, k + 1, ... of all patches: their half_turns meanwhile stay in the first-level cache. */
INLINE void phase_column(const gathered *g, size_t k, float *x, layout at, size_t vectors) {
    const size_t inputs = least(g->inputs - g->from, MOST_INPUTS), panel_floats = RHM_LANES * g->inputs;
    const float *panel = g->map->half_turns + k * g->inputs + g->from * RHM_LANES;
    const float *offset = g->from == 0 ? g->map->offset + k : NULL;
    const bool last = g->from + inputs == g->inputs;
    size_t i = 0;
    for (; i + PHASE_PATCHES <= g->count; i += PHASE_PATCHES)
        phase_tile(panel, panel_floats, offset, g->h + i * MOST_INPUTS, inputs, last, x + i * at.row, at, PHASE_PATCHES,
                   vectors);
    for (size_t p = 0; i + p < g->count; p++)
        phase_tile(panel, panel_floats, offset, g->h + i * MOST_INPUTS + p, inputs, last, x + (i + p) * at.row, at, 1,
                   vectors);
}

/* Features of `length` frequencies from k on; x is where the first of them go. */
INLINE void phase_slice(gathered *g, size_t k, size_t length, float *x, layout at) {
    size_t from = 0;
    do {
        gather(g, from);
        size_t i = 0;
        for (; i + PHASE_VECTORS * WIDTH <= length; i += PHASE_VECTORS * WIDTH)
            phase_column(g, k + i, x + i / RHM_LANES * 2 * at.step, at, PHASE_VECTORS);
        for (; i < length; i += RHM_LANES)
            phase_column(g, k + i, x + i / RHM_LANES * 2 * at.step, at, PARTS);
        from += MOST_INPUTS;
    } while (from < g->inputs);
}

#endif
