#include "learners/layerwise/prices.h"

#include <math.h>

#include "core/clock.h"
#include "core/fail.h"
#include "engine/memory.h"
#include "kernels/phasors.h"
#include "learners/layerwise/draw_choice.h"
#include "learners/layerwise/held_out.h"
#include "linear/gram.h"
#include "linear/plan.h"
#include "linear/solvers.h"
#include "model/forward.h"
#include "patches/merge.h"
#include "rhm/theory.h"
#include "sampling/law.h"
#include "sampling/source.h"

static const double SETTING_UP = 2; /* products of a fit beside its iterations: the right-hand side, the residual */
static const double SAMPLED_PASSES = 5, SAMPLE_ITERATIONS = 15;
static const double SHARED_PASS = 1.2;      /* what phasors cost beside the two products; rotated weights nothing */
static const double CLUSTER_SECONDS = 5e-8; /* per point of at most 4096, cluster and coordinate: k-means restarts */
static const double MERGE_SECONDS = 1e-7;   /* of one thread, per different patch: traces of `rhm train` */
static const double DRAWN_NBYTES = 16;      /* of a count that is drawn */
static const double TRIGONOMETRY = 14;      /* linear/plan.h */
static const double CHUNK = 96;             /* patches, of a loop over them */
static const double HASH_SLOTS = 2.5;       /* per tuple, between 2 and 4 */
static const double GROWTH = 1.5;           /* of lists that grow by doubling: on average, with the copy */

static double outputs_of(const rhm_forecasting *f, uint32_t level) {
    return rhm_task_outputs(&f->task, level);
}

static double inputs_of(const rhm_forecasting *f, uint32_t level) {
    return f->shape->branching[level] * (double)rhm_task_embedding(&f->task, level);
}

/* What was measured with one position, by the multiply-adds of a patch and frequency with those of the level. */
static rhm_rates rates_of(const rhm_forecasting *f, uint32_t level) {
    const bool bottom = level == f->shape->levels;
    const double labels = f->shape->vocab[0], outputs = outputs_of(f, level);
    const double features = inputs_of(f, level) + TRIGONOMETRY;
    const double usual = f->shape->branching[level] * (bottom ? (double)f->shape->vocab[level] : labels) + TRIGONOMETRY;
    rhm_rates rates = bottom ? f->bottom : f->upper;
    rates.forward *= (features + 2 * outputs) / (usual + 2 * labels);
    rates.pass *= (features + 4 * outputs) / (usual + 4 * labels);
    rates.kept_pass *= outputs / labels;
    rates.gram *= outputs / labels;
    return rates;
}

