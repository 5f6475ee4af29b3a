/* Files that another program wrote: read generously, believed in nothing. */
#include "foreign.h"

static void bare_rules_make_a_grammar(void **state) {
    (void)state;
    const hid_t types[] = {H5T_STD_I8LE, H5T_STD_U16BE, H5T_STD_I32LE, H5T_STD_I64BE, H5T_STD_U64LE};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        rhm_grammar *grammar = NULL;
        rhm_error error;
        foreign_grammar("g.h5", types[i], 0, 0, 3);
        assert_ok(rhm_grammar_load(&grammar, "g.h5", &error), &error);
        const rhm_shape *shape = rhm_grammar_shape(grammar);
        assert_int_equal(shape->levels, 2);
        assert_int_equal(shape->branching[1], 2);
        const uint32_t vocab[3] = {2, 3, 4}, rules[3] = {0, 2, 1};
        assert_memory_equal(shape->vocab, vocab, sizeof vocab);
        assert_memory_equal(shape->rules, rules, sizeof rules);
        assert_int_equal(rhm_grammar_sampling(grammar), RHM_GIVEN);
        for (int k = 0; k < 8; k++)
            assert_int_equal(rhm_grammar_patches(grammar, 1)[k], ((const int *)rules_1)[k]);
        assert_true(rhm_grammar_probability(grammar, 1)[3] == 0.5);
        assert_true(rhm_grammar_label_probability(grammar)[1] == 0.5);
        rhm_grammar_destroy(grammar);
    }
}

