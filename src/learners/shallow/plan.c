/*
 * What the shallow learner will take: its search played through with operations that are timed once, on few sequences.
 * Nothing is fitted. Where the search ends is told from the sequences that there are: before most of them have been
 * seen, held-out ones are hardly ever all right.
 */
#include <math.h>

#include "core/clock.h"
#include "core/fail.h"
#include "engine/memory.h"
#include "learners/shallow/search.h"
#include "linear/gram.h"
#include "linear/normal.h"
#include "linear/solvers.h"

/* Iterations of conjugate gradients, on average: the smaller ridges take many more than the larger. */
static const double ITERATIONS = 32;

/* Samples of each sequence that there is, after which those that were not seen are rare enough. */
static const double SEEN = 5;

enum { TRIAL = RHM_SHALLOW_FIRST };

typedef struct planning {
    const rhm_engine *engine;
    const rhm_problem *problem;
    const rhm_train_options *options;
    rhm_plan_level *out;
    double tokens, inputs, classes, width, ridges;
    double trial, trial_held_out, trial_distinct; /* samples that were timed, and distinct sequences among them */
    double sample_seconds;
    rhm_shallow_times times[2]; /* by route */
} planning;

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
    return rint(isfinite(possible) ? -possible * expm1(-samples / possible) : samples);
}

static rhm_route route_of(const planning *p, double sequences) {
    const rhm_route_sizes sizes = rhm_shallow_sizes(sequences, p->inputs, p->width, p->classes, p->ridges);
    return rhm_route_choose(&sizes);
}

/* ---- time ------------------------------------------------------------------------------------------------ */

static rhm_status time_routes(planning *p, rhm_shallow_task *task, bool wanted[2], rhm_error *error) {
    const double bandwidth = sqrt(p->tokens);
    p->trial = (double)task->training.patches.samples;
    p->trial_held_out = (double)rhm_patches_distinct(&task->held_out.patches);
    p->trial_distinct = (double)rhm_patches_distinct(&task->training.patches);
    p->sample_seconds = task->sample_seconds / p->trial;
    for (int route = 0; route < 2; route++)
        if (wanted[route])
            RHM_TRY(rhm_shallow_time(&p->times[route], task, bandwidth, (rhm_route)route, error));
    return RHM_OK;
}

static rhm_status measure(planning *p, const rhm_shallow_sources *from, double most, rhm_error *error) {
    rhm_shallow_task task;
    bool wanted[2] = {false};
    for (double n = p->out->first_samples;; n = fmin(n * RHM_SHALLOW_GROWTH, most)) {
        wanted[route_of(p, distinct_of(p->out->possible, n))] = true;
        if (n >= most)
            break;
    }
    RHM_TRY(rhm_shallow_task_init(&task, p->engine, p->options, rhm_problem_tree(p->problem), (uint32_t)p->classes,
                                  rhm_problem_token_vocab(p->problem), error));
    task.width = (uint32_t)p->width;
    rhm_status status = rhm_shallow_draw_both(&task, from, (uint64_t)fmin(TRIAL, most), error);
    if (status == RHM_OK)
        status = time_routes(p, &task, wanted, error);
    rhm_shallow_task_clear(&task);
    return status;
}

