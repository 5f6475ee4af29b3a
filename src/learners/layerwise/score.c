#include "learners/layerwise/score.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"

/*
 * How far the loss is below that of the best constant prediction, the label frequencies themselves, in standard errors
 * of that difference. Outputs that say nothing about the label come out at 0 give or take 1, or below it.
 */
static double evidence_of(const rhm_sample_set *set, const float *y, size_t classes, const double *mean,
                          const double *frequency, double loss) {
    const double uniform = 1.0 / (double)classes, samples = (double)set->patches.samples;
    double constant = 1, spread = 0;
    for (size_t c = 0; c < classes; c++)
        constant -= frequency[c] * frequency[c];
    for (size_t i = 0; i < rhm_patches_distinct(&set->patches); i++, y += classes) {
        double square = 0, weight = 0;
        for (size_t c = 0; c < classes; c++)
            square += ((double)y[c] + uniform - mean[c]) * ((double)y[c] + uniform - mean[c]);
        for (size_t cell = set->counts.offset[i]; cell < set->counts.offset[i + 1]; cell++)
            weight += (double)set->counts.count[cell];
        spread += weight / samples * fmin(square, 1);
    }
    return spread > 0 ? (constant - loss) / (2 * sqrt(spread / samples)) : 0;
}

/*
 * Held-out loss: mean over samples of ||e_label - y||^2 = 1 - 2 y_label + ||y||^2, patch by patch. An output that the
 * normalisation threw far away is as useless at any distance, so no sample counts for more than LOSS_CAP.
 */
rhm_status rhm_score_outputs(rhm_fit *fit, const rhm_sample_set *set, const float *y, size_t classes,
                             rhm_error *error) {
    static const double LOSS_CAP = 4;
    const double uniform = 1.0 / (double)classes; /* embeddings are centred */
    const double samples = (double)set->patches.samples;
    const float *outputs = y;
    double loss = 0;
    uint64_t correct = 0;
    double *frequency = RHM_NEW(double, classes, 2, 1, "label frequencies", error), *mean = frequency + classes;
    if (!frequency)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < rhm_patches_distinct(&set->patches); i++, y += classes) {
        double square = 1, weight = 0;
        size_t largest = 0;
        for (size_t c = 0; c < classes; c++) {
            square += ((double)y[c] + uniform) * ((double)y[c] + uniform);
            largest = y[c] > y[largest] ? c : largest;
        }
        for (size_t cell = set->counts.offset[i]; cell < set->counts.offset[i + 1]; cell++) {
            const double one = square - 2 * ((double)y[set->counts.label[cell]] + uniform);
            loss += (double)set->counts.count[cell] * (one < LOSS_CAP ? one : LOSS_CAP);
            correct += set->counts.label[cell] == largest ? set->counts.count[cell] : 0;
            weight += (double)set->counts.count[cell];
            frequency[set->counts.label[cell]] += (double)set->counts.count[cell] / samples;
        }
        for (size_t c = 0; c < classes; c++)
            mean[c] += weight / samples * ((double)y[c] + uniform);
    }
    fit->loss = loss / samples;
    fit->accuracy = (double)correct / samples;
    fit->evidence = evidence_of(set, outputs, classes, mean, frequency, fit->loss);
    rhm_free(frequency);
    return RHM_OK;
}