double rhm_price_distinct(const rhm_forecasting *f, uint32_t level, uint32_t j, double samples) {
    if (level > 0 && f->stage[level].kept_share < 1)
        samples = rhm_theory_expected_distinct(RHM_THINNED_PATCHES, samples);
    const uint32_t from = level > 0 ? level - 1 : 0;
    samples *= (double)rhm_tree_below(&f->task.tree, from, j > from ? j - 1 : from);
    samples *= level > 0 ? rhm_task_positions(&f->task, level) : 1;
    return rhm_theory_expected_distinct(f->possible[j], samples);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

double rhm_price_embedding(const rhm_forecasting *f, uint32_t level, double samples) {
    double seconds = 0;
    for (uint32_t j = level + 1; j <= f->shape->levels; j++)
        seconds += rhm_price_distinct(f, level, j, samples) * f->stage[j].width * rates_of(f, j).forward;
    return seconds;
}

/* Embeddings that the patches are made of. */
static size_t rows_of(const rhm_forecasting *f, const rhm_forecast *s) {
    const double rows = s->level == f->shape->levels ? f->shape->vocab[s->level]
                        : f->options->raw            ? s->samples * s->positions * f->shape->branching[s->level]
                                                     : rhm_price_distinct(f, s->level, s->level + 1, s->samples);
    return (size_t)fmin(rows, 1e15);
}

/* How passes over so many patches come to their features, were there memory for all of them. */
static rhm_linear_record passes_of(const rhm_forecasting *f, const rhm_forecast *s, double distinct) {
    static const double MOST = 1e12; /* beyond it sizes in bytes would overflow */
    const rhm_shape *shape = f->shape;
    const uint32_t tokens = shape->branching[s->level];
    const size_t rows = rows_of(f, s);
    /* First tokens of a rule's right-hand side, each in as many forms as a symbol has embeddings. */
    const double forms = fmax(1, (double)rows / shape->vocab[s->level]);
    const double rules = (double)shape->vocab[s->level - 1] * shape->rules[s->level];
    const rhm_pass_sizes sizes = {
        .patches = (size_t)fmin(distinct, MOST),
        .rows = rows,
        .tokens = tokens,
        .embedding = rhm_task_embedding(&f->task, s->level),
        .width = s->width,
        .classes = rhm_task_outputs(&f->task, s->level),
        .runs = (size_t)fmin(fmin(rules * pow(forms, (double)tokens - 1), distinct), MOST),
        .cache_nbytes = SIZE_MAX,
    };
    return rhm_passes_plan(&sizes, true);
}

/* Seconds of a pass per patch and frequency. */
static double pass_seconds(const rhm_forecasting *f, const rhm_forecast *s, double distinct) {
    const rhm_rates rates = rates_of(f, s->level), *r = &rates;
    const rhm_linear_record how = passes_of(f, s, distinct);
    return how.representation == RHM_FACTORED ? r->kept_pass
           : how.phasors                      ? fmin(r->pass, SHARED_PASS * r->kept_pass)
                                              : r->pass;
}

double rhm_price_leaves(const rhm_forecasting *f, const rhm_forecast *s, bool *divide) {
    const double matrix = outputs_of(f, s->level) * 2.0 * s->width;
    const rhm_linear_record how = passes_of(f, s, s->distinct);
    const bool sampled = rhm_sample_size((size_t)fmin(s->distinct, 1e15), s->width) > 0;
    *divide = !sampled && how.representation == RHM_CACHED && how.cache_nbytes <= RHM_CACHE_MOST_NBYTES;
    return (double)rhm_pass_leaves((size_t)fmin(s->distinct / CHUNK + 1, 1e15), (size_t)matrix);
}

double rhm_price_sum_nbytes(const rhm_forecasting *f, const rhm_forecast *s) {
    return sizeof(double) * outputs_of(f, s->level) * 2.0 * s->width;
}

/* All ranks make all features of a Gram matrix: of the multiply-adds that form it, their share. */
static double gram_features(const rhm_forecasting *f, const rhm_forecast *s) {
    const double terms = inputs_of(f, s->level) + TRIGONOMETRY;
    return terms / (terms + s->positions * (2.0 * s->width + 1));
}

static rhm_route_sizes sizes_of(const rhm_forecasting *f, const rhm_forecast *s, double distinct) {
    return (rhm_route_sizes){
        .patches = distinct,
        .width = s->width,
        .classes = outputs_of(f, s->level),
        .inputs = inputs_of(f, s->level),
        .blocks = s->positions,
    };
}

rhm_fit_price rhm_price_fit(const rhm_forecasting *f, const rhm_forecast *s, double distinct, double held_out,
                            rhm_route route, double solves) {
    const rhm_rates rates = rates_of(f, s->level), *r = &rates;
    const double units = distinct * s->width, classes = outputs_of(f, s->level),
                 parents = f->shape->vocab[s->level - 1];
    const double embedding = fmin(rhm_price_distinct(f, s->level, s->level, held_out), 1e9) * s->width * r->forward;
    const double grouping = fmin(4096, held_out) * classes * parents * CLUSTER_SECONDS;
    const double pass = pass_seconds(f, s, distinct);
    const double passes = rhm_solver_products(f->options->solver, 1) + SETTING_UP;
    rhm_fit_price price = {.shared = embedding + grouping};
    if (route == RHM_ROUTE_GRAM) {
        const double product = 4 * (double)s->width * s->width * classes / 1e10; /* from memory, in double */
        const double forming = units * s->width * r->gram / solves, features = gram_features(f, s);
        price.shared += forming * (1 - features) + units * pass / solves + passes * product;
        price.seconds += forming * features;
        price.sums = 1 / solves;
        price.products = passes;
    } else {
        const double sample = (double)rhm_sample_size((size_t)fmin(distinct, 1e15), s->width);
        if (sample > 0)
            price.shared += SAMPLED_PASSES * (units * pass + SAMPLE_ITERATIONS * sample * s->width * r->kept_pass);
        else
            price.shared += units * (pass + passes * r->kept_pass);
        price.sums = sample > 0 ? SAMPLED_PASSES * (1 + SAMPLE_ITERATIONS) : 1 + passes;
    }
    if (rhm_solver_factors(f->options->solver)) {
        const rhm_route_sizes sizes = sizes_of(f, s, distinct);
        price.seconds += rhm_factoring_cost(&sizes) * r->factoring; /* every rank does all of it */
    }
    price.seconds += price.shared;
    return price;
}

static rhm_linear_plan plan_of(const rhm_forecasting *f, const rhm_forecast *s, double distinct, double solves) {
    const rhm_route_sizes sizes = sizes_of(f, s, distinct);
    return rhm_linear_plan_choose(&sizes, f->options->solver, solves);
}

rhm_route rhm_price_route(const rhm_forecasting *f, const rhm_forecast *s, double distinct, double solves) {
    return plan_of(f, s, distinct, solves).route;
}

rhm_status rhm_price_draw(const rhm_forecasting *f, rhm_forecast *s, double samples, double *seconds,
                          rhm_error *error) {
    enum { TRIAL = 1 << 15 };
    const uint64_t trial = samples < TRIAL ? (uint64_t)samples : TRIAL;
    const rhm_data *data = f->problem->data;
    rhm_sampler *sampler = NULL;
    rhm_patches patches;
    if (!data)
        RHM_TRY(rhm_sampler_create(&sampler, f->grammar, f->options->seed, error));
    rhm_status status = rhm_patches_init(&patches, s->level, &f->task.tree, f->shape->vocab[0], error);
    const rhm_grammar_source source = {f->grammar, f->options->seed, sampler, rhm_stream(RHM_TRAINING, s->level)};
    const rhm_data_source rows = {data, 0};
    const double begin = rhm_seconds();
    if (status == RHM_OK) {
        patches.positions = s->positions;
        patches.raw = f->options->raw;
        patches.thinned = s->kept_share < 1 ? RHM_THINNED_PATCHES : 0;
        status = s->draw == RHM_DRAW_COUNTS
                     ? rhm_patches_draw(&patches, f->engine, f->grammar, source.seed, source.stream, 0, trial, error)
                     : rhm_patches_add(&patches, f->engine, NULL, data ? rhm_draw_from_data : rhm_draw_from_grammar,
                                       data ? (const void *)&rows : &source, 0, trial, NULL, error);
        double all = (double)RHM_THINNED_PATCHES * outputs_of(f, s->level);
        if (status == RHM_OK && s->draw == RHM_DRAW_COUNTS && !patches.thinned)
            status = rhm_patches_table_cells(&all, f->grammar, s->level, s->positions, error);
        const double cells = fmin(all, samples * s->positions);
        const double units =
            s->draw == RHM_DRAW_COUNTS ? cells / fmin(cells, (double)trial * s->positions) : samples / (double)trial;
        *seconds += (rhm_seconds() - begin) * units;
        rhm_patches_destroy(&patches);
    }
    rhm_sampler_destroy(sampler);
    return status;
}

void rhm_price_merge(const rhm_forecasting *f, rhm_forecast *s, double samples) {
    const double cells =
        fmin(samples * s->positions, rhm_price_distinct(f, s->level, s->level, samples) * outputs_of(f, s->level));
    double listed = 0;
    for (uint32_t j = s->level; j <= f->shape->levels && s->draw == RHM_DRAW_SAMPLES; j++) {
        const double distinct = rhm_price_distinct(f, s->level, j, samples);
        listed += distinct;
        s->listed_nbytes += distinct * 4 * f->shape->branching[j];
    }
    if (s->draw == RHM_DRAW_COUNTS) {
        listed = cells;
        s->listed_nbytes += cells * DRAWN_NBYTES;
    }
    s->merge_seconds = fmin(s->draw_seconds, s->merge_seconds + listed * MERGE_SECONDS / rhm_engine_threads(f->engine));
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

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
    return (holding){s->level, s->level, samples, s->positions, outputs_of(f, s->level), s->draw == RHM_DRAW_COUNTS};
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
    const double growth = h->counted ? 1 : GROWTH, distinct = distinct_of(f, h, h->level), cells = cells_of(f, h);
    double nbytes = cells * (8 + 8) * growth;
    for (uint32_t j = h->level; j <= f->shape->levels; j++) {
        const double here = distinct_of(f, h, j);
        if (divided && !is_divided(f, &f->stage[h->level], j, h->samples))
            continue;
        const double below = j < f->shape->levels ? distinct_of(f, h, j + 1) : f->shape->vocab[j];
        nbytes += here * 4 * f->shape->branching[j] * growth;
        nbytes += j > h->level ? here * 4 * outputs_of(f, j) : 0;
        nbytes += h->counted ? 0 : index_nbytes(here, below, below, f->shape->branching[j]);
    }
    return nbytes + (h->counted ? 0 : index_nbytes(cells, distinct, h->outputs, 2));
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
    const double again = (8 + 8) * cells_of(f, h) + 4 * f->shape->branching[h->level] * distinct_of(f, h, h->level);
    return h->counted ? DRAWN_NBYTES * cells_of(f, h) + again : reading_nbytes(f, h);
}

void rhm_price_division(const rhm_forecasting *f, rhm_forecast *s, double samples, double held_out) {
    const uint32_t level = s->level, vocab = f->shape->vocab[f->shape->levels];
    const double tokens = (double)f->task.tree.leaves[level - 1], classes = outputs_of(f, level);
    const double words = ceil(tokens / floor(32 / ceil(log2(fmax(2, vocab)))));
    const double sets[] = {samples, held_out};
    const bool raw = f->options->raw;
    s->division_ranks = s->patches_nbytes = s->keys_nbytes = s->dealt_nbytes = 0;
    if (s->draw != RHM_DRAW_SAMPLES || level == f->shape->levels || s->route == RHM_ROUTE_GRAM ||
        s->ridge_route == RHM_ROUTE_GRAM || f->options->solver == RHM_CHOLESKY ||
        (!raw && rhm_phasors_fit(f->shape->branching[level], rhm_padded_width(s->width), rows_of(f, s))))
        return;
    s->division_ranks = raw ? HUGE_VAL : floor(s->distinct / RHM_HELD_OUT_LEAST_RUN);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const double distinct = rhm_price_distinct(f, level, level, sets[i]);
        const double cells = fmin(sets[i] * s->positions, distinct * classes);
        /* Lists that double, their hash slots and numbers; once more with what is sent where they are settled. */
        s->keys_nbytes += distinct * ((4 * words + 8) * GROWTH + 12) + cells * (16 * GROWTH + 12);
        s->keys_nbytes += distinct * 4 * (2 * words + 12) + cells * 4 * 7;
        s->dealt_nbytes += distinct * 4 * (words + 4) + distinct * 4 * (words + 3) + cells * 4 * 3;
        const holding set = holding_of(f, s, sets[i]);
        s->patches_nbytes += lists_nbytes(f, &set, true) + (i == 0 ? counts_nbytes(f, &set) : 0);
        s->patches_nbytes -= rhm_price_raw_inputs_memory(f, s, sets[i]);
    }
    if (raw) /* each reads its own */
        s->keys_nbytes = s->dealt_nbytes = 0;
}

