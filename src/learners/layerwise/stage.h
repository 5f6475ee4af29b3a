/*
 * One stage of training: the samples of a level, pushed through the levels below, and fits of that level to them. What
 * to fit next is decided in search.c; this file only does what it is told and measures what came out.
 */
#ifndef RHM_LEARNERS_LAYERWISE_STAGE_H
#define RHM_LEARNERS_LAYERWISE_STAGE_H

#include "core/clock.h"
#include "learners/layerwise/cluster.h"
#include "learners/layerwise/design.h"
#include "learners/layerwise/draw_choice.h"
#include "learners/layerwise/search.h"
#include "learners/layerwise/task.h"
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
    double seconds; /* of the solver */
} rhm_fit;

/* A search at least doubles its samples from one draw to the next. */
enum { RHM_MOST_DRAWS = 64 };

typedef struct rhm_drawn {
    uint64_t samples, held_out;
} rhm_drawn;

/* Who keeps a stage: told when all of it is consistent, and when a fit is begun and done. All NULL: nobody. */
typedef struct rhm_keeper {
    void *context;
    void (*offer)(void *context);
    rhm_solve_watch (*fitting)(void *context); /* for its solver, which may go on where an interrupted one was */
    void (*fitted)(void *context);
} rhm_keeper;

/* What a stage has done so far, searches with fewer positions included. */
typedef struct rhm_stage_costs {
    double sample_seconds, embed_seconds, fit_seconds;
    double kernel_seconds; /* in the kernels' loops over patches: of embed_seconds and fit_seconds */
    double flops;
    uint32_t fits;
    uint32_t positions;  /* those of now */
    double earlier_work; /* of searches with fewer */
} rhm_stage_costs;

typedef struct rhm_stage {
    const rhm_engine *engine;
    const rhm_task *task;
    const rhm_train_options *options;
    const rhm_ready_layer *ready; /* [j], j = level+1..L: the levels below */
    uint32_t level;
    rhm_sample_set training, validation;
    rhm_stage_costs costs;
    rhm_search search; /* of choose.h, once it has begun */
    bool searching;
    rhm_fit best;                    /* its best fit so far; owned */
    rhm_drawn drawn[RHM_MOST_DRAWS]; /* what the draws were asked for, in their order */
    uint32_t draws;
    double solves; /* fits expected at the next bandwidth, for the rule of linear/plan.h; 0: one. The search's to
                      set, from what it decided and never from what is in memory */
    uint32_t most_iterations; /* of the next fit's solver; 0: as many as it may take. Likewise */
    rhm_design design;        /* of the last fit */
    size_t *input_parts;      /* (ranks + 1): first patches of those that each rank has, of divided samples; owned */
    size_t input_rows;        /* what else decides them; 0: every rank has all, or nothing yet */
    struct rhm_watch *watch;  /* who is shown how far the search is, or NULL */
    rhm_keeper keeper;        /* who keeps the stage in case of an interruption */
    double begin;             /* of the training, on rhm_seconds' clock */
    double clock;             /* seconds from there to the end of the last draw or fit */
} rhm_stage;

/* `first_look`: samples with which the search will begin. */
rhm_status rhm_stage_init(rhm_stage *stage, const rhm_engine *engine, const rhm_task *task,
                          const rhm_train_options *options, const rhm_ready_layer *ready, uint32_t level,
                          uint64_t first_look, rhm_stream_of_samples training, rhm_stream_of_samples validation,
                          rhm_error *error);
void rhm_stage_clear(rhm_stage *stage); /* accepts a zeroed one */

/* Draw until the training set has `samples` and the validation set `held_out` samples; never fewer than before. */
rhm_status rhm_stage_draw(rhm_stage *stage, uint64_t samples, uint64_t held_out, rhm_error *error);

/* Fit with width M, bandwidth sigma and ridge lambda and measure on the validation set. Release with rhm_fit_clear. */
rhm_status rhm_stage_fit(rhm_stage *stage, uint32_t width, double bandwidth, double ridge, rhm_fit *fit,
                         rhm_error *error);
void rhm_fit_clear(rhm_fit *fit); /* accepts a zeroed one */

/* Draw again what an interrupted stage had drawn, as far as its sets are not there already. */
rhm_status rhm_stage_restore(rhm_stage *stage, rhm_error *error);

/* Counts and embeddings of the validation set, for its users after the last fit. */
rhm_status rhm_stage_settle(rhm_stage *stage, rhm_error *error);

/* Everything is consistent at this moment. */
static inline void rhm_stage_offer(const rhm_stage *stage) {
    if (stage->keeper.offer)
        stage->keeper.offer(stage->keeper.context);
}

/*
 * When the last draw or fit ended, on rhm_seconds' clock. Decisions that depend on time must ask here and nowhere else:
 * then they are the same when an interrupted stage is taken up again.
 */
static inline double rhm_stage_seconds(const rhm_stage *stage) {
    return stage->begin + stage->clock;
}

/* Whether that was after the deadline: as rank 0 sees it. */
rhm_status rhm_stage_late(bool *late, const rhm_stage *stage, double deadline, rhm_error *error);

#endif
