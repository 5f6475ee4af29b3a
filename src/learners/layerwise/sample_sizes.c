#include "learners/layerwise/sample_sizes.h"

#include <math.h>

uint64_t rhm_first_samples(const rhm_task *task, const rhm_train_options *options, uint32_t level) {
    const rhm_tuning *tuning = &rhm_tuning_default;
    if (options->samples[level])
        return options->samples[level];
    double n = tuning->samples_per_rule * task->patches[level];
    for (uint32_t l = 1; l < level; l++)
        n *= task->patches[l] / task->parents[l];
    n = fmax(n, (double)tuning->least_samples);
    return n > (double)options->max_samples ? options->max_samples : (uint64_t)n;
}

uint64_t rhm_held_out_samples(uint64_t samples, uint64_t available) {
    const rhm_tuning *tuning = &rhm_tuning_default;
    const uint64_t least = tuning->least_samples, most = tuning->most_held_out;
    const uint64_t n = samples < least ? least : samples > most ? most : samples;
    return n < available ? n : available;
}

uint64_t rhm_next_samples(uint64_t samples, double gap, double target, bool saturated) {
    const rhm_tuning *tuning = &rhm_tuning_default;
    /* The noise of the outputs, and so the radius, falls like N^(-1/2). */
    const double factor = target / fmax(gap, tuning->least_gap_for_growth);
    const double margin = saturated ? tuning->growth_margin_of_counts : tuning->growth_margin;
    const double most = saturated ? tuning->most_growth_of_counts : tuning->most_growth;
    const double next = (double)samples * fmin(most, fmax(tuning->least_growth, margin * factor * factor));
    return next < 0x1p53 ? (uint64_t)next : UINT64_C(1) << 53;
}

uint64_t rhm_most_first_look(const rhm_task *task, const rhm_train_options *options, uint32_t level) {
    const uint64_t usual = rhm_first_samples(task, options, level);
    const double most = rhm_tuning_default.most_times_usual * (double)usual;
    return options->samples[level] || level == task->tree.levels ? usual
           : most < (double)options->max_samples                 ? (uint64_t)most
                                                                 : options->max_samples;
}

uint64_t rhm_first_look(const rhm_task *task, const rhm_train_options *options, uint32_t level, double separation) {
    const uint64_t usual = rhm_first_samples(task, options, level);
    if (options->samples[level] || level == task->tree.levels || !(separation > 0))
        return usual;
    const double rules = task->patches[level] / task->parents[level];
    const double wanted =
        rhm_tuning_default.samples_per_noise * task->patches[level] / (rules * separation * separation);
    const double most = (double)rhm_most_first_look(task, options, level);
    return wanted <= (double)usual ? usual : (uint64_t)fmin(wanted, most);
}
