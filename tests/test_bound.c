/* What a plan says of the searches of a level at most, against searches that see the worst and against trainings. */
#include "files.h"

#include <math.h>

#include "core/philox.h"
#include "learners/layerwise/bound.h"
#include "learners/layerwise/budget.h"
#include "learners/layerwise/positions.h"
#include "learners/layerwise/sample_sizes.h"
#include "learners/layerwise/search.h"
#include "linear/solvers.h"
#include "patches/patches.h"
#include "sampling/law.h"

static const uint64_t SEED = 20260119;

static double uniform(rhm_random *random) {
    return rhm_random_word(random) * 0x1p-32;
}

/* Between two positive numbers, each order of magnitude as often. */
static double spread(rhm_random *random, double least, double most) {
    return least * pow(most / least, uniform(random));
}

static rhm_grammar *random_grammar(rhm_random *random, uint64_t seed) {
    static const rhm_rule_sampling samplings[] = {RHM_FIRST_TOKEN_UNIFORM, RHM_UNIFORM, RHM_INDEPENDENT};
    for (;;) {
        rhm_shape shape = {.levels = 1 + rhm_random_below(random, 4), .vocab = {1 + rhm_random_below(random, 12)}};
        for (uint32_t l = 1; l <= shape.levels; l++) {
            shape.vocab[l] = 2 + rhm_random_below(random, 12);
            shape.rules[l] = 1 + rhm_random_below(random, 4);
            shape.branching[l] = 2 + rhm_random_below(random, 2);
        }
        rhm_grammar_options options = {.sampling = samplings[rhm_random_below(random, 3)], .seed = seed};
        for (uint32_t l = 1; l <= shape.levels && rhm_random_below(random, 2); l++)
            options.rule_law[l] = (rhm_rule_law){RHM_LAW_ZIPF, 2 * uniform(random)};
        if (rhm_random_below(random, 4) == 0)
            options.token_noise = 0.1;
        rhm_grammar *grammar;
        if (rhm_grammar_draw_with(&grammar, &shape, &options, NULL) == RHM_OK)
            return grammar;
    }
}

static rhm_train_options random_options(rhm_random *random, uint32_t level) {
    rhm_train_options o = {.max_samples = 1000000000000000, .max_width = 4096, .tolerance = 1e-4};
    const uint32_t what = rhm_random_below(random, 256);
    if ((what & 3) == 0)
        o.samples[level] = (uint64_t)spread(random, 100, 1e7);
    if ((what & 12) == 0)
        o.width = (uint32_t)spread(random, 8, 8192);
    if ((what & 48) == 0)
        o.max_samples = (uint64_t)spread(random, 100, 1e7);
    if ((what & 64) == 0)
        o.bandwidth[level] = o.ridge[level] = 0.1;
    o.raw = (what & 128) && rhm_random_below(random, 4) == 0;
    o.solver = rhm_random_below(random, 3) ? RHM_CG : (rhm_solver)rhm_random_below(random, RHM_SOLVERS);
    return o;
}

/* A level with the positions of those below as they came out, and what the search of it may meet. */
typedef struct world {
    rhm_random *random;
    const rhm_grammar *grammar;
    rhm_task task;
    rhm_train_options options;
    uint32_t level;
    uint64_t available, held_out_available;
    double separation;
    rhm_law_size table;
    double eagerness; /* how near the worst it comes */
} world;

static uint32_t any_positions(rhm_random *random, const rhm_task *task, const rhm_train_options *options,
                              uint32_t level) {
    uint32_t positions = rhm_positions_first(task, options, level);
    for (uint32_t more; rhm_random_below(random, 2) && (more = rhm_positions_more(task, options, level, positions));)
        positions = more;
    return positions;
}

/* Of a number that the world may choose up to `most`. */
static double nearly(const world *w, double most) {
    return most * (uniform(w->random) < w->eagerness ? 1 : uniform(w->random));
}

