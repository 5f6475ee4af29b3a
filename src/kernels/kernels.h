/*
 * The hot operations of a level and the table through which everybody calls them. README.md beside this file is the
 * contract: formulas, shapes, order of operations, error bounds. Every table computes the same bits.
 */
#ifndef RHM_KERNELS_KERNELS_H
#define RHM_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/registry.h"
#include "rhm/engine.h"

/*
 * Frequencies come in multiples of RHM_LANES, and sums over the features of few classes run in as many interleaved
 * partial sums, whatever the register width: that is what makes scalar, AVX2 and AVX-512 agree to the bit.
 */
enum { RHM_LANES = 16 };

/* Of the order of operations and of visits: to be raised with every change of either, since a solver's state in a
 * checkpoint is a part of sums in that order. */
enum { RHM_ORDER_VERSION = 5 };

/* M rounded up to whole lanes. */
static inline size_t rhm_padded_width(size_t width) {
    return (width + RHM_LANES - 1) / RHM_LANES * RHM_LANES;
}

/*
 * Classes come in panels of so many, whose sums over features are added block by block of frequencies; what is left of
 * them, a few, have their sums in lanes (README.md). Part of the order of operations.
 */
enum { RHM_PANEL_CLASSES = 16, RHM_PANEL_FREQUENCIES = 128 };

/*
 * Layout of anything indexed by feature (weights, gradients, features of a patch): groups of RHM_LANES cosines followed
 * by their RHM_LANES sines, so that a row is one stream of memory and a sum over features is one loop.
 */
static inline size_t rhm_feature_index(size_t k, int is_sine) {
    return k / RHM_LANES * 2 * RHM_LANES + (is_sine ? RHM_LANES : 0) + k % RHM_LANES;
}

/*
 * Floats from one row to the next. A few cache lines more than a row holds: rows a power of two apart would share cache
 * sets; five lines apart modulo a power of two, stretches of a dozen rows fill a first-level cache evenly.
 */
static inline size_t rhm_feature_stride(size_t padded) {
    return 2 * padded + 5 * RHM_LANES;
}

/* Floats of weights that are packed as a table wants them. */
static inline size_t rhm_packed_floats(size_t classes, size_t padded) {
    return classes * 2 * padded;
}

/*
 * The random features of a level: cos and sin of pi z_k, z_k = offset[k] + sum_j half_turns[j, k] h_j.
 *
 * A phase is a sum over the tokens of a patch, so its cosine and sine are the real and imaginary part of a product of
 * one phasor a token. Where the same few rows of a table make up many patches, their phasors can be computed beforehand
 * (phasors.h); a patch then takes three multiply-adds a frequency and token instead of d_e and a cosine.
 */
typedef struct rhm_phase_map {
    size_t tokens;           /* s */
    size_t embedding;        /* d_e */
    size_t padded;           /* M rounded up to a multiple of RHM_LANES */
    const float *half_turns; /* (padded / RHM_LANES, s d_e, RHM_LANES): w / pi, zero in the padding */
    const float *offset;     /* (padded) */
    const float *phasors;    /* NULL, or (s, phasor_rows, rhm_feature_stride(padded)): of every row of the table that
                                patches are made of, at every position; offsets belong to position 0 */
    size_t phasor_rows;
} rhm_phase_map;

/* The phasors of token t of a patch, from frequency 0 on, of a map that has them. */
static inline const float *rhm_token_phasors(const rhm_phase_map *map, const uint32_t *ids, size_t t) {
    return map->phasors + (t * map->phasor_rows + ids[t]) * rhm_feature_stride(map->padded);
}

/* `count` patches: row i concatenates table rows ids[i][0..s-1], each of d_e floats. */
typedef struct rhm_patch_rows {
    const float *table;  /* (rows, d_e) */
    const uint32_t *ids; /* (count, s) */
    size_t count;
} rhm_patch_rows;

