/* A plan for several ranks: shared work falls by their number, the rest does not, and messages take what they do. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rhm/plan.h"

static const rhm_plan_link FREE = {0, 1e300};

/* Of one level, measured with four threads. */
static rhm_training_plan plan_of(unsigned spread) {
    rhm_training_plan plan = {.threads = 4, .levels = 1, .test_seconds = 8, .spread = spread};
    plan.level[1] = (rhm_plan_level){
        .level = 1,
        .draw_seconds = 12,
        .merge_seconds = 4,
        .embed_seconds = 16,
        .fit_seconds = 40,
        .shared_fit_seconds = 32,
        .allowed_seconds = 80,
        .nbytes = 1000,
        .divided_nbytes = 400,
        .gram_nbytes = 320,
    };
    return plan;
}

static rhm_plan_cluster cluster_of(int ranks, int nodes, int cores) {
    rhm_plan_cluster c = rhm_plan_cluster_default(ranks, nodes, cores);
    c.within = c.between = FREE;
    return c;
}

static void assert_near(double value, double wanted) {
    if (!(fabs(value - wanted) <= 1e-9 * fabs(wanted)))
        fail_msg("%.17g is not %.17g", value, wanted);
}

static const unsigned ALL = RHM_SPREAD_DRAW | RHM_SPREAD_EMBED | RHM_SPREAD_FIT | RHM_SPREAD_TEST;

static void assert_seconds(unsigned spread, rhm_plan_cluster c, double draw, double embed, double fit, double test) {
    rhm_training_plan plan = plan_of(spread);
    assert_int_equal(rhm_plan_spread(&plan, &c, NULL), RHM_OK);
    assert_near(plan.level[1].draw_seconds, draw);
    assert_near(plan.level[1].embed_seconds, embed);
    assert_near(plan.level[1].fit_seconds, fit);
    assert_near(plan.level[1].allowed_seconds, 2 * fit);
    assert_near(plan.test_seconds, test);
    assert_near(rhm_plan_seconds(&plan), draw + embed + fit + test + plan.level[1].messages.seconds);
}

static void shared_work_falls_and_the_rest_does_not(void **state) {
    (void)state;
    assert_seconds(ALL, cluster_of(1, 1, 4), 12, 16, 40, 8); /* as measured */
    assert_seconds(0, cluster_of(1, 1, 4), 12, 16, 40, 8);
    assert_seconds(ALL, cluster_of(4, 4, 4), 4 + 2, 4, 8 + 8, 2); /* nodes like this one */
    assert_seconds(0, cluster_of(4, 4, 4), 12, 16, 40, 8);
    /* Ranks of one node divide its cores: what is shared takes as long as before, the rest longer. */
    assert_seconds(ALL, cluster_of(2, 1, 4), 8 + 8, 16, 16 + 32, 8);
    assert_seconds(ALL, cluster_of(4, 2, 8), 4 + 2, 4, 8 + 8, 2);
    /* Three ranks on two cores: two of them take turns. */
    assert_seconds(ALL, cluster_of(3, 1, 2), 32 + 64 / 3.0, 128 / 3.0, 64 + 256 / 3.0, 64 / 3.0);
}

static void threads_of_a_rank_may_be_fewer_than_its_cores(void **state) {
    (void)state;
    rhm_plan_cluster c = cluster_of(2, 2, 8);
    assert_near(rhm_plan_rank_cores(&c), 8);
    c.threads = 2;
    assert_near(rhm_plan_rank_cores(&c), 2);
    c.threads = 64;
    assert_near(rhm_plan_rank_cores(&c), 8);
    c = cluster_of(5, 2, 1);
    assert_int_equal(rhm_plan_node_ranks(&c), 3);
    assert_near(rhm_plan_rank_cores(&c), 1 / 3.0);
}

/* Ten partial sums on four ranks of three cores: one has three of them, and each core takes one. */
static void partial_sums_are_not_cut(void **state) {
    (void)state;
    const rhm_plan_cluster c = cluster_of(4, 4, 3);
    for (int divide = 0; divide < 2; divide++) {
        rhm_training_plan plan = plan_of(ALL);
        plan.level[1].fit_seconds = plan.level[1].shared_fit_seconds;
        plan.level[1].shared_parts = 10;
        plan.level[1].parts_divide = divide;
        assert_int_equal(rhm_plan_spread(&plan, &c, NULL), RHM_OK);
        assert_near(plan.level[1].fit_seconds, 4 * 32 * 0.3 / 3);
    }
    rhm_plan_cluster wide = cluster_of(4, 4, 30);
    for (int divide = 0; divide < 2; divide++) {
        rhm_training_plan plan = plan_of(ALL);
        plan.level[1].fit_seconds = plan.level[1].shared_fit_seconds;
        plan.level[1].shared_parts = 10;
        plan.level[1].parts_divide = divide;
        assert_int_equal(rhm_plan_spread(&plan, &wide, NULL), RHM_OK);
        assert_near(plan.level[1].fit_seconds, 4 * 32 * 0.3 / (divide ? 30 : 3));
        assert_near(rhm_plan_useful_cores(&plan, 1), divide ? 10 * 30 : 10);
        plan.level[1].shared_parts = 0;
        assert_true(rhm_plan_useful_cores(&plan, 1) == HUGE_VAL);
    }
}

