/*
 * Representations of C that visit all distinct patches in every product: out = sum over patches of r x^T, with the
 * factor r = p W x for C W and r = p q for B. They differ in how features come about, an rhm_pass_kind each; the loop
 * over the patches, its partial sums and their tree are the same.
 *
 * Patches are summed in chunks of fixed size, chunks in a fixed number of partial sums, the leaves, and these in a
 * fixed binary tree: the same bits for any number of threads. A thread makes a row of neighbouring leaves, a subtree,
 * so that large problems may have more leaves than memory has sums (rhm_pass_rows).
 */
#ifndef RHM_LINEAR_PASSES_H
#define RHM_LINEAR_PASSES_H

#include "engine/memory.h"
#include "engine/spread.h"
#include "kernels/operator.h"
#include "linear/normal.h"
#include "linear/runs.h"

/* What r is made of. */
typedef enum rhm_pass_factor {
    RHM_FACTOR_LABELS,  /* label frequencies: for B */
    RHM_FACTOR_OUTPUTS, /* weighted outputs: for C w */
} rhm_pass_factor;

typedef struct rhm_passes rhm_passes;

typedef struct rhm_pass_kind {
    const char *name[2][2]; /* of a loop in traces: by factor; without and with phasors */
    bool makes_features;    /* in every pass */
    bool whole_chunks;      /* whose features lie in the workspace; else those of a block */

    /* sum += what the patches first..end-1, one chunk, contribute. */
    rhm_status (*add)(const rhm_passes *p, rhm_pass_factor factor, size_t first, size_t end, int thread, double *sum,
                      rhm_error *error);
} rhm_pass_kind;

extern const rhm_pass_kind rhm_pass_recomputed, rhm_pass_cached, rhm_pass_factored;

struct rhm_passes {
    rhm_normal normal;
    const rhm_pass_kind *kind;
    rhm_operator op;
    rhm_buffer cached;     /* (count, stride): features, of cached.c */
    rhm_runs runs;         /* the order of visits, and */
    float *share;          /* (count, blocks): p_mu in that order, which is not theirs in memory: of factored.c */
    size_t leaves;         /* fixed partial sums, a function of the problem's sizes alone */
    size_t rows, together; /* that these are kept in, and leaves of a row */
    rhm_spread_part own;   /* rows of this rank */
    rhm_buffer partial;    /* doubles (own rows, classes, stride), from the first pass on */
    rhm_scratch subtrees;  /* per thread, of more leaves than one in a row: sums that wait for their neighbours */
    double *sum;           /* of all ranks: (classes, stride); NULL without */
    float *operand;        /* (classes, stride): what a pass multiplies with */
    rhm_scratch workspace; /* per thread: features, then factors */

    /* C w into the partial sums in another way than one loop over these, by split.c: NULL, or with r of all patches,
     * (count, classes). */
    rhm_status (*split)(rhm_passes *p, rhm_error *error);
    float *factors;
};

/* The representation of plan.h for these sizes. `out` is an rhm_passes. */
rhm_status rhm_passes_create(rhm_normal **out, const rhm_engine *engine, const rhm_linear_data *data,
                             size_t cache_nbytes, rhm_error *error);

/* A pass: out = C w for the weights that were set, or B; and its multiply-adds per patch and frequency. */
rhm_status rhm_passes_run(rhm_passes *p, rhm_pass_factor factor, double *out, rhm_error *error);
double rhm_passes_terms(const rhm_passes *p, rhm_pass_factor factor);

/* ---- for the kinds ---- */

/* Features of all patches into `cached`. */
rhm_status rhm_passes_cache(rhm_passes *p, rhm_error *error);

/* For more threads than partial sums: make C w in two loops, where that pays. */
rhm_status rhm_passes_split(rhm_passes *p, rhm_error *error);

/* Visit the patches in runs; what else that takes, once it is known to pay; and go back. */
rhm_status rhm_passes_sort(rhm_passes *p, rhm_error *error);
rhm_status rhm_passes_sort_shares(rhm_passes *p, rhm_error *error);
void rhm_passes_unsort(rhm_passes *p);

/* A parallel loop over all patches that is accounted, with its operations, as `name`. */
rhm_status rhm_passes_loop(rhm_passes *p, const char *name, double terms, size_t chunks, rhm_chunk_body *body,
                           void *context, rhm_error *error);

/* A thread's features, and its factors r (chunk, classes). */
typedef struct rhm_pass_space {
    float *x, *r;
} rhm_pass_space;

rhm_pass_space rhm_passes_space(const rhm_passes *p, int thread);

size_t rhm_passes_chunks(const rhm_passes *p);

/* Before the first pass: leaves in rows of so many, and this rank's rows. */
void rhm_passes_divide(rhm_passes *p, size_t rows, size_t together);

/* First of the chunks of a leaf; of `leaves`, the end of all. Likewise of a row. */
static inline size_t rhm_passes_leaf_begin(const rhm_passes *p, size_t leaf) {
    return leaf * rhm_passes_chunks(p) / p->leaves;
}

static inline size_t rhm_passes_row_begin(const rhm_passes *p, size_t row) {
    return rhm_passes_leaf_begin(p, row < p->rows ? row * p->together : p->leaves);
}

static inline rhm_patch_rows rhm_passes_rows(const rhm_passes *p, size_t first, size_t count) {
    const rhm_normal *n = &p->normal;
    return (rhm_patch_rows){n->rows.table, n->rows.ids + first * n->data.map->tokens, count};
}

/* Patches whose features are in the workspace at a time. */
static inline size_t rhm_passes_space_rows(const rhm_passes *p) {
    return p->kind->whole_chunks ? p->op.chunk : p->op.block;
}

/* r (count, classes): label frequencies; and outputs times p_mu. */
void rhm_passes_labels(const rhm_passes *p, size_t first, size_t count, float *r);
void rhm_passes_weigh(const rhm_passes *p, size_t first, size_t count, float *r);

#endif
