/* Bytes that stages and the test hold. */
#include <math.h>

#include "engine/engine.h"
#include "engine/memory.h"
#include "kernels/phasors.h"
#include "learners/layerwise/draw_choice.h"
#include "learners/layerwise/held_out.h"
#include "learners/layerwise/prices.h"
#include "linear/gram.h"
#include "linear/solvers.h"
#include "model/forward.h"
#include "patches/merge.h"
#include "sampling/law.h"

static const double HASH_SLOTS = 2.5; /* per tuple, between 2 and 4 */
static const double GROWTH = 1.5;     /* of lists that grow by doubling: on average, with the copy */

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* What finds `count` tuples of `words` numbers (patches/index.h); `first` and `others`: how many numbers there are. */
static double index_nbytes(double count, double first, double others, uint32_t words) {
    const double bits = ceil(log2(fmax(2, first))) + (words - 1) * ceil(log2(fmax(2, others)));
    return bits <= RHM_INDEX_DIRECT_BITS ? sizeof(uint32_t) * exp2(bits) : HASH_SLOTS * sizeof(rhm_index_slot) * count;
}

/* Whether subtrees of level j come with one patch each, mostly: then ranks that divide patches divide these. */
static bool is_divided(const rhm_forecasting *f, const rhm_forecast *s, uint32_t j, double samples) {
    const double patches = rhm_price_distinct(f, s->level, s->level, samples);
    const double most = patches * (double)rhm_tree_below(&f->task.tree, s->level - 1, j - 1);
    return rhm_price_distinct(f, s->level, j, samples) * 2 > most;
}

/* Patches of samples, of a level or (from = 0) of whole sequences. */
typedef struct holding {
    uint32_t from, level;
    double samples, positions, outputs;
    bool counted; /* counts are drawn */
} holding;

static holding holding_of(const rhm_forecasting *f, const rhm_forecast *s, double samples) {
    return (holding){
        s->level, s->level, samples, s->positions, rhm_price_outputs(f, s->level), s->draw == RHM_DRAW_COUNTS};
}

static double distinct_of(const rhm_forecasting *f, const holding *h, uint32_t level) {
    return rhm_price_distinct(f, h->from, level, h->samples);
}

static double cells_of(const rhm_forecasting *f, const holding *h) {
    return fmin(h->samples * h->positions, distinct_of(f, h, h->level) * h->outputs);
}

/* The lists of a collection, what finds their members, and embeddings of all but the patches themselves. `divided`: of
 * the levels that ranks divide alone. */
static double lists_nbytes(const rhm_forecasting *f, const holding *h, bool divided) {
    const bool raw = h->from > 0 && f->options->raw; /* lists that grow at once, in which nothing is looked for */
    const double growth = h->counted || raw ? 1 : GROWTH, distinct = distinct_of(f, h, h->level),
                 cells = cells_of(f, h);
    double nbytes = cells * (8 + 8) * growth;
    for (uint32_t j = h->level; j <= f->shape->levels; j++) {
        const double here = distinct_of(f, h, j);
        if (divided && !is_divided(f, &f->stage[h->level], j, h->samples))
            continue;
        const double below = j < f->shape->levels ? distinct_of(f, h, j + 1) : f->shape->vocab[j];
        nbytes += here * 4 * f->shape->branching[j] * growth;
        nbytes += j > h->level ? here * 4 * rhm_price_outputs(f, j) : 0;
        nbytes += h->counted || raw ? 0 : index_nbytes(here, below, below, f->shape->branching[j]);
    }
    return nbytes + (h->counted || raw ? 0 : index_nbytes(cells, distinct, h->outputs, 2));
}

/* What counts by patch take (patches/patch_counts.c), after they were sorted. */
static double counts_nbytes(const rhm_forecasting *f, const holding *h) {
    return cells_of(f, h) * (8 + 4) + distinct_of(f, h, h->level) * 8;
}

/*
 * What counting samples takes beside its lists: codes and tables of threads, tuples that the chunks of a round list,
 * and their places while they are merged (patches/chunk.h, merge.h). The first round lists most.
 */
static double reading_nbytes(const rhm_forecasting *f, const holding *h) {
    const double threads = f->engine ? rhm_engine_threads(f->engine) : 1;
    const double leaves = h->positions * (double)f->task.tree.leaves[h->level - 1];
    const holding chunk = {
        h->from,      h->level,   (double)rhm_patch_chunk_samples((uint64_t)fmin(h->samples, 1e15), (size_t)leaves),
        h->positions, h->outputs, false};
    const double chunks = fmin(4 * threads, ceil(h->samples / chunk.samples)); /* CHUNKS_PER_THREAD of patches.c */
    double listed = cells_of(f, &chunk) * (2 + 1), slots = cells_of(f, &chunk), most = cells_of(f, &chunk);
    for (uint32_t j = h->level; j <= f->shape->levels; j++) {
        const double here = distinct_of(f, &chunk, j);
        listed += here * (f->shape->branching[j] + 1);
        slots += here;
        most = fmax(most, here);
    }
    const double scratch = chunk.samples * (2 + 6 * leaves) + 4 * RHM_OWN_CELLS + 4 * GROWTH * listed + 12 * slots;
    const double merging = chunks * most * 1.5 * (sizeof(rhm_listed) + sizeof(rhm_newcomer));
    return threads * scratch + chunks * (4 * chunk.samples * h->positions + 1.5 * 4 * listed) + merging;
}

