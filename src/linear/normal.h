/*
 * The normal equations of a ridge regression on distinct patches (paper, eq. 3): minimise over W
 *     1/2 sum_mu p_mu ||q_mu - W x_mu||^2 + lambda/2 ||W||^2,   p_mu = n_mu / N,  q_mu = label frequencies of patch mu,
 * that is (C + lambda I) W = B with C = sum p_mu x_mu x_mu^T and B = sum p_mu q_mu x_mu^T. Exactly the regression on
 * the N samples. Blocks of classes (data.h) have a C each; C w applies to each class that of its block.
 *
 * C is an operator: what it is represented by is decided in plan.h and known to one file each (recomputed.c, cached.c,
 * factored.c, gram.c). Solvers see this header only.
 *
 * Matrices with one row per class are (classes, stride) doubles in feature order (kernels/README.md); padding is zero.
 */
#ifndef RHM_LINEAR_NORMAL_H
#define RHM_LINEAR_NORMAL_H

#include "engine/parallel.h"
#include "linear/data.h"
#include "linear/plan.h"
#include "linear/solve_state.h"

typedef struct rhm_normal rhm_normal;

/* What a representation is. */
typedef struct rhm_normal_type {
    /* out = B */
    rhm_status (*right_hand_side)(rhm_normal *normal, double *out, rhm_error *error);

    /* What products need and B does not, made once; or NULL. */
    rhm_status (*prepare)(rhm_normal *normal, rhm_error *error);

    /* out = C w */
    rhm_status (*apply)(rhm_normal *normal, const double *w, double *out, rhm_error *error);

    /* Of one product: floating-point operations of the kernels. Of all: bytes of what was made for them. */
    double (*flops)(const rhm_normal *normal);
    double (*nbytes)(const rhm_normal *normal);

    void (*destroy)(rhm_normal *normal);
} rhm_normal_type;

/* What all representations have; each continues it with its own. */
struct rhm_normal {
    const rhm_normal_type *type;
    const rhm_engine *engine;
    rhm_linear_data data;
    size_t stride;
    rhm_patch_rows rows;   /* the distinct patches, in the order in which they are visited */
    const uint32_t *order; /* (count) the patch at each place of that order, or NULL: their own */
    rhm_linear_record record;
    const char *label;            /* what passes are called on the progress display, or NULL: the caller's to set */
    const rhm_solve_watch *watch; /* of solvers and of forming a matrix, or NULL: the caller's to set */
    double flops;                 /* of the kernels so far: the caller's to read and clear, */
    double kernel_seconds;        /* as is how long they took */
};

/*
 * Equations whose products with C come by `route`; features are cached if they take at most `cache_nbytes` and no
 * faster way is known. RHM_NO_MEMORY, with the numbers.
 */
rhm_status rhm_normal_create(rhm_normal **out, const rhm_engine *engine, const rhm_linear_data *data, rhm_route route,
                             size_t cache_nbytes, rhm_error *error);
void rhm_normal_destroy(rhm_normal *normal); /* accepts NULL */

/* What cached features may take, on all ranks together: all distinct patches', where they are small against the memory
 * of the engine. */
size_t rhm_normal_cache_nbytes(const rhm_engine *engine);

/*
 * The patches that each rank's partial sums of a pass are made of: rank r's begin at begin[r] (ranks + 1). *rows of
 * sums there are of all ranks; with the patches' number they decide where parts begin. Patches of other ranks are not
 * looked at by passes: `data.table` need not have their rows.
 */
rhm_status rhm_normal_parts(size_t *begin, size_t *rows, const rhm_engine *engine, const rhm_phase_map *map,
                            size_t classes, size_t patches, rhm_error *error);

rhm_status rhm_normal_right_hand_side(rhm_normal *normal, double *out, rhm_error *error);
rhm_status rhm_normal_prepare(rhm_normal *normal, rhm_error *error);
rhm_status rhm_normal_apply(rhm_normal *normal, const double *w, double *out, rhm_error *error);

/* residual = target - (C + lambda I) w; without a product where w is zero. */
rhm_status rhm_normal_residual(rhm_normal *normal, double lambda, const double *target, const double *w,
                               double *residual, rhm_error *error);

/* Work on the rows of each class, wholly or not at all (rhm_parallel_whole); on the calling thread where it is little.
 */
void rhm_normal_each_class(const rhm_normal *normal, rhm_chunk_work *work, void *context);

/* The sum of the squares of v (classes, stride), in an order that only the number of classes decides. */
double rhm_normal_square(const rhm_normal *normal, const double *v);

/* Floats in a matrix with a row per class. */
static inline size_t rhm_normal_size(const rhm_normal *normal) {
    return normal->data.classes * normal->stride;
}

/* The distinct patch that is visited at `place`, and its p_mu in a block. */
static inline size_t rhm_normal_patch(const rhm_normal *normal, size_t place) {
    return normal->order ? normal->order[place] : place;
}

static inline double rhm_normal_share(const rhm_normal *normal, size_t place, size_t block) {
    return rhm_linear_share(&normal->data, rhm_normal_patch(normal, place), block);
}

/* The features of the patch at `place`, without the factor M^(-1/2): x (stride). By the table of frequencies, never by
 * phasors. */
void rhm_normal_features(const rhm_normal *normal, size_t place, float *x);

#endif
