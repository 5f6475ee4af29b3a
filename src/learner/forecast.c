#include "learner/forecast.h"

#include <math.h>

#include "core/fail.h"
#include "kernels/phasors.h"
#include "learner/budget.h"
#include "learner/design.h"
#include "learner/draw_choice.h"
#include "learner/policy.h"
#include "learner/rates.h"
#include "linear/gram.h"
#include "linear/solvers.h"
#include "rhm/theory.h"
#include "sampling/source.h"

/*
 * radius^2 / separation^2 of a fit, in three parts that add up: its own noise, OWN |P_l| / (N rho^2); what it inherits,
 * INHERITED (rho of the level below / rho)^1.5 times that of the level below; and cross-talk of the features. Fitted to
 * levels of (8, 4, 2, 8), (8, 4, 2, 10), (16, 4, 2, 4..8) with gaps from 1 to 37, which they give within a factor 1.5.
 */
static const double OWN = 1.1, INHERITED = 6.5, CROSS_TALK = 1 / 1600.0;
static const double WIDTH_EXPONENT = 0.1; /* of the gap */
static const double REFINING_FITS = 5;    /* of a search along bandwidth and ridge */
static const double REFINING_GAIN = 1.2;  /* of the gap */
static const double SOLVER_PASSES = 16, SAMPLED_PASSES = 5, SAMPLE_ITERATIONS = 15;
static const double SHARED_PASS = 1.2;      /* what phasors cost beside the two products; rotated weights nothing */
static const double CLUSTER_SECONDS = 5e-8; /* per point of at most 4096, cluster and coordinate: k-means restarts */
static const double HASH_SLOTS = 2.5;       /* per tuple, between 2 and 4 */
/* What malloc keeps of freed blocks: glibc gives back only those above a threshold that rises to 32 MiB. */
static const double RETAINED_SHARE = 0.3, RETAINED_NBYTES = 0x1p25;
static const double GROWTH = 1.5; /* of lists that grow by doubling: on average, with the copy */

typedef struct forecasting {
    const rhm_engine *engine;
    const rhm_grammar *grammar;
    const rhm_shape *shape;
    const rhm_analysis *analysis;
    const rhm_train_options *options;
    rhm_task task;
    rhm_rates upper, bottom;
    double rho[RHM_MAX_LEVELS + 1]; /* of posteriors that differ: others are not told apart whatever the samples */
    rhm_forecast *stage;            /* [level] */
} forecasting;

static const rhm_rates *rates_of(const forecasting *f, uint32_t level) {
    return level == f->shape->levels ? &f->bottom : &f->upper;
}

static double inputs_of(const forecasting *f, uint32_t level) {
    return f->shape->branching[level] *
           (double)(level == f->shape->levels ? f->shape->vocab[level] : f->shape->vocab[0]);
}

/* Distinct level-j patches under `samples` first level-`level` patches; level 0: in so many sequences. */
static double distinct_of(const forecasting *f, uint32_t level, uint32_t j, double samples) {
    if (level > 0 && f->stage[level].kept_share < 1)
        samples = rhm_theory_expected_distinct(RHM_THINNED_PATCHES, samples);
    samples *= (double)rhm_tree_below(&f->task.tree, level > 0 ? level - 1 : 0, j - 1);
    return rhm_theory_expected_distinct(rhm_theory_possible_patches(f->shape, j), samples);
}

static bool saturated(const rhm_forecast *s, double samples, double distinct) {
    return s->draw == RHM_DRAW_COUNTS && samples >= RHM_SATURATION * distinct;
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static double embed_seconds(const forecasting *f, uint32_t level, double samples) {
    double seconds = 0;
    for (uint32_t j = level + 1; j <= f->shape->levels; j++)
        seconds += distinct_of(f, level, j, samples) * f->stage[j].width * rates_of(f, j)->forward;
    return seconds;
}

/* Embeddings that the patches are made of. */
static size_t rows_of(const forecasting *f, const rhm_forecast *s) {
    const double rows = s->level == f->shape->levels ? f->shape->vocab[s->level]
                        : f->options->raw            ? s->samples * f->shape->branching[s->level]
                                                     : distinct_of(f, s->level, s->level + 1, s->samples);
    return (size_t)fmin(rows, 1e15);
}

/* How passes over so many patches come to their features, were there memory for all of them. */
static rhm_linear_record passes_of(const forecasting *f, const rhm_forecast *s, double distinct) {
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
        .embedding = shape->vocab[s->level == shape->levels ? s->level : 0],
        .width = s->width,
        .classes = shape->vocab[0],
        .runs = (size_t)fmin(fmin(rules * pow(forms, (double)tokens - 1), distinct), MOST),
        .cache_nbytes = SIZE_MAX,
    };
    return rhm_passes_plan(&sizes, true);
}

