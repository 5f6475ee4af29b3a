/* Features as products of phasors: what they are, when they pay, the same bits for any team. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "kernels/operator.h"
#include "kernels/phasors.h"

static const uint64_t SEED = 20260119;

enum { EMBEDDING = 5, PADDED = 48, CLASSES = 6, ROWS = 29, COUNT = 100, MOST_TOKENS = 4 };

typedef struct level {
    float half_turns[MOST_TOKENS * EMBEDDING * PADDED], offset[PADDED], table[ROWS * EMBEDDING], w[CLASSES * 256];
    uint32_t ids[COUNT * MOST_TOKENS];
    rhm_phase_map map;
    rhm_patch_rows patches;
} level;

static void fill(rhm_random *random, float *to, size_t count, float scale) {
    for (size_t i = 0; i < count; i++)
        to[i] = scale * (2 * (float)rhm_random_word(random) * 0x1p-32f - 1);
}

static level *make_level(size_t tokens) {
    level *l = calloc(1, sizeof *l);
    assert_non_null(l);
    rhm_random random = {.seed = SEED, .stream = (uint32_t)tokens};
    fill(&random, l->half_turns, tokens * EMBEDDING * PADDED, 2);
    fill(&random, l->offset, PADDED, 1);
    fill(&random, l->table, ROWS * EMBEDDING, 1);
    fill(&random, l->w, CLASSES * 256, 1);
    assert_true(rhm_feature_stride(PADDED) <= 256);
    for (size_t i = 0; i < COUNT * tokens; i++)
        l->ids[i] = rhm_random_below(&random, ROWS);
    l->map = (rhm_phase_map){
        .tokens = tokens, .embedding = EMBEDDING, .padded = PADDED, .half_turns = l->half_turns, .offset = l->offset};
    l->patches = (rhm_patch_rows){l->table, l->ids, COUNT};
    return l;
}

static void must(rhm_status status, const rhm_error *error) {
    if (status != RHM_OK)
        fail_msg("%s", error->text);
}

typedef struct features {
    float x[COUNT][PADDED * 2 + 80], y[COUNT * CLASSES];
} features;

static features *run(level *l, int threads, const char *isa) {
    features *out = calloc(1, sizeof *out);
    assert_non_null(out);
    rhm_engine *engine;
    rhm_error error = {0};
    must(rhm_engine_create(&engine, &(rhm_engine_options){.threads = threads, .isa = isa}, &error), &error);
    rhm_operator op;
    must(rhm_operator_init_native(&op, engine, &l->map, CLASSES, &error), &error);
    must(rhm_operator_set_weights(&op, l->w, &error), &error);
    must(rhm_operator_share(&op, l->table, ROWS, SIZE_MAX, &error), &error);
    assert_int_equal(op.phasor_rows, l->map.tokens > 1 ? ROWS : 0);
    assert_true(rhm_operator_feature_terms(&op) ==
                (op.phasor_rows ? 3.0 * (double)(l->map.tokens - 1) : (double)EMBEDDING));
    /* The table may move and change: what was made of it stays. */
    level *moved = malloc(sizeof *moved);
    assert_non_null(moved);
    memcpy(moved, l, sizeof *moved);
    if (op.phasor_rows)
        memset(l->table, 0, sizeof l->table);
    must(op.operations->features(&op, 0, &l->patches, out->x[0], &error), &error);
    must(op.operations->forward(&op, 0, &l->patches, out->y, &error), &error);
    memcpy(l->table, moved->table, sizeof l->table);
    free(moved);
    rhm_operator_clear(&op);
    rhm_engine_destroy(engine);
    return out;
}

static void products_are_the_features(void **state) {
    (void)state;
    const double pi = acos(-1.0);
    for (size_t tokens = 1; tokens <= MOST_TOKENS; tokens++) {
        level *l = make_level(tokens);
        features *have = run(l, 1, NULL);
        double worst = 0;
        for (size_t i = 0; i < COUNT; i++)
            for (size_t k = 0; k < PADDED; k++) {
                double z = (double)l->offset[k];
                for (size_t j = 0; j < tokens * EMBEDDING; j++)
                    z += (double)l->half_turns[(k / RHM_LANES * tokens * EMBEDDING + j) * RHM_LANES + k % RHM_LANES] *
                         (double)l->table[l->ids[i * tokens + j / EMBEDDING] * EMBEDDING + j % EMBEDDING];
                worst = fmax(worst, fabs(cos(pi * z) - (double)have->x[i][rhm_feature_index(k, 0)]));
                worst = fmax(worst, fabs(sin(pi * z) - (double)have->x[i][rhm_feature_index(k, 1)]));
            }
        print_message("%zu tokens: off by %.3g at most\n", tokens, worst);
        if (!(worst < 3e-6)) /* phases of up to 2 * EMBEDDING half turns a token in single precision */
            fail_msg("seed %llu, %zu tokens: off by %.3g", (unsigned long long)SEED, tokens, worst);
        free(have), free(l);
    }
}

static void any_team_and_isa_gives_the_same_bits(void **state) {
    (void)state;
    for (size_t tokens = 2; tokens <= MOST_TOKENS; tokens++) {
        level *l = make_level(tokens);
        features *one = run(l, 1, "scalar"), *three = run(l, 3, NULL);
        assert_memory_equal(one, three, sizeof *one);
        free(one), free(three), free(l);
    }
}

static void they_pay_where_tokens_repeat(void **state) {
    (void)state;
    assert_true(rhm_phasors_pay(2, 16, 2048, 64, 1024));        /* level L - 1 of the default instance */
    assert_true(rhm_phasors_pay(2, 16, 1024, 1024, 262144));    /* level L - 2 */
    assert_false(rhm_phasors_pay(2, 16, 1024, 524288, 262144)); /* every token is new */
    assert_false(rhm_phasors_pay(2, 16, 1024, 64, 0));
    assert_false(rhm_phasors_pay(2, 16, 1024, 64, 64));      /* fewer patches than there are tokens at two positions */
    assert_false(rhm_phasors_pay(1, 16, 1024, 4, SIZE_MAX)); /* a patch of one token is a phasor already */
    assert_false(rhm_phasors_pay(2, 16, 1024, 1 << 20, SIZE_MAX));     /* no cache holds so many */
    assert_false(rhm_phasors_pay(2, 16, SIZE_MAX / 64, 16, SIZE_MAX)); /* nor is anything computed that overflows */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_the_features),
        cmocka_unit_test(any_team_and_isa_gives_the_same_bits),
        cmocka_unit_test(they_pay_where_tokens_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