static rhm_search_seen answer(const world *w, const rhm_search *s, double samples, double *distinct, double *tested) {
    const rhm_search_request *ask = &s->request;
    const uint32_t most = ask->iterations ? ask->iterations : rhm_solver_most_iterations(w->options.solver);
    const double positions = rhm_task_positions(&w->task, w->level);
    const double forms = w->options.raw ? HUGE_VAL : w->table.patches;
    if (ask->action == RHM_SEARCH_DRAW) {
        *distinct = fmax(fmax(1, *distinct), floor(nearly(w, fmin(forms, samples * positions))));
        *tested = fmax(fmax(1, *tested), floor(nearly(w, fmin(forms, (double)ask->held_out * positions))));
    }
    rhm_search_seen seen = {.samples = samples, .distinct = *distinct, .held_out_distinct = *tested};
    const rhm_fit_sizes sizes = {*distinct, *tested, s->width, 0};
    seen.fit = (rhm_outcome){
        .iterations = w->options.solver == RHM_CHOLESKY ? 1 : (uint32_t)fmax(1, nearly(w, most)),
        .route = rhm_fit_route(&w->task, &w->options, w->level, &sizes, fmax(1, ask->solves)),
        .loss = uniform(w->random),
        .accuracy = uniform(w->random),
        .evidence = 10 * uniform(w->random),
        .clusters = {.count = 8, .separation = 2 * uniform(w->random), .radius = 1, .fewer = 8},
    };
    if (rhm_random_below(w->random, 8) == 0)
        seen.fit.clusters.fewer = 4, seen.fit.clusters.fewer_separation = 99, seen.fit.clusters.fewer_radius = 1;
    return seen;
}

/* What the searches with one number of positions after the other do. */
static double all_work(world *w, uint32_t *searches) {
    double spent = 0;
    *searches = 0;
    uint32_t k = any_positions(w->random, &w->task, &w->options, w->level);
    for (; k > 0; k = rhm_positions_more(&w->task, &w->options, w->level, k)) {
        w->task.positions[w->level] = k;
        rhm_search_problem problem = {
            .task = &w->task,
            .options = &w->options,
            .level = w->level,
            .available = w->available,
            .held_out_available = w->held_out_available,
            .separation = w->separation,
            .spent = spent,
            .positions_left = rhm_positions_more(&w->task, &w->options, w->level, k) > 0,
        };
        w->table = (rhm_law_size){HUGE_VAL, HUGE_VAL};
        if (w->grammar)
            assert_int_equal(rhm_law_measure(&w->table, w->grammar, w->level, k, NULL), RHM_OK);
        const double first = (double)rhm_first_look(&w->task, &w->options, w->level, w->separation);
        if (rhm_draw_choose(&problem.draw, w->grammar, &w->options, w->level, k, first, NULL) != RHM_OK)
            break;
        rhm_search s;
        double samples = 0, distinct = 0, tested = 0;
        for (rhm_search_begin(&s, &problem); s.request.action != RHM_SEARCH_END;) {
            if (s.request.action == RHM_SEARCH_DRAW)
                samples = (double)s.request.samples;
            const rhm_search_seen seen = answer(w, &s, samples, &distinct, &tested);
            rhm_search_next(&s, &problem, &seen);
        }
        spent += s.work;
        ++*searches;
    }
    return spent;
}

enum { WORLDS = 4000 };

/* Any number of distinct patches, iterations, clusters and losses, after any separation. */
static void no_search_does_more_than_the_bound(void **state) {
    (void)state;
    rhm_random random = {.seed = SEED, .stream = 1u << 20};
    double closest = 0;
    for (uint32_t i = 0; i < WORLDS; i++) {
        rhm_grammar *grammar = random_grammar(&random, i);
        const rhm_shape *shape = rhm_grammar_shape(grammar);
        world w = {.random = &random, .grammar = rhm_random_below(&random, 3) ? grammar : NULL};
        w.level = 1 + rhm_random_below(&random, shape->levels);
        w.options = random_options(&random, w.level);
        w.task = rhm_task_of_grammar(grammar);
        for (uint32_t l = w.level + 1; l <= shape->levels; l++)
            w.task.positions[l] = any_positions(&random, &w.task, &w.options, l);
        w.available = w.grammar ? UINT64_MAX : (uint64_t)spread(&random, 100, 1e8);
        w.held_out_available = w.grammar ? UINT64_MAX : w.available / 4;
        w.separation = w.level == shape->levels ? 0 : spread(&random, 1e-8, 2);
        w.eagerness = uniform(&random);
        rhm_level_bound bound;
        rhm_error error = {0};
        assert_ok(rhm_level_bound_find(&bound, &w.task, &w.options, w.level, w.grammar, w.available,
                                       w.held_out_available, &error),
                  &error);
        uint32_t searches;
        const double work = all_work(&w, &searches);
        if (!(work <= bound.work) || searches > bound.searches)
            fail_msg("world %u: %u searches did %.6g, the bound is %u and %.6g", i, searches, work, bound.searches,
                     bound.work);
        closest = fmax(closest, work / bound.work);
        rhm_grammar_destroy(grammar);
    }
    assert_true(closest > 0.9); /* it is no larger than it must be */
}