/* Seconds of a pass per patch and frequency. */
static double pass_seconds(const forecasting *f, const rhm_forecast *s, double distinct) {
    const rhm_rates *r = rates_of(f, s->level);
    const rhm_linear_record how = passes_of(f, s, distinct);
    return how.representation == RHM_FACTORED ? r->kept_pass
           : how.phasors                      ? fmin(r->pass, SHARED_PASS * r->kept_pass)
                                              : r->pass;
}

static double fit_seconds(const forecasting *f, const rhm_forecast *s, double distinct, double held_out,
                          rhm_route route, double solves) {
    const rhm_rates *r = rates_of(f, s->level);
    const double units = distinct * s->width, classes = f->shape->vocab[0], parents = f->shape->vocab[s->level - 1];
    const double measuring = fmin(distinct_of(f, s->level, s->level, held_out), 1e9) * s->width * r->forward +
                             fmin(4096, held_out) * classes * parents * CLUSTER_SECONDS;
    const double pass = pass_seconds(f, s, distinct);
    double seconds;
    if (route == RHM_ROUTE_GRAM) {
        const double product = 4 * (double)s->width * s->width * classes / 1e10; /* from memory, in double */
        seconds = units * s->width * r->gram / solves + units * pass / solves + SOLVER_PASSES * product;
    } else {
        const double sample = (double)rhm_sample_size((size_t)fmin(distinct, 1e15), s->width);
        if (sample > 0)
            seconds = SAMPLED_PASSES * (units * pass + SAMPLE_ITERATIONS * sample * s->width * r->kept_pass);
        else
            seconds = units * (pass + SOLVER_PASSES * r->kept_pass);
    }
    return seconds + measuring;
}

static rhm_route route_of(const forecasting *f, const rhm_forecast *s, double distinct, double solves) {
    const rhm_route_sizes sizes = {
        .patches = distinct,
        .width = s->width,
        .classes = f->shape->vocab[0],
        .inputs = inputs_of(f, s->level),
    };
    return rhm_linear_plan_choose(&sizes, f->options->solver, solves).route;
}

