/* The search as a step: what it asks for, given what comes out, with no stage behind it. */
#include "files.h"

#include <math.h>

#include "learners/layerwise/search.h"

typedef struct world {
    rhm_task task;
    rhm_train_options options;
    rhm_search_problem problem;
    double bandwidth, ridge; /* at which the loss is smallest */
    double noise;            /* the gap is 1 / sqrt(noise / N) */
    bool blind;              /* nothing ever comes apart */
    bool merged;             /* two of the clusters are one */
    double forms;            /* distinct patches that there are */
} world;

static world make_world(uint32_t level, bool counted) {
    world w = {.task = {.classes = 8, .token_vocab = 8},
               .options = {.max_samples = UINT64_C(1000000000000000), .max_width = 4096, .tolerance = 1e-4},
               .bandwidth = 0.35,
               .ridge = 0.1 / 32,
               .noise = 1e5,
               .forms = 512};
    assert_int_equal(rhm_tree_uniform(&w.task.tree, 3, 2, NULL), RHM_OK);
    for (uint32_t l = 1; l <= 3; l++) {
        w.task.parents[l] = 8;
        w.task.patches[l] = 32;
    }
    w.problem = (rhm_search_problem){.level = level,
                                     .draw = {.counted = counted, .share = 1},
                                     .available = UINT64_MAX,
                                     .held_out_available = UINT64_MAX,
                                     .separation = level == 3 ? 0 : 0.1};
    return w;
}

/* What a request brings in that world. */
static rhm_search_seen answer(const world *w, const rhm_search *s, double *samples) {
    const rhm_search_request *ask = &s->request;
    if (ask->action == RHM_SEARCH_DRAW)
        *samples = (double)ask->samples;
    const double distinct = fmin(*samples, w->forms);
    rhm_search_seen seen = {.samples = *samples, .distinct = distinct, .held_out_distinct = fmin(distinct, 512)};
    if (ask->action == RHM_SEARCH_FIT)
        seen.fit = (rhm_outcome){
            .iterations = ask->iterations && ask->iterations < 14 ? ask->iterations : 14,
            .loss = fabs(log(ask->bandwidth / w->bandwidth)) + fabs(log(ask->ridge / w->ridge)),
            .accuracy = 0.5,
            .evidence = 10,
            .clusters = {.count = 8, .separation = w->blind ? 0.9 : sqrt(*samples / w->noise), .radius = 1, .fewer = 8},
        };
    if (w->merged && ask->action == RHM_SEARCH_FIT) {
        seen.fit.clusters.fewer = 7;
        seen.fit.clusters.fewer_separation = 10;
        seen.fit.clusters.fewer_radius = 1;
    }
    return seen;
}

static void refuse_nonsense(void **state) {
    (void)state;
    rhm_error error = {0};
    assert_ok(rhm_tuning_check(&rhm_tuning_default, &error), &error);
    rhm_tuning t = rhm_tuning_default;
    t.ridge_ratio = 1;
    assert_int_equal(rhm_tuning_check(&t, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "ridge_ratio of the search is 1: allowed are 1.01 to 10000"));
    t = rhm_tuning_default;
    t.target_gap = (double)NAN;
    assert_int_equal(rhm_tuning_check(&t, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "target_gap"));
    t = rhm_tuning_default;
    t.most_stalls = 0;
    assert_int_equal(rhm_tuning_check(&t, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "most_stalls"));
}

/* Play to the end; `fork` requests in, go on with a copy of the state. Returns the number of requests. */
static size_t play(const world *given, size_t fork, rhm_search *end, rhm_search_request *asked, size_t most) {
    world w = *given;
    w.problem.task = &w.task;
    w.problem.options = &w.options;
    static rhm_search states[2];
    rhm_search *s = &states[0];
    double samples = 0;
    size_t count = 0;
    for (rhm_search_begin(s, &w.problem); s->request.action != RHM_SEARCH_END; count++) {
        assert_true(count < most);
        asked[count] = s->request;
        if (count == fork) {
            states[1] = *s;
            memset(s, 0xa5, sizeof *s);
            s = &states[1];
        }
        const rhm_search_seen seen = answer(&w, s, &samples);
        rhm_search_next(s, &w.problem, &seen);
    }
    *end = *s;
    return count;
}

static bool same_request(const rhm_search_request *a, const rhm_search_request *b) {
    return a->action == b->action && a->samples == b->samples && a->held_out == b->held_out && a->width == b->width &&
           a->bandwidth == b->bandwidth && a->ridge == b->ridge && a->solves == b->solves;
}

enum { MOST = 1000 };

static void a_copy_goes_on_like_the_original(void **state) {
    (void)state;
    static rhm_search_request first[MOST], second[MOST];
    for (uint32_t level = 1; level <= 3; level++)
        for (int blind = 0; blind < 2; blind++) {
            world w = make_world(level, level > 1);
            w.blind = blind;
            w.bandwidth = 0.05;
            rhm_search end, again;
            const size_t count = play(&w, MOST, &end, first, MOST);
            for (size_t fork = 0; fork < count; fork++) {
                assert_int_equal(play(&w, fork, &again, second, MOST), count);
                for (size_t i = 0; i < count; i++)
                    assert_true(same_request(&first[i], &second[i]));
                assert_true(again.work == end.work && again.best.loss == end.best.loss);
            }
        }
}

