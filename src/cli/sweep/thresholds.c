#include "cli/sweep/thresholds.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/training.h"
#include "core/fail.h"
#include "core/memory.h"

enum { SIZE_NBYTES = 1024, SEED_NBYTES = 24 };

const char *rhm_sweep_size_name(rhm_sweep_size size) {
    static const char *const names[] = {"", "samples", "sequences", "c"};
    return names[size];
}

/* ---- trials ---------------------------------------------------------------------------------------------- */

static void size_text(char text[SIZE_NBYTES], const rhm_sweep_search *search, rhm_sweep_size size, int step) {
    const double x = exp2((double)step / RHM_THRESHOLD_STEPS);
    *text = '\0';
    if (size != RHM_SWEEP_C) {
        snprintf(text, SIZE_NBYTES, "%.0f", x);
        return;
    }
    for (uint32_t level = search->levels; level >= 1; level--)
        snprintf(text + strlen(text), SIZE_NBYTES - strlen(text), "%s%.0f", *text ? "," : "",
                 fmax(1, round(x * search->unit[level])));
}

/* The training of a search at a size under a data seed 1, 2, ... */
static rhm_status make_trial(rhm_sweep_cell *out, const rhm_sweep_thresholds *t, const rhm_sweep_search *search,
                             int step, uint32_t number, rhm_error *error) {
    char size[SIZE_NBYTES], seed[SEED_NBYTES];
    size_text(size, search, t->size, step);
    snprintf(seed, sizeof seed, "%u", number + 1);
    const rhm_grid_setting settings[] = {{t->size == RHM_SWEEP_C ? "samples" : rhm_sweep_size_name(t->size), size},
                                         {"data-seed", seed}};
    return rhm_sweep_cell_with(out, search->cell, settings, 2, error);
}

static rhm_threshold_trials *trials_at(rhm_sweep_search *search, int step, rhm_error *error) {
    size_t at = 0;
    while (at < search->count && search->tried[at].step < step)
        at++;
    if (at < search->count && search->tried[at].step == step)
        return &search->tried[at];
    if (rhm_grow((void **)&search->tried, sizeof *search->tried, search->count, search->count + 1,
                 "sizes that were tried", error) != RHM_OK)
        return NULL;
    for (size_t i = search->count++; i > at; i--)
        search->tried[i] = search->tried[i - 1];
    search->tried[at] = (rhm_threshold_trials){.step = step};
    return &search->tried[at];
}

/* Run what of the wanted trials the store does not have. */
static rhm_status want_trials(rhm_sweep_thresholds *t, size_t number, uint32_t first, rhm_sweep_runner *runner,
                              rhm_error *error) {
    rhm_sweep_search *search = &t->search[number];
    for (uint32_t i = first; i < search->wanted; i++) {
        rhm_sweep_cell trial;
        RHM_TRY(make_trial(&trial, t, search, search->step, i, error));
        if (rhm_sweep_store_row(t->store, trial.key) || rhm_sweep_store_failure(t->store, trial.key)) {
            rhm_sweep_cell_clear(&trial);
            continue;
        }
        search->pending++;
        if (json_object_set_new(t->owner, trial.key, json_integer((json_int_t)number)) != 0) {
            rhm_sweep_cell_clear(&trial);
            return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a trial");
        }
        RHM_TRY(rhm_sweep_runner_add(runner, &trial, error));
    }
    return RHM_OK;
}

/* Take in the wanted trials, which are all there. */
static rhm_status count_trials(rhm_sweep_thresholds *t, rhm_sweep_search *search, rhm_error *error) {
    rhm_threshold_trials *tried = trials_at(search, search->step, error);
    if (!tried)
        return RHM_NO_MEMORY;
    for (; tried->trials < search->wanted && !search->failure; tried->trials++) {
        rhm_sweep_cell trial;
        RHM_TRY(make_trial(&trial, t, search, search->step, tried->trials, error));
        const rhm_sweep_row *row = rhm_sweep_store_row(t->store, trial.key);
        if (row)
            tried->passed += rhm_sweep_row_error(row) <= t->bound;
        else
            search->failure = rhm_sweep_store_failure(t->store, trial.key);
        rhm_sweep_cell_clear(&trial);
    }
    return RHM_OK;
}

