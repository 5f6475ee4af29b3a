#include "learners/layerwise/tuning.h"

#include <math.h>
#include <stddef.h>

#include "core/fail.h"

const rhm_tuning rhm_tuning_default = {
    .samples_per_rule = 16,
    .samples_per_noise = 8,
    .saturation = 4,
    .least_samples = 2000,
    .most_held_out = 100000,
    .least_growth = 2,
    .most_growth = 8,
    .growth_margin = 1.5, /* what is inherited does not fall */
    .most_growth_of_counts = 1e4,
    .growth_margin_of_counts = 1.2,
    .least_gap_for_growth = 0.1,
    .target_gap = 2.5,
    .saturated_gap = 32,
    .given_gap = 6,
    .costly_gap = 1.5,
    .costly_least = 1.25,
    .costly_ratio = 1.35,
    .free_levels = 3,
    .least_gap = 1,
    .least_gain = 1.15,
    .least_of_gap = 0.5,
    .good_accuracy = 0.9995,
    .least_evidence = 3,
    .bandwidth_of_separation = 0.65,
    .bottom_bandwidth = 0.35,
    .bandwidth_ratio = 1.4,
    .ridge_ratio = 3.2, /* about half a decade */
    .most_steps = 8,
    .least_bandwidth = 1e-9,
    .most_bandwidth = 1e3,
    .least_ridge = 1e-5,
    .most_ridge = 3,
    .first_ridge = 0.1,
    .free_ridge = 1e-4,
    .noise_ridge = 0.6,
    .least_noise_ridge = 1e-3,
    .ridge_worth_a_fit = 0.5,
    .most_stalls = 3,
    .first_width = 1024,
    .comfort = 1 << 18,
    .most_refined = 1 << 18,
    .most_distinct = 1 << 27,
    .dear = 0x1p34,
    .many_fits = 8,
    .few_fits = 1,
    .foreseen_growth = 4,
    .most_times_usual = 64,
    .first_products = 8,
    .token_work = 100,
    .cell_work = 1000,
    .budget_multiple = 12,
    .budget_least = 0x1p35,
    .trial_multiple = 4,
    .fewer_multiple = 0.25,
};

typedef struct bound {
    const char *name;
    size_t place;
    double least, most;
} bound;

#define BETWEEN(member, least, most)                                                                                   \
    { #member, offsetof(rhm_tuning, member), least, most }

static const bound bounds[] = {
    BETWEEN(samples_per_rule, 1e-3, 1e9),
    BETWEEN(samples_per_noise, 1e-3, 1e9),
    BETWEEN(saturation, 1, 1e6),
    BETWEEN(least_growth, 1.01, 1e6),
    BETWEEN(most_growth, 1.01, 1e9),
    BETWEEN(growth_margin, 0.1, 100),
    BETWEEN(most_growth_of_counts, 1.01, 1e9),
    BETWEEN(growth_margin_of_counts, 0.1, 100),
    BETWEEN(least_gap_for_growth, 1e-6, 1),
    BETWEEN(target_gap, 0.1, 1e6),
    BETWEEN(saturated_gap, 0.1, 1e6),
    BETWEEN(given_gap, 0.1, 1e6),
    BETWEEN(costly_gap, 0.1, 1e6),
    BETWEEN(costly_least, 0.1, 1e6),
    BETWEEN(costly_ratio, 1, 10),
    BETWEEN(least_gap, 0, 1e6),
    BETWEEN(least_gain, 1, 10),
    BETWEEN(least_of_gap, 0, 1),
    BETWEEN(good_accuracy, 0, 1),
    BETWEEN(least_evidence, 0, 1e6),
    BETWEEN(bandwidth_of_separation, 1e-3, 1e3),
    BETWEEN(bottom_bandwidth, 1e-3, 1e3),
    BETWEEN(bandwidth_ratio, 1.01, 100),
    BETWEEN(ridge_ratio, 1.01, 1e4),
    BETWEEN(least_bandwidth, 1e-300, 1),
    BETWEEN(most_bandwidth, 1, 1e6),
    BETWEEN(least_ridge, 1e-300, 1),
    BETWEEN(most_ridge, 1e-3, 1e6),
    BETWEEN(first_ridge, 1e-12, 1e3),
    BETWEEN(free_ridge, 1e-12, 1e3),
    BETWEEN(noise_ridge, 1e-12, 1e3),
    BETWEEN(least_noise_ridge, 1e-12, 1e3),
    BETWEEN(ridge_worth_a_fit, 0, 1),
    BETWEEN(comfort, 1, 0x1p40),
    BETWEEN(most_refined, 1, 0x1p40),
    BETWEEN(most_distinct, 1, 0x1p40),
    BETWEEN(dear, 1, 0x1p60),
    BETWEEN(many_fits, 1, 1e3),
    BETWEEN(few_fits, 1, 1e3),
    BETWEEN(foreseen_growth, 1, 1e6),
    BETWEEN(most_times_usual, 1, 1e12),
    BETWEEN(first_products, 1, 1e6),
    BETWEEN(token_work, 0, 1e9),
    BETWEEN(cell_work, 0, 1e9),
    BETWEEN(budget_multiple, 1, 1e6),
    BETWEEN(budget_least, 0, 1e18),
    BETWEEN(trial_multiple, 0, 1e6),
    BETWEEN(fewer_multiple, 0, 1e6),
};

static rhm_status check_count(const char *name, double value, double least, double most, rhm_error *error) {
    if (value >= least && value <= most)
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID, "%s of the search is %g: allowed are %g to %g", name, value, least, most);
}

rhm_status rhm_tuning_check(const rhm_tuning *tuning, rhm_error *error) {
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        const double value = *(const double *)(const void *)((const char *)tuning + bounds[i].place);
        RHM_TRY(check_count(bounds[i].name, value, bounds[i].least, bounds[i].most, error));
    }
    RHM_TRY(check_count("least_samples", (double)tuning->least_samples, 1, 1e9, error));
    RHM_TRY(check_count("most_held_out", (double)tuning->most_held_out, (double)tuning->least_samples, 1e12, error));
    RHM_TRY(check_count("free_levels", tuning->free_levels, 0, 1e3, error));
    RHM_TRY(check_count("most_steps", tuning->most_steps, 1, 1e3, error));
    RHM_TRY(check_count("most_stalls", tuning->most_stalls, 1, 1e3, error));
    return check_count("first_width", tuning->first_width, 1, 1 << 20, error);
}
