#include "made_file.h"

#include <fcntl.h>
#include <hdf5.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "core/file_header.h"
#include "made_array.h"
#include "target.h"

static const char *const objects[] = {
    "/",
    "/grammar",
    "/grammar/rules_1",
    "/grammar/rules_2",
    "/grammar/rules_3",
    "/grammar/probability_1",
    "/grammar/probability_2",
    "/grammar/probability_3",
    "/grammar/label_probability",
    "/grammar/rho",
    "/grammar/posterior_1",
    "/data",
    "/data/tokens",
    "/data/labels",
    "/data/latents_1",
    "/tokens",
    "/labels",
    "/model",
    "/model/frequencies_1",
    "/model/frequencies_2",
    "/model/frequencies_3",
    "/model/weights_1",
    "/model/weights_2",
    "/model/weights_3",
    "/model/bandwidth",
    "/model/ridge",
    "/report",
    "/prediction",
    "/prediction/posteriors",
    "/prediction/labels",
    "/run",
    "/levels",
    "/levels/rows",
    "/levels/weights_1",
    "/levels/weights_2",
    "/stage",
    "/stage/costs",
    "/stage/search",
    "/stage/draws",
    "/stage/best",
    "/stage/best_weights",
    "/solver",
    "/solver/numbers",
    "/solver/vector_0",
    "/solver/vector_1",
    "/solver/vector_2",
    "/solver/vector_3",
    "/backend",
    "/backend/choices",
    "/training",
    "/training/tuples_1",
    "/training/tuples_2",
    "/training/tuples_3",
    "/training/cells",
    "/training/counts",
    "/validation",
    "/validation/tuples_1",
    "/validation/tuples_2",
    "/validation/cells",
    "/validation/counts",
    "/grammar/rules_4",
    "/elsewhere",
};

static const char *const attributes[] = {
    "levels",      "branching",    "vocab",       "seed",        "rule_sampling",
    "kappa",       "assumption_6", "label_vocab", "token_vocab", "normalization_floor",
    "model_hash",  "bandwidth",    "ridge",       "accuracy",    "schema",
    "version",     "samples",      "blind",       "level",       "seconds",
    "level_begin", "samples_file", "columns",     "limit",       "phase",
    "iterations",  "width",        "data-seed",   "backend",     "kind",
    "other",
};

#define PICK(table, byte) ((table)[(byte) % (sizeof(table) / sizeof *(table))])

static hid_t open_object(hid_t file, const char *object) {
    return H5Oopen(file, object, H5P_DEFAULT);
}

static void close_object(hid_t id) {
    if (id >= 0)
        H5Oclose(id);
}

static void drop(hid_t file, const char *object) {
    if (strcmp(object, "/") != 0)
        H5Ldelete(file, object, H5P_DEFAULT);
}

/* b: type, layout, extents (made_array.h); what was there goes. */
static void put_array(hid_t file, const char *object, const uint8_t b[6]) {
    drop(file, object);
    make_array(file, object, b);
}

/* Element b[0] + 256 b[1] of a numeric array becomes value b[2]. */
static void put_element(hid_t file, const char *object, const uint8_t b[6]) {
    const hid_t set = H5Dopen2(file, object, H5P_DEFAULT);
    if (set < 0)
        return;
    const hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    const hssize_t count = H5Sget_simple_extent_npoints(space);
    const int rank = H5Sget_simple_extent_ndims(space);
    const H5T_class_t class = H5Tget_class(type);
    hsize_t extent[H5S_MAX_RANK], at[H5S_MAX_RANK];
    if (count > 0 && rank > 0 && (class == H5T_INTEGER || class == H5T_FLOAT)) {
        hsize_t index = (b[0] + 256u * b[1]) % (hsize_t)count;
        H5Sget_simple_extent_dims(space, extent, NULL);
        for (int i = rank - 1; i >= 0; index /= extent[i--])
            at[i] = index % extent[i];
        const hid_t one = H5Screate(H5S_SCALAR);
        H5Sselect_elements(space, H5S_SELECT_SET, 1, at);
        write_number(set, class, one, space, b[2]);
        H5Sclose(one);
    }
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(set);
}

/* b: name, type, number of values, value. */
static void put_attribute(hid_t file, const char *object, const uint8_t b[6]) {
    const char *name = PICK(attributes, b[0]);
    const hid_t id = open_object(file, object);
    if (id < 0)
        return;
    H5Adelete(id, name);
    make_attribute(id, name, b + 1);
    close_object(id);
}

static void drop_attribute(hid_t file, const char *object, const uint8_t b[6]) {
    const hid_t id = open_object(file, object);
    if (id >= 0)
        H5Adelete(id, PICK(attributes, b[0]));
    close_object(id);
}