/* Of a walk along the ridges, with so many distinct sequences. */
static double walk_seconds(const planning *p, double distinct, double samples) {
    const rhm_route route = route_of(p, distinct);
    const rhm_shallow_times *t = &p->times[route];
    const double more = distinct / p->trial_distinct;
    const double held_out = distinct_of(p->out->possible, samples / RHM_SHALLOW_HELD_OUT) / p->trial_held_out;
    double solution =
        t->product * (ITERATIONS * rhm_solver_products(p->options->solver, 1) / rhm_solver_products(RHM_CG, 1) + 1);
    if (rhm_solver_factors(p->options->solver)) {
        const rhm_route_sizes all = rhm_shallow_sizes(distinct, p->inputs, p->width, p->classes, 1),
                              timed = rhm_shallow_sizes(p->trial_distinct, p->inputs, p->width, p->classes, 1);
        solution = t->factoring / rhm_factoring_cost(&timed) * rhm_factoring_cost(&all);
    } else if (route == RHM_ROUTE_PASSES) {
        solution *= more;
    }
    return t->make * more + p->ridges * (solution + t->held_out * held_out);
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

/* Lists of sequences and what finds them, with counts by sequence; training and held out. */
static double lists_nbytes(const planning *p, double sequences) {
    return sequences * (1 + 1.0 / RHM_SHALLOW_HELD_OUT) * (6 * p->tokens + 84);
}

/* Of what products with the matrix of the normal equations take: partial sums are gone before one is formed. */
static double matrix_nbytes(const planning *p, double sequences) {
    static const double CHUNK = 96; /* sequences, of a loop over them */
    const double row = 2 * p->width, size = row * p->classes;
    const double cached = p->engine ? (double)rhm_normal_cache_nbytes(p->engine) : (double)RHM_CACHE_MOST_NBYTES;
    const size_t leaves = rhm_pass_leaves((size_t)fmin(sequences / CHUNK + 1, 1e15), (size_t)size);
    const double features = 4 * row * sequences, sums = rhm_buffer_pages(8 * size * (double)leaves);
    if (route_of(p, sequences) == RHM_ROUTE_GRAM)
        return fmax(rhm_buffer_pages(rhm_gram_nbytes((size_t)p->width)), sums);
    return (features <= cached ? rhm_buffer_pages(features) : 0) + sums;
}

/* Layers: the best, the one in hand, and the latter in the order of the kernels. Vectors: right-hand side, solution and
 * those of conjugate gradients. */
static double nbytes(const planning *p, double sequences) {
    const double layer = 4 * p->width * (p->inputs + 2 * p->classes), vectors = 6 * 8 * 2 * p->width * p->classes;
    const rhm_route_sizes sizes = rhm_shallow_sizes(sequences, p->inputs, p->width, p->classes, 1);
    const double all = lists_nbytes(p, sequences) + matrix_nbytes(p, sequences) + 3 * layer + vectors +
                       (rhm_solver_factors(p->options->solver) ? rhm_factoring_nbytes(&sizes) : 0);
    return all + rhm_retained_nbytes(all);
}

/* ---- the search ------------------------------------------------------------------------------------------ */

static void play(planning *p, double most) {
    const rhm_train_options *o = p->options;
    rhm_plan_level *out = p->out;
    const double walks = o->bandwidth[1] > 0 ? 1 : RHM_SHALLOW_BANDWIDTHS;
    for (double n = out->first_samples;; n = fmin(n * RHM_SHALLOW_GROWTH, most)) {
        const bool opening = out->fits == 0;
        const double distinct = distinct_of(out->possible, n);
        out->samples = n;
        out->distinct = distinct;
        out->route = route_of(p, distinct);
        out->nbytes = fmax(out->nbytes, nbytes(p, distinct));
        out->fits += (opening ? walks : 1) * p->ridges;
        out->draw_seconds = p->sample_seconds * n;
        out->fit_seconds += (opening ? walks : 1) * walk_seconds(p, distinct, n);
        if (n >= most || n >= SEEN * out->possible)
            return;
    }
}

rhm_status rhm_shallow_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                            const rhm_problem *problem, const rhm_train_options *options, rhm_error *error) {
    const rhm_tree *tree = rhm_problem_tree(problem);
    const double tokens = (double)tree->leaves[0];
    planning p = {.engine = engine,
                  .problem = problem,
                  .options = options,
                  .out = &out[1],
                  .tokens = tokens,
                  .inputs = tokens * rhm_problem_token_vocab(problem),
                  .classes = rhm_problem_classes(problem),
                  .width = options->width ? options->width : RHM_SHALLOW_WIDTH,
                  .ridges = options->ridge[1] == 0 ? RHM_SHALLOW_RIDGES : 1,
                  .trial = 1,
                  .trial_held_out = 1,
                  .trial_distinct = 1,
                  .sample_seconds = NAN,
                  .times = {{NAN, NAN, NAN, NAN}, {NAN, NAN, NAN, NAN}}};
    rhm_shallow_sources from;
    RHM_TRY(rhm_shallow_check(options, tree->levels, error));
    RHM_TRY(rhm_shallow_open(&from, problem, options, error));
    const double most = (double)rhm_shallow_most(options, from.most);
    for (uint32_t l = 2; l <= tree->levels; l++)
        out[l] = (rhm_plan_level){0};
    out[1] = (rhm_plan_level){.level = 1,
                              .positions = 1,
                              .draw = RHM_DRAW_SAMPLES,
                              .kept_share = 1,
                              .first_samples = options->samples[1] ? most : fmin(RHM_SHALLOW_FIRST, most),
                              .wanted_samples = NAN,
                              .possible = possible_sequences(problem),
                              .width = (uint32_t)p.width,
                              .gap = NAN};
    const rhm_status status = engine ? measure(&p, &from, most, error) : RHM_OK;
    rhm_sampler_destroy(from.sampler);
    RHM_TRY(status);
    play(&p, most);
    const rhm_shallow_times *t = &p.times[out[1].route];
    *test_seconds = t->held_out / p.trial_held_out * (double)problem->test_samples;
    return RHM_OK;
}