/* Levels that exact posteriors do not foresee, with several positions and laws. */
static void no_training_does_more_than_planned(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1}, &error), &error);
    uint32_t several = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        rhm_grammar_options how = {.sampling = seed % 2 ? RHM_UNIFORM : RHM_FIRST_TOKEN_UNIFORM, .seed = seed};
        const rhm_shape shape = rhm_shape_uniform(4 + (uint32_t)seed % 5, 2, 2, 2 + (uint32_t)seed % 2);
        for (uint32_t l = 1; l <= shape.levels && seed % 3 == 0; l++)
            how.rule_law[l] = (rhm_rule_law){RHM_LAW_ZIPF, 1};
        rhm_grammar *grammar;
        rhm_model *model;
        rhm_train_report report;
        rhm_training_plan plan;
        const rhm_train_options options = {.seed = seed, .max_width = 128, .max_samples = 5000, .test_samples = 100};
        assert_ok(rhm_grammar_draw_with(&grammar, &shape, &how, &error), &error);
        assert_ok(rhm_plan_training(&plan, NULL, grammar, &options, 0, &error), &error);
        assert_ok(rhm_train(&model, &report, engine, grammar, &options, &error), &error);
        for (uint32_t l = 1; l <= shape.levels; l++) {
            if (!(report.level[l].work <= plan.level[l].allowed_work) ||
                report.level[l].positions > plan.level[l].allowed_positions)
                fail_msg("seed %llu, level %u: %.6g, planned %.6g", (unsigned long long)seed, l, report.level[l].work,
                         plan.level[l].allowed_work);
            several += report.level[l].positions > 1;
        }
        rhm_train_report_clear(&report);
        rhm_model_destroy(model);
        rhm_grammar_destroy(grammar);
    }
    assert_true(several > 0);
    rhm_engine_destroy(engine);
}

/* The same on data sets, with and without a grammar, whose slices end searches too. */
static void no_training_on_data_does_more_than_planned(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1}, &error), &error);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        rhm_grammar_options how = {.sampling = RHM_UNIFORM, .seed = seed};
        const rhm_shape shape = rhm_shape_uniform(4 + (uint32_t)seed % 3, 2, 2, 2 + (uint32_t)seed % 2);
        for (uint32_t l = 1; l <= shape.levels && seed % 3 == 0; l++)
            how.rule_law[l] = (rhm_rule_law){RHM_LAW_ZIPF, 1};
        rhm_grammar *grammar;
        assert_ok(rhm_grammar_draw_with(&grammar, &shape, &how, &error), &error);
        rhm_data data = {.count = 1000 * seed,
                         .tree = *rhm_grammar_tree(grammar),
                         .token_vocab = shape.vocab[shape.levels],
                         .label_vocab = shape.vocab[0]};
        data.tokens = malloc(sizeof *data.tokens * data.count * data.tree.leaves[0]);
        data.labels = malloc(sizeof *data.labels * data.count);
        rhm_sampler *sampler;
        assert_ok(rhm_sampler_create(&sampler, grammar, seed, &error), &error);
        rhm_sample_sequences(sampler, 1, 0, data.count, data.tokens, data.labels, NULL);
        rhm_sampler_destroy(sampler);
        data.grammar = seed % 2 ? grammar : NULL;
        const rhm_train_options options = {.seed = seed, .max_width = 128, .test_samples = 100};
        rhm_training_plan plan;
        rhm_train_report report;
        rhm_model *model;
        const rhm_status status = rhm_plan_training_data(&plan, NULL, &data, NULL, &options, 0, &error);
        rhm_error refused = {0};
        assert_int_equal(rhm_train_data(&model, &report, engine, &data, NULL, &options, &refused), status);
        if (status != RHM_OK)
            assert_string_equal(error.text, refused.text);
        for (uint32_t l = 1; l <= shape.levels && status == RHM_OK; l++)
            assert_true(report.level[l].work <= plan.level[l].allowed_work &&
                        report.level[l].positions <= plan.level[l].allowed_positions);
        assert_true(status != RHM_OK || (plan.sequences == data.count && plan.stand_in == (seed % 2 == 0)));
        rhm_train_report_clear(&report);
        rhm_model_destroy(model);
        free(data.tokens);
        free(data.labels);
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_search_does_more_than_the_bound),
        cmocka_unit_test(no_training_does_more_than_planned),
        cmocka_unit_test(no_training_on_data_does_more_than_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
