#include "linear/plan.h"

#include <math.h>

#include "core/memory.h"
#include "kernels/phasors.h"
#include "linear/solvers.h"

/* ------------------------------------------------------------------------------------------------------- the route */

static const double TRIGONOMETRY = 14;
static const double DOUBLE_PRECISION = 3;

double rhm_route_cost(rhm_route route, const rhm_route_sizes *sizes) {
    const double units = sizes->patches * sizes->width, features = units * (sizes->inputs + TRIGONOMETRY);
    if (route == RHM_ROUTE_PASSES)
        return sizes->products * (features + 4 * units * sizes->classes);
    const double blocks = fmax(1, sizes->blocks);
    const double columns = 8 * ceil(sizes->classes / blocks / 8); /* RHM_GRAM_CLASSES */
    const double product = DOUBLE_PRECISION * 4 * sizes->width * sizes->width * columns;
    return features + blocks * (2 * units * sizes->width + sizes->products * product);
}

/* Of a block, by cholesky.c. */
typedef struct factoring {
    double blocks, classes;
    double patches, features, order, others; /* the equations' order is the fewer of the first two, `others` the rest */
} factoring;

static factoring factoring_of(const rhm_route_sizes *sizes) {
    const double patches = sizes->patches, features = 2 * sizes->width, blocks = fmax(1, sizes->blocks);
    return (factoring){blocks,   sizes->classes / blocks, patches,
                       features, fmin(patches, features), fmax(patches, features)};
}

double rhm_factoring_cost(const rhm_route_sizes *sizes) {
    static const double BLAS = 2; /* half as many to a register; from caches, unlike products with a Gram matrix */
    const factoring f = factoring_of(sizes);
    const double forming = f.order * f.order / 2 * f.others, factor = f.order * f.order * f.order / 6;
    double solving = f.order * f.order * f.classes;
    if (f.order < f.features) /* in the patches: weights are a product more */
        solving += f.patches * f.features * f.classes;
    return f.patches * sizes->width * (sizes->inputs + TRIGONOMETRY) +
           f.blocks * BLAS * (forming + factor + solving);
}

/* LAPACKE copies matrix and right-hand sides into the order of Fortran. */
double rhm_factoring_nbytes(const rhm_route_sizes *sizes) {
    const factoring f = factoring_of(sizes);
    const double copies = f.blocks > 1 ? 2 : 1; /* of the features: as they are, and weighted */
    return sizeof(double) *
           (copies * f.patches * f.features + 2 * f.order * (f.order + f.classes) + f.features * f.classes);
}

rhm_route rhm_route_choose(const rhm_route_sizes *sizes) {
    return sizes->width * sizes->width * fmax(1, sizes->blocks) <= (double)RHM_GRAM_MOST_WIDTH * RHM_GRAM_MOST_WIDTH &&
                   rhm_route_cost(RHM_ROUTE_GRAM, sizes) < rhm_route_cost(RHM_ROUTE_PASSES, sizes)
               ? RHM_ROUTE_GRAM
               : RHM_ROUTE_PASSES;
}

const char *rhm_route_name(rhm_route route) {
    return route == RHM_ROUTE_GRAM ? "gram" : "passes";
}

enum {
    MOST_FEATURES = 1 << 27,   /* floats of the sample's features, which are cached */
    LEAST_RATIO = 8,           /* patches to one of the sample, for the sample's own iterations not to cost more */
    CACHED_FEATURES = 1 << 28, /* floats up to which all features are cached, and passes are cheap */
};

size_t rhm_sample_size(size_t distinct, size_t width) {
    if (distinct <= CACHED_FEATURES / (2 * width))
        return 0;
    const size_t most = MOST_FEATURES / (2 * width), share = distinct / LEAST_RATIO;
    const size_t size = share < most ? share : most;
    return size < 4 * width ? 0 : size;
}

/* Three or four passes and B; the sample's matrix is worth three, or its own iterations as much. */
double rhm_sample_passes(double solves) {
    return 5 * solves + 3;
}

