/* Our own files: what is read is what was written, to the bit; what makes no sense is refused by name. */
#include "files.h"

#include <math.h>

#include <hdf5.h>

static void grammars_come_back_to_the_bit(void **state) {
    (void)state;
    rhm_grammar *grammars[] = {small_grammar(), drawn_grammar(8, 4, 2, 3), drawn_grammar(3, 2, 5, 1),
                               drawn_grammar(300, 3, 3, 2)};
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++) {
        rhm_grammar *again = NULL;
        rhm_error error;
        assert_ok(rhm_grammar_save(grammars[i], "g.h5", &error), &error);
        assert_ok(rhm_grammar_load(&again, "g.h5", &error), &error);
        assert_same_grammar(grammars[i], again);
        rhm_grammar_destroy(again);
        rhm_grammar_destroy(grammars[i]);
    }
}

static void equal_contents_make_equal_files(void **state) {
    (void)state;
    rhm_grammar *grammar = small_grammar();
    rhm_model *model = small_model(grammar);
    rhm_error error;
    size_t nbytes[2];
    unsigned char *bytes[2];
    for (int i = 0; i < 2; i++) {
        assert_ok(rhm_model_save(model, "equal.h5", &error), &error);
        bytes[i] = read_bytes("equal.h5", &nbytes[i]);
        if (i == 0)
            sleep(1); /* libhdf5's own times have a resolution of one second */
    }
    assert_int_equal(nbytes[0], nbytes[1]);
    assert_memory_equal(bytes[0], bytes[1], nbytes[0]);
    free(bytes[0]);
    free(bytes[1]);
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
}

static void a_grammar_file_holds_the_exact_analysis(void **state) {
    (void)state;
    rhm_grammar *grammar = small_grammar();
    rhm_analysis analysis;
    rhm_error error;
    assert_ok(rhm_analyse(&analysis, grammar, &error), &error);
    assert_ok(rhm_grammar_save(grammar, "g.h5", &error), &error);
    double kappa = 0, rho[3] = {0}, posterior[4 * 3];
    unsigned char holds = 9;
    const hid_t file = H5Fopen("g.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    const hid_t attributes[2] = {H5Aopen_by_name(file, "/grammar", "kappa", H5P_DEFAULT, H5P_DEFAULT),
                                 H5Aopen_by_name(file, "/grammar", "assumption_6", H5P_DEFAULT, H5P_DEFAULT)};
    const hid_t sets[2] = {H5Dopen2(file, "/grammar/rho", H5P_DEFAULT),
                           H5Dopen2(file, "/grammar/posterior_2", H5P_DEFAULT)};
    assert_true(H5Aread(attributes[0], H5T_NATIVE_DOUBLE, &kappa) >= 0);
    assert_true(H5Aread(attributes[1], H5T_NATIVE_UCHAR, &holds) >= 0);
    assert_true(H5Dread(sets[0], H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, rho) >= 0);
    assert_true(H5Dread(sets[1], H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, posterior) >= 0);
    assert_memory_equal(&kappa, &analysis.kappa, sizeof kappa);
    assert_int_equal(holds, analysis.assumption_6);
    assert_memory_equal(rho, analysis.rho + 1, sizeof rho);
    assert_memory_equal(posterior, analysis.posterior[2], sizeof posterior);
    for (int i = 0; i < 2; i++) {
        H5Aclose(attributes[i]);
        H5Dclose(sets[i]);
    }
    H5Fclose(file);
    rhm_analysis_clear(&analysis);
    rhm_grammar_destroy(grammar);
}

