/* Grids: what cells a text or a file says, in which order, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rhm/sweep.h"

/* All cells as "a=1 b=2 | a=1 b=3 | ". */
static void describe(char *text, size_t nbytes, const rhm_grid *grid) {
    *text = '\0';
    for (uint64_t i = 0; i < rhm_grid_count(grid); i++) {
        rhm_grid_setting settings[RHM_GRID_MAX_AXES];
        const size_t count = rhm_grid_cell(grid, i, settings);
        for (size_t j = 0; j < count; j++)
            snprintf(text + strlen(text), nbytes - strlen(text), "%s=%s ", settings[j].name, settings[j].value);
        snprintf(text + strlen(text), nbytes - strlen(text), "| ");
    }
}

static void expect(rhm_grid *grid, const char *cells) {
    char text[4096];
    describe(text, sizeof text, grid);
    assert_string_equal(text, cells);
    rhm_grid_destroy(grid);
}

static rhm_grid *parsed(const char *text) {
    rhm_grid *grid;
    rhm_error error = {0};
    if (rhm_grid_parse(&grid, text, &error) != RHM_OK)
        fail_msg("%s: %s", text, error.text);
    return grid;
}

static void cells_come_in_order(void **state) {
    (void)state;
    expect(parsed("a=1,2; b=x,y"), "a=1 b=x | a=1 b=y | a=2 b=x | a=2 b=y | ");
    expect(parsed(" a = 1 , 2 ;; b=x ; "), "a=1 b=x | a=2 b=x | ");
    expect(parsed("a=1,2 | b=x; a=3"), "a=1 | a=2 | b=x a=3 | ");
    expect(parsed("vocab=8,(8,16,16)"), "vocab=8 | vocab=8,16,16 | ");
}

static void ranges_are_spelt_out(void **state) {
    (void)state;
    expect(parsed("a=2..5"), "a=2 | a=3 | a=4 | a=5 | ");
    expect(parsed("a=1..6+2"), "a=1 | a=3 | a=5 | ");
    expect(parsed("a=1000..20000*4"), "a=1000 | a=4000 | a=16000 | ");
    expect(parsed("a=0..1+0.5"), "a=0 | a=0.5 | a=1 | ");
    expect(parsed("a=1e3..1e5*10"), "a=1000 | a=10000 | a=100000 | ");
    expect(parsed("a=0.1..0.4*2,auto"), "a=0.1 | a=0.2 | a=0.4 | a=auto | ");
    expect(parsed("data=../d.h5,a..b"), "data=../d.h5 | data=a..b | ");
    rhm_grid *tenths = parsed("a=0..1+0.1");
    assert_int_equal(rhm_grid_count(tenths), 11);
    rhm_grid_destroy(tenths);
}

static void axes_are_named_once(void **state) {
    (void)state;
    rhm_grid *grid = parsed("b=1; a=2 | a=3; c=1");
    const char *names[RHM_GRID_MAX_AXES];
    assert_int_equal(rhm_grid_axes(grid, names), 3);
    assert_string_equal(names[0], "b");
    assert_string_equal(names[1], "a");
    assert_string_equal(names[2], "c");
    rhm_grid_destroy(grid);
}

static void malformed_ones_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",         "|",       "a",        "=1",       "a=",           "a=1,,2",
        "a=1; a=2", "a=5..2",  "a=1..5+0", "a=1..8*1", "a=0..8*2",     "a=1..",
        "a=1..5+x", "a=(8,16", "a=8)",     "a=()",     "a=1..9999999", "a=1..1000; b=1..1000; c=1..2",
        "a=1 |",    "a=\xff",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        rhm_grid *grid = (rhm_grid *)&grid;
        rhm_error error = {0};
        if (rhm_grid_parse(&grid, wrong[i], &error) != RHM_INVALID)
            fail_msg("'%s' is accepted", wrong[i]);
        assert_null(grid);
        assert_true(strlen(error.text) > 20);
    }
}

static rhm_status loaded(rhm_grid **grid, const char *json, rhm_error *error) {
    char name[] = "/tmp/rhm-grid-XXXXXX";
    const int file = mkstemp(name);
    assert_true(file >= 0 && write(file, json, strlen(json)) == (ssize_t)strlen(json));
    close(file);
    const rhm_status status = rhm_grid_load(grid, name, error);
    unlink(name);
    return status;
}

static void files_say_the_same(void **state) {
    (void)state;
    rhm_grid *grid;
    rhm_error error = {0};
    assert_int_equal(
        loaded(&grid, "{\"vocab\": [8, [8, 16.5]], \"levels\": \"2..3\", \"require-identifiable\": true}", &error),
        RHM_OK);
    expect(grid, "vocab=8 levels=2 require-identifiable=on | vocab=8 levels=3 require-identifiable=on | "
                 "vocab=8,16.5 levels=2 require-identifiable=on | vocab=8,16.5 levels=3 require-identifiable=on | ");
    assert_int_equal(loaded(&grid, "[{\"a\": 1}, {\"b\": [\"x\", \"1..2\"]}]", &error), RHM_OK);
    expect(grid, "a=1 | b=x | b=1 | b=2 | ");
    static const char *const wrong[] = {"",
                                        "{",
                                        "[]",
                                        "{}",
                                        "[1]",
                                        "{\"a\": null}",
                                        "{\"a\": []}",
                                        "{\"a\": [[]]}",
                                        "{\"a\": {\"b\": 1}}",
                                        "{\"a\": 1, \"a\": 2}",
                                        "3",
                                        "{\"a\": [[[1]]]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (loaded(&grid, wrong[i], &error) != RHM_INVALID || grid)
            fail_msg("'%s' is accepted", wrong[i]);
    assert_int_equal(rhm_grid_load(&grid, "/nonexistent/grid.json", &error), RHM_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_come_in_order), cmocka_unit_test(ranges_are_spelt_out),
        cmocka_unit_test(axes_are_named_once), cmocka_unit_test(malformed_ones_are_refused),
        cmocka_unit_test(files_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
