/*
 * Iterative latent clustering (Korchinski, Favero, Wyart, arXiv 2605.27734): the levels of ../../counts, patches told
 * apart by their siblings, over all positions of whole sequences, and labels last.
 */
#include "learners/learner.h"
#include "core/fail.h"
#include "learners/latent/plan.h"
#include "learners/latent/search.h"

static rhm_status check(const rhm_problem *problem, const rhm_train_options *options, uint32_t levels,
                        rhm_error *error) {
    const uint64_t given = options->samples[1];
    for (uint32_t l = 2; l <= levels; l++)
        if (options->samples[l] != given)
            return rhm_fail(error, RHM_INVALID,
                            "%llu samples at level %u, but %llu at level 1: the sequences of the learner latent are "
                            "the same for all levels, so give one number",
                            (unsigned long long)options->samples[l], l, (unsigned long long)given);
    const uint64_t most = problem->data ? problem->data->count - problem->test_samples : UINT64_MAX;
    if (given > most)
        return rhm_fail(error, RHM_INVALID,
                        "%llu samples: the data set has %llu sequences that are not kept for the test",
                        (unsigned long long)given, (unsigned long long)most);
    return RHM_OK;
}

static rhm_status fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                      const rhm_train_options *options, rhm_error *error) {
    RHM_TRY(check(problem, options, report->levels, error));
    rhm_latent latent = {.method = {.search = rhm_latent_search, .share = rhm_latent_share}};
    const rhm_status status = rhm_table_fit(out, report, engine, problem, options, &latent.method, error);
    rhm_sequences_close(&latent.sequences);
    return status;
}

static rhm_status plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                       const rhm_train_options *options, rhm_error *error) {
    RHM_TRY(check(problem, options, rhm_problem_tree(problem)->levels, error));
    return rhm_latent_plan(out, test_seconds, engine, problem, options, error);
}

static const char *const options_taken[] = {"samples", "max-samples", NULL};

const struct rhm_learner rhm_latent_learner = {
    .info = {.name = "latent",
             .summary = "patches grouped by which siblings they have, level by level; labels last",
             .source = "arXiv 2605.27734, iterative latent clustering",
             .needs = "whole sequences, few labels",
             .model_kind = "table",
             .options = options_taken},
    .spread = RHM_SPREAD_DRAW,
    .fit = fit,
    .plan = plan,
};