/* Time to draw, from a short trial of the real thing. */
static rhm_status time_draw(const forecasting *f, rhm_forecast *s, double samples, double *seconds, rhm_error *error) {
    enum { TRIAL = 1 << 15 };
    const uint64_t trial = samples < TRIAL ? (uint64_t)samples : TRIAL;
    rhm_sampler *sampler;
    rhm_patches patches;
    RHM_TRY(rhm_sampler_create(&sampler, f->grammar, f->options->seed, error));
    rhm_status status = rhm_patches_init(&patches, s->level, &f->task.tree, f->shape->vocab[0], error);
    const rhm_grammar_source source = {f->grammar, f->options->seed, sampler, rhm_stream(RHM_TRAINING, s->level)};
    const double begin = rhm_seconds();
    if (status == RHM_OK) {
        patches.raw = f->options->raw;
        patches.thinned = s->kept_share < 1 ? RHM_THINNED_PATCHES : 0;
        status =
            s->draw == RHM_DRAW_COUNTS
                ? rhm_patches_draw(&patches, f->engine, f->grammar, source.seed, source.stream, 0, trial, error)
                : rhm_patches_add(&patches, f->engine, NULL, rhm_draw_from_grammar, &source, 0, trial, NULL, error);
        double all = (double)RHM_THINNED_PATCHES * f->shape->vocab[0];
        if (status == RHM_OK && !patches.thinned)
            status = rhm_patches_table_cells(&all, f->grammar, s->level, error);
        const double cells = fmin(all, samples);
        const double units = s->draw == RHM_DRAW_COUNTS ? cells / fmin(cells, (double)trial) : samples / (double)trial;
        *seconds += (rhm_seconds() - begin) * units;
        rhm_patches_destroy(&patches);
    }
    rhm_sampler_destroy(sampler);
    return status;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* What finds `count` tuples of `words` numbers (patches/index.h); `first` and `others`: how many numbers there are. */
static double index_nbytes(double count, double first, double others, uint32_t words) {
    const double bits = ceil(log2(fmax(2, first))) + (words - 1) * ceil(log2(fmax(2, others)));
    return bits <= RHM_INDEX_DIRECT_BITS ? sizeof(uint32_t) * exp2(bits) : HASH_SLOTS * sizeof(rhm_index_slot) * count;
}

static double set_nbytes(const forecasting *f, const rhm_forecast *s, double samples) {
    const double classes = f->shape->vocab[0], growth = s->draw == RHM_DRAW_COUNTS ? 1 : GROWTH;
    double nbytes = 0;
    for (uint32_t j = s->level; j <= f->shape->levels; j++) {
        const double distinct = distinct_of(f, s->level, j, samples);
        nbytes += distinct * 4 * f->shape->branching[j] * growth;
        nbytes += j > s->level ? distinct * 4 * classes : 0;
        const double below = j < f->shape->levels ? distinct_of(f, s->level, j + 1, samples) : f->shape->vocab[j];
        if (s->draw == RHM_DRAW_SAMPLES)
            nbytes += index_nbytes(distinct, below, below, f->shape->branching[j]);
    }
    const double distinct = distinct_of(f, s->level, s->level, samples), cells = fmin(samples, distinct * classes);
    if (s->draw == RHM_DRAW_SAMPLES)
        nbytes += index_nbytes(cells, distinct, classes, 2);
    return nbytes + cells * (8 + 8) * growth + cells * (8 + 4) + distinct * 8;
}

/* Of the table, and of the patches in the order of their runs. */
static double phasors_nbytes(const forecasting *f, const rhm_forecast *s) {
    const double table = 4 * rhm_phasors_floats(f->shape->branching[s->level], s->width, rows_of(f, s));
    return !passes_of(f, s, s->distinct).phasors
               ? 0
               : table + 4 * s->distinct * (2 + (double)f->shape->branching[s->level]);
}

static double solver_nbytes(const forecasting *f, const rhm_forecast *s) {
    const double classes = f->shape->vocab[0], matrix = classes * 2.0 * s->width;
    const double leaves = (double)rhm_pass_leaves((size_t)fmin(s->distinct / 96 + 1, 1e15), (size_t)matrix);
    const double sample = (double)rhm_sample_size((size_t)fmin(s->distinct, 1e15), s->width);
    const double gram = rhm_gram_nbytes(s->width),
                 passes = fmin((double)passes_of(f, s, sample > 0 ? sample : s->distinct).cache_nbytes,
                               (double)RHM_CACHE_MOST_NBYTES);
    const double largest = s->route == RHM_ROUTE_GRAM         ? gram
                           : s->ridge_route == RHM_ROUTE_GRAM ? fmax(gram, passes)
                                                              : passes;
    return largest + (leaves * (sample > 0 ? 2 : 1) + 8) * matrix * 8 + 3 * s->width * inputs_of(f, s->level) * 4;
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

/* Where the search is. */
typedef struct outlook {
    double samples, held_out;
    double gap, widest, widest_samples;
    int stalls;
    bool full, helped, widened;
} outlook;

static double expected_gap(const forecasting *f, const rhm_forecast *s, double samples) {
    const double rho = f->rho[s->level];
    double square = OWN * f->task.patches[s->level] / (samples * rho * rho) + CROSS_TALK;
    if (s->level < f->shape->levels)
        square += INHERITED * pow(f->rho[s->level + 1] / rho, 1.5) / pow(f->stage[s->level + 1].gap, 2);
    return pow(s->width / (double)RHM_FIRST_WIDTH, WIDTH_EXPONENT) / sqrt(square);
}

static double target_of(const rhm_forecast *s, const outlook *r) {
    return r->full                     ? RHM_SATURATED_GAP
           : s->distinct > RHM_COMFORT ? rhm_costly_gap(RHM_COSTLY_GAP, s->level)
                                       : RHM_TARGET_GAP;
}

static double least_of(const rhm_forecast *s, const outlook *r) {
    return r->full ? RHM_TARGET_GAP : s->distinct > RHM_COMFORT ? rhm_costly_gap(RHM_COSTLY_LEAST, s->level) : HUGE_VAL;
}

/* One fit, and where the policy would search, one walk along each axis. */
static void price(const forecasting *f, rhm_forecast *s, outlook *r, bool refine) {
    const double one = fit_seconds(f, s, s->distinct, r->held_out, s->route, 1);
    s->fits += 1;
    s->fit_seconds += one;
    if (!refine)
        return;
    s->fits += REFINING_FITS;
    s->fit_seconds += 2.5 * one + 2.5 * fit_seconds(f, s, s->distinct, r->held_out, s->ridge_route, 4);
    r->gap *= REFINING_GAIN;
}

/* A round may hold more than the last one: kept features stop where they no longer fit. */
static double round_nbytes(const forecasting *f, const rhm_forecast *s, const outlook *r) {
    const double nbytes = set_nbytes(f, s, r->samples) + set_nbytes(f, s, r->held_out) + solver_nbytes(f, s) +
                          distinct_of(f, s->level, s->level, r->held_out) * 4 * f->shape->vocab[0];
    return nbytes + phasors_nbytes(f, s) + fmin(RETAINED_SHARE * nbytes, RETAINED_NBYTES);
}

static void look(const forecasting *f, rhm_forecast *s, outlook *r, bool last) {
    const rhm_train_options *o = f->options;
    r->held_out =
        s->draw == RHM_DRAW_COUNTS ? r->samples : (double)rhm_held_out_samples((uint64_t)r->samples, UINT64_MAX);
    s->samples = r->samples;
    s->distinct = o->raw ? r->samples : distinct_of(f, s->level, s->level, r->samples);
    s->route = route_of(f, s, s->distinct, 1);
    s->ridge_route = route_of(f, s, s->distinct, o->ridge[s->level] == 0 ? RHM_RIDGE_FITS : 1);
    s->nbytes = fmax(s->nbytes, round_nbytes(f, s, r));
    r->full = saturated(s, r->samples, s->distinct);
    r->gap = expected_gap(f, s, r->samples);
    r->helped = rhm_gap_helped(r->gap, r->widest, r->samples / r->widest_samples);
    const bool searching = o->bandwidth[s->level] == 0 || o->ridge[s->level] == 0;
    const bool near = !r->helped || r->gap > target_of(s, r) / 2;
    price(f, s, r, r->gap < target_of(s, r) && searching && (last || (near && s->distinct <= RHM_MOST_REFINED)));
    s->gap = r->gap;
}

static void search(const forecasting *f, rhm_forecast *s) {
    const rhm_train_options *o = f->options;
    const double most = (double)o->max_samples * s->kept_share;
    outlook r = {.samples = s->first_samples, .widest_samples = s->first_samples};
    for (;;) {
        const bool can_draw = o->samples[s->level] == 0 && r.samples < most && s->distinct < RHM_MOST_DISTINCT;
        const bool can_widen = o->width == 0 && s->width * 2 <= o->max_width;
        look(f, s, &r, !can_draw);
        if (r.gap >= target_of(s, &r) ||
            ((!r.helped || s->distinct * s->width > RHM_DEAR) && r.gap >= least_of(s, &r)) || s->level == 1)
            return;
        r.stalls = r.gap > RHM_LEAST_GAIN * r.widest ? 0 : r.stalls + 1;
        if (r.gap > r.widest) {
            r.widest = r.gap;
            r.widest_samples = r.samples;
        }
        if (r.stalls == RHM_MOST_STALLS || (!can_draw && !can_widen))
            return;
        r.widened = !r.helped && !r.widened && can_widen;
        if (can_draw && !r.widened)
            r.samples = fmin(most, (double)rhm_next_samples((uint64_t)r.samples, r.gap, target_of(s, &r), r.full));
        else
            s->width *= 2;
    }
}

/* What the search may take at most: as many fits like the one that it is expected to end with. */
static void allow(const forecasting *f, rhm_forecast *s, const rhm_draw_choice *draw, double below) {
    const double most = (double)f->options->max_samples * s->kept_share;
    const rhm_fit_sizes sizes = {s->distinct, s->distinct, s->width,
                                 fmax(1, rhm_solver_products(f->options->solver, 1))};
    const double fit = rhm_fit_work(&f->task, f->options, s->level, s->route, &sizes);
    s->allowed_work = rhm_search_allowed(rhm_search_foreseen(&f->task, f->options, s->level, draw, most, below));
    s->allowed_seconds = s->allowed_work / fit * fit_seconds(f, s, s->distinct, s->distinct, s->route, 1);
}

/* Smallest distance between two posteriors of a level that are not the same. */
static double distinct_rho(const rhm_analysis *analysis, uint32_t level) {
    static const double SAME = 1e-9;
    const size_t classes = analysis->vocab[0];
    const double *posterior = analysis->posterior[level];
    double least = INFINITY;
    for (size_t a = 1; a < analysis->vocab[level - 1]; a++)
        for (size_t b = 0; b < a; b++) {
            double square = 0; /* NaN where one of them never comes first */
            for (size_t c = 0; c < classes; c++)
                square += (posterior[a * classes + c] - posterior[b * classes + c]) *
                          (posterior[a * classes + c] - posterior[b * classes + c]);
            if (square > SAME * SAME && square < least * least)
                least = sqrt(square);
        }
    return isfinite(least) ? least : 0;
}

static rhm_status forecast_stage(forecasting *f, uint32_t level, rhm_error *error) {
    const rhm_train_options *o = f->options;
    rhm_forecast *s = &f->stage[level];
    const double rho = f->analysis->rho[level];
    rhm_draw_choice draw;
    const double below = level < f->shape->levels ? f->rho[level + 1] : 0;
    const double first = (double)rhm_first_look(&f->task, o, level, below);
    RHM_TRY(rhm_draw_choose(&draw, f->grammar, o, level, first, error));
    *s = (rhm_forecast){
        .level = level,
        .draw = draw.counted ? RHM_DRAW_COUNTS : RHM_DRAW_SAMPLES,
        .kept_share = draw.share,
        .first_samples = first,
        .possible = rhm_theory_possible_patches(f->shape, level),
        .width = o->width                         ? o->width
                 : RHM_FIRST_WIDTH < o->max_width ? RHM_FIRST_WIDTH
                                                  : o->max_width,
    };
    search(f, s);
    allow(f, s, &draw, below);
    s->wanted_samples =
        fmax(s->first_samples, ceil(RHM_TARGET_GAP * RHM_TARGET_GAP * OWN * f->task.patches[level] / (rho * rho)));
    s->capped = s->samples < s->wanted_samples && s->samples >= (double)o->max_samples * s->kept_share;
    const double held_out =
        s->draw == RHM_DRAW_COUNTS ? s->samples : (double)rhm_held_out_samples((uint64_t)s->samples, UINT64_MAX);
    if (!f->engine) {
        s->draw_seconds = s->embed_seconds = s->fit_seconds = s->allowed_seconds = NAN;
        return RHM_OK;
    }
    s->embed_seconds = embed_seconds(f, level, s->samples) + embed_seconds(f, level, held_out);
    RHM_TRY(time_draw(f, s, s->samples, &s->draw_seconds, error));
    return time_draw(f, s, held_out, &s->draw_seconds, error);
}

static rhm_status measure_rates(forecasting *f, rhm_error *error) {
    const rhm_shape *shape = f->shape;
    if (!f->engine)
        return RHM_OK;
    const uint32_t bottom = shape->branching[shape->levels];
    uint32_t upper = shape->levels > 1 ? 0 : bottom;
    for (uint32_t level = 1; level < shape->levels; level++)
        upper = shape->branching[level] > upper ? shape->branching[level] : upper;
    RHM_TRY(rhm_rates_measure(&f->upper, f->engine, upper, shape->vocab[0], shape->vocab[0], error));
    f->bottom = f->upper;
    if (shape->vocab[shape->levels] == shape->vocab[0] && bottom == upper)
        return RHM_OK;
    return rhm_rates_measure(&f->bottom, f->engine, bottom, shape->vocab[shape->levels], shape->vocab[0], error);
}

rhm_status rhm_forecast_training(rhm_forecast *out, double *test_seconds, const rhm_engine *engine,
                                 const rhm_grammar *grammar, const rhm_analysis *analysis,
                                 const rhm_train_options *options, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    forecasting f = {
        .engine = engine,
        .grammar = grammar,
        .shape = shape,
        .analysis = analysis,
        .options = options,
        .task = {.tree = *rhm_grammar_tree(grammar),
                 .classes = shape->vocab[0],
                 .token_vocab = shape->vocab[shape->levels]},
        .stage = out,
    };
    for (uint32_t level = 1; level <= shape->levels; level++) {
        f.task.parents[level] = shape->vocab[level - 1];
        f.task.patches[level] = (double)rhm_grammar_patch_count(grammar, level);
        f.rho[level] = analysis->rho[level] > 0 ? analysis->rho[level] : distinct_rho(analysis, level);
    }
    RHM_TRY(measure_rates(&f, error));
    for (uint32_t level = shape->levels; level >= 1; level--)
        RHM_TRY(forecast_stage(&f, level, error));
    *test_seconds = engine ? embed_seconds(&f, 0, (double)options->test_samples) : (double)NAN;
    return RHM_OK;
}
