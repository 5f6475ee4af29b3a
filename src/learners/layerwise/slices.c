#include "learners/layerwise/slices.h"

#include "core/fail.h"
#include "learners/layerwise/sample_sizes.h"

enum { HELD_OUT = 5 }; /* one row in so many is for validation */

/*
 * Disjoint slices that are so many times what a stage begins with serve it better than all rows do, which are no longer
 * independent of the levels below; smaller ones do not (docs/training.md has the accuracies).
 */
static const double AMPLE = 0.8;

typedef struct slicing {
    const rhm_task *task;
    const rhm_train_options *options;
    uint64_t rows, test;
    rhm_slice *training, *validation; /* by level */
} slicing;

/* Of a given N. */
static uint64_t validation_of(uint64_t samples) {
    return samples / (HELD_OUT - 1) + (samples % (HELD_OUT - 1) != 0);
}

static rhm_status refuse_given(const slicing *s, uint64_t given, rhm_error *error) {
    return rhm_fail(error, RHM_INVALID,
                    "the given sample sizes need %llu sequences (validation included), but the data set has %llu, "
                    "of which %llu are kept for the test",
                    (unsigned long long)given, (unsigned long long)s->rows, (unsigned long long)s->test);
}

/* Fewer samples than patches leave symbols unseen: no choice of bandwidth or ridge can make up for that. */
static rhm_status check(const slicing *s, uint32_t level, rhm_error *error) {
    const uint64_t training = s->training[level].count, validation = s->validation[level].count;
    if (s->options->samples[level] || ((double)training >= s->task->patches[level] && validation >= 10))
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID,
                    "too few samples for level %u: its share of the data set's %llu sequences is %llu for "
                    "training and %llu for validation, but at least %.0f and 10 are needed",
                    level, (unsigned long long)s->rows, (unsigned long long)training, (unsigned long long)validation,
                    s->task->patches[level]);
}

/* Rows that given sizes take of their own, and what the other stages begin with, together. */
static uint64_t add_up(const slicing *s, double *wanted) {
    uint64_t given = 0;
    *wanted = 0;
    for (uint32_t l = 1; l <= s->task->tree.levels; l++) {
        const uint64_t samples = s->options->samples[l];
        if (samples)
            given += samples + validation_of(samples);
        else
            *wanted += (double)rhm_first_samples(s->task, s->options, l);
    }
    return given;
}

/*
 * In the order of the rows, per stage training and validation. A stage with a given N takes N and a quarter of that for
 * validation; the others share what is left in proportion to c V m^l, their needs according to the scaling law.
 */
static rhm_status cut(const slicing *s, rhm_error *error) {
    const uint64_t usable = s->rows - s->test;
    double wanted;
    const uint64_t given = add_up(s, &wanted);
    if (given > usable)
        return refuse_given(s, given, error);
    const uint64_t rest = usable - given;
    uint64_t row = 0;
    for (uint32_t l = s->task->tree.levels; l >= 1; l--) {
        const uint64_t samples = s->options->samples[l];
        const double first = (double)rhm_first_samples(s->task, s->options, l);
        const uint64_t share = samples ? samples + validation_of(samples) : (uint64_t)((double)rest * (first / wanted));
        const uint64_t validation = samples ? validation_of(samples) : share / HELD_OUT;
        s->training[l] = (rhm_slice){row, share - validation};
        s->validation[l] = (rhm_slice){row + share - validation, validation};
        row += share;
        RHM_TRY(check(s, l, error));
    }
    return RHM_OK;
}

/* From the first row on to train on, and up to the last one to choose by. */
static rhm_status share(const slicing *s, rhm_error *error) {
    const uint64_t usable = s->rows - s->test;
    for (uint32_t l = s->task->tree.levels; l >= 1; l--) {
        const uint64_t samples = s->options->samples[l];
        const uint64_t validation = samples ? validation_of(samples) : usable / HELD_OUT;
        if (samples > usable || validation > usable - samples)
            return refuse_given(s, samples + validation, error);
        s->training[l] = (rhm_slice){0, samples ? samples : usable - validation};
        s->validation[l] = (rhm_slice){usable - validation, validation};
        RHM_TRY(check(s, l, error));
    }
    return RHM_OK;
}

static bool ample(const slicing *s) {
    double wanted;
    const uint64_t given = add_up(s, &wanted), usable = s->rows - s->test;
    return given <= usable && (double)(usable - given) >= AMPLE * wanted * HELD_OUT / (HELD_OUT - 1);
}

rhm_status rhm_slice_rows(rhm_slice *training, rhm_slice *validation, rhm_slices *chosen, const rhm_task *task,
                          const rhm_train_options *options, uint64_t rows, uint64_t test, rhm_error *error) {
    const slicing s = {task, options, rows, test, training, validation};
    *chosen = options->slices ? options->slices : ample(&s) ? RHM_SLICES_DISJOINT : RHM_SLICES_SHARED;
    return *chosen == RHM_SLICES_DISJOINT ? cut(&s, error) : share(&s, error);
}