/* Of counts that are drawn: their law, for good, and what a draw has besides (patches/draw.c). */
static double law_nbytes(const rhm_forecasting *f, const rhm_forecast *s) {
    const rhm_law_choice some = {RHM_THINNED_PATCHES, f->options->seed, 0};
    double nbytes = 0;
    if (s->draw != RHM_DRAW_COUNTS ||
        rhm_law_nbytes(&nbytes, f->grammar, s->level, s->positions, s->kept_share < 1 ? &some : NULL, NULL) != RHM_OK)
        return 0;
    for (uint32_t j = s->level; j <= f->shape->levels; j++)
        nbytes += 4 * (j == s->level && s->kept_share < 1 ? (double)RHM_THINNED_PATCHES : f->possible[j]);
    return nbytes;
}

static double drawing_nbytes(const rhm_forecasting *f, const holding *h) {
    if (f->options->raw && !h->counted) /* is copied into the lists at once */
        return 0;
    const double again = (8 + 8) * cells_of(f, h) + 4 * f->shape->branching[h->level] * distinct_of(f, h, h->level);
    return h->counted ? RHM_DRAWN_NBYTES * cells_of(f, h) + again : reading_nbytes(f, h);
}

void rhm_price_division(const rhm_forecasting *f, rhm_forecast *s, double samples, double held_out) {
    const uint32_t level = s->level, vocab = f->shape->vocab[f->shape->levels];
    const double tokens = (double)f->task.tree.leaves[level - 1], classes = rhm_price_outputs(f, level);
    const double words = ceil(tokens / floor(32 / ceil(log2(fmax(2, vocab)))));
    const double sets[] = {samples, held_out};
    const bool raw = f->options->raw;
    s->division_ranks = s->patches_nbytes = s->keys_nbytes = s->dealt_nbytes = 0;
    if (s->draw != RHM_DRAW_SAMPLES || level == f->shape->levels || s->route == RHM_ROUTE_GRAM ||
        s->ridge_route == RHM_ROUTE_GRAM || f->options->solver == RHM_CHOLESKY ||
        (!raw && rhm_phasors_fit(f->shape->branching[level], rhm_padded_width(s->width), rhm_price_rows(f, s))))
        return;
    s->division_ranks = raw ? HUGE_VAL : fmin(RHM_HELD_OUT_MOST_RUNS, floor(s->distinct / RHM_HELD_OUT_LEAST_RUN));
    double copy = 0;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const double distinct = rhm_price_distinct(f, level, level, sets[i]);
        const double cells = fmin(sets[i] * s->positions, distinct * classes);
        /* Lists that double, their hash slots and numbers; once more with what is sent where they are settled. */
        s->keys_nbytes += distinct * ((4 * words + 8) * GROWTH + 12) + cells * (16 * GROWTH + 12);
        s->keys_nbytes += distinct * 4 * (2 * words + 12) + cells * 4 * 7;
        s->dealt_nbytes += distinct * 4 * (words + 4) + distinct * 4 * (words + 3) + cells * 4 * 3;
        const holding set = holding_of(f, s, sets[i]);
        copy = fmax(copy, lists_nbytes(f, &set, true));
        s->patches_nbytes += lists_nbytes(f, &set, true) + (i == 0 ? counts_nbytes(f, &set) : 0);
        s->patches_nbytes -= rhm_price_raw_inputs_memory(f, s, sets[i]);
    }
    if (raw) /* each reads its own */
        s->keys_nbytes = s->dealt_nbytes = 0;
    else if (f->engine && copy <= (double)(f->engine->memory_limit_nbytes / RHM_COPY_SHARE))
        s->division_ranks = s->patches_nbytes = s->keys_nbytes = s->dealt_nbytes = 0;
}

/* Of the table, and of the patches in the order of their runs. */
static double phasors_nbytes(const rhm_forecasting *f, const rhm_forecast *s) {
    const double table = 4 * rhm_phasors_floats(f->shape->branching[s->level], s->width, rhm_price_rows(f, s));
    return !rhm_price_passes(f, s, s->distinct).phasors
               ? 0
               : table + 4 * s->distinct * (2 + (double)f->shape->branching[s->level]);
}

