/* Tokens as one-hot rows and integers, against their definition. */
#include "derivations.h"
#include "learning.h"

#include "rhm/encoding.h"

enum { ROWS = 700, WIDTH = 8 };

static uint16_t tokens[ROWS * WIDTH];

static void fill_tokens(uint32_t vocab) {
    uint64_t random = vocab;
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        tokens[i] = (uint16_t)test_random(&random, vocab);
}

/* In both layouts, whitened or not, picked or in order, small and larger than caches (which goes another way). */
static void one_hot_is_what_it_says(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    rhm_error error = {0};
    for (int variant = 0; variant < 16; variant++) {
        const rhm_one_hot how = {.vocab = variant & 8   ? 500
                                          : variant & 4 ? 33
                                                        : 7,
                                 .on = variant & 1 ? 0.96f : 1,
                                 .off = variant & 1 ? -0.25f : 0,
                                 .channels_last = variant & 2};
        int64_t row[ROWS];
        for (int64_t i = 0; i < ROWS; i++)
            row[i] = variant & 4 ? (7 * i + 3) % ROWS : i;
        fill_tokens(how.vocab);
        const rhm_token_rows rows = {tokens, ROWS, WIDTH, variant & 4 ? row : NULL, ROWS};
        float *out = calloc((size_t)ROWS * WIDTH * how.vocab, sizeof *out);
        assert_ok(rhm_encode_one_hot(engine, &how, &rows, out, &error), &error);
        for (size_t i = 0; i < ROWS; i++)
            for (size_t t = 0; t < WIDTH; t++)
                for (size_t v = 0; v < how.vocab; v++) {
                    const size_t at = how.channels_last ? t * how.vocab + v : v * WIDTH + t;
                    assert_true(out[i * WIDTH * how.vocab + at] ==
                                (tokens[(size_t)row[i] * WIDTH + t] == v ? how.on : how.off));
                }
        free(out);
    }
    rhm_engine_destroy(engine);
}

static void integers_are_tokens_and_more(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    rhm_error error = {0};
    int64_t out[ROWS * WIDTH];
    const int64_t row[3] = {ROWS - 1, 0, 5};
    fill_tokens(60000);
    assert_ok(rhm_encode_integers(engine, &(rhm_token_rows){tokens, ROWS, WIDTH, NULL, ROWS}, 1, out, &error), &error);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        assert_int_equal(out[i], tokens[i] + 1);
    assert_ok(rhm_encode_integers(engine, &(rhm_token_rows){tokens, ROWS * WIDTH, 1, row, 3}, 0, out, &error), &error);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(out[i], tokens[row[i]]);
    assert_ok(rhm_encode_integers(engine, &(rhm_token_rows){tokens, ROWS, WIDTH, NULL, 0}, 0, out, &error), &error);
    rhm_engine_destroy(engine);
}

static void what_is_not_there_is_refused(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_error error = {0};
    static float out[ROWS * WIDTH * 8];
    int64_t row[2] = {0, ROWS};
    const rhm_one_hot how = {.vocab = 7, .on = 1}, none = {.on = 1};
    rhm_token_rows rows = {tokens, ROWS, WIDTH, row, 2};
    fill_tokens(8);
    tokens[3] = 7;
    assert_int_equal(rhm_encode_one_hot(engine, &how, &rows, out, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "token 7 is out of range: allowed are 0 to 6"));
    tokens[3] = 0;
    fill_tokens(7);
    assert_int_equal(rhm_encode_one_hot(engine, &how, &rows, out, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "row 700 is not in the data: allowed are 0 to 699"));
    row[1] = -1;
    assert_int_equal(rhm_encode_integers(engine, &rows, 0, (int64_t[2 * WIDTH]){0}, &error), RHM_INVALID);
    rows = (rhm_token_rows){tokens, ROWS, WIDTH, NULL, ROWS + 1};
    assert_int_equal(rhm_encode_one_hot(engine, &how, &rows, out, &error), RHM_INVALID);
    assert_int_equal(rhm_encode_one_hot(engine, &none, &rows, out, &error), RHM_INVALID);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_hot_is_what_it_says),
        cmocka_unit_test(integers_are_tokens_and_more),
        cmocka_unit_test(what_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
