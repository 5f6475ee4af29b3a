/*
 * One stage of training: the samples of a level, pushed through the levels below, and fits of that level to them. What
 * to fit next is decided in policy.c; this file only does what it is told and measures what came out.
 */
#ifndef RHM_LEARNER_STAGE_H
#define RHM_LEARNER_STAGE_H

#include "core/clock.h"
#include "learner/cluster.h"
#include "learner/design.h"
#include "learner/draw_choice.h"
#include "patches/patches.h"
#include "rhm/learner.h"
#include "sampling/source.h"

/* A stream of samples of a stage, and how many it can give. */
typedef struct rhm_stream_of_samples {
    rhm_patch_source *source;
    const void *context;
    uint64_t available;                /* UINT64_MAX: no end */
    const rhm_grammar_source *grammar; /* whose counts can be drawn directly, or NULL */
} rhm_stream_of_samples;

/* What the learner is told about the problem; nothing of it comes from the rules. */
typedef struct rhm_task {
    rhm_tree tree;
    uint32_t classes, token_vocab;
    uint32_t parents[RHM_MAX_LEVELS + 1]; /* |V_{l-1}| */
    double patches[RHM_MAX_LEVELS + 1];   /* |P_l|; 0: unknown, estimated from the level-L patches that occur */
} rhm_task;

/* One half of a stage's data: counted patches and the embeddings of their subtrees. */
typedef struct rhm_sample_set {
    rhm_stream_of_samples stream;
    rhm_draw_choice draw;
    uint64_t draws; /* so far, where counts are drawn */
    rhm_patches patches;
    bool stale; /* counts and embeddings are those of fewer samples */
    rhm_patch_counts counts;
    rhm_embeddings table[RHM_MAX_LEVELS + 2]; /* [j], j = level+1..L+1 */
} rhm_sample_set;

/* A fitted level and what the data say about it. */
typedef struct rhm_fit {
    struct rhm_layer layer; /* owned */
    rhm_route route;
    rhm_solve_result solve;
    double loss;           /* held-out mean squared error of the normalised prediction */
    rhm_clusters clusters; /* of the held-out outputs */
    double accuracy;       /* share of held-out samples whose label is the largest output */
    double evidence;       /* standard errors by which the loss is below that of predicting the same for all */
    uint64_t clamped;
    double seconds;          /* of the solver */
    struct rhm_entry *entry; /* of the journal that follows it, or NULL */
} rhm_fit;

typedef struct rhm_stage {
    const rhm_engine *engine;
    const rhm_task *task;
    const rhm_train_options *options;
    const rhm_ready_layer *ready; /* [j], j = level+1..L: the levels below */
    uint32_t level;
    rhm_sample_set training, validation;
    double sample_seconds, embed_seconds, fit_seconds;
    double kernel_seconds; /* in the kernels' loops over patches: of embed_seconds and fit_seconds */
    double flops;
    uint32_t fits;
    double solves;     /* fits expected at the next bandwidth, for the rule of linear/plan.h; 0: one. The policy's to
                          set, from what it decided and never from what is in memory */
    rhm_design design; /* of the last fit */
    struct rhm_watch *watch;           /* who is shown how far the search is, or NULL */
    struct rhm_checkpoint *checkpoint; /* where the stage is kept in case of an interruption, or NULL */
    double begin;                      /* of the training, on rhm_seconds' clock */
    double clock;                      /* seconds from there to the end of the last draw or fit */
} rhm_stage;

/* `first_look`: samples with which the policy will begin. */
rhm_status rhm_stage_init(rhm_stage *stage, const rhm_engine *engine, const rhm_task *task,
                          const rhm_train_options *options, const rhm_ready_layer *ready, uint32_t level,
                          uint64_t first_look, rhm_stream_of_samples training, rhm_stream_of_samples validation,
                          rhm_error *error);
void rhm_stage_clear(rhm_stage *stage); /* accepts a zeroed one */

/*
 * Draw until the training set has `samples` and the validation set `held_out` samples; never fewer than before. Of the
 * sets, what decides about further draws and fits may look at numbers of samples and patches alone (journal.h).
 */
rhm_status rhm_stage_draw(rhm_stage *stage, uint64_t samples, uint64_t held_out, rhm_error *error);

/* Fit with width M, bandwidth sigma and ridge lambda and measure on the validation set. Release with rhm_fit_clear. */
rhm_status rhm_stage_fit(rhm_stage *stage, uint32_t width, double bandwidth, double ridge, rhm_fit *fit,
                         rhm_error *error);
void rhm_fit_clear(rhm_fit *fit); /* accepts a zeroed one */

/* Draw again what an interrupted stage had drawn; no more than before, where samples are there already. */
rhm_status rhm_stage_refill(rhm_stage *stage, uint64_t samples, uint64_t held_out, rhm_error *error);

/* What an interrupted stage had at this point is there again: for users of the validation set after the last fit. */
rhm_status rhm_stage_settle(rhm_stage *stage, rhm_error *error);

/*
 * When the last draw or fit ended, on rhm_seconds' clock. Decisions that depend on time must ask here and nowhere else:
 * then they are the same when an interrupted stage is taken up again.
 */
static inline double rhm_stage_seconds(const rhm_stage *stage) {
    return stage->begin + stage->clock;
}

#endif
