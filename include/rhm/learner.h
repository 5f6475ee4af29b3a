/*
 * Learners, and the options and reports that they share. `layerwise` is the paper's (sections 2.2-2.3): levels L, L-1,
 * ..., 1, each a random-feature map and a ridge regression of the label on the first patch of fresh samples, pushed
 * through the levels below; or on the first K patches, a block of outputs for each.
 */
#ifndef RHM_LEARNER_H
#define RHM_LEARNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/data.h"
#include "rhm/engine.h"
#include "rhm/grammar.h"
#include "rhm/model.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rhm_solver {
    RHM_CG,       /* conjugate gradients, all |V_0| right-hand sides at once */
    RHM_GD,       /* gradient descent, step 2 / (top + 2 lambda) with the top eigenvalue from power iteration */
    RHM_GD_PAPER, /* gradient descent with the paper's step 2 |P_l| / (|P_l| + 1) */
    RHM_CHOLESKY, /* LAPACKE in double precision */
    RHM_SOLVERS,  /* how many there are */
} rhm_solver;

/*
 * How the counts of (first patch, label) come about. The law is the same. Where the number of samples is left to auto,
 * the level above the highest one with an affordable table can have a restricted support: of N samples only those are
 * kept whose first patch is one of 65536 that are chosen at random before labels are seen (`kept_share`).
 */
typedef enum rhm_draw {
    RHM_DRAW_AUTO,    /* counts at the levels whose table of probabilities is affordable, or whose N may be large enough
                         for a restricted support; samples at the others */
    RHM_DRAW_SAMPLES, /* draw and count samples: time in proportion to N */
    RHM_DRAW_COUNTS,  /* draw the multinomial counts: time independent of N; refused where the table is too large */
} rhm_draw;

/* What the layerwise learner hands from a level to the one above. */
typedef enum rhm_between {
    RHM_BETWEEN_EMBEDDINGS, /* outputs, as in the paper */
    RHM_BETWEEN_IDS,        /* outputs are grouped, and the groups' numbers come one-hot: the model is a table */
} rhm_between;

/* What the stages of the layerwise learner have of a data set, beside the test set. */
typedef enum rhm_slices {
    RHM_SLICES_AUTO,     /* disjoint where that leaves each stage most of what it begins with, else shared */
    RHM_SLICES_DISJOINT, /* a slice each, which no other stage has seen, as in the paper */
    RHM_SLICES_SHARED,   /* all of it */
} rhm_slices;

enum { RHM_MAX_WIDTH = 1 << 20, RHM_MAX_POSITIONS = 1 << 16 };

/* ---- the learner cnn (docs/cnn.md) --------------------------------------------------------------------------- */

/* The first of each is what the protocol says. */
typedef enum rhm_bias { RHM_BIAS_PROTOCOL, RHM_BIAS_NONE, RHM_BIAS_PER_POSITION } rhm_bias;

typedef enum rhm_weight_scale {
    RHM_SCALE_PROTOCOL,
    RHM_SCALE_CHANNELS, /* convolutions are divided by sqrt(channels in) */
    RHM_SCALE_INPUTS,   /* by sqrt(s x channels in) */
} rhm_weight_scale;

typedef enum rhm_whitening {
    RHM_WHITENING_PROTOCOL,
    RHM_WHITENING_NONE,         /* one-hot as it is */
    RHM_WHITENING_SHIFTED,      /* x (1 + q) - q with q = (V - 1)^(-1/2) */
    RHM_WHITENING_STANDARDIZED, /* (x - 1/V) / sqrt(1 - 1/V) */
} rhm_whitening;

typedef enum rhm_rate_schedule {
    RHM_RATE_PROTOCOL,
    RHM_RATE_CONSTANT,
    RHM_RATE_COSINE, /* rate (1 + cos(pi e / E)) / 2 in epoch e = 0, 1, ..., E being rate_period of all epochs */
} rhm_rate_schedule;

typedef enum rhm_sequence_sampling {
    RHM_SEQUENCES_PROTOCOL,
    RHM_SEQUENCES_DISTINCT, /* without replacement (rhm_sample_distinct); sequences to test on are others */
    RHM_SEQUENCES_REPEATED, /* with replacement: the first P of a stream */
    RHM_SEQUENCES_FRESH,    /* every epoch the next P of a stream */
} rhm_sequence_sampling;

typedef enum rhm_schedule {
    RHM_END_TO_END,
    RHM_BY_LEVEL, /* level L first; of each its convolution and a readout of its own, with the levels below fixed */
} rhm_schedule;

/* Of activations and weights in products; parameters, sums and steps are floats in any case. */
typedef enum rhm_arithmetic {
    RHM_FLOAT32,
    RHM_BFLOAT16, /* by oneDNN, where the CPU multiplies such numbers */
} rhm_arithmetic;

