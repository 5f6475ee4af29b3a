/* What ranks do together, over mailboxes between threads: every number of ranks ends with the bits of a single process.
 */
#include <math.h>

#include "core/philox.h"
#include "mailboxes.h"
#include "rhm/plan.h"

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

/* Sums that round; and of so few columns that they go up the tree, or so many that all ranks share them. */
static double values[ROWS * SIZE];
static const struct {
    size_t rows, size;
} shapes[] = {{ROWS, 5}, {ROWS, SIZE}, {1, SIZE}, {3, SIZE}, {11, SIZE}, {32, SIZE}, {2, 1}};
enum { SHAPES = sizeof shapes / sizeof *shapes };
static size_t row_count, row_size; /* of the shape that is tried */

static void draw_values(void) {
    for (size_t i = 0; i < ROWS * SIZE; i++) {
        const rhm_philox_block block = rhm_philox(7, i, 9, 0);
        values[i] = (double)block.word[0] * 0x1p-32 - 0.5 + 1e8 * (double)(block.word[1] % 7);
    }
}

/* The sum of rows i .. i + 2^j - 1, as far as there are any, from its definition. */
static double tree_sum(size_t row, size_t span, size_t column) {
    if (span == 1)
        return values[row * row_size + column];
    const double left = tree_sum(row, span / 2, column);
    return row + span / 2 < row_count ? left + tree_sum(row + span / 2, span / 2, column) : left;
}

/* Equal shares, the first ranks' larger by one, as engine/spread.h has them. */
static size_t begin_of(int size, int rank) {
    size_t begin = 0;
    for (int before = 0; before < rank; before++)
        begin += row_count / (size_t)size + ((size_t)before < row_count % (size_t)size);
    return begin;
}

/* Add up what lies in the own part, as rhm_spread_reduce does with all threads. */
static void reduce_own(double *rows, size_t first, size_t end) {
    for (size_t step = 1; step < row_count; step *= 2)
        for (size_t row = 0; row + step < row_count; row += 2 * step)
            if (row >= first && (row + 2 * step < row_count ? row + 2 * step : row_count) <= end)
                for (size_t column = 0; column < row_size; column++)
                    rows[row * row_size + column] += rows[(row + step) * row_size + column];
}