static void memory_of_solvers_is_divided(void **state) {
    (void)state;
    for (int ranks = 1; ranks <= 8; ranks *= 2) {
        const rhm_plan_cluster c = cluster_of(ranks, ranks, 4);
        rhm_training_plan plan = plan_of(ALL);
        const double r = ranks;
        assert_int_equal(rhm_plan_spread(&plan, &c, NULL), RHM_OK);
        assert_near(rhm_plan_nbytes(&plan), 280 + 400 / r + 320 * (2 / r - 1 / (r * r)));
    }
}

/* Up to three ranks: patches in parts, and a part of their keys; nothing is merged by all, and what is dealt goes out
 * once. */
static void patches_are_divided_among_so_many_ranks(void **state) {
    (void)state;
    for (int ranks = 1; ranks <= 4; ranks++) {
        const rhm_plan_cluster c = cluster_of(ranks, ranks, 4);
        rhm_training_plan whole = plan_of(ALL), plan = plan_of(ALL);
        rhm_plan_level *level = &plan.level[1];
        const double r = ranks;
        level->fits = 1;
        level->division_ranks = 3;
        level->patches_nbytes = 90;
        level->keys_nbytes = 36;
        level->dealt_nbytes = 1e3;
        level->grouped_nbytes = 10;
        assert_int_equal(rhm_plan_spread(&whole, &c, NULL), RHM_OK);
        assert_int_equal(rhm_plan_spread(&plan, &c, NULL), RHM_OK);
        const bool divided = ranks > 1 && ranks < 4;
        assert_near(plan.level[1].nbytes, whole.level[1].nbytes - (divided ? 90 * (1 - 1 / r) - 36 / r : 0));
        assert_near(plan.level[1].draw_seconds, whole.level[1].draw_seconds - (divided ? 4 * (1 - 1 / r) : 0));
        assert_near(plan.level[1].messages.nbytes, divided ? (r - 1) * (1e3 / r + 10) : 0);
    }
}

/* Four ranks save 24 of 32 seconds, unless ten gathers of three messages one after the other take longer. */
static void what_is_shared_if_that_is_faster(void **state) {
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        rhm_plan_cluster c = cluster_of(4, 4, 4);
        rhm_training_plan plan = plan_of(RHM_SPREAD_FIT);
        rhm_plan_level *level = &plan.level[1];
        level->shared_if_faster = level->parts_divide = true;
        level->shared_parts = 8;
        level->shared_nbytes = 50;
        level->gram_nbytes = 0;
        level->products = 10;
        level->epoch_seconds = 4;
        c.between = (rhm_plan_link){slow ? 0.81 : 0.79, 1e300};
        assert_int_equal(rhm_plan_spread(&plan, &c, NULL), RHM_OK);
        assert_near(level->messages.seconds, slow ? 0 : 23.7);
        assert_near(level->fit_seconds, slow ? 40 : 8 + 8 / 4.0 * 4);
        assert_near(level->epoch_seconds, slow ? 4 : 4 * (16 + 23.7) / 40);
        assert_near(rhm_plan_nbytes(&plan), slow ? 1000 : 1000 + 50 - 300);
        assert_true(slow ? rhm_plan_useful_cores(&plan, 1) == HUGE_VAL : rhm_plan_useful_cores(&plan, 1) == 8 * 4);
    }
}

/* Eight rows on four ranks, two each: three messages up in two steps, three down in two. */
static void sums_go_up_the_tree_and_back(void **state) {
    (void)state;
    double clock[8];
    rhm_plan_cluster c = cluster_of(4, 1, 4);
    c.within = (rhm_plan_link){1, 1e300};
    rhm_plan_messages sum = rhm_plan_sum(&c, 8, 100, clock);
    assert_near(sum.count, 6);
    assert_near(sum.nbytes, 600);
    assert_near(sum.seconds, 4 + 2 * 100 / 4e9);
    c = cluster_of(4, 2, 2); /* ranks 0 and 1 on one node, 2 and 3 on the other */
    c.between = (rhm_plan_link){10, 1e300};
    sum = rhm_plan_sum(&c, 8, 100, clock);
    assert_near(sum.seconds, 20 + 2 * 100 / 4e9);
    c.between = (rhm_plan_link){0, 100};
    sum = rhm_plan_sum(&c, 8, 100, clock); /* once up, and down to both ranks of the other node: 1 to 3 meanwhile */
    assert_near(sum.seconds, 2 + 2 * 100 / 4e9);
    c = cluster_of(1, 1, 4);
    assert_near(rhm_plan_sum(&c, 8, 100, clock).count, 0);
}

static void clusters_that_cannot_be_are_refused(void **state) {
    (void)state;
    rhm_error error;
    rhm_training_plan plan = plan_of(ALL);
    const rhm_plan_cluster c = cluster_of(2, 3, 4);
    assert_int_equal(rhm_plan_spread(&plan, &c, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "2 ranks on 3 nodes"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_work_falls_and_the_rest_does_not),
        cmocka_unit_test(threads_of_a_rank_may_be_fewer_than_its_cores),
        cmocka_unit_test(partial_sums_are_not_cut),
        cmocka_unit_test(memory_of_solvers_is_divided),
        cmocka_unit_test(patches_are_divided_among_so_many_ranks),
        cmocka_unit_test(what_is_shared_if_that_is_faster),
        cmocka_unit_test(sums_go_up_the_tree_and_back),
        cmocka_unit_test(clusters_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