/* Value of a number that is to be 0, where 0 stands for a default. */
#define RHM_NONE (-1.0)

/* 0 is what the protocol says, where nothing else is stated. Choices are the enumerations above. */
typedef struct rhm_cnn_options {
    uint32_t width[RHM_MAX_LEVELS + 1]; /* h_l, channels that come out of level l; 0: rhm_train_options.width */
    rhm_bias bias;
    rhm_weight_scale weight_scale;
    rhm_whitening whitening;
    rhm_rate_schedule rate_schedule;
    rhm_sequence_sampling sampling; /* data sets are taken as they are */
    rhm_schedule schedule;
    rhm_arithmetic arithmetic;
    double bias_scale;     /* biases are multiplied by this */
    double momentum;       /* below 1, or RHM_NONE */
    double rate_period;    /* of RHM_RATE_COSINE, as a share of the epochs */
    double loss_threshold; /* training ends after an epoch whose mean cross-entropy is no larger; or RHM_NONE */
    double regulariser;    /* of mean(p^2), for every tensor p of parameters; or RHM_NONE */
    uint64_t batch;        /* sequences of a step */
    uint64_t epochs;       /* at most */
    uint64_t sequences; /* P, of an epoch; 0: 32768; as many as data have, four fifths of all that a grammar writes */
} rhm_cnn_options;

/* What there is to know of a learner; all strings are static. */
typedef struct rhm_learner_info {
    const char *name;           /* for rhm_train_options.learner and --learner */
    const char *summary;        /* what it is, in one line */
    const char *source;         /* the paper */
    const char *needs;          /* samples, labels, latents */
    const char *model_kind;     /* of what it trains (rhm/model.h) */
    bool latents;               /* it is shown the hidden symbols of its samples: an upper bound, not a competitor */
    const char *const *options; /* names of those that it takes, as the command has them; ends with NULL. All learners
                                   take seeds and the number of test samples */
} rhm_learner_info;

/* All learners, the default first; NULL from rhm_learner_count on. */
RHM_API size_t rhm_learner_count(void);
RHM_API const rhm_learner_info *rhm_learner_at(size_t index);
RHM_API bool rhm_learner_takes(const rhm_learner_info *learner, const char *option);

/*
 * The numbers that an option of training may be, by its name in the command ("max-width"), beside 0, which stands for
 * its default. *least is DBL_MIN where any positive number will do. False, and nothing is set, for other options.
 */
RHM_API bool rhm_train_option_bounds(const char *option, double *least, double *greatest);

/* How a solver multiplies with the matrix C of the normal equations; chosen by the sizes of the problem. */
typedef enum rhm_route {
    RHM_ROUTE_PASSES, /* a pass over the distinct patches each time */
    RHM_ROUTE_GRAM,   /* C is formed once */
} rhm_route;

/* Value of an entry of rhm_train_options.ridge: lambda = 1/|P_l|, as the paper has it. */
#define RHM_RIDGE_PAPER (-1.0)

/*
 * Where and when the state of a training is written, so that an interrupted one can go on to the same bits: after every
 * level, and inside one every `seconds` or so, never so often that writing takes more than a fifth of the time. The two
 * newest are kept. A write that fails is reported and the training goes on. A training that has finished can be
 * "resumed" too: it is only tested again.
 */
typedef struct rhm_checkpoint_options {
    const char *directory; /* made unless it is there; NULL: no checkpoints. One process at a time may use it */
    double seconds;        /* 0: 60 */
    bool resume;           /* go on from what is there; otherwise a directory with checkpoints is refused */

    /* What a user should know, as a sentence: resumed or not, a damaged checkpoint, failing writes. May be NULL. */
    void (*note)(void *user, const char *sentence);
    void *user;
} rhm_checkpoint_options;

/* Whether a file of this name, without its directory, is taken for one of a training's in such a directory: it may be
 * replaced or removed. */
RHM_API bool rhm_checkpoint_file_name(const char *name);

/* How far a training is, for a display. Work is counted in multiply-adds, by the sizes of what is done. */
typedef struct rhm_train_state {
    uint32_t level;                      /* in hand; 0: all levels are trained */
    uint32_t finished;                   /* this level and those below it have their reports; L + 1: none */
    double done[RHM_MAX_LEVELS + 1];     /* work, by level 1..L */
    double expected[RHM_MAX_LEVELS + 1]; /* in all; corrected as levels are begun, go on and are finished */
    const struct rhm_train_report *report;
} rhm_train_state;

