#include "rhm/theory.h"

#include <math.h>

static double larger(double a, double b) {
    return a > b ? a : b;
}

rhm_theory_problem rhm_theory_uniform(uint32_t vocab, uint32_t rules, uint32_t branching, uint32_t levels) {
    rhm_theory_problem problem = {
        .levels = levels,
        .labels = vocab,
        .token_vocab = vocab,
        .kappa = 1,
        .k_rho = 1,
        .constant = 1,
        .delta = 0.01,
    };
    for (uint32_t level = 1; level <= levels; level++) {
        problem.branching[level] = branching;
        problem.rules[level] = rules;
        problem.patches[level] = (double)vocab * rules;
    }
    return problem;
}

rhm_theory_problem rhm_theory_of_grammar(const rhm_grammar *grammar, const rhm_analysis *analysis) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_theory_problem problem = {
        .levels = shape->levels,
        .labels = shape->vocab[0],
        .token_vocab = shape->vocab[shape->levels],
        .kappa = analysis->kappa,
        .k_rho = INFINITY,
        .constant = 1,
        .delta = 0.01,
    };
    for (uint32_t level = 1; level <= shape->levels; level++) {
        problem.branching[level] = shape->branching[level];
        problem.rules[level] = shape->rules[level];
        problem.patches[level] = (double)rhm_grammar_patch_count(grammar, level);
        if (analysis->k_rho[level] < problem.k_rho)
            problem.k_rho = analysis->k_rho[level];
    }
    return problem;
}

/* K_rho m^(-l/2) with the product of the levels' own numbers of rules. */
static double separation(const rhm_theory_problem *problem, uint32_t level) {
    double rho = problem->k_rho;
    for (uint32_t l = 1; l <= level; l++)
        rho /= sqrt(problem->rules[l]);
    return rho;
}

rhm_theory_level rhm_theory_constants(const rhm_theory_problem *problem, uint32_t level) {
    const uint32_t L = problem->levels;
    double vm = 0, log_rules = 0, branching = 0;
    for (uint32_t l = 1; l <= L; l++) {
        vm = larger(vm, problem->patches[l]);
        branching = larger(branching, problem->branching[l]);
        log_rules += log(problem->rules[l]) / L;
    }
    /* The paper takes m >= 2; a single rule per symbol would make the accuracy infinite. */
    const double log_m = larger(log_rules, log(2));
    const double patches = problem->patches[level];
    const double kappa = problem->kappa;
    const double root_dy = sqrt(problem->labels);

    rhm_theory_level out = {.level = level, .rho = separation(problem, level)};
    out.accuracy = out.rho / sqrt(problem->constant * vm * vm * branching * L * log_m);
    out.off_diagonal = out.accuracy / (600 * patches * patches * kappa * root_dy);
    out.synonym = 1 / (4 * patches);
    out.ridge = 1 / patches;
    out.gd_step = 2 * patches / (patches + 1);
    out.gd_steps = patches * log(100 * patches * kappa * root_dy / out.accuracy);

    const double repeats = 1 / (out.accuracy * out.accuracy);
    const double log_failure = log(vm / problem->delta);
    out.samples_printed = 20 * larger(kappa, repeats) * log_failure;
    out.samples_corrected = 20 * kappa * patches * larger(1, repeats) * log_failure;

    /* Two different one-hot tokens are sqrt(2) apart; above level L, embeddings are as far apart as the posteriors. */
    const double inputs_apart = level == L ? sqrt(2) : separation(problem, level + 1);
    const double log_overlap = log(2 / out.off_diagonal);
    out.bandwidth_printed = inputs_apart * sqrt(2 / log_overlap);
    out.bandwidth_corrected = inputs_apart * sqrt(1 / (2 * log_overlap));

    const double embedding = level == L ? problem->token_vocab : problem->labels;
    const double features = larger(1 / (out.off_diagonal * out.off_diagonal), pow(out.synonym, -4));
    out.width = problem->branching[level] * embedding * features;
    return out;
}

double rhm_theory_possible_patches(const rhm_shape *shape, uint32_t level) {
    double log_count = log(shape->vocab[level - 1]);
    rhm_tree tree;
    if (rhm_tree_make(&tree, shape->levels, shape->branching, NULL) != RHM_OK)
        return NAN;
    for (uint32_t l = level; l <= shape->levels; l++)
        log_count += (double)rhm_tree_below(&tree, level - 1, l - 1) * log(shape->rules[l]);
    /* exp leaves an error of some 1e-16 log_count: counts below 2^44 are whole numbers again after rounding. */
    const double count = exp(log_count);
    return count < 0x1p44 ? rint(count) : count;
}

double rhm_theory_expected_distinct(double possible, double samples) {
    if (isinf(possible))
        return samples;
    if (possible <= 1)
        return samples > 0 ? 1 : 0;
    return -possible * expm1(samples * log1p(-1 / possible));
}