/* Of the table, and of the patches in the order of their runs. */
static double phasors_nbytes(const rhm_forecasting *f, const rhm_forecast *s) {
    const double table = 4 * rhm_phasors_floats(f->shape->branching[s->level], s->width, rows_of(f, s));
    return !passes_of(f, s, s->distinct).phasors
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
    const double outputs = outputs_of(f, s->level);
    return fmin(held_out * s->positions, distinct * outputs) * (8 + 4) + distinct * (8 + 4 * outputs);
}

double rhm_price_raw_inputs_memory(const rhm_forecasting *f, const rhm_forecast *s, double samples) {
    double nbytes = 0;
    for (uint32_t j = s->level + 1; f->options->raw && j <= f->shape->levels; j++)
        nbytes += rhm_price_distinct(f, s->level, j, samples) * 4 * outputs_of(f, j);
    return nbytes;
}

double rhm_price_features_memory(const rhm_forecasting *f, const rhm_forecast *s) {
    return s->route == RHM_ROUTE_GRAM ? 0 : (double)passes_of(f, s, s->distinct).cache_nbytes;
}

/* Kept features and partial sums; of a sample that preconditions, its own, or its Gram matrix. */
double rhm_price_pass_memory(const rhm_forecasting *f, const rhm_forecast *s) {
    bool divide;
    const rhm_linear_plan plan = plan_of(f, s, s->distinct, 1);
    const double sample = (double)plan.sample, row_nbytes = rhm_price_sum_nbytes(f, s);
    size_t together;
    const size_t rows = rhm_pass_rows((size_t)rhm_price_leaves(f, s, &divide), (size_t)row_nbytes / sizeof(double), 1,
                                      &together);
    const double sums = rhm_buffer_pages(row_nbytes * (double)rows);
    if (s->route == RHM_ROUTE_GRAM)
        return sums;
    if (sample > 0 && plan.sample_route == RHM_ROUTE_GRAM)
        return sums + rhm_buffer_pages(s->positions * rhm_gram_nbytes(s->width));
    const double features = (double)passes_of(f, s, sample > 0 ? sample : s->distinct).cache_nbytes;
    return rhm_buffer_pages(fmin(features, (double)RHM_CACHE_MOST_NBYTES)) + sums * (sample > 0 ? 2 : 1);
}