static void walks_end_next_to_the_best(void **state) {
    (void)state;
    static rhm_search_request asked[MOST];
    const double bandwidths[] = {0.04, 0.1, 0.35, 0.9, 2};
    for (size_t i = 0; i < sizeof bandwidths / sizeof *bandwidths; i++)
        for (double ridge = 1e-4; ridge < 0.05; ridge *= 5) {
            world w = make_world(3, false);
            w.options.samples[3] = 4096;
            w.options.width = 512; /* one look, and walks from there */
            w.bandwidth = bandwidths[i];
            w.ridge = ridge;
            w.noise = 1e6;
            rhm_search end;
            play(&w, MOST, &end, asked, MOST);
            assert_true(fabs(log(end.bandwidth / w.bandwidth)) <= log(1.4) / 2 * 1.001);
            assert_true(fabs(log(end.ridge / w.ridge)) <= log(3.2) / 2 * 1.001);
            char limit[RHM_LIMIT_NBYTES];
            w.problem.task = &w.task;
            w.problem.options = &w.options;
            rhm_search_limit(&end, &w.problem, limit);
            assert_string_equal(limit, "separation / radius 0.06 is below 2.50: the number of samples is fixed");
            assert_false(rhm_search_resolved(&end, &w.problem));
        }
}

/* Given choices are not searched. */
static void what_is_given_stays(void **state) {
    (void)state;
    static rhm_search_request asked[MOST];
    world w = make_world(3, false);
    w.options.bandwidth[3] = 0.7;
    w.options.ridge[3] = 0.01;
    w.options.width = 256;
    rhm_search end;
    const size_t count = play(&w, MOST, &end, asked, MOST);
    for (size_t i = 0; i < count; i++)
        if (asked[i].action == RHM_SEARCH_FIT)
            assert_true(asked[i].bandwidth == 0.7 && asked[i].ridge == 0.01 && asked[i].width == 256);
    assert_true(rhm_clusters_gap(&end.best.clusters) >= 2.5 && !end.ended);
}

/* Where nothing comes apart, whatever the samples, the search ends within what it is allowed. */
static void hopeless_searches_end(void **state) {
    (void)state;
    static rhm_search_request asked[MOST];
    for (uint32_t level = 1; level <= 3; level++)
        for (int counted = 0; counted < 2; counted++) {
            world w = make_world(level, counted);
            w.blind = true;
            rhm_search end;
            play(&w, MOST, &end, asked, MOST);
            assert_true(end.ended && end.foreseen > 0);
            assert_true(end.allowed == fmax(0x1p35, 12 * end.foreseen));
            assert_true(end.work <= end.allowed);
        }
}

/* Where more positions can be tried, less is spent on symbols that do not come apart, and little where two come out as
 * one. */
static void positions_that_are_left_end_hopeless_searches(void **state) {
    (void)state;
    static rhm_search_request few[MOST], many[MOST];
    for (int merged = 0; merged < 2; merged++) {
        rhm_search early, late;
        world w = make_world(1, false);
        w.forms = 1e6;
        w.blind = true;
        w.merged = merged;
        const size_t count = play(&w, MOST, &late, many, MOST);
        w.problem.positions_left = true;
        const size_t fewer = play(&w, MOST, &early, few, MOST);
        const double trial = fmax(0x1p35, (merged ? 0.25 : 4) * early.foreseen);
        assert_true(early.ended && early.allowed == late.allowed && late.allowed > 2 * trial);
        assert_true(late.work > trial);
        assert_true(fewer < count && early.work <= trial);
        for (size_t i = 0; i < fewer; i++)
            assert_true(same_request(&few[i], &many[i]));
        /* All searches of a level together have what the last may spend. */
        w.problem.positions_left = false;
        w.problem.spent = early.work;
        play(&w, MOST, &late, many, MOST);
        assert_true(late.allowed == fmax(0x1p35, 12 * late.foreseen - early.work));
        assert_true(late.work <= late.allowed);
    }
}

/* The search of a world up to the first fit of a walk, and what it makes of a fit with that loss and gap. */
static bool kept(double loss, double gap, bool *ended) {
    world w = make_world(3, false);
    w.problem.task = &w.task;
    w.problem.options = &w.options;
    w.options.samples[3] = 4096;
    w.options.width = 512;
    rhm_search s;
    double samples = 0;
    rhm_search_begin(&s, &w.problem);
    while (s.request.action != RHM_SEARCH_FIT || s.phase == RHM_STEP_LOOKING) {
        rhm_search_seen seen = answer(&w, &s, &samples);
        seen.fit.loss = 0.5;
        seen.fit.clusters.separation = 1;
        rhm_search_next(&s, &w.problem, &seen);
    }
    rhm_search_seen seen = answer(&w, &s, &samples);
    seen.fit.loss = loss;
    seen.fit.clusters.separation = gap;
    rhm_search_next(&s, &w.problem, &seen);
    *ended = s.request.action == RHM_SEARCH_END;
    return s.keep;
}

static void gaps_count_beside_losses(void **state) {
    (void)state;
    bool ended;
    assert_true(kept(0.4, 1, &ended) && !ended);
    assert_true(!kept(0.6, 1, &ended) && !ended);
    assert_true(!kept(0.6, 2.4, &ended) && !ended);
    assert_true(kept(0.6, 2.6, &ended) && ended);   /* what is aimed at is 2.5 */
    assert_true(!kept(0.4, 0.4, &ended) && !ended); /* less than half the gap */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuse_nonsense),
        cmocka_unit_test(a_copy_goes_on_like_the_original),
        cmocka_unit_test(walks_end_next_to_the_best),
        cmocka_unit_test(what_is_given_stays),
        cmocka_unit_test(hopeless_searches_end),
        cmocka_unit_test(positions_that_are_left_end_hopeless_searches),
        cmocka_unit_test(gaps_count_beside_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
