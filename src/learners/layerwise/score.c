#include "learners/layerwise/score.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "learners/layerwise/held_out.h"

/* Sums over the samples of one position: a row of `width` doubles, in this order. */
typedef struct sums {
    double *loss, *spread, *correct; /* one each; `correct` counts samples, exactly up to 2^53 */
    double *frequency;               /* (classes): of labels */
    double *mean;                    /* (classes): output */
} sums;

typedef struct scoring {
    const rhm_sample_set *set;
    const float *y; /* (own patches, positions, classes) */
    size_t first;   /* of the own patches */
    size_t distinct, classes, positions, width;
    size_t runs;
    double samples, uniform; /* embeddings are centred */
    double *sum;             /* (runs, positions, width); the first run's are those of all once they are reduced */
} scoring;

static sums sums_of(const scoring *s, size_t run, size_t position) {
    double *at = s->sum + (run * s->positions + position) * s->width;
    return (sums){at, at + 1, at + 2, at + 3, at + 3 + s->classes};
}

static const float *outputs_of(const scoring *s, size_t patch, size_t position) {
    return s->y + ((patch - s->first) * s->positions + position) * s->classes;
}

/*
 * Held-out loss: mean over samples of ||e_label - y||^2 = 1 - 2 y_label + ||y||^2, patch by patch. An output that the
 * normalisation threw far away is as useless at any distance, so no sample counts for more than LOSS_CAP. `cell` is the
 * patch's first one at the position; returns that of the next.
 */
static size_t add(const scoring *s, const sums *of, size_t patch, size_t p, size_t cell) {
    static const double LOSS_CAP = 4;
    const rhm_patch_counts *counts = &s->set->counts;
    const float *y = outputs_of(s, patch, p);
    const size_t first = p * s->classes, end = counts->offset[patch + 1];
    double square = 1, weight = 0;
    size_t largest = 0;
    for (size_t c = 0; c < s->classes; c++) {
        square += ((double)y[c] + s->uniform) * ((double)y[c] + s->uniform);
        largest = y[c] > y[largest] ? c : largest;
    }
    for (; cell < end && counts->label[cell] < first + s->classes; cell++) {
        const size_t label = counts->label[cell] - first;
        const double one = square - 2 * ((double)y[label] + s->uniform), count = (double)counts->count[cell];
        *of->loss += count * (one < LOSS_CAP ? one : LOSS_CAP);
        *of->correct += label == largest ? count : 0;
        weight += count;
        of->frequency[label] += count / s->samples;
    }
    for (size_t c = 0; c < s->classes; c++)
        of->mean[c] += weight / s->samples * ((double)y[c] + s->uniform);
    return cell;
}

/* Of the distance to the mean output of all patches. */
static size_t add_spread(const scoring *s, const sums *of, size_t patch, size_t p, size_t cell) {
    const rhm_patch_counts *counts = &s->set->counts;
    const float *y = outputs_of(s, patch, p);
    const double *mean = sums_of(s, 0, p).mean;
    const size_t classes = (p + 1) * s->classes, end = counts->offset[patch + 1];
    double square = 0, weight = 0;
    for (size_t c = 0; c < s->classes; c++)
        square += ((double)y[c] + s->uniform - mean[c]) * ((double)y[c] + s->uniform - mean[c]);
    for (; cell < end && counts->label[cell] < classes; cell++)
        weight += (double)counts->count[cell];
    *of->spread += weight / s->samples * fmin(square, 1);
    return cell;
}

typedef size_t addition(const scoring *s, const sums *of, size_t patch, size_t p, size_t cell);

static void add_run(const scoring *s, size_t run, addition *one) {
    const size_t end = rhm_held_out_run_begin(s->distinct, s->runs, run + 1);
    for (size_t i = rhm_held_out_run_begin(s->distinct, s->runs, run); i < end; i++)
        for (size_t p = 0, cell = s->set->counts.offset[i]; p < s->positions; p++) {
            const sums of = sums_of(s, run, p);
            cell = one(s, &of, i, p, cell);
        }
}

static rhm_status add_losses(void *context, size_t run, int thread, rhm_error *error) {
    (void)thread, (void)error;
    add_run(context, run, add);
    return RHM_OK;
}

static rhm_status add_spreads(void *context, size_t run, int thread, rhm_error *error) {
    (void)thread, (void)error;
    add_run(context, run, add_spread);
    return RHM_OK;
}

/*
 * How far the loss is below that of the best constant prediction, the label frequencies themselves, in standard errors
 * of that difference. Outputs that say nothing about the label come out at 0 give or take 1, or below it. Positions of
 * the same samples may err together, so their standard errors are added.
 */
static double evidence_of(const scoring *s) {
    double gain = 0, error = 0;
    for (size_t p = 0; p < s->positions; p++) {
        const sums of = sums_of(s, 0, p);
        double constant = 1;
        for (size_t c = 0; c < s->classes; c++)
            constant -= of.frequency[c] * of.frequency[c];
        gain += constant - *of.loss / s->samples;
        error += 2 * sqrt(*of.spread / s->samples);
    }
    return error > 0 ? gain / error : 0;
}

/* The spreads need the means of all runs, which are in the first one by then; the others' spreads are still nothing. */
static rhm_status sum_up(scoring *s, const rhm_engine *engine, rhm_error *error) {
    const size_t row = s->positions * s->width;
    RHM_TRY(rhm_spread_many(engine, s->runs, add_losses, s, NULL, 0, error));
    RHM_TRY(rhm_spread_reduce_many(engine, s->sum, s->runs, row, error));
    for (size_t run = 1; run < s->runs; run++)
        memset(s->sum + run * row, 0, sizeof *s->sum * row);
    RHM_TRY(rhm_spread_many(engine, s->runs, add_spreads, s, NULL, 0, error));
    return rhm_spread_reduce_many(engine, s->sum, s->runs, row, error);
}

rhm_status rhm_score_outputs(rhm_fit *fit, const rhm_engine *engine, const rhm_sample_set *set, const float *outputs,
                             rhm_error *error) {
    const size_t classes = set->patches.classes, distinct = rhm_patches_distinct(&set->patches);
    scoring s = {
        .set = set,
        .y = outputs,
        .first = rhm_held_out_own(engine, distinct).first,
        .distinct = distinct,
        .classes = classes,
        .positions = set->patches.positions,
        .width = 3 + 2 * classes,
        .runs = rhm_held_out_runs(distinct),
        .samples = (double)set->patches.samples,
        .uniform = 1.0 / (double)classes,
    };
    s.sum = RHM_NEW(double, s.runs *s.positions, s.width, 1, "scores of positions", error);
    rhm_status status = s.sum ? sum_up(&s, engine, error) : RHM_NO_MEMORY;
    double loss = 0, correct = 0;
    for (size_t p = 0; p < s.positions && status == RHM_OK; p++) {
        loss += *sums_of(&s, 0, p).loss;
        correct += *sums_of(&s, 0, p).correct;
    }
    if (status == RHM_OK) {
        fit->loss = loss / (s.samples * (double)s.positions);
        fit->accuracy = correct / (s.samples * (double)s.positions);
        fit->evidence = evidence_of(&s);
    }
    rhm_free(s.sum);
    return status;
}
