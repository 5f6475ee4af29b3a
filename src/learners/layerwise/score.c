#include "learners/layerwise/score.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"

/* Sums over the samples of one position. */
typedef struct position {
    double *frequency; /* (classes): of labels */
    double *mean;      /* (classes): output */
    double loss, spread;
} position;

typedef struct scoring {
    const rhm_sample_set *set;
    const float *y; /* (distinct, positions, classes) */
    size_t classes, positions;
    double samples, uniform; /* embeddings are centred */
    uint64_t correct;
    position *of; /* (positions) */
} scoring;

/*
 * Held-out loss: mean over samples of ||e_label - y||^2 = 1 - 2 y_label + ||y||^2, patch by patch. An output that the
 * normalisation threw far away is as useless at any distance, so no sample counts for more than LOSS_CAP. `cell` is the
 * patch's first one at the position; returns that of the next.
 */
static size_t add(scoring *s, size_t patch, size_t p, const float *y, size_t cell) {
    static const double LOSS_CAP = 4;
    const rhm_patch_counts *counts = &s->set->counts;
    const size_t first = p * s->classes, end = counts->offset[patch + 1];
    position *of = &s->of[p];
    double square = 1, weight = 0;
    size_t largest = 0;
    for (size_t c = 0; c < s->classes; c++) {
        square += ((double)y[c] + s->uniform) * ((double)y[c] + s->uniform);
        largest = y[c] > y[largest] ? c : largest;
    }
    for (; cell < end && counts->label[cell] < first + s->classes; cell++) {
        const size_t label = counts->label[cell] - first;
        const double one = square - 2 * ((double)y[label] + s->uniform);
        of->loss += (double)counts->count[cell] * (one < LOSS_CAP ? one : LOSS_CAP);
        s->correct += label == largest ? counts->count[cell] : 0;
        weight += (double)counts->count[cell];
        of->frequency[label] += (double)counts->count[cell] / s->samples;
    }
    for (size_t c = 0; c < s->classes; c++)
        of->mean[c] += weight / s->samples * ((double)y[c] + s->uniform);
    return cell;
}

/* Of the distance to the mean output. */
static size_t add_spread(const scoring *s, size_t patch, size_t p, const float *y, size_t cell) {
    const rhm_patch_counts *counts = &s->set->counts;
    const size_t classes = (p + 1) * s->classes, end = counts->offset[patch + 1];
    position *of = &s->of[p];
    double square = 0, weight = 0;
    for (size_t c = 0; c < s->classes; c++)
        square += ((double)y[c] + s->uniform - of->mean[c]) * ((double)y[c] + s->uniform - of->mean[c]);
    for (; cell < end && counts->label[cell] < classes; cell++)
        weight += (double)counts->count[cell];
    of->spread += weight / s->samples * fmin(square, 1);
    return cell;
}

/*
 * How far the loss is below that of the best constant prediction, the label frequencies themselves, in standard errors
 * of that difference. Outputs that say nothing about the label come out at 0 give or take 1, or below it. Positions of
 * the same samples may err together, so their standard errors are added.
 */
static double evidence_of(const scoring *s) {
    double gain = 0, error = 0;
    for (size_t p = 0; p < s->positions; p++) {
        double constant = 1;
        for (size_t c = 0; c < s->classes; c++)
            constant -= s->of[p].frequency[c] * s->of[p].frequency[c];
        gain += constant - s->of[p].loss / s->samples;
        error += 2 * sqrt(s->of[p].spread / s->samples);
    }
    return error > 0 ? gain / error : 0;
}

static void sum_up(rhm_fit *fit, scoring *s) {
    const rhm_patch_counts *counts = &s->set->counts;
    const size_t distinct = rhm_patches_distinct(&s->set->patches), outputs = s->positions * s->classes;
    double loss = 0;
    for (size_t i = 0; i < distinct; i++)
        for (size_t p = 0, cell = counts->offset[i]; p < s->positions; p++)
            cell = add(s, i, p, s->y + i * outputs + p * s->classes, cell);
    for (size_t i = 0; i < distinct; i++)
        for (size_t p = 0, cell = counts->offset[i]; p < s->positions; p++)
            cell = add_spread(s, i, p, s->y + i * outputs + p * s->classes, cell);
    for (size_t p = 0; p < s->positions; p++)
        loss += s->of[p].loss;
    fit->loss = loss / (s->samples * (double)s->positions);
    fit->accuracy = (double)s->correct / (s->samples * (double)s->positions);
    fit->evidence = evidence_of(s);
}

rhm_status rhm_score_outputs(rhm_fit *fit, const rhm_sample_set *set, const float *outputs, rhm_error *error) {
    const size_t classes = set->patches.classes, positions = set->patches.positions;
    scoring s = {
        .set = set,
        .y = outputs,
        .classes = classes,
        .positions = positions,
        .samples = (double)set->patches.samples,
        .uniform = 1.0 / (double)classes,
        .of = RHM_NEW(position, positions, 1, 1, "scores of positions", error),
    };
    double *memory = s.of ? RHM_NEW(double, positions, 2, classes, "label frequencies", error) : NULL;
    for (size_t p = 0; memory && p < positions; p++) {
        s.of[p].frequency = memory + 2 * p * classes;
        s.of[p].mean = memory + (2 * p + 1) * classes;
    }
    if (memory)
        sum_up(fit, &s);
    rhm_free(s.of);
    rhm_free(memory);
    return memory ? RHM_OK : RHM_NO_MEMORY;
}
