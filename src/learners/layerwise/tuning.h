/*
 * Every number that decides what the search of the layerwise learner does, and so the bits of its models, beside what
 * belongs to the solution of a given fit (linear/plan.h) and to its clusters (cluster.h). Measured, not derived:
 * README.md says where.
 */
#ifndef RHM_LEARNERS_LAYERWISE_TUNING_H
#define RHM_LEARNERS_LAYERWISE_TUNING_H

#include <stdint.h>

#include "rhm/status.h"

/* Counts up with every change of a value or of what is done with it; in reports, models and checkpoints. */
enum { RHM_TUNING_VERSION = 8 };

typedef struct rhm_tuning {
    /* ---- samples */
    double samples_per_rule;  /* c of the first N = c V m^l, the field's scaling law with a modest constant */
    double samples_per_noise; /* the first N rho^2 / |P| where rho can be told: noise a third of the distance */
    double saturation;        /* samples per patch beyond which hardly one is missing */
    uint64_t least_samples;
    uint64_t most_held_out;
    double least_growth, most_growth, growth_margin;       /* of N from round to round; over what the gap lacks */
    double most_growth_of_counts, growth_margin_of_counts; /* the same where counts are drawn */
    double least_gap_for_growth;                           /* a smaller one is no measure of what is lacking */

    /* ---- separation / radius that a stage aims at. Where samples are free because counts are drawn, much more than
     * needed: what is wrong there is wrong for all levels above. Where they cost minutes, just enough, since below that
     * synonyms stay apart and noise grows from level to level. */
    double target_gap, saturated_gap;
    double given_gap;                /* of data sets, as long as that is cheap */
    double costly_gap, costly_least; /* aimed at; will do where more samples do not help */
    double costly_ratio;             /* of both, from a costly level to the one below, */
    uint32_t free_levels;  /* except at this many levels at the top: their noise reaches none that is costly */
    double least_gap;      /* below which the level above is bound to fail */
    double least_gain;     /* of the gap, to count as help */
    double least_of_gap;   /* share of it that a bandwidth or ridge with a smaller loss must leave */
    double good_accuracy;  /* held-out, at level 1: good enough whatever the gap */
    double least_evidence; /* standard errors below which outputs are no improvement on label frequencies */

    /* ---- bandwidth and ridge */
    double bandwidth_of_separation;         /* docs/training.md */
    double bottom_bandwidth;                /* one-hot inputs: any value around it works */
    double bandwidth_ratio, ridge_ratio;    /* steps of the walks, */
    uint32_t most_steps;                    /* at most so many along an axis, */
    double least_bandwidth, most_bandwidth; /* inside these */
    double least_ridge, most_ridge;         /* times 1/|P_l| */
    double first_ridge;                     /* the same */
    double free_ridge;                      /* the same, where noise is no concern any more */
    double noise_ridge;                     /* times 1 / (N rho^2), where samples are costly */
    double least_noise_ridge;               /* times 1/|P_l| */
    double ridge_worth_a_fit;               /* a ridge that is so much lower is tried */

    /* ---- what is costly */
    uint32_t most_stalls; /* enlargements in a row that may fail to help */
    uint32_t first_width;
    double comfort;       /* distinct patches up to which the full target is pursued */
    double most_refined;  /* beyond which bandwidth and ridge are searched last, when nothing else is left */
    double most_distinct; /* beyond which a search no longer asks for more samples */
    double dear;          /* distinct patches times width from which on a fit takes minutes */

    /* ---- the budget of a search (budget.h) */
    double many_fits, few_fits;   /* foreseen where all patches have occurred or samples are costly; elsewhere */
    double foreseen_growth;       /* of samples, from the first look to the last */
    double most_times_usual;      /* samples of a first look; a separation that asks for more is noise */
    double first_products;        /* that a first fit may take whatever the budget, in those that are usual */
    double token_work, cell_work; /* multiply-adds that take as long as drawing a token, or the count of a cell */
    double budget_multiple;       /* of what was foreseen that a search may do, */
    double budget_least;          /* and multiply-adds in any case: a second or two of one core */
    double trial_multiple;        /* of what was foreseen, where positions are left to try, */
    double fewer_multiple;        /* and where groups are clearly fewer besides */
} rhm_tuning;

extern const rhm_tuning rhm_tuning_default;

/* RHM_INVALID, naming the first member that makes no sense. */
rhm_status rhm_tuning_check(const rhm_tuning *tuning, rhm_error *error);

#endif
