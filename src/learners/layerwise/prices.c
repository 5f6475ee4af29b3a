#include "learners/layerwise/prices.h"

#include <math.h>

#include "core/clock.h"
#include "core/fail.h"
#include "kernels/phasors.h"
#include "learners/layerwise/draw_choice.h"
#include "linear/plan.h"
#include "linear/solvers.h"
#include "rhm/theory.h"
#include "sampling/law.h"
#include "sampling/source.h"

static const double SETTING_UP = 2; /* products of a fit beside its iterations: the right-hand side, the residual */
static const double SAMPLED_PASSES = 5, SAMPLE_ITERATIONS = 15;
static const double SHARED_PASS = 1.2;      /* what phasors cost beside the two products; rotated weights nothing */
static const double CLUSTER_SECONDS = 5e-8; /* per point of at most 4096, cluster and coordinate: k-means restarts */
static const double MERGE_SECONDS = 1e-7;   /* of one thread, per different patch: traces of `rhm train` */
static const double TRIGONOMETRY = 14;      /* linear/plan.h */
static const double CHUNK = 96;             /* patches, of a loop over them */

/* What was measured with one position, by the multiply-adds of a patch and frequency with those of the level. */
static rhm_rates rates_of(const rhm_forecasting *f, uint32_t level) {
    const bool bottom = level == f->shape->levels;
    const double labels = f->shape->vocab[0], outputs = rhm_price_outputs(f, level);
    const double features = rhm_price_inputs(f, level) + TRIGONOMETRY;
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
    if (level > 0 && f->options->raw)
        return samples;
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
size_t rhm_price_rows(const rhm_forecasting *f, const rhm_forecast *s) {
    const double rows = s->level == f->shape->levels ? f->shape->vocab[s->level]
                        : f->options->raw            ? s->samples * s->positions * f->shape->branching[s->level]
                                                     : rhm_price_distinct(f, s->level, s->level + 1, s->samples);
    return (size_t)fmin(rows, 1e15);
}

/* How passes over so many patches come to their features, were there memory for all of them. */
rhm_linear_record rhm_price_passes(const rhm_forecasting *f, const rhm_forecast *s, double distinct) {
    static const double MOST = 1e12; /* beyond it sizes in bytes would overflow */
    const rhm_shape *shape = f->shape;
    const uint32_t tokens = shape->branching[s->level];
    const size_t rows = rhm_price_rows(f, s);
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
    const rhm_linear_record how = rhm_price_passes(f, s, distinct);
    return how.representation == RHM_FACTORED ? r->kept_pass
           : how.phasors                      ? fmin(r->pass, SHARED_PASS * r->kept_pass)
                                              : r->pass;
}

double rhm_price_leaves(const rhm_forecasting *f, const rhm_forecast *s, bool *divide) {
    const double matrix = rhm_price_outputs(f, s->level) * 2.0 * s->width;
    const rhm_linear_record how = rhm_price_passes(f, s, s->distinct);
    const bool sampled = rhm_sample_size((size_t)fmin(s->distinct, 1e15), s->width) > 0;
    *divide = !sampled && how.representation == RHM_CACHED && how.cache_nbytes <= RHM_CACHE_MOST_NBYTES;
    return (double)rhm_pass_leaves((size_t)fmin(s->distinct / CHUNK + 1, 1e15), (size_t)matrix);
}

double rhm_price_sum_nbytes(const rhm_forecasting *f, const rhm_forecast *s) {
    return sizeof(double) * rhm_price_outputs(f, s->level) * 2.0 * s->width;
}

/* All ranks make all features of a Gram matrix: of the multiply-adds that form it, their share. */
static double gram_features(const rhm_forecasting *f, const rhm_forecast *s) {
    const double terms = rhm_price_inputs(f, s->level) + TRIGONOMETRY;
    return terms / (terms + s->positions * (2.0 * s->width + 1));
}

rhm_route_sizes rhm_price_sizes(const rhm_forecasting *f, const rhm_forecast *s, double distinct) {
    return (rhm_route_sizes){
        .patches = distinct,
        .width = s->width,
        .classes = rhm_price_outputs(f, s->level),
        .inputs = rhm_price_inputs(f, s->level),
        .blocks = s->positions,
    };
}

rhm_fit_price rhm_price_fit(const rhm_forecasting *f, const rhm_forecast *s, double distinct, double held_out,
                            rhm_route route, double solves) {
    const rhm_rates rates = rates_of(f, s->level), *r = &rates;
    const double units = distinct * s->width, classes = rhm_price_outputs(f, s->level),
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
        const rhm_route_sizes sizes = rhm_price_sizes(f, s, distinct);
        price.seconds += rhm_factoring_cost(&sizes) * r->factoring; /* every rank does all of it */
    }
    price.seconds += price.shared;
    return price;
}

rhm_linear_plan rhm_price_plan(const rhm_forecasting *f, const rhm_forecast *s, double distinct, double solves) {
    const rhm_route_sizes sizes = rhm_price_sizes(f, s, distinct);
    return rhm_linear_plan_choose(&sizes, f->options->solver, solves);
}

rhm_route rhm_price_route(const rhm_forecasting *f, const rhm_forecast *s, double distinct, double solves) {
    return rhm_price_plan(f, s, distinct, solves).route;
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
        rhm_law_size table = {.cells = (double)RHM_THINNED_PATCHES * rhm_price_outputs(f, s->level)};
        if (status == RHM_OK && s->draw == RHM_DRAW_COUNTS && !patches.thinned)
            status = rhm_law_measure(&table, f->grammar, s->level, s->positions, error);
        const double cells = fmin(table.cells, samples * s->positions);
        const double units =
            s->draw == RHM_DRAW_COUNTS ? cells / fmin(cells, (double)trial * s->positions) : samples / (double)trial;
        *seconds += (rhm_seconds() - begin) * units;
        rhm_patches_destroy(&patches);
    }
    rhm_sampler_destroy(sampler);
    return status;
}

void rhm_price_merge(const rhm_forecasting *f, rhm_forecast *s, double samples) {
    const double cells = fmin(samples * s->positions,
                              rhm_price_distinct(f, s->level, s->level, samples) * rhm_price_outputs(f, s->level));
    double listed = 0;
    for (uint32_t j = s->level; j <= f->shape->levels && s->draw == RHM_DRAW_SAMPLES; j++) {
        const double distinct = rhm_price_distinct(f, s->level, j, samples);
        listed += distinct;
        s->listed_nbytes += distinct * 4 * f->shape->branching[j];
    }
    if (s->draw == RHM_DRAW_COUNTS) {
        listed = cells;
        s->listed_nbytes += cells * RHM_DRAWN_NBYTES;
    }
    s->merge_seconds = fmin(s->draw_seconds, s->merge_seconds + listed * MERGE_SECONDS / rhm_engine_threads(f->engine));
}
