/* The options of training: each is in the table, and what the table allows is what training takes. */
#include <float.h>
#include <math.h>

#include "learning.h"
#include "training/options.h"

/* A member that the table misses would be checked by nobody, and let a checkpoint go on as another training. */
static void every_member_is_in_the_table(void **state) {
    (void)state;
    char seen[sizeof(rhm_train_options)] = {0};
    for (size_t i = 0; i < rhm_train_option_count; i++) {
        const rhm_train_option *option = &rhm_train_option_table[i];
        for (size_t b = 0; b < rhm_train_option_nbytes(option); b++)
            assert_int_equal(seen[option->place + b]++, 0);
    }
    memset(seen + offsetof(rhm_train_options, checkpoint), 1, sizeof(rhm_checkpoint_options));
    memset(seen + offsetof(rhm_train_options, watch), 1, sizeof seen - offsetof(rhm_train_options, watch));
    size_t padding = 0;
    for (size_t b = 0; b < sizeof seen; b++) {
        padding = seen[b] ? 0 : padding + 1;
        if (padding == sizeof(void *))
            fail_msg("rhm_train_options has a member at byte %zu that the table of training/options.c misses",
                     b + 1 - padding);
    }
}

static void put(rhm_train_options *options, const rhm_train_option *option, double value) {
    char *at = (char *)options + option->place;
    if (option->by_level)
        at += rhm_train_option_nbytes(option) / (RHM_MAX_LEVELS + 1);
    switch (option->kind) {
    case RHM_TRAIN_U32: *(uint32_t *)(void *)at = (uint32_t)value; break;
    case RHM_TRAIN_U64: *(uint64_t *)(void *)at = (uint64_t)value; break;
    default: *(double *)(void *)at = value; break;
    }
}

static rhm_status resolve(const rhm_train_option *option, double value, rhm_error *error) {
    rhm_train_options options = {0}, out;
    put(&options, option, value);
    return rhm_train_options_resolve(&out, &options, 2, error);
}

static void bounds_are_what_is_taken(void **state) {
    (void)state;
    size_t bounded = 0;
    for (size_t i = 0; i < rhm_train_option_count; i++) {
        const rhm_train_option *option = &rhm_train_option_table[i];
        double least, greatest;
        rhm_error error = {0};
        if (!rhm_train_option_bounds(option->name, &least, &greatest) || greatest >= 0x1p64 * (greatest < DBL_MAX))
            continue;
        bounded++;
        assert_ok(resolve(option, least, &error), &error);
        assert_ok(resolve(option, greatest, &error), &error);
        assert_ok(resolve(option, 0, &error), &error);
        const bool real = option->kind == RHM_TRAIN_REAL;
        const double wrong[] = {greatest < DBL_MAX ? greatest * 1.5 : (double)INFINITY, real ? -2 : greatest + 1,
                                real ? (double)NAN : greatest + 1};
        for (size_t w = 0; w < 3; w++)
            assert_refused(resolve(option, wrong[w], &error), RHM_INVALID, &error, option->name);
    }
    assert_true(bounded >= 11);
    double least, greatest;
    assert_false(rhm_train_option_bounds("solver", &least, &greatest));
    assert_false(rhm_train_option_bounds("no such option", &least, &greatest));
}

static void values_are_said_as_they_are_typed(void **state) {
    (void)state;
    const rhm_train_options options = {.learner = "table",
                                       .samples = {0, 0, UINT64_C(999999999999999)},
                                       .ridge = {0, RHM_RIDGE_PAPER, 0.1},
                                       .solver = RHM_GD_PAPER,
                                       .raw = true};
    static const struct {
        const char *name;
        uint32_t level;
        const char *text;
    } cases[] = {{"learner", 1, "table"},
                 {"samples", 1, "auto"},
                 {"samples", 2, "999999999999999"},
                 {"ridge", 1, "paper"},
                 {"ridge", 2, "0.10000000000000001"},
                 {"solver", 1, "gd-paper"},
                 {"distinct", 1, "off"},
                 {"draw", 1, "auto"},
                 {"max-seconds", 1, "no limit"},
                 {"data-seed", 1, "0"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const rhm_train_option *option = rhm_train_option_table;
        while (strcmp(option->name, cases[c].name) != 0)
            option++;
        char text[64];
        rhm_train_option_text(option, &options, cases[c].level, text, sizeof text);
        assert_string_equal(text, cases[c].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_in_the_table),
        cmocka_unit_test(bounds_are_what_is_taken),
        cmocka_unit_test(values_are_said_as_they_are_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
