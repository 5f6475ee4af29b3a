/* Work that callers share among ranks, whole numbers, and texts that nobody waits for. */
#include "mailboxes.h"

enum { ITEMS = 29, TOGETHER = 4 };

static void collect_items(worker *w) {
    const rhm_ranks_part own = rhm_ranks_share(w->ranks, ITEMS, TOGETHER);
    assert_true(own.first % TOGETHER == 0 || own.first == ITEMS);
    for (size_t i = own.first; i < own.end; i++)
        w->rows[i] = (double)i;
    w->status = rhm_ranks_collect(w->ranks, w->rows, sizeof *w->rows, ITEMS, TOGETHER, &w->error);
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void rank_0_gets_all_shares(void **state) {
    (void)state;
    for (int size = 2; size <= MOST_RANKS; size++) {
        for (int rank = 0; rank < MOST_RANKS; rank++)
            memset(workers[rank].rows, 0, sizeof workers[rank].rows);
        run_all(size, collect_items);
        for (int rank = 0; rank < size; rank++)
            assert_int_equal(workers[rank].status, RHM_OK);
        for (int i = 0; i < ITEMS; i++)
            assert_true(workers[0].rows[i] == i);
    }
}

static void add_numbers(worker *w) {
    uint64_t number[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        number[i] = (UINT64_C(1) << 60) / 8 + (uint64_t)(w->rank * i);
    w->status = rhm_ranks_add(w->ranks, number, ITEMS, &w->error);
    for (int i = 0; i < ITEMS; i++)
        assert_true(number[i] ==
                    (UINT64_C(1) << 60) / 8 * (uint64_t)w->size + (uint64_t)(w->size * (w->size - 1) / 2 * i));
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void whole_numbers_are_added_exactly(void **state) {
    (void)state;
    for (int size = 2; size <= MOST_RANKS; size++) {
        run_all(size, add_numbers);
        for (int rank = 0; rank < size; rank++)
            assert_int_equal(workers[rank].status, RHM_OK);
    }
}

/* Every rank but the first answers what it is told, until that is nothing. */
static void pass_texts(worker *w) {
    static const char *const words[] = {"one", "a longer one", ""};
    char *text;
    int from, heard = 0;
    for (int i = 0; i < 3; i++)
        for (int rank = 1; w->rank == 0 && rank < w->size; rank++)
            w->status |= rhm_ranks_post(w->ranks, rank, words[i], &w->error);
    while (w->status == RHM_OK && heard < (w->rank == 0 ? 3 * (w->size - 1) : 3)) {
        w->status = rhm_ranks_fetch(w->ranks, &text, &from, &w->error);
        if (!text)
            continue;
        if (w->rank > 0) {
            assert_string_equal(text, words[heard]);
            assert_int_equal(from, 0);
            w->status |= rhm_ranks_post(w->ranks, 0, text, &w->error);
        } else {
            assert_in_range(from, 1, w->size - 1);
        }
        free(text);
        heard++;
    }
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void texts_come_in_their_order(void **state) {
    (void)state;
    run_all(MOST_RANKS, pass_texts);
    for (int rank = 0; rank < MOST_RANKS; rank++)
        assert_int_equal(workers[rank].status, RHM_OK);
}

int main(void) {
    open_boxes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_0_gets_all_shares),
        cmocka_unit_test(whole_numbers_are_added_exactly),
        cmocka_unit_test(texts_come_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
