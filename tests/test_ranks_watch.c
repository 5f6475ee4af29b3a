/* Since when a rank counts as silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ranks/watch.h"

static void silence_counts_while_somebody_listens(void **state) {
    (void)state;
    assert_true(rhm_watch_excused(100, 0, 100) == 100);
    assert_true(rhm_watch_excused(100, 0.25, 107) == 100);
    assert_true(rhm_watch_excused(100, RHM_AWAY_SECONDS, 107) == 100);
}

static void time_away_does_not_count(void **state) {
    (void)state;
    assert_true(rhm_watch_excused(100, 30, 140) == 130);
    assert_true(rhm_watch_excused(100, 30, 130) == 130);
}

/* A sign that was found on coming back is as old as that, not younger. */
static void nobody_is_heard_of_in_the_future(void **state) {
    (void)state;
    for (double heard = 100; heard <= 140; heard += 0.5)
        for (double away = 0; away <= 60; away += 0.75) {
            const double excused = rhm_watch_excused(heard, away, 140);
            assert_true(excused <= 140 && excused >= heard);
            /* Once more without having been away: nothing changes. */
            assert_true(rhm_watch_excused(excused, 0, 140) == excused);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_counts_while_somebody_listens),
        cmocka_unit_test(time_away_does_not_count),
        cmocka_unit_test(nobody_is_heard_of_in_the_future),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
