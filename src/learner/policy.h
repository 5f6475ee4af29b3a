/*
 * Bandwidth, ridge, sample size and width of a stage from its data alone (docs/training.md). Every decision depends
 * on counts, losses and cluster gaps, never on the machine, so the model does not depend on where it was trained; only
 * the caller's max_seconds can cut a search short, and the report then says so.
 */
#ifndef RHM_LEARNER_POLICY_H
#define RHM_LEARNER_POLICY_H

#include "learner/stage.h"

/*
 * Separation / radius that a stage aims at. Where samples are free because counts are drawn, much more than needed:
 * what is wrong there is wrong for all levels above. Where they cost minutes, just enough, since below that synonyms
 * stay apart and noise grows from level to level (rhm_costly_gap); RHM_COSTLY_LEAST will do where more samples do not
 * help. Below RHM_LEAST_GAP the level above is bound to fail.
 */
#define RHM_TARGET_GAP    2.5
#define RHM_SATURATED_GAP 32.0
#define RHM_COSTLY_GAP    1.5
#define RHM_COSTLY_LEAST  1.25
#define RHM_LEAST_GAP     1.0
#define RHM_LEAST_GAIN    1.15 /* of the gap, to count as help */

/* Held-out accuracy that is good enough at level 1, whatever the gap. */
#define RHM_GOOD_ACCURACY 0.9995

/* Standard errors (rhm_fit.evidence) below which outputs are no clear improvement on the label frequencies. */
#define RHM_LEAST_EVIDENCE 3.0

enum {
    RHM_SATURATION = 4,  /* samples per patch beyond which hardly one is missing */
    RHM_MOST_STALLS = 3, /* enlargements in a row that may fail to help */
    RHM_FIRST_WIDTH = 1024,
    RHM_COMFORT = 1 << 18,       /* distinct patches up to which the full target is pursued */
    RHM_MOST_REFINED = 1 << 18,  /* beyond which bandwidth and ridge are searched last, when nothing else is left */
    RHM_MOST_DISTINCT = 1 << 27, /* beyond which a search no longer asks for more samples */
};

/* Distinct patches times width from which on a fit takes minutes. */
#define RHM_DEAR 0x1p34

typedef struct rhm_choice {
    rhm_fit fit; /* the accepted one; owned */
    bool resolved;
    double work, foreseen,
        allowed;     /* multiply-adds (budget.h): that the search took, was foreseen and allowed to take */
    char limit[160]; /* "" or what kept the search from its target */
} rhm_choice;

/*
 * Draw and fit until the clusters of the outputs are RHM_TARGET_GAP apart or a limit is met. `separation` is the
 * smallest distance between two different input embeddings, as the level below measured it. `deadline` is on
 * rhm_seconds' clock.
 */
rhm_status rhm_choose(rhm_choice *out, rhm_stage *stage, double separation, double deadline, rhm_error *error);

/* Noise is passed on: what a costly level asks for, given what the highest of them would, since all levels above
 * inherit what it leaves. */
double rhm_costly_gap(double gap, uint32_t level);

/* Whether `enlargement` times the samples, or more width where it is 1, have helped. */
bool rhm_gap_helped(double gap, double widest, double enlargement);

/* Samples with which an automatic search begins. */
uint64_t rhm_first_samples(const rhm_task *task, const rhm_train_options *options, uint32_t level);

/*
 * The same once the level below is known: neighbouring outputs were `separation` apart there, and will be about sqrt(m)
 * times as far apart here.
 */
uint64_t rhm_first_look(const rhm_task *task, const rhm_train_options *options, uint32_t level, double separation);

/* Samples to go on with after `samples` gave a gap of `gap`. `saturated`: every patch has occurred and counts are
 * drawn, so that more samples cost nothing. */
uint64_t rhm_next_samples(uint64_t samples, double gap, double target, bool saturated);

/* Validation samples that go with `samples` training samples. */
uint64_t rhm_held_out_samples(uint64_t samples, uint64_t available);

#endif
