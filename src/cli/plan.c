#include "cli/plan.h"

#include <math.h>

#include "learner/gram.h"
#include "learner/policy.h"
#include "learner/route.h"
#include "rhm/theory.h"

/* Where an automatic width begins (learner/policy.c). */
enum { FIRST_WIDTH = 1024 };

/*
 * Outputs scatter by sqrt(|P_l| / N) around posteriors that are rho apart, so the gap that the search asks for needs
 * c |P_l| / rho^2 samples. Measured on six instances (V 6 to 32, m 4 and 8, s 2 and 3, L 3 to 5): c was 15 to 32 at
 * level L, whose inputs are exact, and mostly 40 to 140, at most 300, above it, where they carry the noise of the
 * levels below.
 */
static const double constant_of_exact_inputs = 24, constant_of_noisy_inputs = 96;

static double smaller(double a, double b) {
    return a < b ? a : b;
}

/* A growing table of `entries` interned tuples: it doubles, and the old one lives until the new one is filled. */
static double interned_nbytes(double entries, double words) {
    double capacity = 32;
    while (capacity < entries)
        capacity *= 2;
    return capacity * (4 * words + 8) + capacity / 2 * 4 * words;
}

/* One sample set of a stage: subtrees of all levels, their embeddings, the counts by label. */
static double sample_set_nbytes(const rhm_shape *shape, uint32_t level, double samples) {
    double nbytes = 0, subtrees = samples;
    for (uint32_t j = level; j <= shape->levels; j++, subtrees *= shape->branching) {
        const double distinct = rhm_theory_expected_distinct(rhm_theory_possible_patches(shape, j), subtrees);
        nbytes += interned_nbytes(distinct, shape->branching);
        nbytes += j > level ? distinct * 4 * shape->vocab[0] : 0;
    }
    const double distinct = rhm_theory_expected_distinct(rhm_theory_possible_patches(shape, level), samples);
    const double cells = smaller(samples, distinct * shape->vocab[0]);
    return nbytes + interned_nbytes(cells, 2) + cells * (8 + 4 + 8) + distinct * 8;
}

static double embedding_of(const rhm_shape *shape, uint32_t level) {
    return level == shape->levels ? shape->vocab[shape->levels] : shape->vocab[0];
}

/* The regression: kept features or the Gram matrix, partial sums, right-hand side, solution and the solver's own
 * matrices. */
static double regression_nbytes(const rhm_shape *shape, uint32_t level, const rhm_plan_stage *plan) {
    const double width = plan->width, distinct = plan->distinct;
    const double classes = shape->vocab[0], features = 2.0 * width, matrix = classes * features;
    const double embedding = embedding_of(shape, level);
    const double kept = distinct * features * 4;
    const double most_leaves = fmin(128, fmax(16, 0x1p25 / matrix));
    const double leaves = smaller(distinct / 96 + 1, most_leaves);
    const double frequencies = width * shape->branching * embedding * 4;
    const double by_passes = kept <= 0x1p30 ? kept : 0, by_gram = rhm_gram_nbytes(plan->width);
    const double matrices = plan->route == RHM_ROUTE_GRAM         ? by_gram
                            : plan->ridge_route == RHM_ROUTE_GRAM ? fmax(by_passes, by_gram)
                                                                  : by_passes;
    return matrices + leaves * matrix * 8 + 6 * matrix * 8 + 3 * (frequencies + matrix * 4);
}

static rhm_route route_of(const rhm_shape *shape, uint32_t level, const rhm_plan_stage *plan, rhm_solver solver,
                          double fits) {
    const rhm_route_sizes sizes = {
        .patches = plan->distinct,
        .width = plan->width,
        .classes = shape->vocab[0],
        .inputs = shape->branching * embedding_of(shape, level),
        .products = rhm_route_products(solver, fits),
    };
    return rhm_route_choose(&sizes);
}

static rhm_task task_of(const rhm_grammar *grammar) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_task task = {.levels = shape->levels,
                     .branching = shape->branching,
                     .classes = shape->vocab[0],
                     .token_vocab = shape->vocab[shape->levels]};
    for (uint32_t level = 1; level <= shape->levels; level++) {
        task.parents[level] = shape->vocab[level - 1];
        task.patches[level] = (double)rhm_grammar_patch_count(grammar, level);
    }
    return task;
}

rhm_plan_stage rhm_plan(const rhm_grammar *grammar, const rhm_analysis *analysis, const rhm_train_options *options,
                        uint32_t level) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const rhm_task task = task_of(grammar);
    const double rho = analysis->rho[level];
    rhm_plan_stage plan = {
        .level = level,
        .first_samples = (double)rhm_first_samples(&task, options, level),
        .possible = rhm_theory_possible_patches(shape, level),
        .width = options->width                     ? options->width
                 : FIRST_WIDTH < options->max_width ? FIRST_WIDTH
                                                    : options->max_width,
    };
    const double constant = level == shape->levels ? constant_of_exact_inputs : constant_of_noisy_inputs;
    plan.wanted_samples = fmax(plan.first_samples, ceil(constant * task.patches[level] / (rho * rho)));
    plan.samples = options->samples[level] ? (double)options->samples[level]
                                           : smaller(plan.wanted_samples, (double)options->max_samples);
    plan.capped = plan.samples < plan.wanted_samples;
    plan.distinct = rhm_theory_expected_distinct(plan.possible, plan.samples);
    const double held_out = (double)rhm_held_out_samples((uint64_t)plan.samples, UINT64_MAX);
    plan.route = route_of(shape, level, &plan, options->solver, 1);
    plan.ridge_route = route_of(shape, level, &plan, options->solver, options->ridge[level] == 0 ? RHM_RIDGE_FITS : 1);
    plan.nbytes = sample_set_nbytes(shape, level, plan.samples) + sample_set_nbytes(shape, level, held_out) +
                  regression_nbytes(shape, level, &plan);
    return plan;
}
