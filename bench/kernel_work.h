/*
 * The operations of a level as a benchmark runs them: operands made up for a shape, the work of one trial on all
 * threads of an engine, and the check of its results against the reference table.
 *
 * Cache condition. What belongs to the level (table, frequencies, weights, a block's features, the gradient) is used
 * again from block to block and stays where it fits, as in a long run; what belongs to patches (ids, outputs,
 * residuals) is taken from a circle of slots of four second-level caches in all, so that a trial meets none of it in
 * that cache.
 */
#ifndef RHM_BENCH_KERNEL_WORK_H
#define RHM_BENCH_KERNEL_WORK_H

#include "engine/memory.h"
#include "kernels/operator.h"
#include "shapes.h"

typedef enum operation {
    WORK_FORWARD,  /* patches to outputs, features never stored */
    WORK_PASS,     /* one pass of the solver: features, product, weights of the patches, gradient */
    WORK_KEPT,     /* the same with features that are kept, those of all patches of the trial */
    WORK_FEATURES, /* a block at a time, each into the same memory */
    WORK_PRODUCT,  /* of the same block of features, again and again */
    WORK_GRADIENT, /* likewise, a chunk */
    WORK_GRAM,     /* tiles of the Gram matrix += a panel of patches; no more patches than a panel */
    /* The first, second and fourth with phasors of the table's rows, made beforehand; oneDNN has none. */
    WORK_SHARED_FORWARD,
    WORK_SHARED_PASS,
    WORK_SHARED_FEATURES,
    /* The first and second with weights rotated by what runs of patches have in common; oneDNN multiplies as ever. */
    WORK_ROTATED_FORWARD,
    WORK_ROTATED_PASS,
    WORK_COUNT,
} operation;

const char *operation_name(operation what);

/* Operands of a shape: pseudo-random, the same in every run. */
typedef struct problem {
    const shape *source;
    size_t tokens, vocab, width, padded, stride; /* floats from one row of features to the next */
    size_t run;                                  /* patches with the same tokens but for the last */
    size_t rows, patches;                        /* of the table; of one thread in one trial */
    size_t slots;                                /* places of `patches` patches in the circle */
    float *half_turns, *offset, *table, *w;
    uint32_t *ids;     /* (slots, patches, tokens) */
    float *residual;   /* (slots, patches, vocab) */
    float *output;     /* (slots, patches, vocab) */
    float *frequency;  /* (patches): a patch's share of the samples */
    rhm_phase_map map; /* of the above */
} problem;

/* The sizes, from a line of a shapes file; the operands when they are first needed. */
rhm_status problem_make(problem *out, const shapes *all, const shape *source, rhm_error *error);
rhm_status problem_fill(problem *p, rhm_error *error);
void problem_clear(problem *p); /* accepts a zeroed one */

/* Exact floating-point operations of the products for `count` patches; cosines, sines and sums are not counted. */
double work_flops(const problem *p, operation what, size_t count);

/* Bytes of operands that belong to `count` patches, each counted once: ids, features where they are stored, outputs. */
double work_bytes(const problem *p, operation what, size_t count);

/* What an engine needs to run a problem. */
typedef struct work {
    const problem *p;
    const rhm_engine *engine;
    operation what; /* not a shared one: */
    bool shared;    /* with phasors; op.rotated: and rotated weights */
    rhm_operator op;
    size_t patches;          /* of a thread in one trial; fewer than the problem's where it is slow */
    size_t slot;             /* where the next trial starts */
    bool same;               /* all threads take the inputs of the first slot */
    rhm_scratch features;    /* of each thread */
    struct work_lane *lanes; /* (threads) */
    size_t lane_count;
} work;

/* Bytes that a thread uses again from block to block. */
double work_resident_nbytes(const work *w, operation what);

/* RHM_UNSUPPORTED with a sentence where `onednn` is asked for and cannot run. */
rhm_status work_init(work *w, const problem *p, const rhm_engine *engine, operation what, bool onednn, size_t patches,
                     rhm_error *error);
void work_clear(work *w); /* accepts a zeroed one */

/* One trial on all threads. */
rhm_status work_run(work *w, rhm_error *error);

/*
 * Compare what every thread makes of the first patches with the reference table, on the calling thread: to the last bit
 * for the native tables, within 1e-4 of the root mean square for oneDNN. RHM_FAILED with a sentence for a wrong result.
 */
rhm_status work_verify(work *w, rhm_error *error);

#endif
