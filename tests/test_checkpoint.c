/* Trainings that are interrupted and go on: to the same bits, or refused with what differs. */
#include "core/h5file.h"
#include "kept_training.h"

/* The path of the file of a kind with the largest number, or the one before it. */
static const char *newest(const char *stem, int back) {
    static char path[64];
    unsigned long number[2] = {0}, found;
    DIR *entries = opendir("kept");
    assert_non_null(entries);
    char pattern[32];
    snprintf(pattern, sizeof pattern, "%s-%%lu.h5", stem);
    for (const struct dirent *entry; (entry = readdir(entries));)
        if (sscanf(entry->d_name, pattern, &found) == 1) {
            if (found > number[0]) {
                number[1] = number[0];
                number[0] = found;
            } else if (found > number[1]) {
                number[1] = found;
            }
        }
    closedir(entries);
    assert_true(number[back] > 0);
    snprintf(path, sizeof path, "kept/%s-%lu.h5", stem, number[back]);
    return path;
}

static void flip_a_byte(const char *path) {
    size_t nbytes;
    unsigned char *bytes = read_bytes(path, &nbytes);
    bytes[nbytes / 2] ^= 4;
    write_bytes(path, bytes, nbytes);
    free(bytes);
}

/* Interrupt a training after `step` signs of progress, resume it, and so on to its end. Returns how often. */
static int train_in_pieces(const rhm_grammar *grammar, const rhm_data *data, rhm_train_options options, long step,
                           const char *what) {
    static const struct {
        int threads;
        const char *isa;
    } machines[] = {{2, NULL}, {1, NULL}, {1, "scalar"}, {3, NULL}};
    char expected[RHM_HASH_TEXT_NBYTES], hash[RHM_HASH_TEXT_NBYTES];
    rhm_train_report report;
    train_through(grammar, data, options, expected, &report);
    double before = 0;
    int pieces = 0;
    for (;; pieces++) {
        interrupting run = {.left = step + pieces / 4,
                            /* drawing again must not take all of it */ .threads = machines[pieces % 4].threads,
                            .isa = machines[pieces % 4].isa};
        rhm_error error = {0};
        const rhm_status status = run_training(&run, grammar, data, options, "kept", pieces > 0, hash, &error);
        assert_int_equal(run.report.checkpoint.failed, 0);
        assert_int_equal(run.report.checkpoint.resumed, pieces > 0);
        assert_true(run.report.checkpoint.resumed_seconds >= before);
        before = run.report.checkpoint.resumed_seconds;
        if (status == RHM_OK) {
            assert_true(run.report.seconds >= before);
            for (uint32_t l = 1; l <= report.levels; l++) {
                const rhm_level_report *a = &run.report.level[l], *b = &report.level[l];
                assert_int_equal(a->samples, b->samples);
                assert_int_equal(a->distinct_patches, b->distinct_patches);
                assert_int_equal(a->attempts, b->attempts);
                assert_int_equal(a->iterations, b->iterations);
                assert_true(a->residual == b->residual && a->held_out_loss == b->held_out_loss);
                assert_true(a->posterior_error_max == b->posterior_error_max || isnan(b->posterior_error_max));
                assert_string_equal(a->limit, b->limit);
            }
            assert_true(run.report.test_accuracy == report.test_accuracy);
            break;
        }
        if (status != RHM_INTERRUPTED)
            fail_msg("%s, piece %d: %s", what, pieces, error.text);
        assert_true(run.report.checkpoint.written > 0);
        assert_true(pieces < 1000);
    }
    if (strcmp(hash, expected) != 0)
        fail_msg("%s: %s after %d interruptions, %s without", what, hash, pieces, expected);
    remove_directory("kept");
    return pieces;
}

static void interruptions_anywhere_change_nothing(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 3), SEED);
    rhm_train_options samples = quick();
    samples.max_width = 64;
    samples.max_samples = 6000;
    assert_true(train_in_pieces(grammar, NULL, samples, 15, "every 15") > 8);
    assert_true(train_in_pieces(grammar, NULL, samples, 40, "every 40") > 3);
    rhm_train_options counts = samples, raw = samples;
    counts.draw = RHM_DRAW_COUNTS;
    raw.raw = true;
    raw.max_samples = 1500;
    assert_true(train_in_pieces(grammar, NULL, counts, 40, "counts") > 3);
    assert_true(train_in_pieces(grammar, NULL, raw, 60, "raw") > 3);
    rhm_grammar_destroy(grammar);
}