static void data_sets_come_back_to_the_bit(void **state) {
    (void)state;
    rhm_grammar *grammars[2] = {small_grammar(), drawn_grammar(300, 2, 2, 3)}; /* bytes, and two bytes each */
    for (int g = 0; g < 2; g++) {
        const rhm_shape *shape = rhm_grammar_shape(grammars[g]);
        rhm_data data;
        rhm_error error;
        write_data("d.h5", grammars[g], g);
        assert_ok(rhm_data_load(&data, "d.h5", NULL, &error), &error);
        assert_int_equal(data.count, SEQUENCES);
        assert_int_equal(data.tree.levels, 3);
        assert_int_equal(rhm_tree_common_branching(&data.tree), 2);
        assert_int_equal(data.token_vocab, shape->vocab[3]);
        assert_int_equal(data.label_vocab, shape->vocab[0]);
        assert_same_grammar(data.grammar, grammars[g]);
        for (size_t i = 0; i < SEQUENCES; i++) {
            assert_int_equal(data.labels[i], made_up(shape, 0, i, 0));
            for (size_t column = 0; column < TOKENS; column++)
                assert_int_equal(data.tokens[i * TOKENS + column], made_up(shape, 3, i, column));
        }
        rhm_data_clear(&data);
        rhm_data_clear(&data);
        rhm_grammar_destroy(grammars[g]);
    }
}

