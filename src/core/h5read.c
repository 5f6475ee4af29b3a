/* Arrays (HDF5 datasets) read, with every claim of the file checked before memory is asked for. */
#include "core/h5internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

enum {
    SHAPE_TEXT_NBYTES = 72,
    BLOCK_ELEMENTS = 1 << 16, /* converted at a time: stays in the second-level cache */
    CHUNK_CACHE_SLOTS = 1009, /* a prime, as libhdf5 asks for */
};

/* Arrays up to this size are read without asking whether the file can hold them: those never written are all zeros. */
static const uint64_t always_plausible_nbytes = UINT64_C(1) << 26;
/* deflate, the common filter, reaches 1032:1; more than this is a forged shape. */
static const uint64_t best_compression = 4096;
/* A chunk is decompressed once, not once per block of rows, as long as it fits here. */
static const size_t default_chunk_cache_nbytes = (size_t)1 << 20;
static const size_t chunk_cache_limit_nbytes = (size_t)1 << 30;

struct array {
    hid_t dataset, type, space;
    H5T_class_t class;
    rhm_h5_shape shape;
};

static const char *shape_text(char text[SHAPE_TEXT_NBYTES], const rhm_h5_shape *shape) {
    size_t used = 0;
    snprintf(text, SHAPE_TEXT_NBYTES, "a single value");
    for (unsigned i = 0; i < shape->rank; i++)
        used += (size_t)snprintf(text + used, SHAPE_TEXT_NBYTES - used, "%s%" PRIu64, i ? " x " : "", shape->extent[i]);
    return text;
}

static bool same_shape(const rhm_h5_shape *a, const rhm_h5_shape *b) {
    for (unsigned i = 0; i < a->rank && i < b->rank; i++)
        if (a->extent[i] != b->extent[i])
            return false;
    return a->rank == b->rank;
}

static bool count_elements(const rhm_h5_shape *shape, size_t element_nbytes, size_t *nbytes) {
    *nbytes = element_nbytes;
    for (unsigned i = 0; i < shape->rank; i++)
        if (!rhm_size_mul(nbytes, shape->extent[i]))
            return false;
    return *nbytes <= PTRDIFF_MAX;
}

static void close_array(struct array *array) {
    rhm_h5_close_space(array->space);
    rhm_h5_close_type(array->type);
    rhm_h5_close_object(array->dataset);
}

/*
 * Whether an array of `nbytes` can be in a file of this size. Arrays spread over other files (external, virtual) cannot
 * be judged by it and are believed.
 */
static bool plausible(const rhm_h5 *file, hid_t layout, uint64_t nbytes) {
    const H5D_layout_t kind = H5Pget_layout(layout);
    if (nbytes <= always_plausible_nbytes || kind == H5D_VIRTUAL || H5Pget_external_count(layout) > 0)
        return true;
    const uint64_t ratio = H5Pget_nfilters(layout) > 0 ? best_compression : 1;
    return nbytes / ratio <= file->nbytes;
}

/*
 * Reopen with a cache that holds a whole row of chunks where the default one would not. The dataset is closed first:
 * libhdf5 ignores the new settings while it is open.
 */
static void fit_chunk_cache(const rhm_h5 *file, const char *object, struct array *array, hid_t layout) {
    hsize_t chunk[RHM_H5_MAX_RANK];
    if (array->shape.rank == 0 || H5Pget_layout(layout) != H5D_CHUNKED || H5Pget_nfilters(layout) <= 0 ||
        H5Pget_chunk(layout, RHM_H5_MAX_RANK, chunk) != (int)array->shape.rank)
        return;
    size_t nbytes = H5Tget_size(array->type);
    for (unsigned i = 0; i < array->shape.rank; i++) {
        if (chunk[i] == 0)
            return;
        const uint64_t across = i ? (array->shape.extent[i] + chunk[i] - 1) / chunk[i] : 1;
        if (!rhm_size_mul(&nbytes, chunk[i]) || !rhm_size_mul(&nbytes, across) || nbytes > chunk_cache_limit_nbytes)
            return;
    }
    if (nbytes <= default_chunk_cache_nbytes)
        return;
    const hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    H5Pset_chunk_cache(access, CHUNK_CACHE_SLOTS, nbytes, 1.0);
    H5Dclose(array->dataset);
    array->dataset = H5Dopen2(file->id, object, access);
    rhm_h5_close_plist(access);
}

static rhm_status check_type(const rhm_h5 *file, const char *object, const struct array *array, H5T_class_t wanted,
                             rhm_error *error) {
    const size_t nbytes = H5Tget_size(array->type);
    if (wanted == H5T_INTEGER && (array->class != wanted || nbytes > sizeof(int64_t)))
        return rhm_h5_refuse(file, object, error, "does not hold integers of at most 64 bits but %s",
                             array->class == H5T_FLOAT ? "floating-point numbers" : "something else");
    if (wanted == H5T_FLOAT && (array->class != wanted || nbytes > 16))
        return rhm_h5_refuse(file, object, error, "does not hold floating-point numbers but %s",
                             array->class == H5T_INTEGER ? "integers" : "something else");
    if (wanted == H5T_STRING && array->class != wanted)
        return rhm_h5_refuse(file, object, error, "does not hold text");
    return RHM_OK;
}