/* Every solver (test_solve_state.c has every pass of each). */
static void solvers_go_on_where_they_were(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(4, 2, 2, 2), SEED);
    static const rhm_solver solvers[] = {RHM_CG, RHM_GD, RHM_GD_PAPER, RHM_CHOLESKY};
    for (size_t i = 0; i < sizeof solvers / sizeof *solvers; i++) {
        const rhm_train_options options = {
            .seed = 5,
            .samples = {0, 700, 600},
            .bandwidth = {0, 0.4, 0.35},
            .ridge = {0, 3e-2, 3e-2},
            .width = 32,
            .solver = solvers[i],
            .tolerance = solvers[i] == RHM_CG ? 1e-6 : 1e-2,
            .test_samples = 100,
        };
        assert_true(train_in_pieces(grammar, NULL, options, 1, rhm_solver_name(solvers[i])) >= 2);
    }
    rhm_grammar_destroy(grammar);
}

static void data_sets_too(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    rhm_data data = sample_rows(grammar, false, 6000, SEED);
    assert_true(train_in_pieces(NULL, &data, quick(), 20, "data") > 3);
    free_rows(&data);
    rhm_grammar_destroy(grammar);
}

static rhm_status read_stream_version(void *context, const rhm_h5 *file, rhm_error *error) {
    return rhm_h5_read_text_attribute(file, "/run", "stream-version", context, 16, error);
}

/* A fact of the training, and all facts are compared when it is resumed. */
static void streams_are_of_a_version(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    rhm_error error = {0};
    char version[16], expected[16];
    leave_interrupted(grammar, NULL, quick());
    assert_ok(rhm_h5_load(newest("checkpoint", 0), read_stream_version, version, &error), &error);
    snprintf(expected, sizeof expected, "%d", RHM_STREAM_VERSION);
    assert_string_equal(version, expected);
    rhm_grammar_destroy(grammar);
}

static int entries_of(const char *directory) {
    assert_int_equal(chdir(directory), 0);
    const int count = count_entries() - 2;
    assert_int_equal(chdir(".."), 0);
    return count;
}

static void damage_costs_one_checkpoint(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    char expected[RHM_HASH_TEXT_NBYTES], hash[RHM_HASH_TEXT_NBYTES];
    rhm_train_report report;
    train_through(grammar, NULL, quick(), expected, &report);
    for (int kind = 0; kind < 4; kind++) {
        interrupting run = {0};
        rhm_error error = {0};
        leave_interrupted(grammar, NULL, quick());
        const char *path = newest("checkpoint", 0);
        size_t nbytes;
        unsigned char *bytes = read_bytes(path, &nbytes);
        if (kind == 0)
            flip_a_byte(path);
        else
            write_bytes(path, bytes, kind == 1 ? nbytes / 2 : kind == 2 ? 100 : 0);
        free(bytes);
        assert_ok(go_on(grammar, NULL, quick(), true, &run, hash, &error), &error);
        assert_non_null(strstr(run.notes, "the newest checkpoint is of no use"));
        assert_string_equal(hash, expected);
        assert_in_range(entries_of("kept"), 2, 3); /* two checkpoints, and the samples that the older may name */
        remove_directory("kept");
    }
    rhm_grammar_destroy(grammar);
}

static void without_a_whole_one_nothing_is_guessed(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    interrupting run = {0};
    rhm_error error = {0};
    char hash[RHM_HASH_TEXT_NBYTES];
    leave_interrupted(grammar, NULL, quick());
    flip_a_byte(newest("checkpoint", 0));
    flip_a_byte(newest("checkpoint", 1));
    assert_refused(go_on(grammar, NULL, quick(), true, &run, hash, &error), RHM_CORRUPT, &error, "start anew");
    remove_directory("kept");
    leave_interrupted(grammar, NULL, quick());
    flip_a_byte(newest("samples", 0)); /* of both checkpoints, for an interruption soon after another checkpoint */
    const rhm_status status = go_on(grammar, NULL, quick(), true, &run, hash, &error);
    if (status != RHM_OK)
        assert_refused(status, RHM_CORRUPT, &error, "samples");
    assert_non_null(strstr(status == RHM_OK ? run.notes : error.text, "samples"));
    remove_directory("kept");
    rhm_grammar_destroy(grammar);
}