/* libhdf5 is asked what lies in the file: type sizes, and the latents, which rhm_data_load leaves alone. */
static void latents_are_stored(void **state) {
    (void)state;
    rhm_grammar *grammar = small_grammar();
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    static uint16_t second[SEQUENCES * 4];
    write_data("d.h5", grammar, 1);
    const hid_t file = H5Fopen("d.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    const hid_t set = H5Dopen2(file, "/data/latents_2", H5P_DEFAULT);
    const hid_t type = H5Dget_type(set);
    assert_int_equal(H5Tget_size(type), 1);
    assert_true(H5Dread(set, H5T_NATIVE_UINT16, H5S_ALL, H5S_ALL, H5P_DEFAULT, second) >= 0);
    for (size_t i = 0; i < SEQUENCES * 4; i++)
        assert_int_equal(second[i], made_up(shape, 2, i / 4, i % 4));
    assert_true(H5Lexists(file, "/data/latents_3", H5P_DEFAULT) == 0);
    H5Tclose(type);
    H5Dclose(set);
    H5Fclose(file);
    write_data("d.h5", grammar, 0);
    const hid_t without = H5Fopen("d.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(H5Lexists(without, "/data/latents_2", H5P_DEFAULT) == 0);
    H5Fclose(without);
    rhm_grammar_destroy(grammar);
}

static void models_come_back_to_the_bit(void **state) {
    (void)state;
    rhm_grammar *grammar = small_grammar();
    rhm_model *model = small_model(grammar);
    rhm_model *again = NULL;
    rhm_error error;
    char hash[2][RHM_HASH_TEXT_NBYTES];
    const char *report = "{ \"schema\": \"rhm-report/1\", \"name\": \"\xc3\xa9\" }\n";
    assert_ok(rhm_model_set_report(model, report, &error), &error);
    assert_ok(rhm_model_save(model, "m.h5", &error), &error);
    assert_ok(rhm_model_load(&again, "m.h5", &error), &error);
    assert_string_equal(rhm_model_report(again), report);
    assert_same_grammar(rhm_model_grammar(again), grammar);
    assert_int_equal(rhm_model_levels(again), 3);
    assert_int_equal(rhm_tree_common_branching(rhm_model_tree(again)), 2);
    assert_int_equal(rhm_model_classes(again), 3);
    assert_int_equal(rhm_model_token_vocab(again), 6);
    for (uint32_t l = 1; l <= 3; l++) {
        const rhm_level_weights a = rhm_model_level(model, l), b = rhm_model_level(again, l);
        assert_int_equal(b.tokens, 2);
        assert_int_equal(b.embedding, l == 3 ? 6 : 3);
        assert_int_equal(b.classes, 3);
        assert_int_equal(b.width, 4 + l);
        assert_memory_equal(&a.bandwidth, &b.bandwidth, sizeof(double));
        assert_memory_equal(&a.ridge, &b.ridge, sizeof(double));
        assert_memory_equal(a.frequencies, b.frequencies, sizeof(float) * b.width * 2 * b.embedding);
        assert_memory_equal(a.weights, b.weights, sizeof(float) * 3 * 2 * b.width);
    }
    rhm_model_hash(model, hash[0]);
    rhm_model_hash(again, hash[1]);
    assert_string_equal(hash[0], hash[1]);
    rhm_model_destroy(again);
    rhm_model_destroy(model);

    model = small_model(grammar);
    rhm_level_weights level[4];
    for (uint32_t l = 1; l <= 3; l++)
        level[l] = rhm_model_level(model, l);
    rhm_model *bare = NULL;
    assert_ok(rhm_model_create(&bare, 3, level, NULL, &error), &error);
    assert_ok(rhm_model_save(bare, "m.h5", &error), &error);
    assert_ok(rhm_model_load(&again, "m.h5", &error), &error);
    assert_null(rhm_model_grammar(again));
    assert_null(rhm_model_report(again));
    rhm_model_destroy(again);
    rhm_model_destroy(bare);
    rhm_model_destroy(model);
    rhm_model_destroy(NULL);
    rhm_grammar_destroy(grammar);
}

/* The value is hashlib's of the documented bytes, put together with struct.pack. */
static void the_model_hash_is_the_documented_one(void **state) {
    (void)state;
    float frequencies[3][12], weights[3][8];
    rhm_level_weights level[3];
    for (uint32_t l = 1; l <= 2; l++) {
        level[l] = (rhm_level_weights){.tokens = 2,
                                       .embedding = l == 1 ? 2 : 3,
                                       .classes = 2,
                                       .width = l == 1 ? 2 : 1,
                                       .bandwidth = 0.5 * l,
                                       .ridge = 0.25 / l,
                                       .frequencies = frequencies[l],
                                       .weights = weights[l]};
        for (int i = 0; i < 12; i++)
            frequencies[l][i] = (float)i / 4 - (float)l;
        for (int i = 0; i < 8; i++)
            weights[l][i] = (float)l - (float)i / 8;
    }
    rhm_model *model = NULL;
    rhm_error error;
    char hash[RHM_HASH_TEXT_NBYTES];
    assert_ok(rhm_model_create(&model, 2, level, NULL, &error), &error);
    rhm_model_hash(model, hash);
    assert_string_equal(hash, "bb86477182f0e2fdddc5fd14864db5d8995f4fa6db4c11e33e66a864b75d001b");
    rhm_model_destroy(model);
}

static void models_that_make_no_sense_are_refused(void **state) {
    (void)state;
    rhm_grammar *grammar = small_grammar();
    rhm_grammar *other = drawn_grammar(4, 2, 2, 3);
    rhm_model *model = small_model(grammar);
    rhm_model *none = NULL;
    rhm_error error;
    rhm_level_weights good[4], bad[4];
    float weights[3 * 2 * 6] = {0};
    for (uint32_t l = 1; l <= 3; l++)
        good[l] = rhm_model_level(model, l);
    const struct {
        rhm_level_weights level2;
        const char *words;
    } cases[] = {
        {{.tokens = 65, .embedding = 3, .classes = 3, .width = 6}, "branching is 65: it must be 2 to 64"},
        {{.tokens = 2, .embedding = 6, .classes = 3, .width = 6}, "level 2 maps 2 x 6"},
        {{.tokens = 2, .embedding = 3, .classes = 4, .width = 6}, "to 4 classes"},
        {{.tokens = 2, .embedding = 3, .classes = 3, .width = 0}, "width 0"},
        {{.tokens = 2, .embedding = 3, .classes = 3, .width = 6, .bandwidth = 0}, "bandwidth 0"},
        {{.tokens = 2, .embedding = 3, .classes = 3, .width = 6, .bandwidth = (double)INFINITY}, "bandwidth inf"},
        {{.tokens = 2, .embedding = 3, .classes = 3, .width = 6, .bandwidth = 1, .ridge = -1}, "ridge -1"},
        {{.tokens = 2, .embedding = 3, .classes = 3, .width = 6, .bandwidth = 1}, "no frequencies"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(bad, good, sizeof bad);
        bad[2] = cases[i].level2;
        assert_refused(rhm_model_create(&none, 3, bad, NULL, &error), RHM_INVALID, &error, cases[i].words);
    }
    memcpy(bad, good, sizeof bad);
    bad[2].weights = weights;
    weights[17] = NAN;
    assert_refused(rhm_model_create(&none, 3, bad, NULL, &error), RHM_INVALID, &error, "row 1, column 5 is nan");
    weights[17] = -INFINITY;
    assert_refused(rhm_model_create(&none, 3, bad, NULL, &error), RHM_INVALID, &error, "row 1, column 5 is -inf");
    assert_refused(rhm_model_create(&none, 0, good, NULL, &error), RHM_INVALID, &error, "levels is 0");
    assert_refused(rhm_model_create(&none, 33, good, NULL, &error), RHM_INVALID, &error, "levels is 33");
    assert_refused(rhm_model_create(&none, 3, good, other, &error), RHM_INVALID, &error, "not of the model's shape");
    assert_null(none);
    rhm_model_destroy(model);
    rhm_grammar_destroy(other);
    rhm_grammar_destroy(grammar);
}

static void what_cannot_be_read_is_named(void **state) {
    (void)state;
    rhm_error error;
    write_bytes("text.h5", "labels,tokens\n1,2\n", 18);
    assert_int_equal(mkdir("folder.h5", 0777), 0);
    assert_int_equal(mkfifo("pipe.h5", 0666), 0);
    for (int kind = 0; kind < 3; kind++) {
        assert_refused(load_any(kinds[kind], "text.h5", &error), RHM_CORRUPT, &error, "text.h5: not an HDF5 file");
        assert_refused(load_any(kinds[kind], "folder.h5", &error), RHM_IO, &error, "directory");
        assert_refused(load_any(kinds[kind], "pipe.h5", &error), RHM_IO, &error, "pipe");
        assert_refused(load_any(kinds[kind], "missing.h5", &error), RHM_IO, &error, "No such file");
        assert_refused(load_any(kinds[kind], "text.h5/x.h5", &error), RHM_IO, &error, "Not a directory");
        assert_refused(load_any(kinds[kind], "", &error), RHM_IO, &error, "No such file");
        assert_int_not_equal(load_any(kinds[kind], "missing.h5", NULL), RHM_OK);
    }
    char name[1200];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_refused(load_any("data", name, &error), RHM_IO, &error, "name too long");
}

static void the_wrong_kind_is_named(void **state) {
    (void)state;
    rhm_grammar *grammar = NULL;
    rhm_error error;
    for (int kind = 0; kind < 3; kind++) {
        size_t nbytes;
        free(file_of_kind(kind, &nbytes));
        for (int reader = 1; reader < 3; reader++)
            if (reader != kind)
                assert_refused(load_any(kinds[reader], "whole.h5", &error), RHM_INVALID, &error, kinds[kind]);
        /* A grammar is in all of them. */
        assert_ok(rhm_grammar_load(&grammar, "whole.h5", &error), &error);
        rhm_grammar_destroy(grammar);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammars_come_back_to_the_bit),
        cmocka_unit_test(equal_contents_make_equal_files),
        cmocka_unit_test(a_grammar_file_holds_the_exact_analysis),
        cmocka_unit_test(data_sets_come_back_to_the_bit),
        cmocka_unit_test(latents_are_stored),
        cmocka_unit_test(models_come_back_to_the_bit),
        cmocka_unit_test(the_model_hash_is_the_documented_one),
        cmocka_unit_test(models_that_make_no_sense_are_refused),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(the_wrong_kind_is_named),
    };
    return cmocka_run_group_tests_name("files", tests, enter_directory, leave_directory);
}