static rhm_status read_extents(const rhm_h5 *file, const char *object, struct array *array, rhm_error *error) {
    const int rank = H5Sget_simple_extent_ndims(array->space);
    if (rank < 0 || H5Sget_simple_extent_type(array->space) == H5S_NULL)
        return rhm_h5_refuse(file, object, error, "holds no array");
    if (rank > RHM_H5_MAX_RANK)
        return rhm_h5_refuse(file, object, error, "has %d dimensions; at most %d are expected", rank, RHM_H5_MAX_RANK);
    hsize_t extent[RHM_H5_MAX_RANK];
    if (H5Sget_simple_extent_dims(array->space, extent, NULL) < 0)
        return rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    array->shape.rank = (unsigned)rank;
    for (int i = 0; i < rank; i++)
        array->shape.extent[i] = extent[i];
    return RHM_OK;
}

static rhm_status check_size(const rhm_h5 *file, const char *object, struct array *array, rhm_error *error) {
    char text[SHAPE_TEXT_NBYTES];
    size_t nbytes;
    if (!count_elements(&array->shape, H5Tget_size(array->type), &nbytes))
        return rhm_h5_refuse(file, object, error, "has the shape %s, which exceeds the address space",
                             shape_text(text, &array->shape));
    const hid_t layout = H5Dget_create_plist(array->dataset);
    if (layout < 0)
        return rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    size_t elements = 0;
    (void)count_elements(&array->shape, 1, &elements);
    rhm_status status = rhm_h5_check_sources(file, object, array->dataset, layout, elements, error);
    if (status == RHM_OK && !plausible(file, layout, nbytes))
        status = rhm_fail(error, RHM_CORRUPT, "%s: %s claims the shape %s, %zu bytes, in a file of %" PRIu64 " bytes",
                          rhm_path_shown(file->path), object, shape_text(text, &array->shape), nbytes, file->nbytes);
    if (status == RHM_OK)
        fit_chunk_cache(file, object, array, layout);
    rhm_h5_close_plist(layout);
    if (array->dataset < 0)
        return rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    return status;
}

static rhm_status open_array(struct array *array, const rhm_h5 *file, const char *object, H5T_class_t wanted,
                             rhm_error *error) {
    *array = (struct array){.dataset = H5I_INVALID_HID, .type = H5I_INVALID_HID, .space = H5I_INVALID_HID};
    if (!rhm_h5_has(file, object))
        return rhm_fail(error, RHM_INVALID, "%s: there is no %s in this file", rhm_path_shown(file->path), object);
    array->dataset = H5Dopen2(file->id, object, H5P_DEFAULT);
    if (array->dataset < 0)
        return rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    array->type = H5Dget_type(array->dataset);
    array->space = H5Dget_space(array->dataset);
    rhm_status status = RHM_OK;
    if (array->type < 0 || array->space < 0)
        status = rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    else
        array->class = H5Tget_class(array->type);
    if (status == RHM_OK)
        status = check_type(file, object, array, wanted, error);
    if (status == RHM_OK)
        status = read_extents(file, object, array, error);
    if (status == RHM_OK)
        status = check_size(file, object, array, error);
    if (status != RHM_OK)
        close_array(array);
    return status;
}

static rhm_status open_shaped(struct array *array, const rhm_h5 *file, const char *object, H5T_class_t wanted,
                              const rhm_h5_shape *shape, rhm_error *error) {
    RHM_TRY(open_array(array, file, object, wanted, error));
    if (same_shape(&array->shape, shape))
        return RHM_OK;
    char found[SHAPE_TEXT_NBYTES], expected[SHAPE_TEXT_NBYTES];
    close_array(array);
    return rhm_h5_refuse(file, object, error, "has the shape %s; %s expected", shape_text(found, &array->shape),
                         shape_text(expected, shape));
}

rhm_status rhm_h5_read_shape(const rhm_h5 *file, const char *object, rhm_h5_class wanted, rhm_h5_shape *shape,
                             rhm_error *error) {
    RHM_H5_GUARDED;
    struct array array;
    RHM_TRY(open_array(&array, file, object, wanted == RHM_H5_INTEGERS ? H5T_INTEGER : H5T_FLOAT, error));
    *shape = array.shape;
    close_array(&array);
    return RHM_OK;
}

