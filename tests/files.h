/* Small grammars, models and files for the tests of what the library stores. */
#ifndef RHM_TESTS_FILES_H
#define RHM_TESTS_FILES_H

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "rhm/rhm.h"

/* A directory of its own, in memory where there is such a place: every file is synced. Left on failure, for a look. */
static inline int enter_directory(void **state) {
    static char in_memory[] = "/dev/shm/rhm_files_XXXXXX";
    static char here[] = "files_XXXXXX";
    (void)state;
    const char *name = mkdtemp(in_memory);
    if (!name)
        name = mkdtemp(here);
    return name && chdir(name) == 0 ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *status, int kind, struct FTW *position) {
    (void)status, (void)kind, (void)position;
    return remove(path);
}

static inline int leave_directory(void **state) {
    char name[4096];
    (void)state;
    if (!getcwd(name, sizeof name) || chdir("..") != 0)
        return -1;
    return nftw(name, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Fails with the library's sentence. */
static inline void assert_ok(rhm_status status, const rhm_error *error) {
    if (status != RHM_OK)
        fail_msg("%s: %s", rhm_status_name(status), error->text);
}

/* A refusal of this kind whose sentence mentions `words`. */
static inline void assert_refused(rhm_status status, rhm_status expected, const rhm_error *error, const char *words) {
    if (status != expected || error->status != expected || !strstr(error->text, words))
        fail_msg("expected \"%s\" and \"%s\", found \"%s\": %s", rhm_status_name(expected), words,
                 rhm_status_name(status), status == RHM_OK ? "no error" : error->text);
}

/* V = 3, 4, 5, 6; m = 2, 2, 3; s = 2; nothing uniform, one rule absent. Patch r of a level is (r / V, r mod V). */
static inline rhm_grammar *small_grammar(void) {
    const rhm_shape shape = {.levels = 3, .branching = {0, 2, 2, 2}, .vocab = {3, 4, 5, 6}, .rules = {0, 2, 2, 3}};
    static uint32_t patches[3][64];
    static double probability[3][32];
    const uint32_t *patch_tables[3];
    const double *probability_tables[3];
    for (uint32_t level = 1; level <= 3; level++) {
        const uint32_t rules = shape.rules[level];
        for (uint32_t row = 0; row < shape.vocab[level - 1] * rules; row++) {
            patches[level - 1][2 * row] = row / shape.vocab[level];
            patches[level - 1][2 * row + 1] = row % shape.vocab[level];
            probability[level - 1][row] = (row % rules + 1) * 2.0 / (rules * (rules + 1.0));
        }
        patch_tables[level - 1] = patches[level - 1];
        probability_tables[level - 1] = probability[level - 1];
    }
    probability[1][0] = 0;
    probability[1][1] = 1;
    const double labels[3] = {0.5, 0.2, 0.3};
    rhm_grammar *grammar = NULL;
    rhm_error error;
    assert_ok(rhm_grammar_create(&grammar, &shape, patch_tables, probability_tables, labels, &error), &error);
    return grammar;
}

static inline rhm_grammar *drawn_grammar(uint32_t vocab, uint32_t rules, uint32_t branching, uint32_t levels) {
    const rhm_shape shape = rhm_shape_uniform(vocab, rules, branching, levels);
    rhm_grammar *grammar = NULL;
    rhm_error error;
    assert_ok(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, 20260119, &error), &error);
    return grammar;
}

/* Levels of width 5, 6, 7, ... for a grammar's shape, filled with distinct numbers. */
static inline rhm_model *small_model(const rhm_grammar *grammar) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    static float numbers[4096];
    rhm_level_weights level[RHM_MAX_LEVELS + 1] = {0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        numbers[i] = (float)(i * 37 % 4096) / 64.0f - 32.0f;
    for (uint32_t l = 1; l <= shape->levels; l++)
        level[l] = (rhm_level_weights){
            .tokens = shape->branching[l],
            .embedding = shape->vocab[l == shape->levels ? l : 0],
            .classes = shape->vocab[0],
            .width = 4 + l,
            .bandwidth = 0.1 * l,
            .ridge = 1e-3 / l,
            .frequencies = numbers + 100 * l,
            .weights = numbers + 333 * l,
        };
    rhm_model *model = NULL;
    rhm_error error;
    assert_ok(rhm_model_create(&model, shape->levels, level, grammar, &error), &error);
    return model;
}

static inline void assert_same_grammar(const rhm_grammar *a, const rhm_grammar *b) {
    const rhm_shape *shape = rhm_grammar_shape(a);
    assert_memory_equal(shape, rhm_grammar_shape(b), sizeof *shape);
    assert_int_equal(rhm_grammar_sampling(a), rhm_grammar_sampling(b));
    assert_true(rhm_grammar_seed(a) == rhm_grammar_seed(b));
    assert_memory_equal(rhm_grammar_label_probability(a), rhm_grammar_label_probability(b),
                        sizeof(double) * shape->vocab[0]);
    for (uint32_t level = 1; level <= shape->levels; level++) {
        const size_t rows = (size_t)shape->vocab[level - 1] * shape->rules[level];
        assert_memory_equal(rhm_grammar_patches(a, level), rhm_grammar_patches(b, level),
                            sizeof(uint32_t) * rows * shape->branching[level]);
        assert_memory_equal(rhm_grammar_probability(a, level), rhm_grammar_probability(b, level),
                            sizeof(double) * rows);
    }
}

/* The whole file; *nbytes receives its size. Release with free. */
static inline unsigned char *read_bytes(const char *path, size_t *nbytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *nbytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*nbytes + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *nbytes, file), *nbytes);
    fclose(file);
    return bytes;
}