static void an_empty_directory_starts_from_the_beginning(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    interrupting run = {0};
    rhm_error error = {0};
    char hash[RHM_HASH_TEXT_NBYTES], again[RHM_HASH_TEXT_NBYTES];
    assert_ok(go_on(grammar, NULL, quick(), true, &run, hash, &error), &error);
    assert_non_null(strstr(run.notes, "holds no checkpoint"));
    /* A training that has ended is only tested again. */
    assert_ok(go_on(grammar, NULL, quick(), true, &run, again, &error), &error);
    assert_string_equal(hash, again);
    assert_int_equal(run.report.checkpoint.written, 0);
    assert_int_equal(run.report.test_samples, 500);
    remove_directory("kept");
    write_bytes("kept", "a file", 6);
    assert_refused(go_on(grammar, NULL, quick(), true, &run, hash, &error), RHM_IO, &error, "kept");
    assert_int_equal(unlink("kept"), 0);
    rhm_grammar_destroy(grammar);
}

static void take_directory_away(interrupting *run) {
    static int calls;
    (void)run;
    calls++;
    if (calls == 12)
        assert_int_equal(rename("kept", "elsewhere"), 0);
    if (calls == 24)
        assert_int_equal(rename("elsewhere", "kept"), 0);
}

/* Writes fail for a while: the training goes on, says so once, and says so when they succeed again. */
static void failing_writes_are_survived(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    char expected[RHM_HASH_TEXT_NBYTES], hash[RHM_HASH_TEXT_NBYTES];
    rhm_train_report report;
    train_through(grammar, NULL, quick(), expected, &report);
    rhm_train_options options = quick();
    options.checkpoint.seconds = 1e-9;
    interrupting run = {.left = -1, .threads = 1, .at_progress = take_directory_away};
    rhm_error error = {0};
    assert_ok(run_training(&run, grammar, NULL, options, "kept", false, hash, &error), &error);
    assert_string_equal(hash, expected);
    assert_true(run.report.checkpoint.failed > 0 && run.report.checkpoint.written > 0);
    assert_non_null(strstr(run.report.checkpoint.failure, "No such file"));
    const char *first = strstr(run.notes, "no checkpoint could be written; those before are intact");
    assert_non_null(first);
    assert_null(strstr(first + 1, "no checkpoint could be written"));
    assert_non_null(strstr(first, "checkpoints are written again"));
    remove_directory("kept");
    rhm_grammar_destroy(grammar);
}

/* A second process; here a second training inside the first one. */
static const rhm_grammar *nested_grammar;

static void train_inside(interrupting *run) {
    static int calls;
    if (calls++ != 5)
        return;
    interrupting second = {.left = -1, .threads = run->threads};
    rhm_error error = {0};
    char hash[RHM_HASH_TEXT_NBYTES];
    assert_refused(run_training(&second, nested_grammar, NULL, quick(), "kept", true, hash, &error), RHM_INVALID,
                   &error, "another process");
}

static void one_process_at_a_time(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    interrupting run = {.left = -1, .threads = 1, .at_progress = train_inside};
    rhm_error error = {0};
    char hash[RHM_HASH_TEXT_NBYTES];
    nested_grammar = grammar;
    assert_ok(run_training(&run, grammar, NULL, quick(), "kept", false, hash, &error), &error);
    remove_directory("kept");
    rhm_grammar_destroy(grammar);
}

/* What a killed process was writing is removed by the next one, and nothing else. */
static void half_written_files_are_removed(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    interrupting run = {0};
    rhm_error error = {0};
    char hash[RHM_HASH_TEXT_NBYTES];
    leave_interrupted(grammar, NULL, quick());
    write_bytes("kept/.rhm-123-0.partial", "half", 4);
    write_bytes("kept/notes.txt", "mine", 4);
    write_bytes("kept/checkpoint-007.h5", "mine", 4);
    assert_ok(go_on(grammar, NULL, quick(), true, &run, hash, &error), &error);
    assert_int_not_equal(access("kept/.rhm-123-0.partial", F_OK), 0);
    assert_int_equal(access("kept/notes.txt", F_OK), 0);
    assert_int_equal(access("kept/checkpoint-007.h5", F_OK), 0);
    remove_directory("kept");
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(streams_are_of_a_version, start_afresh),
        cmocka_unit_test_setup(interruptions_anywhere_change_nothing, start_afresh),
        cmocka_unit_test_setup(solvers_go_on_where_they_were, start_afresh),
        cmocka_unit_test_setup(data_sets_too, start_afresh),
        cmocka_unit_test_setup(damage_costs_one_checkpoint, start_afresh),
        cmocka_unit_test_setup(without_a_whole_one_nothing_is_guessed, start_afresh),
        cmocka_unit_test_setup(an_empty_directory_starts_from_the_beginning, start_afresh),
        cmocka_unit_test_setup(failing_writes_are_survived, start_afresh),
        cmocka_unit_test_setup(one_process_at_a_time, start_afresh),
        cmocka_unit_test_setup(half_written_files_are_removed, start_afresh),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