/* Measured on three spectra with an inner tolerance of 3e-3: 4 or 5 passes over all patches, 32 to 119 products of the
 * sample; on two others, 1e-2 took as many passes and up to 15 % fewer products. */
double rhm_sample_products(double solves) {
    return 40 * solves;
}

rhm_linear_plan rhm_linear_plan_choose(const rhm_route_sizes *sizes, rhm_solver solver, double solves) {
    rhm_route_sizes all = *sizes, some = *sizes;
    const double most = (double)(SIZE_MAX / 2); /* a plan may be for more patches than there could be */
    const size_t patches = (size_t)fmin(sizes->patches, most);
    const size_t sample = solver == RHM_CG ? rhm_sample_size(patches, (size_t)sizes->width) : 0;
    all.products = sample ? rhm_sample_passes(solves) : rhm_solver_products(solver, solves);
    some.patches = (double)sample;
    some.products = rhm_sample_products(solves);
    rhm_linear_plan plan = {.route = rhm_route_choose(&all), .sample_route = RHM_ROUTE_PASSES};
    plan.sample = plan.route == RHM_ROUTE_PASSES ? sample : 0;
    if (plan.sample)
        plan.sample_route = rhm_route_choose(&some);
    return plan;
}

/* --------------------------------------------------------------------------------------------------------- passes */

/* Cached features come from memory where they take more than this: then phasors are the faster way to have them. */
enum { CACHE_HELD_NBYTES = 1 << 25 };

const char *rhm_representation_name(rhm_representation representation) {
    static const char *const names[] = {
        [RHM_RECOMPUTED] = "recomputed", [RHM_CACHED] = "cached", [RHM_FACTORED] = "factored", [RHM_FORMED] = "formed"};
    return names[representation];
}

bool rhm_features_fit(const rhm_pass_sizes *sizes, size_t *nbytes) {
    *nbytes = sizeof(float);
    return rhm_size_mul(nbytes, sizes->patches) &&
           rhm_size_mul(nbytes, rhm_feature_stride(rhm_padded_width(sizes->width))) && *nbytes <= sizes->cache_nbytes;
}

rhm_linear_record rhm_passes_plan(const rhm_pass_sizes *sizes, bool has_phasors) {
    const size_t padded = rhm_padded_width(sizes->width);
    size_t nbytes;
    const bool fit = rhm_features_fit(sizes, &nbytes);
    rhm_linear_record record = {.phasors = has_phasors && rhm_phasors_pay(sizes->tokens, sizes->embedding, padded,
                                                                          sizes->rows, sizes->patches)};
    if (record.phasors && rhm_rotation_pays(sizes->classes, sizes->patches, sizes->runs)) {
        record.representation = RHM_FACTORED;
        record.runs = sizes->runs;
    } else if (fit && !(record.phasors && nbytes > CACHE_HELD_NBYTES)) {
        record.representation = RHM_CACHED;
        record.cache_nbytes = nbytes;
    }
    return record;
}

/* That a process may hold at a time. */
static size_t most_rows(size_t size) {
    enum { FEWEST = 16, MOST_NUMBERS = 1 << 25 };
    return size > MOST_NUMBERS / FEWEST ? FEWEST : MOST_NUMBERS / size;
}

size_t rhm_pass_leaves(size_t chunks, size_t size) {
    enum { USUAL = 128, CHUNKS_EACH = 64, MOST = 1024, LARGE = 1 << 19, MOST_OF_LARGE = 1 << 16 };
    const size_t wanted = chunks / CHUNKS_EACH < USUAL ? USUAL : chunks / CHUNKS_EACH, limit = most_rows(size);
    if (chunks > LARGE)
        return wanted < MOST_OF_LARGE ? wanted : MOST_OF_LARGE;
    size_t most = wanted < MOST ? wanted : MOST;
    most = most < limit ? most : limit;
    return chunks < most ? chunks : most;
}

size_t rhm_pass_rows(size_t leaves, size_t size, size_t ranks, size_t *together) {
    const size_t most = most_rows(size) * ranks;
    *together = 1;
    while ((leaves + *together - 1) / *together > most)
        *together *= 2;
    return (leaves + *together - 1) / *together;
}