static inline void write_bytes(const char *path, const void *bytes, size_t nbytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, nbytes, file), nbytes);
    assert_int_equal(fclose(file), 0);
}

/* Read a file of any kind with the reader of that kind. */
static inline rhm_status load_any(const char *kind, const char *path, rhm_error *error) {
    rhm_grammar *grammar = NULL;
    rhm_model *model = NULL;
    rhm_data data = {0};
    rhm_status status;
    if (strcmp(kind, "grammar") == 0)
        status = rhm_grammar_load(&grammar, path, error);
    else if (strcmp(kind, "model") == 0)
        status = rhm_model_load(&model, path, error);
    else
        status = rhm_data_load(&data, path, NULL, error);
    rhm_grammar_destroy(grammar);
    rhm_model_destroy(model);
    rhm_data_clear(&data);
    return status;
}

/* Sequence i of a made-up data set: symbols of level l, all in range, every one used. */
static inline uint16_t made_up(const rhm_shape *shape, uint32_t level, size_t i, size_t column) {
    return (uint16_t)((i * 31 + column * 17 + i * column + level) % shape->vocab[level]);
}

enum { SEQUENCES = 1003, TOKENS = 8 };

/* Three uneven steps. */
static inline void write_data(const char *path, const rhm_grammar *grammar, int with_latents) {
    static const size_t steps[3] = {1, 700, 302};
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    static uint16_t tokens[SEQUENCES * TOKENS], labels[SEQUENCES], first[SEQUENCES * 2], second[SEQUENCES * 4];
    uint16_t *const latents[3] = {NULL, first, second};
    rhm_data_writer *writer = NULL;
    rhm_error error;
    assert_ok(rhm_data_writer_open(&writer, path, grammar, 77, SEQUENCES, with_latents, &error), &error);
    size_t begin = 0;
    for (int step = 0; step < 3; begin += steps[step++]) {
        for (size_t i = 0; i < steps[step]; i++) {
            labels[i] = made_up(shape, 0, begin + i, 0);
            for (size_t column = 0; column < TOKENS; column++)
                tokens[i * TOKENS + column] = made_up(shape, 3, begin + i, column);
            for (size_t column = 0; column < 4; column++)
                second[i * 4 + column] = made_up(shape, 2, begin + i, column);
            for (size_t column = 0; column < 2; column++)
                first[i * 2 + column] = made_up(shape, 1, begin + i, column);
        }
        assert_ok(rhm_data_writer_append(writer, steps[step], tokens, labels, with_latents ? latents : NULL, &error),
                  &error);
    }
    assert_ok(rhm_data_writer_commit(&writer, &error), &error);
    assert_null(writer);
}

static inline int count_entries(void) {
    int count = 0;
    DIR *directory = opendir(".");
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* One file of each kind, in bytes. */
static const char *const kinds[3] = {"grammar", "data", "model"};

static inline unsigned char *file_of_kind(int kind, size_t *nbytes) {
    rhm_grammar *grammar = small_grammar();
    rhm_model *model = small_model(grammar);
    rhm_error error;
    if (kind == 0)
        assert_ok(rhm_grammar_save(grammar, "whole.h5", &error), &error);
    else if (kind == 1)
        write_data("whole.h5", grammar, 1);
    else
        assert_ok(rhm_model_save(model, "whole.h5", &error), &error);
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    return read_bytes("whole.h5", nbytes);
}

#endif
