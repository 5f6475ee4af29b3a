/* The walk behind latencies: one cycle through all lines, whatever their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>

#include "ceilings/chase.h"
#include "core/memory.h"

static void a_walk_meets_every_line_once(void **state) {
    (void)state;
    static const size_t counts[] = {1, 2, 3, 64, 1000};
    for (size_t n = 0; n < sizeof counts / sizeof *counts; n++) {
        const size_t lines = counts[n];
        char *memory = RHM_NEW(char, lines, RHM_CHASE_LINE_NBYTES, 1, "lines", NULL);
        rhm_chase_make(memory, lines * RHM_CHASE_LINE_NBYTES, 5);
        char *at = memory;
        for (size_t step = 0; step < lines; step++) {
            assert_true(step == 0 || at != memory);
            assert_true(at >= memory && at < memory + lines * RHM_CHASE_LINE_NBYTES);
            assert_int_equal((at - memory) % RHM_CHASE_LINE_NBYTES, 0);
            at = *(char **)(void *)at;
        }
        assert_ptr_equal(at, memory);
        const double seconds = rhm_chase_seconds(memory, lines * RHM_CHASE_LINE_NBYTES);
        assert_true(lines < 2 ? isnan(seconds) : seconds > 0);
        rhm_free(memory);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_walk_meets_every_line_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