/* As far as the store goes. */
static rhm_status advance(rhm_sweep_thresholds *t, size_t number, rhm_sweep_runner *runner, rhm_error *error) {
    rhm_sweep_search *search = &t->search[number];
    while (!search->over && search->pending == 0) {
        search->over = search->failure != NULL ||
                       !rhm_threshold_next(&search->step, &search->wanted, &t->options, search->tried, search->count);
        t->over += search->over;
        if (search->over)
            break;
        const rhm_threshold_trials *tried = trials_at(search, search->step, error);
        if (!tried)
            return RHM_NO_MEMORY;
        RHM_TRY(want_trials(t, number, tried->trials, runner, error));
        if (search->pending == 0)
            RHM_TRY(count_trials(t, search, error));
    }
    return RHM_OK;
}

static rhm_status trial_ended(void *user, rhm_sweep_runner *runner, const rhm_sweep_cell *cell, rhm_error *error) {
    rhm_sweep_thresholds *t = user;
    const size_t number = (size_t)json_integer_value(json_object_get(t->owner, cell->key));
    rhm_sweep_search *search = &t->search[number];
    json_object_del(t->owner, cell->key);
    if (--search->pending > 0)
        return RHM_OK;
    RHM_TRY(count_trials(t, search, error));
    return advance(t, number, runner, error);
}

/* Trials that the next ones depend on cannot be foreseen: searches are counted. */
static rhm_progress describe(void *user) {
    const rhm_sweep_thresholds *t = user;
    return (rhm_progress){.stage = "thresholds", .done = t->over, .total = t->searches};
}

/* ---- beginning ------------------------------------------------------------------------------------------- */

static rhm_status refuse_axes(const rhm_sweep_thresholds *t, const rhm_sweep_cell *cell, rhm_error *error) {
    const char *const varied[] = {t->size == RHM_SWEEP_C ? "samples" : rhm_sweep_size_name(t->size), "data-seed"};
    for (size_t i = 0; i < 2; i++)
        if (json_object_get(cell->options, varied[i]))
            return rhm_fail(error, RHM_INVALID,
                            "%s cannot be an axis of the grid with --find-threshold %s, which varies it", varied[i],
                            rhm_sweep_size_name(t->size));
    return RHM_OK;
}

/* V m^l is the number of rules of the level times that of the ways to come there. */
static void read_shape(rhm_sweep_search *search, const rhm_grammar *grammar) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    search->ways = 1;
    search->levels = shape->levels;
    search->labels = shape->vocab[0];
    for (uint32_t level = 1; level <= shape->levels; level++) {
        search->unit[level] = (double)shape->vocab[level - 1] * shape->rules[level] * search->ways;
        search->ways *= shape->rules[level];
    }
}

/* A trial stands for all of its class. */
static rhm_status check_trial(const rhm_sweep_thresholds *t, const rhm_sweep_search *search, rhm_error *error) {
    static rhm_settings settings;
    rhm_sweep_cell trial;
    char **storage = NULL;
    RHM_TRY(make_trial(&trial, t, search, t->options.first, 0, error));
    rhm_status status = rhm_sweep_cell_settings(&settings, &storage, &trial, error);
    if (status == RHM_OK)
        status = rhm_training_check(NULL, NULL, &settings, error);
    rhm_free(storage);
    rhm_sweep_cell_clear(&trial);
    return status;
}

static rhm_status begin_search(rhm_sweep_thresholds *t, rhm_sweep_search *search, const rhm_sweep_cell *cell,
                               rhm_error *error) {
    static rhm_settings settings;
    rhm_grammar *grammar = NULL;
    char **storage = NULL;
    search->cell = cell;
    RHM_TRY(refuse_axes(t, cell, error));
    rhm_status status = rhm_sweep_cell_settings(&settings, &storage, cell, error);
    if (status == RHM_OK && settings.data)
        status = rhm_fail(error, RHM_INVALID,
                          "--find-threshold draws samples of several sizes: data has no effect on "
                          "it, leave it out");
    if (status == RHM_OK)
        status = rhm_training_check(&grammar, NULL, &settings, error);
    if (status == RHM_OK)
        read_shape(search, grammar);
    rhm_grammar_destroy(grammar);
    rhm_free(storage);
    return status == RHM_OK ? check_trial(t, search, error) : status;
}

