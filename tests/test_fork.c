/* A process that has trained, and forks: parent and child both go on with the engine, to the same bits. */
#include "learning.h"

#include <sys/wait.h>
#include <unistd.h>

static void hash_of(const rhm_engine *engine, const rhm_grammar *grammar, char hash[RHM_HASH_TEXT_NBYTES]) {
    rhm_model *model;
    rhm_error error = {0};
    const rhm_train_options options = {.seed = 3, .test_samples = 100};
    assert_ok(rhm_train(&model, NULL, engine, grammar, &options, &error), &error);
    rhm_model_hash(model, hash);
    rhm_model_destroy(model);
}

/* The child ends by _exit and not by cmocka's way out of a failed test; if it hangs its alarm ends it. */
static int status_of_child(rhm_engine *engine, const rhm_grammar *grammar, const char *expected) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(100);
        char hash[RHM_HASH_TEXT_NBYTES];
        hash_of(engine, grammar, hash);
        rhm_engine_destroy(engine);
        _exit(strcmp(hash, expected) != 0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void parent_and_child_go_on(void **state) {
    (void)state;
    static const rhm_engine_options engines[] = {
        {.threads = 3}, {.threads = 3, .placement = "none"}, {.threads = 2, .backend = "auto"}, {.threads = 1}};
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 2), 1);
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        rhm_engine *engine;
        rhm_error error = {0};
        assert_ok(rhm_engine_create(&engine, &engines[i], &error), &error);
        char before[RHM_HASH_TEXT_NBYTES], after[RHM_HASH_TEXT_NBYTES];
        hash_of(engine, grammar, before);
        assert_int_equal(status_of_child(engine, grammar, before), 0);
        hash_of(engine, grammar, after);
        assert_string_equal(before, after);
        assert_int_equal(status_of_child(engine, grammar, before), 0);
        rhm_engine_destroy(engine);
    }
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(parent_and_child_go_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
