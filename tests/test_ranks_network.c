/* Steps of networks that ranks share, over mailboxes between threads: the bits of one process. */
#include "mailboxes.h"
#include "networks.h"

/* ---- sums of long rows ------------------------------------------------------------------------------------------- */

enum { COLUMNS = 83, APART = 90, MOST_ROWS = 70, TREE = 128 };

static size_t count_of_rows; /* of the test in hand */

static float value_of(size_t row, size_t column) {
    const rhm_philox_block block = rhm_philox(11, row, 9, (uint32_t)column);
    return (float)((double)block.word[0] * 0x1p-32 - 0.5 + 1e3 * (double)(block.word[1] % 7)); /* sums that round */
}

/* The sum of rows i .. i + 2^j - 1, as far as there are any, from its definition. */
static float tree_sum(size_t row, size_t span, size_t column) {
    if (span == 1)
        return value_of(row, column);
    const float left = tree_sum(row, span / 2, column);
    return row + span / 2 < count_of_rows ? left + tree_sum(row + span / 2, span / 2, column) : left;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Subtrees of rows first .. end - 1, found one by one: the largest that begin with a row. */
static size_t subtrees_of(float *out, size_t first, size_t end) {
    size_t found = 0;
    while (first < end) {
        size_t span = 1;
        for (size_t wider = 2; first % wider == 0 && wider <= TREE; wider *= 2)
            if (smaller(first + wider, count_of_rows) <= end)
                span = wider;
        for (size_t column = 0; out && column < COLUMNS; column++)
            out[found * APART + column] = tree_sum(first, span, column);
        found++;
        first += span;
    }
    return found;
}

static void sum_rows(worker *w) {
    size_t first[MOST_RANKS + 1];
    for (int rank = 0; rank <= w->size; rank++)
        first[rank] = rhm_ranks_begin(w->ranks, count_of_rows, 1, rank);
    const size_t own = subtrees_of(NULL, first[w->rank], first[w->rank + 1]);
    float *rows = calloc((own + 1) * APART, sizeof *rows);
    float *spare = calloc(rhm_ranks_floats_spare(w->ranks, count_of_rows, first, COLUMNS) + 1, sizeof *spare);
    subtrees_of(rows, first[w->rank], first[w->rank + 1]);
    w->status = own == rhm_ranks_subtrees(count_of_rows, first[w->rank], first[w->rank + 1]) ? RHM_OK : RHM_FAILED;
    if (w->status == RHM_OK)
        w->status = rhm_ranks_sum_floats(w->ranks, rows, count_of_rows, first, COLUMNS, APART, spare, &w->error);
    for (size_t column = 0; column < COLUMNS && w->status == RHM_OK; column++)
        if (rows[column] != tree_sum(0, TREE, column))
            w->status = RHM_FAILED;
    free(rows), free(spare);
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void long_rows_are_summed_in_the_tree(void **state) {
    (void)state;
    for (int size = 1; size <= MOST_RANKS; size++)
        for (count_of_rows = 1; count_of_rows <= MOST_ROWS; count_of_rows += count_of_rows < 20 ? 1 : 7) {
            run_all(size, sum_rows);
            for (int rank = 0; rank < size; rank++)
                if (workers[rank].status != RHM_OK)
                    fail_msg("%zu rows, rank %d of %d: another sum. %s", count_of_rows, rank, size,
                             workers[rank].error.text);
        }
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Batches of many chunks, of few, of less than one for each rank, and of one. */
static const size_t batches[] = {500, 77, 500, 20, 130, 33};
enum { STEPS = sizeof batches / sizeof *batches, BATCH = 500 };

static problem instance; /* of the test in hand */
static bool freezes;
static float *expected; /* parameters and momenta after all steps */
static rhm_network_result results[STEPS];

static rhm_network_rule rule_at(size_t step) {
    rhm_network_rule rule = {.rate = 0.3f, .momentum = step % 2 ? 0 : 0.9f, .penalty = 5e-4f};
    for (uint32_t l = 2; l <= instance.shape.levels; l++)
        rule.frozen[l] = freezes;
    return rule;
}

static rhm_status step_at(rhm_network *network, size_t step, rhm_network_result *result, rhm_error *error) {
    const rhm_network_rule rule = rule_at(step);
    return rhm_network_step(network, instance.tokens, instance.labels, batches[step], &rule, result, error);
}

/* A rank's engine and network. */
static rhm_status begin(worker *w, rhm_engine **engine, rhm_network **network) {
    const rhm_engine_options options = {.threads = 1 + w->rank % 2, .placement = "none", .ranks = w->ranks};
    *network = NULL;
    rhm_status status = rhm_engine_create(engine, &options, &w->error);
    if (status == RHM_OK)
        status = rhm_network_make_shared(network, *engine, &instance.shape, BATCH, &w->error);
    if (status == RHM_OK)
        status = rhm_network_load(*network, instance.parameters, NULL, &w->error);
    return status;
}

static bool is_expected(const rhm_network *network) {
    const size_t n = instance.layout.parameters;
    float *have = calloc(2 * n, sizeof *have);
    rhm_network_store(network, have, have + n);
    const bool same = memcmp(have, expected, 2 * n * sizeof *have) == 0;
    free(have);
    return same;
}

static void take_steps(worker *w) {
    rhm_engine *engine = NULL;
    rhm_network *network = NULL;
    rhm_network_result result;
    w->status = begin(w, &engine, &network);
    for (size_t step = 0; step < STEPS && w->status == RHM_OK; step++) {
        w->status = step_at(network, step, &result, &w->error);
        if (w->status == RHM_OK && (result.loss != results[step].loss || result.correct != results[step].correct))
            w->status = RHM_FAILED;
    }
    if (w->status == RHM_OK && !is_expected(network))
        w->status = RHM_FAILED;
    w->account[0] = w->ranks->account;
    rhm_network_free(network);
    rhm_engine_destroy(engine);
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void expect(void) {
    rhm_engine *engine = network_engine("auto", "native", 1);
    rhm_network *network = network_of(&instance, engine, BATCH);
    for (size_t step = 0; step < STEPS; step++)
        assert_int_equal(step_at(network, step, &results[step], NULL), RHM_OK);
    expected = calloc(2 * instance.layout.parameters, sizeof *expected);
    rhm_network_store(network, expected, expected + instance.layout.parameters);
    rhm_network_free(network);
    rhm_engine_destroy(engine);
}

static void steps_do_not_depend_on_the_number_of_ranks(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        rhm_network_shape shape = network_shape(3, 2, 6, 19, i == 1 ? 150 : 210, i == 0);
        shape.positions = i == 1 ? 3 : 1;
        instance = problem_of(&shape, BATCH);
        freezes = i == 2;
        expect();
        for (int size = 1; size <= MOST_RANKS; size++) {
            run_all(size, take_steps);
            for (int rank = 0; rank < size; rank++)
                if (workers[rank].status != RHM_OK)
                    fail_msg("shape %d, rank %d of %d: another step. %s (seed %llu)", i, rank, size,
                             workers[rank].error.text, (unsigned long long)network_source.seed);
            /* None where every rank did all of it. */
            for (int rank = 1; rank < size; rank++)
                assert_true(workers[rank].account[0].of[RHM_ACCOUNT_REDUCE].sent > 0);
        }
        free(expected);
        problem_free(&instance);
    }
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

/* Rank 1 fails before its first step: the others' steps change nothing. */
static void fail_early(worker *w) {
    rhm_engine *engine = NULL;
    rhm_network *network = NULL;
    rhm_network_result result;
    w->status = begin(w, &engine, &network);
    if (w->rank == 1) {
        snprintf(w->error.text, sizeof w->error.text, "its disk is full");
        w->status = RHM_FAILED;
    } else if (w->status == RHM_OK) {
        w->status = step_at(network, 0, &result, &w->error);
        if (w->status == RHM_FAILED && !is_expected(network))
            w->status = RHM_INVALID;
    }
    rhm_network_free(network);
    rhm_engine_destroy(engine);
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void a_step_without_a_rank_changes_nothing(void **state) {
    (void)state;
    const rhm_network_shape shape = network_shape(2, 2, 6, 4, 260, true);
    instance = problem_of(&shape, BATCH);
    freezes = false;
    expected = calloc(2 * instance.layout.parameters, sizeof *expected);
    memcpy(expected, instance.parameters, instance.layout.parameters * sizeof *expected);
    for (int size = 2; size <= 3; size++) {
        run_all(size, fail_early);
        for (int rank = 0; rank < size; rank++) {
            assert_int_equal(workers[rank].status, RHM_FAILED);
            assert_non_null(strstr(workers[rank].error.text, "its disk is full"));
        }
        for (int rank = 0; rank < size; rank++)
            clean_up(&workers[rank]);
    }
    free(expected);
    problem_free(&instance);
}

int main(void) {
    open_boxes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_rows_are_summed_in_the_tree),
        cmocka_unit_test(steps_do_not_depend_on_the_number_of_ranks),
        cmocka_unit_test(a_step_without_a_rank_changes_nothing),
    };
    return cmocka_run_group_tests_name("network of ranks", tests, NULL, NULL);
}
