#include "learners/shallow/search.h"

#include <math.h>

#include "core/clock.h"
#include "core/fail.h"
#include "rhm/sampling.h"

/* --max-samples where nobody limits them (training/options.c). */
#define ANY_NUMBER UINT64_C(1000000000000000)

/* Held-out accuracy that more samples could hardly raise. */
#define ENOUGH 0.999

/* Bandwidths over the root of d: sequences of unlike tokens are sqrt(2 d) apart. Ridges times the distinct sequences.
 */
static const double bandwidths[RHM_SHALLOW_BANDWIDTHS] = {0.5, 1, 2}, ridges[RHM_SHALLOW_RIDGES] = {1, 0.1, 0.01};

/* ---- samples --------------------------------------------------------------------------------------------- */

rhm_status rhm_shallow_open(rhm_shallow_sources *out, const rhm_problem *problem, const rhm_train_options *options,
                            rhm_error *error) {
    *out = (rhm_shallow_sources){.most = UINT64_MAX};
    if (problem->data) {
        const uint64_t usable = problem->data->count - problem->test_samples;
        out->most = usable - usable / RHM_SHALLOW_HELD_OUT;
        out->rows[0] = (rhm_data_source){problem->data, 0};
        out->rows[1] = (rhm_data_source){problem->data, out->most};
        if (options->samples[1] > out->most || usable < RHM_SHALLOW_HELD_OUT)
            return rhm_fail(error, RHM_INVALID,
                            "%llu samples: of the data set's %zu sequences %llu are not kept for the test or held out",
                            (unsigned long long)options->samples[1], problem->data->count,
                            (unsigned long long)out->most);
        return RHM_OK;
    }
    RHM_TRY(rhm_sampler_create(&out->sampler, problem->grammar, options->seed, error));
    for (int held_out = 0; held_out < 2; held_out++)
        out->fresh[held_out] = (rhm_grammar_source){problem->grammar, options->seed, out->sampler,
                                                    rhm_stream(held_out ? RHM_VALIDATION : RHM_TRAINING, 1)};
    return RHM_OK;
}

rhm_status rhm_shallow_draw_both(rhm_shallow_task *t, const rhm_shallow_sources *from, uint64_t samples,
                                 rhm_error *error) {
    const bool fresh = from->sampler;
    rhm_patch_source *source = fresh ? rhm_draw_from_grammar : rhm_draw_from_data;
    const void *context[2] = {fresh ? (const void *)&from->fresh[0] : &from->rows[0],
                              fresh ? (const void *)&from->fresh[1] : &from->rows[1]};
    const uint64_t held_out = samples / RHM_SHALLOW_HELD_OUT ? samples / RHM_SHALLOW_HELD_OUT : 1;
    const double begin = rhm_seconds();
    RHM_TRY(rhm_shallow_draw(t, &t->training, source, context[0], samples, "sampling", error));
    RHM_TRY(rhm_shallow_draw(t, &t->held_out, source, context[1], held_out, "validation", error));
    t->sample_seconds += rhm_seconds() - begin;
    return RHM_OK;
}

/* ---- search ---------------------------------------------------------------------------------------------- */

/* With what there is: all bandwidths unless one is given or has been found, and all ridges unless one is given. */
static rhm_status choose(rhm_shallow_fit *best, rhm_shallow_task *t, double bandwidth, rhm_error *error) {
    const double distinct = (double)rhm_patches_distinct(&t->training.patches), given = t->options->ridge[1];
    double walk[RHM_SHALLOW_RIDGES];
    for (size_t i = 0; i < RHM_SHALLOW_RIDGES; i++)
        walk[i] = (given == RHM_RIDGE_PAPER ? 1 : ridges[i]) / distinct;
    if (given > 0)
        walk[0] = given;
    const size_t count = given == 0 ? RHM_SHALLOW_RIDGES : 1;
    const double begin = rhm_seconds();
    if (bandwidth > 0)
        RHM_TRY(rhm_shallow_walk(best, t, bandwidth, walk, count, error));
    for (size_t i = 0; i < RHM_SHALLOW_BANDWIDTHS && !(bandwidth > 0); i++)
        RHM_TRY(rhm_shallow_walk(best, t, bandwidths[i] * sqrt((double)t->flat.branching[1]), walk, count, error));
    t->fit_seconds += rhm_seconds() - begin;
    return RHM_OK;
}

uint64_t rhm_shallow_most(const rhm_train_options *options, uint64_t there) {
    const uint64_t given = options->samples[1];
    const uint64_t most = options->max_samples < ANY_NUMBER ? options->max_samples : RHM_SHALLOW_MOST;
    const uint64_t wanted = given ? given : most;
    return wanted < there ? wanted : there;
}

static rhm_status grow(rhm_shallow_fit *best, rhm_shallow_task *t, const rhm_shallow_sources *from, rhm_error *error) {
    const uint64_t most = rhm_shallow_most(t->options, from->most), given = t->options->samples[1];
    double bandwidth = t->options->bandwidth[1];
    for (uint64_t samples = !given && most > RHM_SHALLOW_FIRST ? RHM_SHALLOW_FIRST : most;;
         samples = samples * RHM_SHALLOW_GROWTH < most ? samples * RHM_SHALLOW_GROWTH : most) {
        RHM_TRY(rhm_shallow_draw_both(t, from, samples, error));
        best->loss = HUGE_VAL; /* other samples are held out now */
        RHM_TRY(choose(best, t, bandwidth, error));
        bandwidth = best->layer.bandwidth;
        if (samples == most || best->accuracy >= ENOUGH)
            return RHM_OK;
    }
}

/* One level reads all: numbers by level say one thing. */
rhm_status rhm_shallow_check(const rhm_train_options *options, uint32_t levels, rhm_error *error) {
    for (uint32_t l = 2; l <= levels; l++)
        if (options->samples[l] != options->samples[1] || options->ridge[l] != options->ridge[1] ||
            options->bandwidth[l] != options->bandwidth[1])
            return rhm_fail(error, RHM_INVALID,
                            "samples, bandwidth and ridge of levels %u and 1 differ, but the learner shallow has one "
                            "level: give one number",
                            l);
    return RHM_OK;
}

rhm_status rhm_shallow_search(rhm_shallow_fit *best, rhm_shallow_task *task, const rhm_engine *engine,
                              const rhm_problem *problem, const rhm_train_options *options, rhm_error *error) {
    const rhm_shape *shape = problem->grammar && !problem->data ? rhm_grammar_shape(problem->grammar) : NULL;
    const rhm_tree *tree = shape ? rhm_grammar_tree(problem->grammar) : &problem->data->tree;
    rhm_shallow_sources from = {0};
    *task = (rhm_shallow_task){0};
    RHM_TRY(rhm_shallow_check(options, tree->levels, error));
    RHM_TRY(rhm_shallow_task_init(task, engine, options, tree, shape ? shape->vocab[0] : problem->data->label_vocab,
                                  shape ? shape->vocab[tree->levels] : problem->data->token_vocab, error));
    task->width = options->width ? options->width : RHM_SHALLOW_WIDTH;
    rhm_status status = rhm_shallow_open(&from, problem, options, error);
    if (status == RHM_OK)
        status = grow(best, task, &from, error);
    rhm_sampler_destroy(from.sampler);
    return status;
}
