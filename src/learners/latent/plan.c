#include "learners/latent/plan.h"

#include <math.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "counts/parser.h"
#include "engine/parallel.h"
#include "learners/latent/search.h"
#include "learners/latent/synonyms.h"

enum { TRIALS = 3, TRIAL_TOKENS = 1 << 22 };

/* Seconds of all threads together. */
typedef struct rates {
    double draw;  /* a token, up to the level in hand */
    double count; /* a patch of a kept sequence */
    double group; /* a multiply-add */
} rates;

/* ---- what there is to do --------------------------------------------------------------------------------- */

/* Multiply-adds of synonyms.c for so many patches. */
static double grouping(double patches, double blocks, double symbols) {
    const double rank = fmin(symbols, patches), space = fmin(rank + 8, patches);
    const double gram = patches * patches * patches * blocks / 2;
    const double leading =
        patches <= 96 ? 24 * patches * patches * patches
                      : 40 * (patches * patches * space + 4 * patches * space * space) + 24 * space * space * space;
    const double refined = patches * patches * blocks * (rank + 12);
    return gram + leading + 2 * patches * patches * rank + 3 * refined;
}

/*
 * Families after which groups should be apart: a constant times V m^3 / (1 - f) of arXiv 2605.27734, below which
 * directions drown in noise, and enough for every patch to have a few dozen siblings of the kind that tells. f is the
 * share of pairs of symbols that some rule of the level above writes. Infinite where all are.
 */
static double families(const rhm_shape *shape, uint32_t level, double patches) {
    const double v = shape->vocab[level - 1], written = (double)shape->vocab[level - 2] * shape->rules[level - 1];
    const double f = fmin(1, written / (v * v)), m = patches / v;
    const double blocks = 2 * (double)rhm_pairs_places(shape->branching[level - 1]);
    if (f >= 1 && shape->branching[level - 1] == 2)
        return HUGE_VAL;
    const double rest = fmax(1 - f, 0.1);
    return fmax(0.5 * v * m * m * m / rest, 100 * patches * f / rest) * 2 / blocks;
}

/* ---- rates ----------------------------------------------------------------------------------------------- */

static rhm_status look(void *context, int thread, size_t count, const uint16_t *ids, const uint16_t *labels,
                       rhm_error *error) {
    (void)context, (void)thread, (void)count, (void)ids, (void)labels, (void)error;
    return RHM_OK;
}

/* The mean of a few trials, as busy as the machine is: sequences drawn and pushed up to level 1, where next to nothing
 * is kept of them. */
static rhm_status measure_draw(rates *out, rhm_sequences *s, uint64_t count, rhm_error *error) {
    const rhm_tree *tree = &s->table->model.tree;
    const size_t kept_nbytes = s->most_kept_nbytes;
    s->level = 1;
    s->most_kept_nbytes = 0;
    out->draw = 0;
    for (int i = 0; i < TRIALS; i++) {
        const double begin = rhm_seconds();
        RHM_TRY(rhm_sequences_visit(s, 0, count, "measuring", look, NULL, error));
        out->draw += (rhm_seconds() - begin) / ((double)count * (double)tree->leaves[0]) / TRIALS;
    }
    s->level = tree->levels;
    s->most_kept_nbytes = kept_nbytes;
    return RHM_OK;
}

/* Of the siblings of some sequences that are kept, and of the groups that they make. */
static rhm_status measure_groups(rates *out, rhm_sequences *s, const rhm_shape *shape, uint64_t count,
                                 rhm_error *error) {
    const uint32_t levels = shape->levels;
    out->count = out->group = 0;
    RHM_TRY(rhm_sequences_visit(s, 0, count, "measuring", look, NULL, error));
    for (int i = 0; i < TRIALS; i++) {
        rhm_pairs pairs = {0};
        rhm_groups groups = {0};
        const double begin = rhm_seconds();
        RHM_TRY(rhm_pairs_add(&pairs, s, 0, count, "measuring", error));
        const double middle = rhm_seconds(), patches = (double)pairs.patch.count;
        const double blocks = 2 * (double)rhm_pairs_places(pairs.siblings);
        const rhm_status status = rhm_synonyms_find(&groups, s->engine, &pairs, shape->vocab[levels - 1], error);
        const double end = rhm_seconds();
        rhm_pairs_clear(&pairs);
        rhm_free(groups.own);
        if (status != RHM_OK)
            return status;
        const size_t nodes = s->table->model.tree.nodes[levels - 1];
        out->count += (middle - begin) / ((double)count * (double)nodes) / TRIALS;
        out->group += (end - middle) / grouping(patches, blocks, shape->vocab[levels - 1]) / TRIALS;
    }
    return RHM_OK;
}

static rhm_status measure_open(rates *out, rhm_sequences *s, const rhm_shape *shape, rhm_error *error) {
    const double tokens = (double)s->table->model.tree.leaves[0], threads = rhm_engine_threads(s->engine);
    const uint64_t count = (uint64_t)fmax((double)s->chunk * threads, TRIAL_TOKENS / tokens);
    RHM_TRY(measure_draw(out, s, count, error));
    out->count = out->group = 0;
    return shape->levels > 1 ? measure_groups(out, s, shape, count, error) : RHM_OK;
}

