/* One ridge regression of the label on random features of whole sequences. */
#ifndef RHM_LEARNERS_SHALLOW_FIT_H
#define RHM_LEARNERS_SHALLOW_FIT_H

#include "linear/solve.h"
#include "model/layer.h"
#include "training/problem.h"

/* Distinct sequences and how often each came with each label. */
typedef struct rhm_shallow_set {
    rhm_patches patches; /* of the flat tree (model/shallow.h) */
    rhm_patch_counts counts;
} rhm_shallow_set;

/* What is the same for all fits. */
typedef struct rhm_shallow_task {
    const rhm_engine *engine;
    const rhm_train_options *options;
    rhm_tree flat;
    uint32_t classes, token_vocab, width;
    rhm_embeddings tokens; /* one-hot */
    rhm_shallow_set training, held_out;
    double sample_seconds, fit_seconds;
    double iterate_seconds, embed_seconds; /* of fit_seconds: solvers' iterations, held-out sequences */
} rhm_shallow_task;

rhm_status rhm_shallow_task_init(rhm_shallow_task *out, const rhm_engine *engine, const rhm_train_options *options,
                                 const rhm_tree *tree, uint32_t classes, uint32_t token_vocab, rhm_error *error);
void rhm_shallow_task_clear(rhm_shallow_task *task); /* accepts a zeroed one */

/* Samples of a source until the set has `samples`; `words` for a display. */
rhm_status rhm_shallow_draw(rhm_shallow_task *task, rhm_shallow_set *set, rhm_patch_source *source, const void *context,
                            uint64_t samples, const char *words, rhm_error *error);

/* By which the route of the normal equations is chosen. */
rhm_route_sizes rhm_shallow_sizes(double sequences, double inputs, double width, double classes, double ridges);

/* Seconds of the parts of a walk over the sequences that a task has. For plans. */
typedef struct rhm_shallow_times {
    double make;      /* features, right-hand side, matrix */
    double product;   /* with the matrix, in conjugate gradients; 0 for solvers that factor */
    double factoring; /* a whole solution by factoring; 0 for solvers that do not */
    double held_out;  /* the test of a ridge */
} rhm_shallow_times;

rhm_status rhm_shallow_time(rhm_shallow_times *out, rhm_shallow_task *task, double bandwidth, rhm_route route,
                            rhm_error *error);

typedef struct rhm_shallow_fit {
    struct rhm_layer layer; /* owned */
    rhm_route route;
    rhm_solve_result solve;
    double loss, accuracy; /* of the held-out samples */
    uint64_t clamped;
    double flops, kernel_seconds;
    uint32_t fits;
} rhm_shallow_fit;

/* Fit with one bandwidth and each of some ridges; *best becomes the one with the smallest held-out loss, unless it has
 * a smaller one. */
rhm_status rhm_shallow_walk(rhm_shallow_fit *best, rhm_shallow_task *task, double bandwidth, const double *ridges,
                            size_t count, rhm_error *error);

#endif
