/* Files as another program would write them: plain HDF5 calls, no header of ours. */
#ifndef RHM_TESTS_FOREIGN_H
#define RHM_TESTS_FOREIGN_H

#include "files.h"

#include <hdf5.h>

/* An array of `values` of type `memory`, stored as `stored`; intermediate groups are made. */
static inline void put(hid_t file, const char *object, hid_t stored, hid_t memory, int rank, const hsize_t *extent,
                       const void *values) {
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    const hid_t space = H5Screate_simple(rank, extent, NULL);
    const hid_t set = H5Dcreate2(file, object, stored, space, links, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0);
    if (values)
        assert_true(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(links);
}

static inline void put_number(hid_t file, const char *object, const char *name, hid_t stored, long value) {
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate_by_name(file, object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(attribute >= 0);
    assert_true(H5Awrite(attribute, H5T_NATIVE_LONG, &value) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

static inline void put_text(hid_t file, const char *object, const char *name, const char *words) {
    const hid_t text = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(text, strlen(words) + 1);
    const hid_t attribute = H5Acreate_by_name(file, object, name, text, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(attribute >= 0);
    assert_true(H5Awrite(attribute, text, words) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(text);
}

static inline hid_t create(const char *path) {
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

/* s = 2, L = 2; V = 2, 3, 4. */
static const int rules_1[2][2][2] = {{{0, 1}, {1, 2}}, {{2, 0}, {0, 0}}};
static const int rules_2[3][1][2] = {{{3, 0}}, {{1, 2}}, {{2, 2}}};
static const hsize_t extent_1[3] = {2, 2, 2}, extent_2[3] = {3, 1, 2};

/* The two tables with one entry of rules_2 replaced, nothing else. */
static inline void foreign_grammar(const char *path, hid_t stored, int row, int column, int symbol) {
    int changed[3][1][2];
    memcpy(changed, rules_2, sizeof changed);
    changed[row][0][column] = symbol;
    const hid_t file = create(path);
    put(file, "/grammar/rules_1", stored, H5T_NATIVE_INT, 3, extent_1, rules_1);
    put(file, "/grammar/rules_2", stored, H5T_NATIVE_INT, 3, extent_2, changed);
    H5Fclose(file);
}

enum { COUNT = 6 };

/* COUNT sequences of `tokens` tokens below 4, labels below 3; both as `stored`; `place` is "/data" or "". */
static inline void foreign_data(const char *place, hid_t stored, int tokens, int label_rank, bool with_labels) {
    int values[COUNT * 128], labels[COUNT];
    char object[32];
    for (int i = 0; i < COUNT * tokens; i++)
        values[i] = i * 7 % 4;
    for (int i = 0; i < COUNT; i++)
        labels[i] = i % 3;
    const hid_t file = create("d.h5");
    const hsize_t extent[2] = {COUNT, (hsize_t)tokens}, label_extent[2] = {COUNT, 1};
    snprintf(object, sizeof object, "%s/tokens", place);
    put(file, object, stored, H5T_NATIVE_INT, 2, extent, values);
    snprintf(object, sizeof object, "%s/labels", place);
    if (with_labels)
        put(file, object, stored, H5T_NATIVE_INT, label_rank, label_extent, labels);
    H5Fclose(file);
}

/* Levels 1 and 2 of s = 2, V_L = 3, V_0 = 2, M = 2, as h5py might write them, with one thing wrong. */
enum flaw {
    SOUND,
    NAN_WEIGHT,
    TALL_WEIGHTS,
    FLAT_WEIGHTS,
    NARROW,
    NO_BANDWIDTH,
    INTEGER_WEIGHTS,
    WRONG_HASH,
    OTHER_FLOOR,
    OTHER_KIND
};

static inline void foreign_model(enum flaw flaw) {
    static const char *const objects[3][2] = {
        {NULL, NULL}, {"/model/frequencies_1", "/model/weights_1"}, {"/model/frequencies_2", "/model/weights_2"}};
    double numbers[16];
    for (int i = 0; i < 16; i++)
        numbers[i] = i / 8.0 - 1;
    const double bandwidth[2] = {1, 2}, ridge[2] = {0, 0.5};
    const hsize_t two = 2;
    const hid_t file = create("m.h5");
    for (int level = 1; level <= 2; level++) {
        const hsize_t frequencies[2] = {2, level == 2 ? (flaw == NARROW ? 5 : 6) : 4};
        const hsize_t weights[2] = {flaw == TALL_WEIGHTS ? 3 : 2, 4};
        const hid_t stored = flaw == INTEGER_WEIGHTS ? H5T_STD_I32LE : H5T_IEEE_F64LE;
        put(file, objects[level][0], H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 2, frequencies, numbers);
        if (flaw == NAN_WEIGHT && level == 2)
            numbers[7] = strtod("nan", NULL);
        put(file, objects[level][1], stored, H5T_NATIVE_DOUBLE, flaw == FLAT_WEIGHTS ? 1 : 2, weights, numbers);
    }
    if (flaw != NO_BANDWIDTH)
        put(file, "/model/bandwidth", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &two, bandwidth);
    put(file, "/model/ridge", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &two, ridge);
    put_number(file, "/model", "levels", H5T_STD_I64LE, 2);
    put_number(file, "/model", "branching", H5T_STD_I64LE, 2);
    put_number(file, "/model", "label_vocab", H5T_STD_I64LE, 2);
    put_number(file, "/model", "token_vocab", H5T_STD_I64LE, 3);
    if (flaw == OTHER_FLOOR)
        put_number(file, "/model", "normalization_floor", H5T_IEEE_F64LE, 1);
    if (flaw == WRONG_HASH)
        put_text(file, "/model", "model_hash", "abc");
    if (flaw == OTHER_KIND)
        put_text(file, "/model", "kind", "crystal-ball");
    H5Fclose(file);
}

/* The features of newer files: chunks, compression, checksummed headers, strings in a heap. */
static inline void modern_data(const char *path) {
    static const char *const text = "made by somebody else";
    unsigned char tokens[600][2], labels[600];
    const hsize_t extent[2] = {600, 2}, chunk[2] = {64, 2};
    for (int i = 0; i < 600 * 2; i++)
        tokens[i / 2][i % 2] = (unsigned char)(i * i / 7 % 3);
    for (int i = 0; i < 600; i++)
        labels[i] = (unsigned char)(i % 2);
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    const hid_t options = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(options, 2, chunk);
    H5Pset_shuffle(options);
    H5Pset_deflate(options, 6);
    const hid_t space = H5Screate_simple(2, extent, NULL);
    const hid_t set = H5Dcreate2(file, "/tokens", H5T_STD_U8LE, space, H5P_DEFAULT, options, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_UCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT, tokens) >= 0);
    put(file, "/labels", H5T_STD_U8LE, H5T_NATIVE_UCHAR, 1, extent, labels);
    put(file, "/grammar/rules_1", H5T_STD_I32LE, H5T_NATIVE_INT, 3, extent_1, rules_1);
    const hid_t type = H5Tcopy(H5T_C_S1), scalar = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    const hid_t attribute =
        H5Acreate_by_name(file, "/grammar", "rule_sampling", type, scalar, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, &text);
    H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(scalar);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(options);
    H5Pclose(access);
    H5Fclose(file);
}

#endif
