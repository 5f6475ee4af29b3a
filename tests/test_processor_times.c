/* What processors did since the system started, against itself and against what this process took. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "engine/processor_times.h"

static double own_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void one_processor_is_a_part_of_all(void **state) {
    (void)state;
    rhm_processor_times one, all;
    if (!rhm_processor_times_read(&one, 0))
        skip();
    assert_true(rhm_processor_times_read(&all, -1));
    assert_true(one.busy > 0 && one.busy <= all.busy + 0.1);
    assert_true(one.stolen >= 0 && one.stolen <= all.stolen + 0.1);
    assert_false(rhm_processor_times_read(&one, 1 << 20));
}

static void what_we_take_is_not_that_of_others(void **state) {
    (void)state;
    const rhm_processor_others others = rhm_processor_others_begin();
    rhm_processor_times after;
    if (!others.known)
        skip();
    for (const double begin = own_seconds(); own_seconds() - begin < 0.1;)
        ;
    const rhm_processor_times taken = rhm_processor_others_since(&others);
    assert_true(rhm_processor_times_read(&after, -1));
    assert_true(taken.busy >= 0 && taken.stolen >= 0);
    assert_true(taken.busy <= fmax(0, after.busy - others.begin.busy - 0.1) + 1e-9);
    const rhm_processor_others unknown = {0};
    assert_true(isnan(rhm_processor_others_since(&unknown).busy));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_processor_is_a_part_of_all),
        cmocka_unit_test(what_we_take_is_not_that_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
