/*
 * Learners that need only counts: level L first, each level counted, its patches given ids, and made a level of a table
 * (model/table.h). They differ in how counts become ids, which is their method; where counts come from, how many
 * positions and samples it takes, the model and the report are the same.
 */
#ifndef RHM_COUNTS_LEVELS_H
#define RHM_COUNTS_LEVELS_H

#include "counts/counts.h"
#include "counts/groups.h"
#include "counts/latents.h"
#include "counts/law.h"
#include "rhm/plan.h"
#include "rhm/sampling.h"
#include "training/problem.h"

typedef struct rhm_table_learning {
    const struct rhm_table_method *method;
    const rhm_engine *engine;
    const rhm_problem *problem;
    const rhm_train_options *options;
    struct rhm_table *table;
    rhm_tree tree;
    rhm_sampler *sampler; /* without data */
    rhm_id_law ids;       /* of the level above which we are; empty where it is not known */
    rhm_train_report *report;
    rhm_train_state state; /* for a display */
} rhm_table_learning;

/* A level in hand. */
typedef struct rhm_table_stage {
    uint32_t level;
    size_t most_positions;
    rhm_patch_law law; /* without patches where samples are counted */
    rhm_table_counts counts;
    rhm_groups groups;
    uint32_t attempts;
    double evidence; /* for the report */
    char limit[160]; /* for the report */
    double count_seconds, embed_seconds, group_seconds;
} rhm_table_stage;

typedef struct rhm_table_method {
    bool latents; /* samples show their hidden symbols: above level L patches are of true symbols, and above level 1
                   * counts are by the symbol above a patch, not by the label */

    /* Where counts come from and how many it takes: fills the stage's counts (above level 1 only their patches, samples
     * and positions have to be there) and groups; NULL: rhm_table_search. */
    rhm_status (*search)(rhm_table_learning *l, rhm_table_stage *s, rhm_error *error);

    /* What a level takes in proportion to the others, for a display; NULL: all the same. */
    double (*share)(const rhm_table_learning *l, uint32_t level);

    /* Ids for the patches of a level > 1. */
    rhm_status (*group)(rhm_groups *out, const rhm_table_learning *l, uint32_t level, const rhm_table_counts *counts,
                        rhm_error *error);

    /* Posteriors of level 1, (patches + 1, classes), the last for patches that did not occur, and the label of each;
     * NULL: label frequencies, and the largest. */
    rhm_status (*answer)(float *posterior, uint32_t *label, const rhm_table_learning *l, const rhm_table_counts *counts,
                         rhm_error *error);

    /* Multiply-adds that `group` takes, about, and bytes that it holds; for plans. */
    double (*work)(const rhm_train_options *options, double patches, double positions, double classes, double symbols);
    double (*nbytes)(const rhm_train_options *options, double patches, double positions, double classes);
} rhm_table_method;

enum {
    RHM_TABLE_GROWTH = 4,      /* of samples, where they are counted */
    RHM_TABLE_POSITIONS = 256, /* most that are chosen automatically */
    RHM_TABLE_CELLS = 1 << 24, /* of counts, when positions are chosen automatically */
};

/* Separation over radius at which a search ends, and below which groups overlap. */
#define RHM_TABLE_TARGET 3.0
#define RHM_TABLE_LEAST  1.5

/* Multiply-adds of one grouping, most of it pairs of patches: a minute or two. What would take more is refused, or not
 * tried. */
#define RHM_TABLE_WORK 0x1p37

/* Share of certain patches (groups.h) from which on groups are apart, however wide they are. */
#define RHM_TABLE_CERTAIN 0.99

/* As struct rhm_learner has it, by a method. */
rhm_status rhm_table_fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine,
                         const rhm_problem *problem, const rhm_train_options *options, const rhm_table_method *method,
                         rhm_error *error);
rhm_status rhm_table_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                          const rhm_problem *problem, const rhm_train_options *options, const rhm_table_method *method,
                          rhm_error *error);

/*
 * Patches of a level that sequences show, as far as can be told. A grammar that stands for data has no more rules than
 * exact posteriors allow; what the data show of the lowest patches may be more, and is taken for all levels, up to
 * `most`. *shown: of the lowest level, those at the front of so many sequences of such data; else 0.
 */
rhm_status rhm_table_foresee_patches(double *patches, size_t *shown, const rhm_problem *problem, uint32_t level,
                                     uint64_t samples, double most, rhm_error *error);

/* Seconds that the test of `count` sequences takes, measured with the table of the rules themselves. */
rhm_status rhm_table_measure_test(double *seconds, const rhm_engine *engine, const rhm_grammar *grammar, uint64_t count,
                                  rhm_error *error);

/* Samples with which the search of a level begins and ends: the same where it goes through numbers of positions alone,
 * as with counts that are drawn. RHM_INVALID where data have fewer. */
rhm_status rhm_table_samples(uint64_t *first, uint64_t *most, const rhm_table_learning *l, uint32_t level, bool drawn,
                             rhm_error *error);

/* Count and group until symbols come apart or nothing is left to try; the stage then has the best that came out. */
rhm_status rhm_table_search(const rhm_table_learning *l, rhm_table_stage *s, rhm_error *error);

/* RHM_INVALID where grouping the patches of a level would take more than RHM_TABLE_WORK; also for plans. */
rhm_status rhm_table_check_work(const rhm_table_learning *l, uint32_t level, double patches, double positions,
                                double classes, rhm_error *error);

void rhm_table_stage_clear(rhm_table_stage *stage); /* accepts a zeroed one */

#endif