rhm_status rhm_h5_read_floats(const rhm_h5 *file, const char *object, const rhm_h5_shape *shape, rhm_h5_type type,
                              void *values, rhm_error *error) {
    RHM_H5_GUARDED;
    struct array array;
    RHM_TRY(open_shaped(&array, file, object, H5T_FLOAT, shape, error));
    rhm_status status = RHM_OK;
    if (H5Dread(array.dataset, rhm_h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    close_array(&array);
    return status;
}

rhm_status rhm_h5_read_counts(const rhm_h5 *file, const char *object, const rhm_h5_shape *shape, uint64_t *counts,
                              rhm_error *error) {
    RHM_H5_GUARDED;
    struct array array;
    RHM_TRY(open_shaped(&array, file, object, H5T_INTEGER, shape, error));
    rhm_status status = RHM_OK;
    if (H5Tget_sign(array.type) != H5T_SGN_NONE)
        status = rhm_h5_refuse(file, object, error, "does not hold unsigned integers");
    else if (H5Dread(array.dataset, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, counts) < 0)
        status = rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    close_array(&array);
    return status;
}

/* "/data/tokens[12, 3]", for sentences. */
static const char *position_text(char text[192], const char *object, const rhm_h5_shape *shape, uint64_t index) {
    uint64_t position[RHM_H5_MAX_RANK] = {0};
    for (unsigned i = shape->rank; i-- > 0; index /= shape->extent[i])
        position[i] = index % shape->extent[i];
    int used = snprintf(text, 192, "%.100s[", object);
    for (unsigned i = 0; i < shape->rank; i++)
        used += snprintf(text + used, 192 - (size_t)used, "%s%" PRIu64, i ? ", " : "", position[i]);
    snprintf(text + used, 192 - (size_t)used, "]");
    return text;
}

/* Unsigned and signed integers need different memory types, lest libhdf5 clip what does not fit. */
static bool is_signed(const struct array *array) {
    return H5Tget_sign(array->type) == H5T_SGN_2;
}

static rhm_status read_block(const rhm_h5 *file, const char *object, struct array *array, uint64_t first,
                             uint64_t count, uint64_t *block, rhm_error *error) {
    const hid_t type = is_signed(array) ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64;
    hid_t memory = H5I_INVALID_HID;
    rhm_status status = RHM_OK;
    if (!rhm_h5_select_rows(array->space, &array->shape, first, count, &memory) ||
        H5Dread(array->dataset, type, memory, array->space, H5P_DEFAULT, block) < 0)
        status = rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    rhm_h5_close_space(memory);
    return status;
}

/* Check a block that starts at element `first` and put it where it belongs. */
static rhm_status store_symbols(const rhm_h5 *file, const char *object, const struct array *array,
                                const uint64_t *block, size_t first, size_t count, uint32_t limit, rhm_h5_type type,
                                void *symbols, rhm_error *error) {
    uint16_t *narrow = symbols;
    uint32_t *wide = symbols;
    for (size_t i = 0; i < count; i++) {
        if (block[i] >= limit) {
            char what[192], value[32];
            if (is_signed(array))
                snprintf(value, sizeof value, "%" PRId64, (int64_t)block[i]);
            else
                snprintf(value, sizeof value, "%" PRIu64, block[i]);
            return rhm_h5_refuse(file, position_text(what, object, &array->shape, first + i), error,
                                 "is %s; allowed are 0 to %" PRIu32 "%s", value, limit - 1,
                                 block[i] == limit ? " (symbols are numbered from 0)" : "");
        }
        if (type == RHM_H5_U16)
            narrow[first + i] = (uint16_t)block[i];
        else
            wide[first + i] = (uint32_t)block[i];
    }
    return RHM_OK;
}

rhm_status rhm_h5_read_symbols(const rhm_h5 *file, const char *object, const rhm_h5_shape *shape, uint32_t limit,
                               rhm_h5_type type, void *symbols, rhm_error *error) {
    RHM_H5_GUARDED;
    struct array array;
    RHM_TRY(open_shaped(&array, file, object, H5T_INTEGER, shape, error));
    size_t row = 1;
    for (unsigned i = 1; i < shape->rank; i++)
        row *= shape->extent[i];
    const uint64_t rows = row ? shape->extent[0] : 0;
    const uint64_t step = row && row < BLOCK_ELEMENTS ? BLOCK_ELEMENTS / row : 1;
    uint64_t *block = RHM_NEW(uint64_t, step < rows ? step : rows, row, 1, "block of integers", error);
    rhm_status status = block ? RHM_OK : RHM_NO_MEMORY;
    for (uint64_t first = 0; first < rows && status == RHM_OK; first += step) {
        const uint64_t count = rows - first < step ? rows - first : step;
        status = read_block(file, object, &array, first, count, block, error);
        if (status == RHM_OK)
            status = store_symbols(file, object, &array, block, first * row, count * row, limit, type, symbols, error);
    }
    rhm_free(block);
    close_array(&array);
    return status;
}

rhm_status rhm_h5_read_text(const rhm_h5 *file, const char *object, char **text, rhm_error *error) {
    RHM_H5_GUARDED;
    struct array array;
    RHM_TRY(open_array(&array, file, object, H5T_STRING, error));
    const rhm_status status = array.shape.rank != 0
                                  ? rhm_h5_refuse(file, object, error, "is not a single text")
                                  : rhm_h5_read_string(file, object, array.dataset, array.type, text, error);
    close_array(&array);
    return status;
}
