/* Who is on whose node and machine, and signs of life of ranks that do not wait for each other. */
#include <sched.h>
#include <string.h>

#include "core/clock.h"
#include "mailboxes.h"
#include "ranks/home.h"
#include "ranks/watch.h"

static rhm_rank_home home[4];
static rhm_ranks ranks = {.transport = {.size = 4}, .home = home};

/* Of each rank: its host name, its kernel, the node that MPI says. */
static void put(const char *const *hosts, const char *const *kernels, const int *nodes) {
    for (int rank = 0; rank < 4; rank++) {
        snprintf(home[rank].host, sizeof home[rank].host, "%s", hosts[rank]);
        snprintf(home[rank].kernel, sizeof home[rank].kernel, "%s", kernels[rank]);
        home[rank].node = nodes[rank];
    }
    rhm_rank_homes_join(&ranks);
}

static void check(const int *machines, const int *nodes, const char *words) {
    char sentence[RHM_ERROR_TEXT_NBYTES] = "";
    for (int rank = 0; rank < 4; rank++) {
        assert_int_equal(rhm_ranks_machine(&ranks, rank), machines[rank]);
        assert_int_equal(rhm_ranks_node(&ranks, rank), nodes[rank]);
    }
    assert_int_equal(rhm_ranks_odd_nodes(&ranks, sentence, sizeof sentence), words != NULL);
    if (words)
        assert_string_equal(sentence, words);
}

static const char *const two_names[] = {"a", "a", "b", "b"}, *const one_name[] = {"a", "a", "a", "a"};
static const char *const two_kernels[] = {"1", "1", "2", "2"}, *const one_kernel[] = {"1", "1", "1", "1"};
static const int pairs[] = {0, 0, 2, 2}, together[] = {0, 0, 0, 0}, unknown[] = {-1, -1, -1, -1};

static void what_agrees_needs_no_words(void **state) {
    (void)state;
    put(two_names, two_kernels, pairs);
    check(pairs, pairs, NULL);
    put(one_name, one_kernel, together);
    check(together, together, NULL);
    put(two_names, two_kernels, unknown);
    check(pairs, pairs, NULL);
    const char *const in_turn[] = {"1", "2", "1", "2"}, *const names[] = {"a", "b", "a", "b"};
    const int turns[] = {0, 1, 0, 1};
    put(names, in_turn, turns);
    check(turns, turns, NULL);
}

static void what_disagrees_is_said(void **state) {
    (void)state;
    put(two_names, one_kernel, pairs);
    check(together, pairs,
          "ranks 0 (a) and 2 (b) run under one kernel, though their host names differ and MPI takes them for two "
          "nodes: they divide one machine's cores and memory");
    put(two_names, one_kernel, together);
    check(together, together,
          "ranks 0 (a) and 2 (b) run under one kernel, though their host names differ: they divide one machine's cores "
          "and memory");
    put(one_name, one_kernel, pairs);
    check(together, pairs,
          "ranks 0 (a) and 2 (a) run under one kernel, though MPI takes them for two nodes: they divide one machine's "
          "cores and memory");
    put(one_name, two_kernels, pairs);
    check(pairs, pairs,
          "ranks 0 (a) and 2 (a) run under two kernels, though they have one host name: each has a machine to itself");
}

static void a_process_knows_its_kernel(void **state) {
    (void)state;
    const rhm_rank_home here = rhm_rank_home_here(3), again = rhm_rank_home_here(5);
    assert_true(*here.kernel && *here.host && here.node == 3);
    assert_string_equal(here.kernel, again.kernel);
}

/* ---- signs of life ----------------------------------------------------------------------------------------------- */

enum { LIMIT = 50 };

/* The other rank was heard of longer ago than is allowed. */
static void long_ago(worker *w, double looked) {
    w->ranks->watch.heard_seconds[1 - w->rank] = rhm_seconds() - 2 * LIMIT;
    w->ranks->watch.looked_seconds = rhm_seconds() - looked;
}

static void hear_signs(worker *w) {
    char *text;
    int from;
    rhm_ranks_limit_silence(w->ranks, LIMIT);
    assert_int_equal(rhm_watch_look(w->ranks, &w->error), RHM_OK);
    if (w->rank == 0)
        assert_int_equal(rhm_ranks_post(w->ranks, 1, "looking", &w->error), RHM_OK);
    while (!has_arrived(&w->rank, RHM_MESSAGE_POST, &from)) /* of rank 1 after its sign */
        sched_yield();
    if (w->rank == 1) {
        rhm_ranks_sign(w->ranks);
        rhm_ranks_sign(w->ranks); /* not so soon again */
        assert_int_equal(rhm_ranks_post(w->ranks, 0, "there", &w->error), RHM_OK);
        return;
    }
    assert_true(has_arrived(&w->rank, RHM_MESSAGE_SIGN, &from));
    long_ago(w, 0);
    assert_int_equal(rhm_watch_look(w->ranks, &w->error), RHM_OK);
    assert_false(has_arrived(&w->rank, RHM_MESSAGE_SIGN, &from));
    long_ago(w, 0);
    assert_int_equal(rhm_ranks_fetch(w->ranks, &text, &from, &w->error), RHM_OK);
    assert_string_equal(text, "there");
    free(text);
    assert_int_equal(rhm_watch_look(w->ranks, &w->error), RHM_OK);
    long_ago(w, 2 * LIMIT); /* this rank was stopped itself */
    assert_int_equal(rhm_watch_look(w->ranks, &w->error), RHM_OK);
    long_ago(w, 0);
    w->status = rhm_ranks_fetch(w->ranks, &text, &from, &w->error);
}

static void who_gives_no_sign_is_named(void **state) {
    (void)state;
    run_all(2, hear_signs);
    assert_int_equal(workers[0].status, RHM_FAILED);
    assert_non_null(strstr(workers[0].error.text, "rank 1 (?) has been silent for 50 seconds"));
    for (int rank = 0; rank < 2; rank++) {
        rhm_posts_forget(workers[rank].ranks);
        free(workers[rank].ranks->watch.heard_seconds);
        clean_up(&workers[rank]);
    }
}

int main(void) {
    open_boxes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_agrees_needs_no_words),
        cmocka_unit_test(what_disagrees_is_said),
        cmocka_unit_test(a_process_knows_its_kernel),
        cmocka_unit_test(who_gives_no_sign_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