static rhm_status measure(rates *out, const rhm_engine *engine, const rhm_grammar *grammar, rhm_error *error) {
    struct rhm_table *table;
    rhm_sampler *sampler = NULL;
    rhm_sequences s = {0};
    RHM_TRY(rhm_table_parser(&table, grammar, error));
    rhm_status status = rhm_sampler_create(&sampler, grammar, 0, error);
    const rhm_grammar_source source = {grammar, 0, sampler, rhm_stream(RHM_TRAINING, 0)};
    if (status == RHM_OK)
        status = rhm_sequences_open(&s, engine, table, rhm_draw_from_grammar, &source, UINT64_C(1) << 53, error);
    if (status == RHM_OK)
        status = measure_open(out, &s, rhm_grammar_shape(grammar), error);
    rhm_sequences_close(&s);
    rhm_sampler_destroy(sampler);
    rhm_model_destroy(&table->model);
    return status;
}

/* ---- the search ------------------------------------------------------------------------------------------ */

typedef struct playing {
    const rhm_problem *problem;
    const rhm_grammar *grammar;
    uint64_t there; /* sequences; UINT64_MAX: no end */
    const rhm_train_options *options;
    rates cost;
    double used, threads;
} playing;

/* Sequences at which the level ends, and after how many groupings. */
static double play(const playing *p, uint32_t level, double patches, double *attempts) {
    const rhm_tree *tree = rhm_grammar_tree(p->grammar);
    const uint64_t asked = p->options->samples[level];
    const double given = p->there < UINT64_MAX && !asked ? (double)p->there : (double)asked;
    const double first = fmin(fmax(rhm_latent_first(tree, level), p->used), given > 0 ? given : HUGE_VAL);
    const double most =
        given > 0 ? given : fmin((double)p->options->max_samples, fmax(first, rhm_latent_most(tree, level, patches)));
    *attempts = 1;
    if (level == 1)
        return given > 0 ? given : fmin(first, most);
    const double wanted = families(rhm_grammar_shape(p->grammar), level, patches) / (double)tree->nodes[level - 2];
    double samples = first;
    for (; samples < most && samples < wanted; samples *= 2)
        ++*attempts;
    return fmin(samples, most);
}

/* At level 1 labels are counted, at others pairs of patches. */
static rhm_status count_patches(double *patches, const playing *p, uint32_t level, rhm_error *error) {
    const size_t siblings = level > 1 ? rhm_grammar_tree(p->grammar)->branching[level - 1] : 0;
    const double most =
        level > 1 ? floor(sqrt((double)RHM_PAIRS_MOST_CELLS / (double)rhm_pairs_places(siblings))) : HUGE_VAL;
    const uint64_t asked = p->options->samples[level];
    size_t shown;
    RHM_TRY(rhm_table_foresee_patches(patches, &shown, p->problem, level, asked ? asked : p->there, most, error));
    return level > 1 ? rhm_pairs_check(level, shown, siblings, error) : RHM_OK;
}

static rhm_status plan_level(rhm_plan_level *out, playing *p, uint32_t level, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(p->grammar);
    const rhm_tree *tree = rhm_grammar_tree(p->grammar);
    const double symbols = shape->vocab[level - 1];
    double attempts, patches;
    RHM_TRY(count_patches(&patches, p, level, error));
    const double samples = play(p, level, patches, &attempts), fresh = fmax(0, samples - p->used);
    const double blocks = level > 1 ? 2 * (double)rhm_pairs_places(shape->branching[level - 1]) : 0;
    const double kept = fmin(2 * samples * ((double)tree->nodes[level] + 1), 0x1p28);
    *out = (rhm_plan_level){
        .level = level,
        .draw = RHM_DRAW_SAMPLES,
        .kept_share = 1,
        .first_samples = fmin(fmax(rhm_latent_first(tree, level), p->used), samples),
        .wanted_samples = level > 1 ? families(shape, level, patches) / (double)tree->nodes[level - 2] : (double)NAN,
        .samples = samples,
        .possible = patches,
        .distinct = patches,
        .positions = (uint32_t)tree->nodes[level - 1],
        .fits = attempts,
        .gap = NAN,
        .draw_seconds =
            p->cost.draw * fresh * (double)tree->leaves[0] + p->cost.count * samples * (double)tree->nodes[level - 1],
        .fit_seconds = level > 1 ? attempts * p->cost.group * grouping(patches, blocks, symbols) : 0,
        .nbytes = 1.5 * kept + p->threads * (double)rhm_sequences_scratch_nbytes(tree->leaves[0]) +
                  8 * patches * patches * (1.5 * blocks + 1) + p->threads * 2 * blocks * patches * patches,
    };
    out->capped = level > 1 && out->wanted_samples > samples;
    p->used = fmax(p->used, samples);
    return RHM_OK;
}

rhm_status rhm_latent_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine,
                           const rhm_problem *problem, const rhm_train_options *options, rhm_error *error) {
    const rhm_grammar *grammar = problem->grammar;
    playing p = {.problem = problem,
                 .grammar = grammar,
                 .there = problem->data ? problem->data->count - problem->test_samples : UINT64_MAX,
                 .options = options,
                 .cost = {NAN, NAN, NAN},
                 .threads = engine ? rhm_engine_threads(engine) : 1};
    *test_seconds = NAN;
    if (engine) {
        RHM_TRY(measure(&p.cost, engine, grammar, error));
        RHM_TRY(rhm_table_measure_test(test_seconds, engine, grammar, problem->test_samples, error));
    }
    for (uint32_t level = rhm_grammar_shape(grammar)->levels; level >= 1; level--)
        RHM_TRY(plan_level(&out[level], &p, level, error));
    return RHM_OK;
}