static void what_a_foreign_grammar_states_is_kept(void **state) {
    (void)state;
    const float probability[2][2] = {{0.25f, 0.75f}, {1, 0}};
    const long vocab[3] = {2, 3, 9};
    const hsize_t three = 3;
    rhm_grammar *grammar = NULL;
    rhm_error error;
    foreign_grammar("g.h5", H5T_STD_I32LE, 0, 0, 3);
    const hid_t file = H5Fopen("g.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    put(file, "/grammar/probability_1", H5T_IEEE_F32BE, H5T_NATIVE_FLOAT, 2, extent_1, probability);
    put_number(file, "/grammar", "levels", H5T_STD_I64LE, 2);
    put_number(file, "/grammar", "branching", H5T_STD_U8LE, 2);
    put_number(file, "/grammar", "seed", H5T_STD_I16LE, 1234);
    const hid_t space = H5Screate_simple(1, &three, NULL);
    const hid_t attribute =
        H5Acreate_by_name(file, "/grammar", "vocab", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_LONG, vocab);
    H5Aclose(attribute);
    const hid_t text = H5Tcopy(H5T_C_S1); /* of fixed length, as h5py writes numpy's bytes */
    H5Tset_size(text, 7);
    H5Tset_strpad(text, H5T_STR_NULLPAD);
    const hid_t scalar = H5Screate(H5S_SCALAR);
    const hid_t name =
        H5Acreate_by_name(file, "/grammar", "rule_sampling", text, scalar, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(name, text, "uniform");
    H5Aclose(name);
    H5Sclose(scalar);
    H5Sclose(space);
    H5Tclose(text);
    H5Fclose(file);
    assert_ok(rhm_grammar_load(&grammar, "g.h5", &error), &error);
    assert_int_equal(rhm_grammar_shape(grammar)->vocab[2], 9);
    assert_int_equal(rhm_grammar_sampling(grammar), RHM_UNIFORM);
    assert_int_equal(rhm_grammar_seed(grammar), 1234);
    assert_true(rhm_grammar_probability(grammar, 1)[1] == 0.75);
    assert_int_equal(rhm_grammar_patch_count(grammar, 1), 3);
    rhm_grammar_destroy(grammar);
}

static void assert_grammar_refused(const char *words) {
    rhm_grammar *grammar = NULL;
    rhm_error error;
    assert_refused(rhm_grammar_load(&grammar, "g.h5", &error), RHM_INVALID, &error, words);
    assert_null(grammar);
    assert_non_null(strstr(error.text, "g.h5: "));
}

static void malformed_grammars_are_refused_by_name(void **state) {
    (void)state;
    foreign_grammar("g.h5", H5T_STD_I32LE, 1, 0, -1);
    assert_grammar_refused("/grammar/rules_2[1, 0, 0] is -1");
    foreign_grammar("g.h5", H5T_STD_I32LE, 2, 1, 65536);
    assert_grammar_refused("/grammar/rules_2[2, 0, 1] is 65536");
    foreign_grammar("g.h5", H5T_STD_U64LE, 2, 1, -1); /* clipped on writing to 0 */
    hid_t file = H5Fopen("g.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    put_number(file, "/grammar", "branching", H5T_STD_I32LE, 3);
    H5Fclose(file);
    assert_grammar_refused("patches of 2 symbols where the branching is 3");
    foreign_grammar("g.h5", H5T_STD_I32LE, 1, 0, 2);
    assert_grammar_refused("two parents");
    foreign_grammar("g.h5", H5T_IEEE_F64LE, 0, 0, 3);
    assert_grammar_refused("floating-point");

    file = create("g.h5");
    put(file, "/grammar/rules_1", H5T_STD_I32LE, H5T_NATIVE_INT, 3, extent_1, rules_1);
    const hsize_t flat[2] = {3, 2};
    put(file, "/grammar/rules_2", H5T_STD_I32LE, H5T_NATIVE_INT, 2, flat, rules_2);
    H5Fclose(file);
    assert_grammar_refused("rules_2 has 2 dimensions; 3 expected");

    file = create("g.h5");
    put(file, "/grammar/rules_1", H5T_STD_I32LE, H5T_NATIVE_INT, 3, extent_1, rules_1);
    const hsize_t few[3] = {2, 1, 2};
    put(file, "/grammar/rules_2", H5T_STD_I32LE, H5T_NATIVE_INT, 3, few, rules_2);
    H5Fclose(file);
    assert_grammar_refused("/grammar/rules_1[0, 1, 1] is 2; allowed are 0 to 1");

    file = create("g.h5");
    put(file, "/grammar/rules_2", H5T_STD_I32LE, H5T_NATIVE_INT, 3, extent_2, rules_2);
    H5Fclose(file);
    assert_grammar_refused("no rules_1");

    foreign_grammar("g.h5", H5T_STD_I32LE, 0, 0, 3);
    file = H5Fopen("g.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    put_number(file, "/grammar", "levels", H5T_STD_I32LE, 3);
    H5Fclose(file);
    assert_grammar_refused("there is no /grammar/rules_3");

    const double probability[2][2] = {{0.25, 0.70}, {1, 0}};
    foreign_grammar("g.h5", H5T_STD_I32LE, 0, 0, 3);
    file = H5Fopen("g.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    put(file, "/grammar/probability_1", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 2, extent_1, probability);
    H5Fclose(file);
    assert_grammar_refused("sum to");
    foreign_grammar("g.h5", H5T_STD_I32LE, 0, 0, 3);
    file = H5Fopen("g.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    const hsize_t wide[2] = {2, 3};
    put(file, "/grammar/probability_1", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 2, wide, NULL);
    H5Fclose(file);
    assert_grammar_refused("has the shape 2 x 3; 2 x 2 expected");

    H5Fclose(create("g.h5"));
    assert_grammar_refused("holds no grammar");
}

/* A shape that no file of this size can hold, in every layout that HDF5 has for it. */
static void forged_shapes_ask_for_no_memory(void **state) {
    (void)state;
    const hsize_t huge[3] = {60000, 1u << 20, 16}, chunk[3] = {100, 10, 16};
    for (int layout = 0; layout < 3; layout++) {
        const hid_t file = create("g.h5");
        const hid_t options = H5Pcreate(H5P_DATASET_CREATE);
        const hid_t group = H5Gcreate2(file, "/grammar", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        if (layout > 0)
            H5Pset_chunk(options, 3, chunk);
        if (layout > 1)
            H5Pset_deflate(options, 9);
        const hid_t space = H5Screate_simple(3, huge, NULL);
        const hid_t set = H5Dcreate2(file, "/grammar/rules_1", H5T_STD_I32LE, space, H5P_DEFAULT, options, H5P_DEFAULT);
        assert_true(set >= 0);
        H5Dclose(set);
        H5Sclose(space);
        H5Pclose(options);
        H5Gclose(group);
        H5Fclose(file);
        rhm_grammar *grammar = NULL;
        rhm_error error;
        assert_refused(rhm_grammar_load(&grammar, "g.h5", &error), RHM_CORRUPT, &error,
                       "claims the shape 60000 x 1048576");
    }
}

static void foreign_data_is_read_and_measured(void **state) {
    (void)state;
    const hid_t types[] = {H5T_STD_U8LE, H5T_STD_I8LE, H5T_STD_I16BE, H5T_STD_I64LE, H5T_STD_U64BE};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        rhm_data data;
        rhm_error error;
        foreign_data(i % 2 ? "/data" : "", types[i], 128, (int)i % 2 + 1, true);
        assert_ok(rhm_data_load(&data, "d.h5", NULL, &error), &error);
        assert_int_equal(data.count, COUNT);
        assert_int_equal(rhm_tree_common_branching(&data.tree), 2);
        assert_int_equal(data.tree.levels, 7);
        assert_int_equal(data.token_vocab, 4);
        assert_int_equal(data.label_vocab, 3);
        assert_null(data.grammar);
        for (int k = 0; k < COUNT * 128; k++)
            assert_int_equal(data.tokens[k], k * 7 % 4);
        for (int k = 0; k < COUNT; k++)
            assert_int_equal(data.labels[k], k % 3);
        rhm_data_clear(&data);
    }
}

static void assert_tree(int tokens, rhm_data_hints hints, uint32_t branching, uint32_t levels) {
    rhm_data data;
    rhm_error error;
    foreign_data("/data", H5T_STD_U8LE, tokens, 1, true);
    assert_ok(rhm_data_load(&data, "d.h5", &hints, &error), &error);
    assert_int_equal(rhm_tree_common_branching(&data.tree), branching);
    assert_int_equal(data.tree.levels, levels);
    rhm_data_clear(&data);
}

static void assert_no_tree(int tokens, rhm_data_hints hints, const char *words) {
    rhm_data data;
    rhm_error error;
    foreign_data("/data", H5T_STD_U8LE, tokens, 1, true);
    assert_refused(rhm_data_load(&data, "d.h5", &hints, &error), RHM_INVALID, &error, words);
    assert_null(data.tokens);
}

static void branching_and_levels_are_inferred_where_one_answer_exists(void **state) {
    (void)state;
    assert_tree(12, (rhm_data_hints){0}, 12, 1);
    assert_tree(16, (rhm_data_hints){.branching = {2}}, 2, 4);
    assert_tree(16, (rhm_data_hints){.branching = {4}}, 4, 2);
    assert_tree(16, (rhm_data_hints){.levels = 1}, 16, 1);
    assert_tree(27, (rhm_data_hints){.levels = 3}, 3, 3);
    assert_tree(27, (rhm_data_hints){.levels = 3, .branching = {3}}, 3, 3);
    assert_no_tree(
        16, (rhm_data_hints){0},
        "branching 2 with 4 levels or branching 4 with 2 levels or branching 16 with 1 level: say which with "
        "--branching");
    assert_no_tree(16, (rhm_data_hints){.branching = {3}}, "do not fit branching 3");
    assert_no_tree(16, (rhm_data_hints){.levels = 3}, "do not fit a number of levels of 3");
    assert_no_tree(16, (rhm_data_hints){.levels = 3, .branching = {2}}, "needs 2^3");
    assert_no_tree(16, (rhm_data_hints){.branching = {65}}, "branching 65 was asked for; allowed are 2 to 64");
    assert_no_tree(1, (rhm_data_hints){.branching = {2}}, "at least 2");
    foreign_data("/data", H5T_STD_U8LE, 16, 1, true);
    const hid_t file = H5Fopen("d.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    put_number(file, "/data", "branching", H5T_STD_I32LE, 4);
    H5Fclose(file);
    rhm_data data;
    rhm_error error;
    assert_ok(rhm_data_load(&data, "d.h5", NULL, &error), &error);
    assert_int_equal(data.tree.levels, 2);
    rhm_data_clear(&data);
    const rhm_data_hints other = {.branching = {2}};
    assert_refused(rhm_data_load(&data, "d.h5", &other, &error), RHM_INVALID, &error, "branching 4; 2 was asked for");
}

static void vocabularies_are_hinted_or_inferred(void **state) {
    (void)state;
    rhm_data data;
    rhm_error error;
    foreign_data("/data", H5T_STD_U8LE, 12, 1, true);
    const rhm_data_hints wider = {.token_vocab = 9, .label_vocab = 5};
    assert_ok(rhm_data_load(&data, "d.h5", &wider, &error), &error);
    assert_int_equal(data.token_vocab, 9);
    assert_int_equal(data.label_vocab, 5);
    rhm_data_clear(&data);
    const rhm_data_hints tokens = {.token_vocab = 3};
    assert_refused(rhm_data_load(&data, "d.h5", &tokens, &error), RHM_INVALID, &error,
                   "/data/tokens[0, 1] is 3; allowed are 0 to 2");
    const rhm_data_hints labels = {.label_vocab = 2};
    assert_refused(rhm_data_load(&data, "d.h5", &labels, &error), RHM_INVALID, &error,
                   "/data/labels[2] is 2; allowed are 0 to 1");
    const rhm_data_hints absurd = {.label_vocab = 65537};
    assert_refused(rhm_data_load(&data, "d.h5", &absurd, &error), RHM_INVALID, &error, "65537");
}

static void labels_may_be_missing_only_where_nobody_needs_them(void **state) {
    (void)state;
    rhm_data data;
    rhm_error error;
    foreign_data("/data", H5T_STD_U8LE, 12, 1, false);
    assert_refused(rhm_data_load(&data, "d.h5", NULL, &error), RHM_INVALID, &error, "/data/labels is missing");
    const rhm_data_hints hints = {.allow_missing_labels = 1};
    assert_ok(rhm_data_load(&data, "d.h5", &hints, &error), &error);
    assert_null(data.labels);
    assert_int_equal(data.count, COUNT);
    rhm_data_clear(&data);
}

static void malformed_data_is_refused_by_name(void **state) {
    (void)state;
    const int bad_labels[COUNT] = {0, 1, -3, 0, 1, 2};
    const hsize_t extent[3] = {COUNT, 12, 1}, fewer = COUNT - 1;
    const struct {
        hid_t stored;
        int rank;
        const hsize_t *label_extent;
        const char *words;
    } cases[] = {
        {H5T_STD_U8LE, 1, extent, "/data/tokens has 1 dimensions"},
        {H5T_STD_U8LE, 3, extent, "/data/tokens has 3 dimensions"},
        {H5T_IEEE_F32LE, 2, extent, "/data/tokens does not hold integers of at most 64 bits but floating-point"},
        {H5T_STD_U8LE, 2, &fewer, "5 labels for 6 sequences"},
        {H5T_STD_U8LE, 2, extent, "/data/labels[2] is -3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const hid_t file = create("d.h5");
        put(file, "/data/tokens", cases[i].stored, H5T_NATIVE_INT, cases[i].rank, extent, NULL);
        put(file, "/data/labels", H5T_STD_I8LE, H5T_NATIVE_INT, 1, cases[i].label_extent, bad_labels);
        H5Fclose(file);
        rhm_data data;
        rhm_error error;
        assert_refused(rhm_data_load(&data, "d.h5", NULL, &error), RHM_INVALID, &error, cases[i].words);
    }
    rhm_data data;
    rhm_error error;
    H5Fclose(create("d.h5"));
    assert_refused(rhm_data_load(&data, "d.h5", NULL, &error), RHM_INVALID, &error, "/data/tokens is missing");
    /* An array of arrays, a group and a link to nowhere where the tokens should be. */
    hid_t file = create("d.h5");
    H5Gclose(H5Gcreate2(file, "/data", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Lcreate_soft("/nowhere", file, "/data/tokens", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    assert_refused(rhm_data_load(&data, "d.h5", NULL, &error), RHM_INVALID, &error, "/data/tokens is missing");
    file = create("d.h5");
    H5Gclose(H5Gcreate2(file, "/data", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Gclose(H5Gcreate2(file, "/data/tokens", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Fclose(file);
    assert_int_not_equal(rhm_data_load(&data, "d.h5", NULL, &error), RHM_OK);
    assert_non_null(strstr(error.text, "/data/tokens"));
}

/* One chunk of the whole array, compressed, bigger than libhdf5's own cache: read once, and to the right places. */
static void compressed_data_is_read(void **state) {
    (void)state;
    enum { ROWS = 40000, COLUMNS = 128 };
    const hsize_t extent[2] = {ROWS, COLUMNS}, rows = ROWS;
    unsigned char *tokens = malloc(ROWS * COLUMNS);
    unsigned char *labels = calloc(ROWS, 1);
    assert_true(tokens && labels);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        tokens[i] = (unsigned char)(i * i / 1000 % 251);
    const hid_t file = create("d.h5");
    const hid_t options = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(options, 2, extent);
    H5Pset_deflate(options, 1);
    const hid_t space = H5Screate_simple(2, extent, NULL);
    const hid_t set = H5Dcreate2(file, "/tokens", H5T_STD_U8LE, space, H5P_DEFAULT, options, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_UCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT, tokens) >= 0);
    put(file, "/labels", H5T_STD_U8LE, H5T_NATIVE_UCHAR, 1, &rows, labels);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(options);
    H5Fclose(file);
    rhm_data data;
    rhm_error error;
    assert_ok(rhm_data_load(&data, "d.h5", NULL, &error), &error);
    assert_int_equal(data.token_vocab, 251);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        if (data.tokens[i] != tokens[i])
            fail_msg("token %zu is %u, not %u", i, data.tokens[i], tokens[i]);
    rhm_data_clear(&data);
    free(tokens);
    free(labels);
}

static void foreign_models_are_read_with_all_shapes_checked(void **state) {
    (void)state;
    static const struct {
        enum flaw flaw;
        rhm_status status;
        const char *words;
    } cases[] = {
        {NAN_WEIGHT, RHM_INVALID, "the weight of level 2 at row 1, column 3 is nan"},
        {TALL_WEIGHTS, RHM_INVALID, "/model/weights_1 has the shape 3 x 4; 2 x 4 expected"},
        {FLAT_WEIGHTS, RHM_INVALID, "/model/weights_1 has the shape 2; 2 x 4 expected"},
        {NARROW, RHM_INVALID, "/model/frequencies_2 has 2 dimensions, the last of extent 5; width x 6 expected"},
        {NO_BANDWIDTH, RHM_INVALID, "/model/weights_1 has no attribute bandwidth"},
        {INTEGER_WEIGHTS, RHM_INVALID, "/model/weights_1 does not hold floating-point numbers but integers"},
        {WRONG_HASH, RHM_CORRUPT, "model_hash says abc"},
        {OTHER_KIND, RHM_UNSUPPORTED, "of the kind 'crystal-ball'; this library knows random-features"},
        {OTHER_FLOOR, RHM_UNSUPPORTED, "floor 1;"},
    };
    rhm_model *model = NULL;
    rhm_error error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        foreign_model(cases[i].flaw);
        assert_refused(rhm_model_load(&model, "m.h5", &error), cases[i].status, &error, cases[i].words);
        assert_non_null(strstr(error.text, "m.h5: "));
        assert_null(model);
    }
    foreign_model(SOUND);
    assert_ok(rhm_model_load(&model, "m.h5", &error), &error);
    assert_string_equal(rhm_model_kind(model), "random-features");
    const rhm_level_weights level = rhm_model_level(model, 2);
    assert_int_equal(level.width, 2);
    assert_true(level.bandwidth == 2 && level.ridge == 0.5);
    assert_true(level.frequencies[11] == 0.375f && level.weights[7] == -0.125f);
    rhm_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_rules_make_a_grammar),
        cmocka_unit_test(what_a_foreign_grammar_states_is_kept),
        cmocka_unit_test(malformed_grammars_are_refused_by_name),
        cmocka_unit_test(forged_shapes_ask_for_no_memory),
        cmocka_unit_test(foreign_data_is_read_and_measured),
        cmocka_unit_test(branching_and_levels_are_inferred_where_one_answer_exists),
        cmocka_unit_test(vocabularies_are_hinted_or_inferred),
        cmocka_unit_test(labels_may_be_missing_only_where_nobody_needs_them),
        cmocka_unit_test(malformed_data_is_refused_by_name),
        cmocka_unit_test(compressed_data_is_read),
        cmocka_unit_test(foreign_models_are_read_with_all_shapes_checked),
    };
    return cmocka_run_group_tests_name("foreign files", tests, enter_directory, leave_directory);
}
