/* Construction 1: patches of true symbols one-hot, and the true symbol above them counted, on the levels of
 * ../../counts. Nothing is left to find out but which patch belongs to whom: what other learners cannot do better. */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "counts/levels.h"
#include "learners/learner.h"

/* Rows: how often each parent, over all positions; ids: the most frequent one. */
static void count_parents(double *row, uint32_t *own, const rhm_table_counts *counts) {
    const size_t parents = counts->classes;
    for (size_t i = 0; i < counts->patch.count; i++) {
        const uint64_t *n = counts->count + i * counts->positions * parents;
        double *x = row + i * parents, sum = 0;
        for (size_t j = 0; j < counts->positions * parents; j++) {
            x[j % parents] += (double)n[j];
            sum += (double)n[j];
        }
        for (uint32_t nu = 1; nu < parents; nu++)
            own[i] = x[nu] > x[own[i]] ? nu : own[i];
        for (size_t nu = 0; nu < parents; nu++)
            x[nu] /= sum;
    }
}

static void find_centres(double *centre, const double *row, const uint32_t *own, size_t patches, size_t parents) {
    double *members = centre + parents * parents;
    for (size_t i = 0; i < patches; i++) {
        members[own[i]]++;
        for (size_t nu = 0; nu < parents; nu++)
            centre[own[i] * parents + nu] += row[i * parents + nu];
    }
    for (size_t g = 0; g < parents; g++)
        for (size_t nu = 0; nu < parents && members[g] > 0; nu++)
            centre[g * parents + nu] /= members[g];
}

static rhm_status group(rhm_groups *out, const rhm_table_learning *l, uint32_t level, const rhm_table_counts *counts,
                        rhm_error *error) {
    (void)l, (void)level;
    const size_t patches = counts->patch.count, parents = counts->classes;
    *out = (rhm_groups){.ids = (uint32_t)parents, .other = UINT32_MAX};
    double *row = RHM_NEW(double, patches, parents, 1, "rows of a table", error);
    double *centre = row ? RHM_NEW(double, parents + 1, parents, 1, "centres of groups", error) : NULL;
    out->own = centre ? RHM_NEW(uint32_t, patches, 1, 1, "parents of patches", error) : NULL;
    rhm_status status = out->own ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK) {
        count_parents(row, out->own, counts);
        find_centres(centre, row, out->own, patches, parents);
        status = rhm_groups_measure(out, row, patches, centre, parents, error);
    }
    rhm_free(row);
    rhm_free(centre);
    if (status != RHM_OK) {
        rhm_free(out->own);
        *out = (rhm_groups){0};
    }
    return status;
}

static double work(const rhm_train_options *options, double patches, double positions, double classes, double symbols) {
    (void)options, (void)symbols;
    return patches * classes * (positions + 4);
}

static double nbytes(const rhm_train_options *options, double patches, double positions, double classes) {
    (void)options, (void)positions;
    return 8 * classes * (patches + classes);
}

static const rhm_table_method method = {.latents = true, .group = group, .work = work, .nbytes = nbytes};

static rhm_status fit(rhm_model **out, rhm_train_report *report, const rhm_engine *engine, const rhm_problem *problem,
                      const rhm_train_options *options, rhm_error *error) {
    return rhm_table_fit(out, report, engine, problem, options, &method, error);
}

static rhm_status plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                       const rhm_train_options *options, rhm_error *error) {
    return rhm_table_plan(out, test_seconds, engine, problem, options, &method, error);
}

static const char *const options_taken[] = {"samples", "max-samples", "draw", "positions", NULL};

const struct rhm_learner rhm_tensor_learner = {
    .info = {.name = "tensor",
             .summary = "parents of patches counted where hidden symbols are shown: an upper bound",
             .source = "arXiv 2601.19756, Construction 1",
             .needs = "labelled samples with their latents",
             .model_kind = "table",
             .latents = true,
             .options = options_taken},
    .spread = RHM_SPREAD_DRAW,
    .fit = fit,
    .plan = plan,
};
