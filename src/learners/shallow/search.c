#include "learners/shallow/search.h"

#include <math.h>

#include "core/clock.h"
#include "core/fail.h"
#include "rhm/sampling.h"

enum {
    FIRST_SAMPLES = 1 << 12,
    MOST_SAMPLES = 1 << 16,
    GROWTH = 4,
    HELD_OUT_SHARE = 5,
    WIDTH = 1024,
    RIDGES = 3,
    BANDWIDTHS = 3,
};

/* --max-samples where nobody limits them (training/options.c). */
#define ANY_NUMBER UINT64_C(1000000000000000)

/* Held-out accuracy that more samples could hardly raise. */
#define ENOUGH 0.999

/* Bandwidths over the root of d: sequences of unlike tokens are sqrt(2 d) apart. Ridges times the distinct sequences.
 */
static const double bandwidths[BANDWIDTHS] = {0.5, 1, 2}, ridges[RIDGES] = {1, 0.1, 0.01};

/* ---- samples --------------------------------------------------------------------------------------------- */

typedef struct sources {
    rhm_sampler *sampler;
    rhm_grammar_source fresh[2]; /* training, held out */
    rhm_data_source rows[2];
    uint64_t most; /* training samples that there are */
} sources;

static rhm_status open_sources(sources *out, const rhm_problem *problem, const rhm_train_options *options,
                               rhm_error *error) {
    *out = (sources){.most = UINT64_MAX};
    if (problem->data) {
        const uint64_t usable = problem->data->count - problem->test_samples;
        out->most = usable - usable / HELD_OUT_SHARE;
        out->rows[0] = (rhm_data_source){problem->data, 0};
        out->rows[1] = (rhm_data_source){problem->data, out->most};
        if (options->samples[1] > out->most || usable < HELD_OUT_SHARE)
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

static rhm_status draw(rhm_shallow_task *t, const sources *from, uint64_t samples, rhm_error *error) {
    const bool fresh = from->sampler;
    rhm_patch_source *source = fresh ? rhm_draw_from_grammar : rhm_draw_from_data;
    const void *context[2] = {fresh ? (const void *)&from->fresh[0] : &from->rows[0],
                              fresh ? (const void *)&from->fresh[1] : &from->rows[1]};
    const uint64_t held_out = samples / HELD_OUT_SHARE ? samples / HELD_OUT_SHARE : 1;
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
    double walk[RIDGES];
    for (size_t i = 0; i < RIDGES; i++)
        walk[i] = (given == RHM_RIDGE_PAPER ? 1 : ridges[i]) / distinct;
    if (given > 0)
        walk[0] = given;
    const size_t count = given == 0 ? RIDGES : 1;
    const double begin = rhm_seconds();
    if (bandwidth > 0)
        RHM_TRY(rhm_shallow_walk(best, t, bandwidth, walk, count, error));
    for (size_t i = 0; i < BANDWIDTHS && !(bandwidth > 0); i++)
        RHM_TRY(rhm_shallow_walk(best, t, bandwidths[i] * sqrt((double)t->flat.branching[1]), walk, count, error));
    t->fit_seconds += rhm_seconds() - begin;
    return RHM_OK;
}

static uint64_t most_samples(const rhm_train_options *options, uint64_t there) {
    const uint64_t given = options->samples[1];
    const uint64_t most = options->max_samples < ANY_NUMBER ? options->max_samples : MOST_SAMPLES;
    const uint64_t wanted = given ? given : most;
    return wanted < there ? wanted : there;
}

static rhm_status grow(rhm_shallow_fit *best, rhm_shallow_task *t, const sources *from, rhm_error *error) {
    const uint64_t most = most_samples(t->options, from->most), given = t->options->samples[1];
    double bandwidth = t->options->bandwidth[1];
    for (uint64_t samples = !given && most > FIRST_SAMPLES ? FIRST_SAMPLES : most;;
         samples = samples * GROWTH < most ? samples * GROWTH : most) {
        RHM_TRY(draw(t, from, samples, error));
        best->loss = HUGE_VAL; /* other samples are held out now */
        RHM_TRY(choose(best, t, bandwidth, error));
        bandwidth = best->layer.bandwidth;
        if (samples == most || best->accuracy >= ENOUGH)
            return RHM_OK;
    }
}

/* One level reads all: numbers by level say one thing. */
static rhm_status check(const rhm_train_options *options, uint32_t levels, rhm_error *error) {
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
    sources from = {0};
    *task = (rhm_shallow_task){0};
    RHM_TRY(check(options, tree->levels, error));
    RHM_TRY(rhm_shallow_task_init(task, engine, options, tree, shape ? shape->vocab[0] : problem->data->label_vocab,
                                  shape ? shape->vocab[tree->levels] : problem->data->token_vocab, error));
    task->width = options->width ? options->width : WIDTH;
    rhm_status status = open_sources(&from, problem, options, error);
    if (status == RHM_OK)
        status = grow(best, task, &from, error);
    rhm_sampler_destroy(from.sampler);
    return status;
}

/* ---- plan ------------------------------------------------------------------------------------------------ */

/* Bytes of sequences, of what products with the matrix of the normal equations take, and of the weights. */
static double nbytes(const rhm_engine *engine, double sequences, double tokens, double inputs, double width,
                     double classes) {
    const rhm_route_sizes sizes = rhm_shallow_sizes(sequences, inputs, width, classes, RIDGES);
    const double features = sequences * 8 * width,
                 cached = engine ? (double)rhm_normal_cache_nbytes(engine) : (double)RHM_CACHE_MOST_NBYTES;
    const double matrix = rhm_route_choose(&sizes) == RHM_ROUTE_GRAM ? 32 * width * width
                          : features <= cached                       ? features
                                                                     : 0;
    return sequences * 1.2 * (8 * tokens + 48) + matrix + 12 * width * inputs + 96 * width * classes;
}

/* Different sequences that there are, if no rule has probability 0, and those that so many samples show. */
static double possible_sequences(const rhm_problem *problem) {
    const rhm_grammar *grammar = problem->grammar;
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    double sequences = shape->vocab[0];
    for (uint32_t l = 1; l <= shape->levels; l++)
        sequences *= pow(shape->rules[l], (double)rhm_grammar_tree(grammar)->nodes[l - 1]);
    return sequences;
}

static double distinct_of(double possible, double samples) {
    return isfinite(possible) ? -possible * expm1(-samples / possible) : samples;
}

/* The first samples are really fitted: whether the search ends with them is what matters most. */
static rhm_status try_first(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                            const rhm_problem *problem, const rhm_train_options *options, uint64_t most,
                            rhm_error *error) {
    rhm_shallow_fit best = {0};
    rhm_shallow_task task;
    rhm_train_options first = *options;
    first.max_samples = most < FIRST_SAMPLES ? most : FIRST_SAMPLES;
    for (uint32_t l = 1; l <= RHM_MAX_LEVELS; l++)
        first.samples[l] = 0;
    rhm_status status = rhm_shallow_search(&best, &task, engine, problem, &first, error);
    if (status == RHM_OK) {
        const bool ends = best.accuracy >= ENOUGH && !options->samples[1];
        const double had = (double)task.training.patches.samples, walks = options->bandwidth[1] > 0 ? 1 : BANDWIDTHS;
        const double seen = distinct_of(out->possible, had);
        out->samples = ends ? had : (double)most;
        out->fits = 0;
        for (double n = options->samples[1] ? (double)most : had;; n = fmin(n * GROWTH, (double)most)) {
            const bool opening = out->fits == 0;
            out->fits += (opening ? walks : 1) * (options->ridge[1] == 0 ? RIDGES : 1);
            /* A formed matrix is iterated with at a cost that does not depend on the sequences. */
            const double fixed = best.route == RHM_ROUTE_GRAM ? task.iterate_seconds : 0;
            const double more = distinct_of(out->possible, n) / seen;
            out->fit_seconds += (fixed + (task.fit_seconds - fixed) * more) / (opening ? 1 : walks);
            out->draw_seconds = task.sample_seconds * n / had;
            /* Where every sequence has been seen several times nothing is left to learn. */
            if (n >= out->samples || (!options->samples[1] && n >= 8 * out->possible)) {
                out->samples = n;
                break;
            }
        }
        out->distinct =
            ends ? (double)rhm_patches_distinct(&task.training.patches) : distinct_of(out->possible, out->samples);
        *test_seconds =
            task.embed_seconds / (double)(task.held_out.patches.samples * best.fits) * (double)problem->test_samples;
        out->route = best.route;
    }
    rhm_layer_clear(&best.layer);
    rhm_shallow_task_clear(&task);
    return status;
}

rhm_status rhm_shallow_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                            const rhm_problem *problem, const rhm_train_options *options, rhm_error *error) {
    const rhm_tree *tree = rhm_problem_tree(problem);
    const double tokens = (double)tree->leaves[0], inputs = tokens * rhm_problem_token_vocab(problem);
    sources from;
    RHM_TRY(check(options, tree->levels, error));
    RHM_TRY(open_sources(&from, problem, options, error));
    rhm_sampler_destroy(from.sampler);
    const double most = (double)most_samples(options, from.most), possible = possible_sequences(problem);
    for (uint32_t l = 2; l <= tree->levels; l++)
        out[l] = (rhm_plan_level){0};
    out[1] = (rhm_plan_level){.level = 1,
                              .positions = 1,
                              .draw = RHM_DRAW_SAMPLES,
                              .kept_share = 1,
                              .first_samples = options->samples[1] ? most : fmin(FIRST_SAMPLES, most),
                              .wanted_samples = NAN,
                              .samples = most,
                              .possible = possible,
                              .distinct = distinct_of(possible, most),
                              .width = options->width ? options->width : WIDTH,
                              .gap = NAN,
                              .draw_seconds = NAN,
                              .fit_seconds = NAN};
    *test_seconds = NAN;
    if (engine) {
        out[1].draw_seconds = out[1].fit_seconds = 0;
        RHM_TRY(try_first(&out[1], test_seconds, engine, problem, options, (uint64_t)most, error));
    }
    out[1].nbytes = nbytes(engine, out[1].distinct, tokens, inputs, out[1].width, rhm_problem_classes(problem));
    return RHM_OK;
}
