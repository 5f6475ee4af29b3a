/* The choice of a backend: names and obstacles, the measurement behind "auto", training with either. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"
#include "rhm/inference.h"
#include "rhm/learner.h"

enum { TOKENS = 2, EMBEDDING = 16, PADDED = 512, CLASSES = 16 };

static const float half_turns[TOKENS * EMBEDDING * PADDED], offset[PADDED];
static const rhm_phase_map map = {
    .tokens = TOKENS, .embedding = EMBEDDING, .padded = PADDED, .half_turns = half_turns, .offset = offset};

static void names_are_checked(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_error error = {0};
    rhm_engine_options options = {.backend = "abacus"};
    assert_int_equal(rhm_engine_create(&engine, &options, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "abacus"));
    assert_non_null(strstr(error.text, "native, onednn, auto"));
    options = (rhm_engine_options){.backend = "onednn", .isa = "scalar"};
    assert_int_equal(rhm_engine_create(&engine, &options, &error), RHM_UNSUPPORTED);
    assert_non_null(strstr(error.text, "onednn"));
    assert_null(engine);

    /* What cannot run is not an obstacle to auto, which then says so. */
    options.backend = "auto";
    must(rhm_engine_create(&engine, &options, &error), &error);
    rhm_operator op;
    must(rhm_operator_init(&op, engine, RHM_WORK_FORWARD, &map, CLASSES, 100000, &error), &error);
    assert_string_equal(op.backend, "native");
    rhm_operator_clear(&op);
    json_t *record = rhm_backend_record(engine);
    assert_true(json_is_string(json_object_get(record, "obstacle")));
    json_decref(record);
    rhm_engine_destroy(engine);
}

static void auto_takes_what_it_measured(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    rhm_engine *engine = must_start("auto", 2);
    rhm_error error = {0};
    rhm_operator op;
    static const char *const works[] = {"forward", "pass", "kept pass"};
    for (rhm_work work = RHM_WORK_FORWARD; work <= RHM_WORK_KEPT_PASS; work++) {
        /* A few patches are not worth a measurement, and what is native now may change later. */
        must(rhm_operator_init(&op, engine, work, &map, CLASSES, 3, &error), &error);
        assert_string_equal(op.backend, "native");
        rhm_operator_clear(&op);
        const char *taken = NULL;
        for (int again = 0; again < 3; again++) {
            must(rhm_operator_init(&op, engine, work, &map, CLASSES, 100000, &error), &error);
            assert_true(!taken || strcmp(taken, op.backend) == 0);
            taken = op.backend;
            rhm_operator_clear(&op);
        }
        json_t *record = rhm_backend_record(engine);
        assert_string_equal(json_string_value(json_object_get(record, "library")),
                            rhm_onednn_name(((rhm_backend *)engine->kernels_slot->state)->onednn));
        const json_t *choice = json_array_get(json_object_get(record, "choices"), (size_t)work);
        assert_string_equal(json_string_value(json_object_get(choice, "work")), works[work]);
        assert_string_equal(json_string_value(json_object_get(choice, "taken")), taken);
        assert_int_equal(json_integer_value(json_object_get(choice, "inputs")), 32);
        const double native = json_real_value(json_object_get(choice, "native_seconds"));
        const double onednn = json_real_value(json_object_get(choice, "onednn_seconds"));
        assert_true(native > 0 && onednn > 0 && native < 1e-2 && onednn < 1e-2);
        assert_int_equal(strcmp(taken, "onednn") == 0, onednn * 1.05 < native);
        json_decref(record);
    }
    char text[RHM_BACKEND_TEXT_NBYTES];
    rhm_backend_text(engine, text);
    assert_non_null(strstr(text, "of 3 shapes"));
    rhm_engine_destroy(engine);
}

typedef struct trained {
    double accuracy;
    rhm_level_report level[4];
    char hash[RHM_HASH_TEXT_NBYTES];
} trained;

/* With the first `positions` of every level, or all where there are fewer. */
static trained train(const char *backend, int threads, uint32_t positions) {
    const rhm_shape shape = rhm_shape_uniform(8, 4, 2, 3);
    rhm_train_options options = {.seed = 5, .width = 300, .test_samples = 2000};
    for (uint32_t l = 1; l <= 3; l++)
        options.samples[l] = l == 3 ? 20000 : l == 2 ? 20000 : 5000;
    for (uint32_t l = 1; l <= 3; l++) {
        options.bandwidth[l] = l == 3 ? 0.35 : l == 2 ? 0.1 : 0.25;
        options.ridge[l] = 1e-4;
        options.positions[l] = positions;
    }
    rhm_engine *engine = must_start(backend, threads);
    rhm_grammar *grammar;
    rhm_model *model;
    rhm_train_report report;
    rhm_error error = {0};
    must(rhm_grammar_draw(&grammar, &shape, RHM_FIRST_TOKEN_UNIFORM, 4, &error), &error);
    must(rhm_train(&model, &report, engine, grammar, &options, &error), &error);
    trained out = {.accuracy = report.test_accuracy};
    memcpy(out.level, report.level, sizeof out.level);
    rhm_model_hash(model, out.hash);
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
    return out;
}

static void compare_training(uint32_t positions) {
    const trained native = train("native", 2, positions), one = train("onednn", 1, positions);
    const trained two = train("onednn", 2, positions);
    print_message("%u positions, test accuracy: native %.4f, oneDNN %.4f\n", positions, native.accuracy, one.accuracy);
    assert_true(native.accuracy >= 0.99);
    assert_true(fabs(one.accuracy - native.accuracy) <= 0.002);
    for (uint32_t l = 1; l <= 3; l++) {
        assert_int_equal(one.level[l].positions, l == 1 ? 1 : positions);
        assert_int_equal(one.level[l].distinct_patches, native.level[l].distinct_patches);
        assert_true(fabs(one.level[l].held_out_loss - native.level[l].held_out_loss) <=
                    1e-3 * native.level[l].held_out_loss);
        assert_true(fabs(one.level[l].separation - native.level[l].separation) <= 1e-2 * native.level[l].separation);
        assert_true(one.level[l].residual <= 1.5e-4);
    }
    assert_string_equal(one.hash, two.hash);
    assert_string_not_equal(one.hash, native.hash);
}

static void training_comes_out_the_same(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    for (uint32_t positions = 1; positions <= 2; positions++)
        compare_training(positions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(auto_takes_what_it_measured),
        cmocka_unit_test(training_comes_out_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