static void put_group(hid_t file, const char *object) {
    drop(file, object);
    const hid_t group = H5Gcreate2(file, object, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    close_object(group);
}

/* b: kind of link, where to. */
static void put_link(hid_t file, const char *object, const uint8_t b[6]) {
    const char *target = PICK(objects, b[1]);
    if (strcmp(object, "/") == 0)
        return;
    switch (b[0] % 4) {
    case 0:
        drop(file, object);
        H5Lcreate_soft(target, file, object, H5P_DEFAULT, H5P_DEFAULT);
        return;
    case 1:
        drop(file, object);
        H5Lcreate_external("absent.h5", target, file, object, H5P_DEFAULT, H5P_DEFAULT);
        return;
    case 2: {
        /* To an object of this file, which may contain the link. */
        const hid_t id = open_object(file, target);
        drop(file, object);
        if (id >= 0)
            H5Olink(id, file, object, H5P_DEFAULT, H5P_DEFAULT);
        close_object(id);
        return;
    }
    default:
        if (strcmp(target, "/") != 0)
            H5Lmove(file, object, file, target, H5P_DEFAULT, H5P_DEFAULT);
    }
}

static void put_copy(hid_t file, const char *object, const uint8_t b[6]) {
    const char *source = PICK(objects, b[0]);
    const size_t length = strlen(source);
    /* A copy of what contains it would not end. */
    if (strcmp(source, "/") == 0 || strncmp(object, source, length) == 0 || strcmp(object, "/") == 0)
        return;
    drop(file, object);
    H5Ocopy(file, source, file, object, H5P_DEFAULT, H5P_DEFAULT);
}

static void put_type(hid_t file, const char *object, const uint8_t b[6]) {
    const hid_t type = make_type(b[0], b[1]);
    if (type < 0 || strcmp(object, "/") == 0)
        return;
    drop(file, object);
    H5Tcommit2(file, object, type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Tclose(type);
}

static void resize(hid_t file, const char *object, const uint8_t b[6]) {
    const hid_t set = H5Dopen2(file, object, H5P_DEFAULT);
    if (set < 0)
        return;
    hsize_t extent[MADE_RANK];
    for (int i = 0; i < MADE_RANK; i++)
        extent[i] = made_extent(b[i]);
    const hid_t space = H5Dget_space(set);
    if (H5Sget_simple_extent_ndims(space) <= MADE_RANK)
        H5Dset_extent(set, extent);
    H5Sclose(space);
    H5Dclose(set);
}

static void apply(hid_t file, const uint8_t step[STEP_NBYTES]) {
    const char *object = PICK(objects, step[1]);
    const uint8_t *b = step + 2;
    switch (step[0] % 11) {
    case 0: drop(file, object); return;
    case 1: put_array(file, object, b); return;
    case 2: put_element(file, object, b); return;
    case 3: put_attribute(file, object, b); return;
    case 4: drop_attribute(file, object, b); return;
    case 5: put_group(file, object); return;
    case 6: put_link(file, object, b); return;
    case 7: put_copy(file, object, b); return;
    case 8: put_type(file, object, b); return;
    case 9: resize(file, object, b); return;
    case 10: make_text(file, object, b); return;
    }
}

/* In memory until it is closed, which writes it to `path`; a new file without an image. */
static hid_t open_image(const char *path, const uint8_t *image, size_t nbytes, bool latest) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(access, 1 << 16, true);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    if (latest)
        H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    unlink(path);
    hid_t file;
    if (image) {
        H5Pset_file_image(access, (void *)(uintptr_t)image, nbytes); /* copied */
        file = H5Fopen(path, H5F_ACC_RDWR, access);
    } else {
        file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    }
    if (file < 0)
        H5Eprint2(H5E_DEFAULT, stderr);
    FUZZ_CHECK(file >= 0);
    H5Pclose(access);
    return file;
}

static void blank_header(const char *path) {
    static const uint8_t zeros[RHM_FILE_HEADER_NBYTES];
    const int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    FUZZ_CHECK(descriptor >= 0 && write(descriptor, zeros, sizeof zeros) == sizeof zeros && close(descriptor) == 0);
}

bool make_file(const char *path, const uint8_t *image, size_t image_nbytes, made_by by, const char *kind,
               const uint8_t *steps, size_t steps_nbytes) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const hid_t file = open_image(path, image, image_nbytes, false);
    for (; steps_nbytes >= STEP_NBYTES; steps += STEP_NBYTES, steps_nbytes -= STEP_NBYTES)
        apply(file, steps);
    const bool closed = H5Fclose(file) >= 0;
    forget_filter();
    if (!closed) {
        H5close(); /* lest it stay open */
        return false;
    }
    rhm_error error = {0};
    if (by == MADE_BLANK)
        blank_header(path);
    if (by == MADE_BY_US)
        FUZZ_CHECK(rhm_file_header_write(path, path, kind, &error) == RHM_OK);
    return true;
}

static herr_t copy_object(hid_t from, const char *name, const H5L_info_t *info, void *context) {
    (void)info;
    return H5Ocopy(from, name, *(const hid_t *)context, name, H5P_DEFAULT, H5P_DEFAULT);
}

uint8_t *copy_without_header(const uint8_t *image, size_t image_nbytes, int latest, size_t *nbytes) {
    static const char from_path[] = "from.h5", to_path[] = "to.h5";
    const hid_t from = open_image(from_path, image, image_nbytes, false);
    const hid_t to = open_image(to_path, NULL, 0, latest);
    FUZZ_CHECK(H5Literate(from, H5_INDEX_NAME, H5_ITER_INC, NULL, copy_object, (void *)(uintptr_t)&to) >= 0);
    FUZZ_CHECK(H5Fclose(from) >= 0 && H5Fclose(to) >= 0);
    uint8_t *bytes = fuzz_read_file(to_path, nbytes);
    unlink(from_path);
    unlink(to_path);
    return bytes;
}