/*
 * A Gram matrix is stored in blocks of RHM_LANES x RHM_LANES doubles, row by row within a block; what it is multiplied
 * with has whole groups of RHM_GRAM_CLASSES columns.
 */
enum { RHM_GRAM_BLOCK = RHM_LANES * RHM_LANES, RHM_GRAM_CLASSES = 8 };

/* Most patches of one call of rotated_gradient. */
enum { RHM_ROTATED_PATCHES = 96 };

/*
 * Feature rows (of x, w, g) are rhm_feature_stride(padded) floats apart; what is between them is never touched. From
 * `features` on there are function pointers only. A table may leave some NULL; of pack, product, forward and
 * rotated_forward, which share a layout of weights, it has all or none.
 */
typedef struct rhm_kernels {
    const char *name;
    rhm_isa isa;

    /* x (count, features): overwrites. */
    void (*features)(const rhm_phase_map *map, const rhm_patch_rows *patches, float *x);

    /* Weights w (classes, features) as this table's product and forward read them: rhm_packed_floats floats. */
    void (*pack)(size_t classes, size_t padded, const float *w, float *packed);

    /* y (count, classes) = x w^T: overwrites. */
    void (*product)(size_t classes, size_t padded, const float *packed, size_t count, const float *x, float *y);

    /* features and product in one, the features never leaving the cache: overwrites y. */
    void (*forward)(const rhm_phase_map *map, size_t classes, const float *packed, const rhm_patch_rows *patches,
                    float *y);

    /*
     * forward and gradient without features, of maps with phasors and at least two tokens: p q is the features of a
     * patch, p the product of the phasors of all its tokens but the last, q that of the last; weights rotated by the
     * conjugate of p meet q, and sums of r q are rotated by p. Fast where patches come in runs that have p in common.
     * forward overwrites y. gradient accumulates: the patches of a run are summed in float, the rotated sums of the
     * runs of a call likewise, and the sum is added to the double. `count` is at most RHM_ROTATED_PATCHES.
     */
    void (*rotated_forward)(const rhm_phase_map *map, size_t classes, const float *packed,
                            const rhm_patch_rows *patches, float *y);
    void (*rotated_gradient)(const rhm_phase_map *map, size_t classes, const rhm_patch_rows *patches, const float *r,
                             double *g);

    /*
     * g (classes, features) += r^T x, r (count, classes): the patches of a call are summed in float, one after the
     * other, and the sum is added to the double. The caller bounds `count`, and with it the error of the float.
     */
    void (*gradient)(size_t classes, size_t padded, size_t count, const float *r, const float *x, double *g);

    /*
     * c (blocks, 16, 16) += a^T b for one group of 16 features, a (count, 16), and `blocks` others, b (count, 16) each
     * and b_stride floats apart: summed over the patches in float, and the sum added to the double.
     */
    void (*gram)(size_t blocks, size_t count, const float *a, const float *b, size_t b_stride, double *c);

    /*
     * y (16, classes) += c d with c (16, 16 blocks) in blocks c_stride doubles apart, each block taken transposed or
     * not, and d (16 blocks, classes): one column of c after the other. `classes` is a multiple of RHM_GRAM_CLASSES.
     */
    void (*gram_product)(size_t classes, size_t blocks, const double *c, size_t c_stride, bool transposed,
                         const double *d, double *y);
} rhm_kernels;

/* The operations as an instruction set of this CPU does them, each from its own table or from the nearest set that it
 * is based on; none is NULL. */
rhm_kernels rhm_kernels_at(rhm_isa isa);

static inline rhm_kernels rhm_kernels_of(const rhm_engine *engine) {
    return rhm_kernels_at(rhm_engine_isa(engine));
}

/*
 * Divide each row of y (count, classes) by its sum (double precision, left to right) and subtract `centre` from every
 * element. Sums within `floor` of zero are replaced by +-floor. Returns how many were.
 */
uint64_t rhm_normalise(size_t classes, size_t count, float floor, double centre, float *y);

#endif