/* Partial sums and features of passes are gone before a Gram matrix is formed (linear/gram.c), but not before one is
 * factored (linear/cholesky.c). */
static double solver_nbytes(const rhm_forecasting *f, const rhm_forecast *s) {
    const rhm_route_sizes sizes = sizes_of(f, s, s->distinct);
    return fmax(rhm_price_gram_memory(f, s), rhm_price_pass_memory(f, s)) + 8 * rhm_price_sum_nbytes(f, s) +
           3 * s->width * inputs_of(f, s->level) * 4 +
           (rhm_solver_factors(f->options->solver) ? rhm_factoring_nbytes(&sizes) : 0);
}

/* A set is drawn before or after its solver is there; the other one, and the best fit, are there in any case. */
double rhm_price_memory(const rhm_forecasting *f, const rhm_forecast *s, double samples, double held_out) {
    const holding training = holding_of(f, s, samples), validation = holding_of(f, s, held_out);
    const double outputs = distinct_of(f, &validation, s->level) * 4 * outputs_of(f, s->level);
    const double kept = lists_nbytes(f, &training, false) + lists_nbytes(f, &validation, false) + 2 * law_nbytes(f, s) +
                        counts_nbytes(f, &training) + counts_nbytes(f, &validation);
    const double fitting = solver_nbytes(f, s) + phasors_nbytes(f, s) + outputs;
    const double nbytes =
        kept + fmax(fitting, fmax(drawing_nbytes(f, &training), fmax(drawing_nbytes(f, &validation), 3 * outputs)));
    return nbytes + rhm_retained_nbytes(nbytes);
}

/* Sequences go through all levels some at a time (model/forward.c). */
double rhm_price_test_memory(const rhm_forecasting *f) {
    const double some = fmin((double)rhm_forward_block(&f->task.tree), (double)f->problem->test_samples);
    const holding test = {0, 1, some, 1, f->shape->vocab[0], false};
    return lists_nbytes(f, &test, false) + fmax(reading_nbytes(f, &test), distinct_of(f, &test, 1) * 4 * f->shape->vocab[0]);
}
