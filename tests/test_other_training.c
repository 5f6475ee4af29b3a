/* A checkpoint of one training is no place for another to go on from: what differs is said. */
#include "kept_training.h"

static void with_seed(rhm_train_options *o) {
    o->seed = 6;
}

static void with_max_width(rhm_train_options *o) {
    o->max_width = 64;
}

static void with_several(rhm_train_options *o) {
    *o = (rhm_train_options){.seed = 5, .draw = RHM_DRAW_SAMPLES, .width = 64, .max_samples = 2000};
}

static void with_samples(rhm_train_options *o) {
    o->samples[2] = 9;
}

static void with_ridges(rhm_train_options *o) {
    o->ridge[1] = RHM_RIDGE_PAPER;
    o->ridge[2] = 0.25;
}

static void with_bandwidths(rhm_train_options *o) {
    o->bandwidth[1] = o->bandwidth[2] = 0.5;
}

static void with_solver(rhm_train_options *o) {
    o->solver = RHM_GD;
}

static void with_draw(rhm_train_options *o) {
    o->draw = RHM_DRAW_AUTO;
}

static void with_raw(rhm_train_options *o) {
    o->raw = true;
}

static void with_tolerance(rhm_train_options *o) {
    o->tolerance = 0.125;
}

static void with_max_seconds(rhm_train_options *o) {
    o->max_seconds = 2;
}

static void with_test_samples(rhm_train_options *o) {
    o->test_samples = 0; /* as many as usual */
}

static void other_options_are_refused(void **state) {
    (void)state;
    static const struct {
        void (*change)(rhm_train_options *options);
        const char *words[3];
    } cases[] = {
        {with_seed, {"data-seed is 5 there and 6"}},
        {with_max_width, {"max-width is 128 there and 64"}},
        {with_several, {"width is auto there and 64", "max-samples is 20000 there", "test-samples is 500"}},
        {with_samples, {"samples is auto there and 9,auto here"}},
        {with_ridges, {"ridge is auto there and 0.25,paper here"}},
        {with_bandwidths, {"bandwidth is auto there and 0.5 here"}},
        {with_solver, {"solver is cg there and gd here"}},
        {with_draw, {"draw is samples there and auto here"}},
        {with_raw, {"distinct is on there and off here"}},
        {with_tolerance, {"tolerance is", "0.125 here"}},
        {with_max_seconds, {"max-seconds is no limit there and 2 here"}},
        {with_test_samples, {"test-samples is 500 there and 10000"}},
    };
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    interrupting run = {0};
    char hash[RHM_HASH_TEXT_NBYTES];
    rhm_error error = {0};
    leave_interrupted(grammar, NULL, quick());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t w = 0; w < 3 && cases[i].words[w]; w++) {
            rhm_train_options options = quick();
            cases[i].change(&options);
            assert_refused(go_on(grammar, NULL, options, true, &run, hash, &error), RHM_INVALID, &error,
                           cases[i].words[w]);
        }
    run.backend = "auto";
    assert_refused(go_on(grammar, NULL, quick(), true, &run, hash, &error), RHM_INVALID, &error,
                   "backend is native there and auto here");
    run.backend = NULL;
    assert_refused(go_on(grammar, NULL, quick(), false, &run, hash, &error), RHM_INVALID, &error, "already");
    /* None of that has harmed it. */
    assert_ok(go_on(grammar, NULL, quick(), true, &run, hash, &error), &error);
    remove_directory("kept");
    rhm_grammar_destroy(grammar);
}

static void other_grammars_are_refused(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    const struct {
        rhm_shape shape;
        uint64_t seed;
        const char *words;
    } cases[] = {
        {rhm_shape_uniform(8, 4, 2, 2), rhm_grammar_seed(grammar) + 1, "seed is"},
        {rhm_shape_uniform(8, 4, 2, 3), SEED, "levels is 2 there and 3 here"},
        {rhm_shape_uniform(8, 3, 2, 2), SEED, "rules is 4 there and 3 here"},
    };
    interrupting run = {0};
    char hash[RHM_HASH_TEXT_NBYTES];
    rhm_error error = {0};
    leave_interrupted(grammar, NULL, quick());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_grammar *other = learnable_grammar(cases[i].shape, cases[i].seed);
        assert_refused(go_on(other, NULL, quick(), true, &run, hash, &error), RHM_INVALID, &error, cases[i].words);
        rhm_grammar_destroy(other);
    }
    remove_directory("kept");
    rhm_grammar_destroy(grammar);
}

static void other_data_are_refused(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    rhm_data data = sample_rows(grammar, true, 6000, SEED);
    interrupting run = {0};
    char hash[RHM_HASH_TEXT_NBYTES];
    rhm_error error = {0};
    leave_interrupted(grammar, NULL, quick());
    assert_refused(go_on(NULL, &data, quick(), true, &run, hash, &error), RHM_INVALID, &error,
                   "data (SHA-256) is none");
    remove_directory("kept");
    leave_interrupted(NULL, &data, quick());
    data.tokens[10000] ^= 1;
    assert_refused(go_on(NULL, &data, quick(), true, &run, hash, &error), RHM_INVALID, &error, "data (SHA-256)");
    remove_directory("kept");
    free_rows(&data);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(other_options_are_refused, start_afresh),
        cmocka_unit_test_setup(other_grammars_are_refused, start_afresh),
        cmocka_unit_test_setup(other_data_are_refused, start_afresh),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