static void choose_sizes(rhm_sweep_thresholds *t, const rhm_settings *settings) {
    const double steps = RHM_THRESHOLD_STEPS;
    const bool c = t->size == RHM_SWEEP_C;
    const double least = settings->sweep.least > 0 ? settings->sweep.least : c ? 0x1p-6 : 16;
    const double greatest = settings->sweep.greatest > 0 ? settings->sweep.greatest : c ? 0x1p14 : 0x1p20;
    t->options = (rhm_threshold_options){
        .first = (int)(c ? 2 * steps : 10 * steps),
        .least = (int)ceil(steps * log2(least) - 1e-9),
        .greatest = (int)floor(steps * log2(greatest) + 1e-9),
        .agree = 6 < settings->sweep.trials ? 6 : (uint32_t)settings->sweep.trials,
        .most_trials = (uint32_t)settings->sweep.trials,
    };
}

rhm_status rhm_sweep_thresholds_open(rhm_sweep_thresholds *out, const rhm_settings *settings, rhm_sweep_cell *cells,
                                     size_t count, rhm_error *error) {
    *out = (rhm_sweep_thresholds){
        .size = (rhm_sweep_size)settings->sweep.size, .bound = settings->sweep.bound, .owner = json_object()};
    choose_sizes(out, settings);
    if (out->options.least > out->options.greatest)
        return rhm_fail(error, RHM_INVALID, "--least and --greatest leave no size to try: sizes are 2^(n/%d)",
                        RHM_THRESHOLD_STEPS);
    out->search = RHM_NEW(rhm_sweep_search, count, 1, 1, "searches for thresholds", error);
    if (!out->search || !out->owner)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for %zu searches", count);
    out->searches = count;
    for (size_t i = 0; i < count; i++)
        RHM_TRY(begin_search(out, &out->search[i], &cells[i], error));
    return RHM_OK;
}

rhm_status rhm_sweep_thresholds_begin(rhm_sweep_thresholds *thresholds, rhm_sweep_runner *runner, rhm_error *error) {
    thresholds->store = runner->store;
    runner->ended = trial_ended;
    runner->progress = describe;
    runner->user = thresholds;
    for (size_t i = 0; i < thresholds->searches; i++)
        RHM_TRY(advance(thresholds, i, runner, error));
    return RHM_OK;
}

void rhm_sweep_thresholds_clear(rhm_sweep_thresholds *thresholds) {
    for (size_t i = 0; i < thresholds->searches; i++)
        rhm_free(thresholds->search[i].tried);
    rhm_free(thresholds->search);
    json_decref(thresholds->owner);
    *thresholds = (rhm_sweep_thresholds){0};
}

rhm_status rhm_sweep_thresholds_trials(rhm_sweep_cell **cells, size_t *count, const rhm_sweep_thresholds *thresholds,
                                       rhm_error *error) {
    size_t room = 0;
    for (size_t i = 0; i < thresholds->searches; i++)
        for (size_t j = 0; j < thresholds->search[i].count; j++)
            room += thresholds->search[i].tried[j].trials;
    *count = 0;
    *cells = RHM_NEW(rhm_sweep_cell, room, 1, 1, "cells of trials", error);
    if (!*cells)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < thresholds->searches; i++)
        for (size_t j = 0; j < thresholds->search[i].count; j++)
            for (uint32_t k = 0; k < thresholds->search[i].tried[j].trials; k++) {
                RHM_TRY(make_trial(&(*cells)[*count], thresholds, &thresholds->search[i],
                                   thresholds->search[i].tried[j].step, k, error));
                ++*count;
            }
    return RHM_OK;
}