/* Indexed arrays are indexed by level 1..L; 0 means auto: chosen from the data, never from the grammar. */
typedef struct rhm_train_options {
    const char *learner;                    /* its name; NULL: "layerwise" */
    uint32_t positions[RHM_MAX_LEVELS + 1]; /* K_l: patches of a sequence whose counts level l has; 0: auto */
    uint64_t samples[RHM_MAX_LEVELS + 1];   /* N^(l) */
    double bandwidth[RHM_MAX_LEVELS + 1];   /* sigma_l, in units of embedding distance */
    double ridge[RHM_MAX_LEVELS + 1];       /* lambda_l, or RHM_RIDGE_PAPER */
    uint32_t width;                         /* M, features are 2M; 0: auto */
    rhm_solver solver;
    rhm_draw draw;
    rhm_between between;  /* what layerwise hands from level to level */
    rhm_slices slices;    /* what its stages have of a data set */
    bool raw;             /* every sample is a patch of its own: the paper's computation, for comparison */
    double tolerance;     /* relative residual to stop at; 0: 1e-4 */
    uint64_t max_samples; /* largest N^(l) that auto may choose; 0: 1e15 */
    uint32_t max_width;   /* largest M that auto may choose; 0: 4096 */
    double max_seconds;   /* auto stops asking for more samples after this; 0: no limit */
    const char *protocol; /* which published variant of the learner; NULL: its own default */
    double learning_rate; /* size of a gradient step over the width (of cnn: h_1); 0: the protocol's */
    rhm_cnn_options cnn;
    uint64_t seed;         /* of samples, random frequencies and initial weights */
    uint64_t test_samples; /* fresh sequences (or held-out ones) for the accuracy; 0: 10000 */
    rhm_checkpoint_options checkpoint;

    /* Called on the calling thread after every draw and fit, and when a level is finished. May be NULL. */
    void (*watch)(void *watcher, const rhm_train_state *state);
    void *watcher;
} rhm_train_options;

/* ---- options by name, for bindings --------------------------------------------------------------------------------
 */

/* All zero. */
RHM_API rhm_status rhm_train_options_create(rhm_train_options **out, rhm_error *error);
RHM_API void rhm_train_options_destroy(rhm_train_options *options); /* accepts NULL */

/*
 * Set an option by the name and in the words that the command has for it: "max-width" to "512", "between" to "ids",
 * "ridge" to "paper". An option that has levels takes one value for levels 1 to `levels`, or a list with commas, level
 * L first. Of texts (learner, protocol, checkpoint) the pointer is kept. Ranges, and whether the learner takes the
 * option, are checked when it trains; RHM_INVALID for a name, a word or a number that is none.
 */
RHM_API rhm_status rhm_train_options_set(rhm_train_options *options, const char *name, const char *text,
                                         uint32_t levels, rhm_error *error);

/* Who hears what a user should know of checkpoints. */
RHM_API void rhm_train_options_listen(rhm_train_options *options, void (*note)(void *user, const char *sentence),
                                      void *user);

/* What happened at one level. NAN where a diagnostic has no meaning (training on data without a grammar). */
typedef struct rhm_level_report {
    uint32_t level;
    rhm_draw draw;     /* RHM_DRAW_SAMPLES or RHM_DRAW_COUNTS */
    uint64_t samples;  /* the kept ones, of about samples / kept_share */
    double kept_share; /* of all samples, those whose first patch is one of the chosen; 1 unless the support is
                          restricted */
    uint64_t validation_samples;
    uint64_t distinct_patches;
    uint32_t positions; /* K_l, patches of a sequence that were looked at */
    uint32_t width;     /* 0 where the learner fits no regression: then so are solver and route without meaning */
    double bandwidth;
    double ridge;
    rhm_solver solver;
    rhm_route route;
    uint32_t iterations;
    double residual;           /* ||(C + lambda I) W - B|| / ||B||, measured after the last step */
    double held_out_loss;      /* mean squared error of the normalised prediction on a validation stream */
    double held_out_accuracy;  /* share of validation samples whose label is the largest output */
    double evidence;           /* standard errors by which the loss is below that of predicting the same for all; of the
                                  learner latent: by which siblings depend on each other */
    bool converged;            /* residual <= 1.1 tolerance */
    uint32_t symbols;          /* |V_{l-1}|: clusters that the outputs should form */
    uint32_t clusters;         /* that they form; fewer where symbols have the same posterior or never come first */
    double cluster_separation; /* smallest distance between their centres */
    double cluster_radius;     /* 99th percentile of the distance to the own centre */
    double posterior_error_mean, posterior_error_max, posterior_error_floor;
    double synonym_accuracy;
    double separation;
    double radius;
    double unseen_mass; /* probability of level-l patches, at a random position, that training never saw */
    uint64_t clamped;   /* outputs whose coordinate sum was below the floor */
    uint32_t attempts;  /* fits tried while choosing sample size, bandwidth, ridge and width */
    double sample_seconds, embed_seconds, bandwidth_seconds, solve_seconds, total_seconds;
    double kernel_seconds; /* in the kernels' loops over patches, wherever these were */
    double flops;          /* multiply-adds of the kernels, counted as two */

    /* The search's own account in multiply-adds, by the sizes of what it did: the same on every machine. */
    double work, foreseen_work, allowed_work;
    bool resolved;   /* clusters that are apart, and of some meaning for the label (see `limit`) */
    char limit[160]; /* "" or what stopped an automatic choice short of its target */
} rhm_level_report;

