/* Tiles of a Gram matrix among ranks: each is made once, and is where the rows of products need it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/spread.h"
#include "kernels/operator.h"
#include "linear/gram_tiles.h"
#include "ranks/group.h"

enum { MOST_RANKS = 9 };

/* By the definition: groups begin..end-1 of a product's rows are this rank's. */
static bool is_needed(const rhm_gram_tiles *t, rhm_spread_part slices, size_t groups, size_t row, size_t column) {
    for (size_t group = slices.first * t->slice; group < slices.end * t->slice && group < groups; group++)
        if (group / RHM_GRAM_SIDE == row || group / RHM_GRAM_SIDE == column)
            return true;
    return false;
}

static void check(size_t groups, size_t slice, int size) {
    const size_t side = (groups + RHM_GRAM_SIDE - 1) / RHM_GRAM_SIDE, all = rhm_gram_tiles_of(side);
    int *made = calloc(all, sizeof *made);
    for (int rank = 0; rank < size; rank++) {
        rhm_ranks ranks = {.transport = {.rank = rank, .size = size}};
        const rhm_engine engine = {.ranks = &ranks};
        rhm_gram_tiles t;
        assert_int_equal(rhm_gram_tiles_init(&t, &engine, groups, slice, NULL), RHM_OK);
        const rhm_spread_part own = rhm_spread_own(&engine, t.slices);
        size_t kept = 0;
        for (size_t column = 0; column < side; column++)
            for (size_t row = 0; row <= column; row++) {
                const size_t number = rhm_gram_tile_number(row, column);
                const bool needed = is_needed(&t, own, groups, row, column);
                assert_int_equal(t.place[number] != UINT32_MAX, needed);
                if (needed)
                    assert_int_equal(rhm_gram_tile_place(&t, number), kept++);
            }
        assert_int_equal(kept, t.kept);
        for (size_t i = 0; i < t.made; i++) {
            made[rhm_gram_tile_made(&t, i)]++;
            assert_true(t.place[rhm_gram_tile_made(&t, i)] != UINT32_MAX);
        }
        rhm_gram_tiles_clear(&t);
    }
    for (size_t tile = 0; tile < all; tile++)
        if (made[tile] != 1)
            fail_msg("%zu groups, slices of %zu, %d ranks: tile %zu is made %d times", groups, slice, size, tile,
                     made[tile]);
    free(made);
}

static void every_tile_is_made_once_and_kept_where_it_is_needed(void **state) {
    (void)state;
    for (int size = 1; size <= MOST_RANKS; size++)
        for (size_t slice = 1; slice <= RHM_GRAM_SIDE / 2; slice *= 2)
            for (size_t groups = 2; groups <= 130; groups += groups < 20 ? 2 : 22)
                check(groups, slice, size);
}

/* Of R ranks each keeps 2/R - 1/R^2, and makes an equal share, where the rows of tiles divide. */
static void shares_are_small(void **state) {
    (void)state;
    for (int size = 2; size <= 8; size *= 2) {
        const size_t side = 64, all = rhm_gram_tiles_of(side);
        for (int rank = 0; rank < size; rank++) {
            rhm_ranks ranks = {.transport = {.rank = rank, .size = size}};
            const rhm_engine engine = {.ranks = &ranks};
            const double part = 1.0 / size, most = (2 * part - part * part + 0.02) * (double)all;
            rhm_gram_tiles t;
            assert_int_equal(rhm_gram_tiles_init(&t, &engine, side * RHM_GRAM_SIDE, RHM_GRAM_SIDE / 2, NULL), RHM_OK);
            assert_true((double)t.kept <= most);
            assert_true((double)t.made <= (part + 0.02) * (double)all);
            rhm_gram_tiles_clear(&t);
        }
    }
}

static void a_process_alone_has_all(void **state) {
    (void)state;
    const rhm_engine engine = {0};
    rhm_gram_tiles t;
    assert_int_equal(rhm_gram_tiles_init(&t, &engine, 100, 4, NULL), RHM_OK);
    assert_true(t.kept == t.made && t.made == rhm_gram_tiles_of(t.side));
    assert_true(rhm_gram_tile_place(&t, 17) == 17 && rhm_gram_tile_made(&t, 17) == 17);
    rhm_gram_tiles_clear(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tile_is_made_once_and_kept_where_it_is_needed),
        cmocka_unit_test(shares_are_small),
        cmocka_unit_test(a_process_alone_has_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