static void sum_rows(worker *w) {
    size_t first[MOST_RANKS + 1];
    for (int rank = 0; rank <= w->size; rank++)
        first[rank] = begin_of(w->size, rank);
    for (size_t i = 0; i < row_count * row_size; i++) { /* what others have is not there */
        const bool own = i / row_size >= first[w->rank] && i / row_size < first[w->rank + 1];
        w->rows[i] = own ? values[i] : -1e300;
    }
    reduce_own(w->rows, first[w->rank], first[w->rank + 1]);
    w->status = rhm_ranks_sum(w->ranks, w->rows, row_count, first, row_size, row_size, w->out, &w->error);
    w->account[0] = w->ranks->account;
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void take_shape(size_t shape) {
    row_count = shapes[shape].rows;
    row_size = shapes[shape].size;
    draw_values();
}

static void sums_do_not_depend_on_the_number_of_ranks(void **state) {
    (void)state;
    for (size_t shape = 0; shape < SHAPES; shape++) {
        take_shape(shape);
        for (int size = 1; size <= MOST_RANKS; size++) {
            run_all(size, sum_rows);
            for (size_t column = 0; column < row_size; column++) {
                const double expected = tree_sum(0, 64, column);
                for (int rank = 0; rank < size; rank++) {
                    assert_int_equal(workers[rank].status, RHM_OK);
                    assert_memory_equal(&workers[rank].out[column], &expected, sizeof expected);
                }
            }
        }
    }
}

/* ---- parts of all ranks ------------------------------------------------------------------------------------------ */

/* Rank r has r bytes: rank 0 none. */
static void gather_parts(worker *w) {
    size_t begin[MOST_RANKS + 1] = {0};
    for (int rank = 0; rank < w->size; rank++)
        begin[rank + 1] = begin[rank] + (size_t)rank;
    memset(w->all + begin[w->rank], 'a' + w->rank, (size_t)w->rank);
    w->status = rhm_ranks_gather(w->ranks, w->all, begin, &w->error);
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void every_rank_gets_all_parts(void **state) {
    (void)state;
    for (int size = 1; size <= MOST_RANKS; size++) {
        run_all(size, gather_parts);
        for (int rank = 0; rank < size; rank++) {
            assert_int_equal(workers[rank].status, RHM_OK);
            for (int from = 0, at = 0; from < size; from++)
                for (int i = 0; i < from; i++)
                    assert_int_equal(workers[rank].all[at++], 'a' + from);
        }
    }
}

/* rhm plan counts what was sent, and takes for it no less than the longest chain of messages. */
static void check_plan_of_sum(int size) {
    double sent = 0, sent_nbytes = 0, clock[MOST_RANKS];
    int depth = 0;
    run_all(size, sum_rows);
    for (int rank = 0; rank < size; rank++)
        for (int kind = 0; kind < RHM_ACCOUNT_KINDS; kind++) {
            sent += (double)workers[rank].account[0].of[kind].sent;
            sent_nbytes += (double)workers[rank].account[0].of[kind].sent_nbytes;
        }
    for (int reach = 2; reach <= size; reach *= 2)
        depth++;
    rhm_plan_cluster cluster = rhm_plan_cluster_default(size, 1, 4);
    cluster.within = (rhm_plan_link){1, 1e300};
    const rhm_plan_messages foreseen =
        rhm_plan_sum(&cluster, (double)row_count, (double)row_size * sizeof(double), clock);
    assert_true(foreseen.count == sent && fabs(foreseen.nbytes - sent_nbytes) <= 1e-9 * sent_nbytes);
    assert_true(foreseen.seconds >= depth + (size > 1 && row_count > 1) && foreseen.seconds <= foreseen.count + 1);
}

static void a_plan_foresees_the_messages_of_a_sum(void **state) {
    (void)state;
    for (size_t shape = 0; shape < SHAPES; shape++) {
        take_shape(shape);
        for (int size = 1; size <= MOST_RANKS; size++)
            check_plan_of_sum(size);
    }
}

/* ---- accounts ---------------------------------------------------------------------------------------------------- */

/* A gather in which rank r has 8 (r + 1) bytes, a broadcast of 24, and a message of 3 from rank 0 to the last. */
static void send_some(worker *w) {
    size_t begin[MOST_RANKS + 1] = {0};
    char bytes[8 * MOST_RANKS * MOST_RANKS] = {0};
    for (int rank = 0; rank < w->size; rank++)
        begin[rank + 1] = begin[rank] + 8 * (size_t)(rank + 1);
    w->status = rhm_ranks_gather(w->ranks, bytes, begin, &w->error);
    if (w->status == RHM_OK)
        w->status = rhm_ranks_broadcast(w->ranks, bytes, 24, &w->error);
    if (w->status == RHM_OK && w->rank == 0)
        w->status = rhm_ranks_send(w->ranks, w->size - 1, bytes, 3, &w->error);
    if (w->status == RHM_OK && w->rank == w->size - 1)
        w->status = rhm_ranks_receive(w->ranks, 0, bytes, 3, &w->error);
    assert_null(rhm_ranks_account(w->ranks, 0));
    if (w->status == RHM_OK)
        w->status = rhm_ranks_tell_accounts(w->ranks, &w->error);
    for (int rank = 0; w->status == RHM_OK && rank < w->size; rank++)
        w->account[rank] = *rhm_ranks_account(w->ranks, rank);
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void messages_are_counted_exactly(void **state) {
    (void)state;
    for (int size = 2; size <= MOST_RANKS; size++) {
        run_all(size, send_some);
        uint64_t told = 0;
        for (int rank = 0; rank < size; rank++) {
            const rhm_rank_account *own = &workers[0].account[rank];
            assert_int_equal(workers[rank].status, RHM_OK);
            assert_memory_equal(workers[rank].account, workers[0].account, sizeof *own * (size_t)size);
            /* Round the ring go all parts but the one that the next rank has, and all but the own one come. */
            const uint64_t all = 4 * (uint64_t)(size * (size + 1)), next = 8 * (uint64_t)((rank + 1) % size + 1);
            assert_int_equal(own->of[RHM_ACCOUNT_GATHER].sent, size - 1);
            assert_int_equal(own->of[RHM_ACCOUNT_GATHER].sent_nbytes, all - next);
            assert_int_equal(own->of[RHM_ACCOUNT_GATHER].received, size - 1);
            assert_int_equal(own->of[RHM_ACCOUNT_GATHER].received_nbytes, all - 8 * (uint64_t)(rank + 1));
            assert_int_equal(own->of[RHM_ACCOUNT_BROADCAST].received, rank > 0);
            assert_int_equal(own->of[RHM_ACCOUNT_REDUCE].sent, 0);
            assert_int_equal(own->of[RHM_ACCOUNT_OTHER].sent_nbytes, rank == 0 ? 3 : 0);
            assert_int_equal(own->of[RHM_ACCOUNT_OTHER].received_nbytes, rank == size - 1 ? 3 : 0);
            assert_true(own->waited_seconds >= 0 && own->of[RHM_ACCOUNT_GATHER].seconds >= 0);
            told += own->of[RHM_ACCOUNT_BROADCAST].sent_nbytes;
        }
        assert_int_equal(told, 24 * (size - 1));
    }
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void fail_on_rank_two(worker *w) {
    double number = 1;
    w->status = w->rank == 2 ? RHM_NO_MEMORY : rhm_ranks_broadcast(w->ranks, &number, sizeof number, &w->error);
    if (w->rank == 2)
        strcpy(w->error.text, "no room for 7 tables");
    for (int i = 0; i < 1000 && w->status == RHM_OK; i++) /* until it is heard of */
        w->status =
            rhm_ranks_exchange(w->ranks, -1, NULL, 0, (w->rank + 1) % w->size, &number, sizeof number, &w->error);
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void a_failing_rank_fails_all_and_is_named(void **state) {
    (void)state;
    run_all(3, fail_on_rank_two);
    for (int rank = 0; rank < 3; rank++) {
        assert_int_equal(workers[rank].status, RHM_NO_MEMORY);
        assert_non_null(strstr(workers[rank].error.text, "rank 2"));
        assert_non_null(strstr(workers[rank].error.text, "no room for 7 tables"));
    }
    for (int rank = 0; rank < 3; rank++)
        clean_up(&workers[rank]);
}

static void wait_in_vain(worker *w) {
    char byte = 0;
    rhm_ranks_limit_silence(w->ranks, 0.05);
    if (w->rank == 1)
        return; /* and never leaves */
    w->status = rhm_ranks_receive(w->ranks, 1, &byte, 1, &w->error);
}

static void a_silent_rank_is_named(void **state) {
    (void)state;
    run_all(2, wait_in_vain);
    assert_int_equal(workers[0].status, RHM_FAILED);
    assert_non_null(strstr(workers[0].error.text, "rank 1"));
    assert_true(rhm_ranks_speaks(workers[0].ranks));
    for (int rank = 0; rank < 2; rank++)
        clean_up(&workers[rank]);
}

int main(void) {
    open_boxes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_do_not_depend_on_the_number_of_ranks),
        cmocka_unit_test(a_plan_foresees_the_messages_of_a_sum),
        cmocka_unit_test(every_rank_gets_all_parts),
        cmocka_unit_test(messages_are_counted_exactly),
        cmocka_unit_test(a_failing_rank_fails_all_and_is_named),
        cmocka_unit_test(a_silent_rank_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