/* One pass of gradient descent over its sequences. */
typedef struct rhm_epoch_report {
    uint32_t level; /* whose convolution was trained; 0: all */
    uint64_t steps;
    double rate;     /* size of a step */
    double loss;     /* mean cross-entropy of the sequences, each before the step that it took part in, in nats */
    double accuracy; /* of the same */
    double seconds;
} rhm_epoch_report;

/* What a learner did that descends gradients; `protocol` is NULL for all others. */
typedef struct rhm_descent_report {
    const char *protocol; /* static */
    rhm_cnn_options used; /* the numbers that the protocol or the options gave */
    double learning_rate; /* over h_1 */
    uint64_t parameters;  /* of the network */
    uint64_t steps;
    uint64_t visits;     /* sequences that steps were made with, each time counted */
    double seconds;      /* of the epochs */
    const char *backend; /* who computed them at last: "native", "onednn" or "onednn bfloat16"; static */
    bool reached;        /* the loss threshold, at every level where levels were trained one by one */
    size_t epochs;
    rhm_epoch_report *epoch; /* (epochs), owned: rhm_train_report_clear */
} rhm_descent_report;

/* What this run did about its checkpoints. */
typedef struct rhm_checkpoint_report {
    bool resumed;
    double resumed_seconds; /* of training before this run */
    uint32_t written, failed;
    double seconds;                      /* spent on writing */
    uint64_t nbytes;                     /* of the largest, its samples included */
    char failure[RHM_ERROR_TEXT_NBYTES]; /* why the last failed write did; "" when none failed */
} rhm_checkpoint_report;

/* Seconds are those of the whole training, runs before an interruption included. */
typedef struct rhm_train_report {
    const char *learner; /* static */
    bool shown_latents;  /* rhm_learner_info.latents */
    uint32_t levels;
    uint32_t tuning;                            /* version of the constants that decide what is searched and how */
    rhm_slices slices;                          /* that stages of a data set had; RHM_SLICES_AUTO: there were none */
    rhm_level_report level[RHM_MAX_LEVELS + 1]; /* entries 1..levels */
    uint64_t test_samples;
    uint64_t test_clamped;
    double test_accuracy;
    double test_seconds;
    double test_sample_seconds, test_kernel_seconds; /* of it: drawing and counting; the kernels' loops */
    double seconds;
    rhm_checkpoint_report checkpoint;
    rhm_descent_report descent;
} rhm_train_report;

/* Release what a report owns; accepts a zeroed one. Only those of the learner cnn own something. */
RHM_API void rhm_train_report_clear(rhm_train_report *report);

/*
 * Train on samples of a grammar with the learner that the options name. The grammar's exact quantities enter only the
 * diagnostics of the report. On success *out is owned by the caller. The model is a function of (grammar, options)
 * alone: the same bits for every engine. On RHM_INTERRUPTED no model is returned, but report->checkpoint is set.
 * RHM_FAILED: gradient descent has diverged. `report` may be NULL; else it is filled anew (what it owned is not
 * released) and the caller's to clear, also on failure.
 */
RHM_API rhm_status rhm_train(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                             const rhm_grammar *grammar, const rhm_train_options *options, rhm_error *error);

/* At most one sequence in so many of a data set becomes the test set. */
enum { RHM_HELD_OUT = 5 };

/*
 * Train on a data set, whose last sequences are the test set; options->slices says how stages share the others. Where
 * they are not in random order (rhm_data_is_mixed), call rhm_data_shuffle first.
 * parents[l] = |V_{l-1}| for l = 1..L, or NULL: |V_0| at level 1, |V_L| at the others. Diagnostics that need the
 * grammar use data->grammar.
 */
RHM_API rhm_status rhm_train_data(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                                  const rhm_data *data, const uint32_t *parents, const rhm_train_options *options,
                                  rhm_error *error);

RHM_API const char *rhm_solver_name(rhm_solver solver); /* "cg", "gd", "gd-paper", "cholesky" */
RHM_API const char *rhm_route_name(rhm_route route);    /* "passes", "gram" */

#ifdef __cplusplus
}
#endif
#endif
