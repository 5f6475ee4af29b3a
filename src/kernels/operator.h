/*
 * The operations of one level on an engine, computed by whom the engine's backend says: the native table of the
 * engine's ISA level, or oneDNN's matrix products around the native cosines and sines (onednn/). README.md is the
 * contract of both.
 *
 * With the backend "auto" the choice is made per kind of work and shape, by a measurement on the engine's threads that
 * is made once, when enough work of that shape has been seen to pay for it.
 */
#ifndef RHM_KERNELS_OPERATOR_H
#define RHM_KERNELS_OPERATOR_H

#include <jansson.h>

#include "kernels/kernels.h"

/* What the operator will be used for, which is what the choice of a backend depends on. */
typedef enum rhm_work {
    RHM_WORK_FORWARD,                  /* forward */
    RHM_WORK_PASS,                     /* features, product and gradient of the same patches */
    RHM_WORK_KEPT_PASS,                /* product and gradient of features that are kept */
    RHM_WORK_CONVOLUTION,              /* of networks (kernels/dense.h): a level forward, */
    RHM_WORK_CONVOLUTION_BACK_DATA,    /* the gradient of its inputs, */
    RHM_WORK_CONVOLUTION_BACK_WEIGHTS, /* and its new parameters */
} rhm_work;

typedef struct rhm_operator rhm_operator;

/*
 * A Gram matrix over the 2 `padded` features is made tile by tile, RHM_GRAM_SIDE groups of RHM_LANES features a side,
 * from panels of RHM_GRAM_PANEL patches, whole blocks of every operator. Tiles are (side, side) blocks of
 * RHM_GRAM_BLOCK doubles; at the end of the features they have groups that do not exist, which stay as they are.
 */
enum {
    RHM_GRAM_SIDE = 8,
    RHM_GRAM_TILE = RHM_GRAM_SIDE * RHM_GRAM_SIDE * RHM_GRAM_BLOCK,
    RHM_GRAM_CHUNK = 128, /* patches summed in float before the sum moves to double */
    RHM_GRAM_PANEL = 3 * RHM_GRAM_CHUNK,
};

/* Floats of a panel; how they are arranged is the backend's affair. */
static inline size_t rhm_gram_panel_floats(size_t padded) {
    return RHM_GRAM_PANEL * rhm_feature_stride(padded);
}

/*
 * May be called from bodies of rhm_parallel, by thread `thread`, several threads at a time. Formulas, shapes and
 * extents are those of rhm_kernels. Native operations cannot fail.
 */
typedef struct rhm_operations {
    rhm_status (*features)(const rhm_operator *op, int thread, const rhm_patch_rows *patches, float *x,
                           rhm_error *error);
    rhm_status (*product)(const rhm_operator *op, int thread, size_t count, const float *x, float *y, rhm_error *error);
    rhm_status (*gradient)(const rhm_operator *op, int thread, size_t count, const float *r, const float *x, double *g,
                           rhm_error *error);
    rhm_status (*forward)(const rhm_operator *op, int thread, const rhm_patch_rows *patches, float *y,
                          rhm_error *error);
    rhm_status (*set_weights)(rhm_operator *op, rhm_error *error);

    /* Put root_i x_i, the scaled feature rows of `count` patches, into the panel at its patches first, first + 1, ...
     */
    void (*gram_pack)(const rhm_operator *op, size_t first, size_t count, const float *root, const float *x,
                      float *panel);

    /* Tile (row, column), row <= column, += the products of its features, summed over the `count` patches of the panel.
     * On the diagonal blocks below it are not touched. */
    rhm_status (*gram_tile)(const rhm_operator *op, int thread, size_t count, const float *panel, size_t row,
                            size_t column, double *tile, rhm_error *error);
    void (*clear)(rhm_operator *op);

    /* Patches are made of the rows of this table from now on: prepare their phasors. NULL where a backend has none. */
    rhm_status (*share)(rhm_operator *op, const float *table, size_t rows, rhm_error *error);

    /* gradient of patches instead of their features, at most RHM_ROTATED_PATCHES; with op->rotated only. */
    rhm_status (*rotated_gradient)(const rhm_operator *op, int thread, const rhm_patch_rows *patches, const float *r,
                                   double *g, rhm_error *error);
} rhm_operations;

struct rhm_operator {
    const rhm_operations *operations;
    const char *backend; /* "native" or "onednn" */
    size_t block;        /* patches that a loop over features and product should take at a time, */
    size_t chunk;        /* and a gradient: whole blocks. What it sums in float, and so part of the result */
    const rhm_engine *engine;
    rhm_kernels kernels; /* the native operations */
    const rhm_phase_map *map;
    size_t classes;
    const float *w;     /* (classes, stride), what product and forward multiply with */
    size_t phasor_rows; /* embeddings of whose phasors features are products; 0: they are not */
    bool rotated;       /* forward rotates weights; gradients are rotated_gradient */
    void *packed;       /* the backend's own: operands as it wants them, once per NUMA node */
};

/*
 * `count` patches are expected, in one forward or in every pass. Keeps `map` and what it points to. Outside of parallel
 * loops, as are set_weights and clear.
 */
rhm_status rhm_operator_init(rhm_operator *out, const rhm_engine *engine, rhm_work work, const rhm_phase_map *map,
                             size_t classes, size_t count, rhm_error *error);
void rhm_operator_clear(rhm_operator *op); /* accepts a zeroed one */

/* Weights for product and forward, kept by pointer; to be called again whenever their values change. */
rhm_status rhm_operator_set_weights(rhm_operator *op, const float *w, rhm_error *error);

/*
 * `count` patches will be made of the `rows` rows of `table` (rows, d_e), and of no others: their phasors are computed
 * once where rhm_phasors_pay says so and the backend has them. Before the first operation; `table` may move afterwards.
 */
rhm_status rhm_operator_share(rhm_operator *op, const float *table, size_t rows, size_t count, rhm_error *error);

/* Multiply-adds that a frequency of a patch's features takes, cosines and sines not counted, a product alone as half of
 * one. */
static inline double rhm_operator_feature_terms(const rhm_operator *op) {
    return op->phasor_rows ? 3 * ((double)op->map->tokens - 1) : (double)(op->map->tokens * op->map->embedding);
}

/* One named backend, whatever the engine's; RHM_UNSUPPORTED with a sentence where it cannot run. */
rhm_status rhm_operator_init_native(rhm_operator *out, const rhm_engine *engine, const rhm_phase_map *map,
                                    size_t classes, rhm_error *error);
rhm_status rhm_operator_init_onednn(rhm_operator *out, const rhm_engine *engine, const rhm_phase_map *map,
                                    size_t classes, rhm_error *error);

/*
 * What became of the engine's backend: {"library": name and version or null, "choices": [{"work", "inputs", "width",
 * "classes", "taken", "native_seconds", "onednn_seconds"}], "obstacle": why oneDNN cannot run, or null}, seconds per
 * patch and thread with all threads at work, null where too little work came to be worth a measurement. null for the
 * native backend. A new reference; NULL when memory is short.
 */
json_t *rhm_backend_record(const rhm_engine *engine);

/* The same in a few words, such as "auto: oneDNN 2.6.3 for 2 of 3 shapes". */
enum { RHM_BACKEND_TEXT_NBYTES = 96 };
void rhm_backend_text(const rhm_engine *engine, char text[RHM_BACKEND_TEXT_NBYTES]);

#endif
