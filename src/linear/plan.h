/*
 * How the equations of a fit are solved: the one place that decides. What changes bits is a rule of the problem's sizes
 * alone, never of the machine, the memory at hand or what was computed before, because a model must not depend on where
 * it was trained.
 *
 * First the route: one pass over the distinct patches for each product C w, or the Gram matrix C once and then products
 * with that; and whether a sample of the patches preconditions the others. Then, for passes, how features come about:
 * made anew in every pass, cached (the same bits: this may depend on memory), or not at all, where patches come in runs
 * (kernels/README.md).
 */
#ifndef RHM_LINEAR_PLAN_H
#define RHM_LINEAR_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/learner.h"

/* ------------------------------------------------------------------------------------------------------- the route */

/* Widest Gram matrix: 2M = 8192 features, 260 MiB, which several smaller ones may take too. Beyond it the route is
 * passes whatever the cost. */
enum { RHM_GRAM_MOST_WIDTH = 4096 };

/* Fits with one bandwidth at successive ridges, of about: what the search announces before it begins them. */
enum { RHM_RIDGE_FITS = 4 };

typedef struct rhm_route_sizes {
    double patches;  /* n, distinct */
    double width;    /* M */
    double classes;  /* K |V_0| */
    double inputs;   /* s d_e */
    double products; /* C w that will be asked for with the same patches, width and bandwidth */
    double blocks;   /* K matrices C; 0: one */
} rhm_route_sizes;

/*
 * In multiply-adds of single precision as a pass does them. A pass makes the features, n M (s d_e + 14), cosine and
 * sine counted as 14, and two products, 4 n M K |V_0|. Gram matrices make the features once and take 2 n M^2 each; a
 * product with them 4 M^2 K |V_0| in double precision, of which one costs as much as three: half as many to a register,
 * and the matrix comes from memory. bench_solvers measures these ratios.
 */
double rhm_route_cost(rhm_route route, const rhm_route_sizes *sizes);

/*
 * What a solution by factoring takes beside its passes, by cholesky.c: the same multiply-adds, each in double precision
 * for two, and the bytes that it has at a time. Of n patches and 2M features let k be the fewer: features in double
 * precision, for each block a product of k^2 n M, a factorisation of k^3 / 6, and solutions with it.
 */
double rhm_factoring_cost(const rhm_route_sizes *sizes);
double rhm_factoring_nbytes(const rhm_route_sizes *sizes);

/* The cheaper one that is allowed. */
rhm_route rhm_route_choose(const rhm_route_sizes *sizes);

/* How many patches should precondition `distinct` ones of 2 x `width` features; 0: too few for it to pay. */
size_t rhm_sample_size(size_t distinct, size_t width);

/* What `solves` solutions cost then, in passes over all patches: those few, and the sample's own iterations. */
double rhm_sample_passes(double solves);

/* Products with its own C that the sample is asked for meanwhile: some ten for each of those passes. */
double rhm_sample_products(double solves);

/*
 * Partial sums of a pass over `chunks` chunks of patches, each of `size` doubles: their number decides bits, and is the
 * most threads that can work. One a chunk up to 128; then 128 until each has 64 chunks, and one for 64 chunks up to
 * 1024 (6.3 million patches of the native backend), or fewer where all of them would take more than 256 MiB. Beyond
 * 2^19 chunks (50 million patches) one for 64 chunks up to 65536, whatever they take: nobody has all of them at a time.
 */
size_t rhm_pass_leaves(size_t chunks, size_t size);

/*
 * In how many rows `ranks` processes keep the sums of so many leaves, 256 MiB each at most; *together, a power of two,
 * is how many leaves one thread adds up into a row. Rows are subtrees of the leaves' tree: they decide no bits.
 */
size_t rhm_pass_rows(size_t leaves, size_t size, size_t ranks, size_t *together);

typedef struct rhm_linear_plan {
    rhm_route route;
    size_t sample;          /* patches that precondition the others (preconditioner.h), or 0 */
    rhm_route sample_route; /* theirs */
} rhm_linear_plan;

/* By the problem's sizes (`products` of which is not read) and the `solves` that the search expects with this width and
 * bandwidth. */
rhm_linear_plan rhm_linear_plan_choose(const rhm_route_sizes *sizes, rhm_solver solver, double solves);

/* --------------------------------------------------------------------------------------------------------- passes */

typedef enum rhm_representation {
    RHM_RECOMPUTED, /* features are made in every pass */
    RHM_CACHED,     /* features are kept from one pass to the next */
    RHM_FACTORED,   /* no features: weights are rotated once for each run of patches */
    RHM_FORMED,     /* the Gram matrix */
} rhm_representation;

/* "recomputed", "cached", "factored", "formed". */
const char *rhm_representation_name(rhm_representation representation);

/* Most that cached features may take, whatever the memory. */
#define RHM_CACHE_MOST_NBYTES (UINT64_C(9) << 27)

typedef struct rhm_pass_sizes {
    size_t patches, rows; /* distinct patches, and embeddings that they are made of */
    size_t tokens, embedding, width, classes;
    size_t runs;         /* in which patches come; not known yet: 1, the fewest */
    size_t cache_nbytes; /* that cached features may take */
} rhm_pass_sizes;

/* What was decided, for reports and forecasts. */
typedef struct rhm_linear_record {
    rhm_representation representation;
    bool phasors;        /* features, or what stands for them, are made from the phasors of embeddings */
    size_t runs;         /* of RHM_FACTORED, else 0 */
    size_t cache_nbytes; /* of RHM_CACHED, else 0 */
} rhm_linear_record;

/* Whether the features of a problem fit the cache that it may take. */
bool rhm_features_fit(const rhm_pass_sizes *sizes, size_t *nbytes);

/* `has_phasors`: the backend can use them. */
rhm_linear_record rhm_passes_plan(const rhm_pass_sizes *sizes, bool has_phasors);

#endif