double rhm_price_gram_memory(const rhm_forecasting *f, const rhm_forecast *s) {
    (void)f;
    return s->route == RHM_ROUTE_GRAM || s->ridge_route == RHM_ROUTE_GRAM
               ? rhm_buffer_pages(s->positions * rhm_gram_nbytes(s->width))
               : 0;
}

/* Counts by patch, and outputs, in bytes. */
double rhm_price_held_out_memory(const rhm_forecasting *f, const rhm_forecast *s, double held_out, double distinct) {
    const double outputs = rhm_price_outputs(f, s->level);
    return fmin(held_out * s->positions, distinct * outputs) * (8 + 4) + distinct * (8 + 4 * outputs);
}

double rhm_price_raw_inputs_memory(const rhm_forecasting *f, const rhm_forecast *s, double samples) {
    double nbytes = 0;
    for (uint32_t j = s->level + 1; f->options->raw && j <= f->shape->levels; j++)
        nbytes += rhm_price_distinct(f, s->level, j, samples) * 4 * rhm_price_outputs(f, j);
    return nbytes;
}

double rhm_price_features_memory(const rhm_forecasting *f, const rhm_forecast *s) {
    return s->route == RHM_ROUTE_GRAM ? 0 : (double)rhm_price_passes(f, s, s->distinct).cache_nbytes;
}

/* Kept features and partial sums; of a sample that preconditions, its own, or its Gram matrix. */
double rhm_price_pass_memory(const rhm_forecasting *f, const rhm_forecast *s) {
    bool divide;
    const rhm_linear_plan plan = rhm_price_plan(f, s, s->distinct, 1);
    const double sample = (double)plan.sample, row_nbytes = rhm_price_sum_nbytes(f, s);
    size_t together;
    const size_t rows =
        rhm_pass_rows((size_t)rhm_price_leaves(f, s, &divide), (size_t)row_nbytes / sizeof(double), 1, &together);
    const double sums = rhm_buffer_pages(row_nbytes * (double)rows);
    if (s->route == RHM_ROUTE_GRAM)
        return sums;
    if (sample > 0 && plan.sample_route == RHM_ROUTE_GRAM)
        return sums + rhm_buffer_pages(s->positions * rhm_gram_nbytes(s->width));
    const double features = (double)rhm_price_passes(f, s, sample > 0 ? sample : s->distinct).cache_nbytes;
    return rhm_buffer_pages(fmin(features, (double)RHM_CACHE_MOST_NBYTES)) + sums * (sample > 0 ? 2 : 1);
}

/* Of a solver that factors, else 0: large blocks, which malloc does not keep. */
static double factoring_nbytes(const rhm_forecasting *f, const rhm_forecast *s) {
    const rhm_route_sizes sizes = rhm_price_sizes(f, s, s->distinct);
    return rhm_solver_factors(f->options->solver) ? rhm_factoring_nbytes(&sizes) : 0;
}

/* Partial sums and features of passes are gone before a Gram matrix is formed (linear/gram.c), but not before one is
 * factored (linear/cholesky.c). */
static double solver_nbytes(const rhm_forecasting *f, const rhm_forecast *s) {
    return fmax(rhm_price_gram_memory(f, s), rhm_price_pass_memory(f, s)) + 8 * rhm_price_sum_nbytes(f, s) +
           3 * s->width * rhm_price_inputs(f, s->level) * 4 + factoring_nbytes(f, s);
}

/* A set is drawn before or after its solver is there; the other one, and the best fit, are there in any case. */
double rhm_price_memory(const rhm_forecasting *f, const rhm_forecast *s, double samples, double held_out) {
    const holding training = holding_of(f, s, samples), validation = holding_of(f, s, held_out);
    const double outputs = distinct_of(f, &validation, s->level) * 4 * rhm_price_outputs(f, s->level);
    const double kept = lists_nbytes(f, &training, false) + lists_nbytes(f, &validation, false) + 2 * law_nbytes(f, s) +
                        counts_nbytes(f, &training) + counts_nbytes(f, &validation);
    const double fitting = solver_nbytes(f, s) + phasors_nbytes(f, s) + outputs;
    const double nbytes =
        kept + fmax(fitting, fmax(drawing_nbytes(f, &training), fmax(drawing_nbytes(f, &validation), 3 * outputs)));
    return nbytes + rhm_retained_nbytes(nbytes - factoring_nbytes(f, s));
}

/* Sequences go through all levels some at a time (model/forward.c). */
double rhm_price_test_memory(const rhm_forecasting *f) {
    const double some = fmin((double)rhm_forward_block(&f->task.tree), (double)f->problem->test_samples);
    const holding test = {0, 1, some, 1, f->shape->vocab[0], false};
    return lists_nbytes(f, &test, false) +
           fmax(reading_nbytes(f, &test), distinct_of(f, &test, 1) * 4 * f->shape->vocab[0]);
}
