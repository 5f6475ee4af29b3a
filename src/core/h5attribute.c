/* Attributes: small values beside groups and arrays. */
#include "core/h5internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

enum { MAX_COUNT = 64 };

/* "/grammar attribute seed", for sentences. */
static const char *label(char text[160], const char *object, const char *name) {
    snprintf(text, 160, "%s attribute %s", object, name);
    return text;
}

bool rhm_h5_has_attribute(const rhm_h5 *file, const char *object, const char *name) {
    RHM_H5_GUARDED;
    char what[160];
    return rhm_h5_exists(file, label(what, object, name), H5Aexists_by_name(file->id, object, name, H5P_DEFAULT));
}

static rhm_status write_values(rhm_h5 *file, const char *object, const char *name, hid_t stored, hid_t memory,
                               size_t count, const void *values, rhm_error *error) {
    char what[160];
    const hsize_t extent = count;
    const hid_t space = count == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &extent, NULL);
    const hid_t attribute =
        H5Acreate_by_name(file->id, object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    rhm_status status = RHM_OK;
    if (attribute < 0 || H5Awrite(attribute, memory, values) < 0)
        status = rhm_h5_failed(file, label(what, object, name), RHM_IO, "write", error);
    rhm_h5_close_attribute(attribute);
    rhm_h5_close_space(space);
    return status;
}

rhm_status rhm_h5_write_attribute(rhm_h5 *file, const char *object, const char *name, rhm_h5_type type, size_t count,
                                  const void *values, rhm_error *error) {
    RHM_H5_GUARDED;
    return write_values(file, object, name, rhm_h5_stored_type(type), rhm_h5_memory_type(type), count, values, error);
}

rhm_status rhm_h5_write_text_attribute(rhm_h5 *file, const char *object, const char *name, const char *text,
                                       rhm_error *error) {
    RHM_H5_GUARDED;
    const hid_t type = rhm_h5_text_type();
    const rhm_status status = write_values(file, object, name, type, type, 0, &text, error);
    rhm_h5_close_type(type);
    return status;
}

/* An attribute that exists, with its type and number of values. */
struct opened {
    hid_t attribute, type;
    H5T_class_t class;
    size_t nbytes; /* of a value */
    size_t count;
};

static void close_opened(struct opened *opened) {
    rhm_h5_close_type(opened->type);
    rhm_h5_close_attribute(opened->attribute);
}

static rhm_status open_attribute(struct opened *opened, const rhm_h5 *file, const char *object, const char *name,
                                 rhm_error *error) {
    char what[160];
    *opened = (struct opened){.attribute = H5I_INVALID_HID, .type = H5I_INVALID_HID};
    if (!rhm_h5_has_attribute(file, object, name))
        return rhm_h5_refuse(file, object, error, "has no attribute %s", name);
    opened->attribute = H5Aopen_by_name(file->id, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (opened->attribute < 0)
        return rhm_h5_failed(file, label(what, object, name), RHM_CORRUPT, "read", error);
    opened->type = H5Aget_type(opened->attribute);
    const hid_t space = H5Aget_space(opened->attribute);
    const hssize_t count = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    rhm_h5_close_space(space);
    if (opened->type < 0 || count < 0) {
        close_opened(opened);
        return rhm_h5_failed(file, label(what, object, name), RHM_CORRUPT, "read", error);
    }
    opened->class = H5Tget_class(opened->type);
    opened->nbytes = H5Tget_size(opened->type);
    opened->count = (size_t)count;
    return RHM_OK;
}

/* Unsigned and signed integers need different memory types, lest libhdf5 clip what does not fit. */
static rhm_status read_integers(const struct opened *opened, const rhm_h5 *file, const char *what, uint64_t low,
                                uint64_t high, uint64_t *values, rhm_error *error) {
    const bool is_signed = H5Tget_sign(opened->type) == H5T_SGN_2;
    uint64_t found[MAX_COUNT];
    if (H5Aread(opened->attribute, is_signed ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64, found) < 0)
        return rhm_h5_failed(file, what, RHM_CORRUPT, "read", error);
    for (size_t i = 0; i < opened->count; i++) {
        if (is_signed && (int64_t)found[i] < 0)
            return rhm_h5_refuse(file, what, error, "is %" PRId64 "; allowed are %" PRIu64 " to %" PRIu64,
                                 (int64_t)found[i], low, high);
        if (found[i] < low || found[i] > high)
            return rhm_h5_refuse(file, what, error, "is %" PRIu64 "; allowed are %" PRIu64 " to %" PRIu64, found[i],
                                 low, high);
    }
    memcpy(values, found, sizeof *found * opened->count);
    return RHM_OK;
}

rhm_status rhm_h5_read_integer_attribute(const rhm_h5 *file, const char *object, const char *name, size_t count,
                                         uint64_t low, uint64_t high, uint64_t *values, rhm_error *error) {
    RHM_H5_GUARDED;
    struct opened opened;
    char what[160];
    RHM_TRY(open_attribute(&opened, file, object, name, error));
    rhm_status status;
    if (opened.class != H5T_INTEGER || opened.nbytes > sizeof(uint64_t))
        status = rhm_h5_refuse(file, label(what, object, name), error, "is not an integer of at most 64 bits");
    else if (opened.count != count || count > MAX_COUNT)
        status =
            rhm_h5_refuse(file, label(what, object, name), error, "has %zu values; %zu expected", opened.count, count);
    else
        status = read_integers(&opened, file, label(what, object, name), low, high, values, error);
    close_opened(&opened);
    return status;
}

rhm_status rhm_h5_count_attribute(const rhm_h5 *file, const char *object, const char *name, size_t *count,
                                  rhm_error *error) {
    RHM_H5_GUARDED;
    struct opened opened;
    RHM_TRY(open_attribute(&opened, file, object, name, error));
    *count = opened.count;
    close_opened(&opened);
    return RHM_OK;
}

rhm_status rhm_h5_read_float_attribute(const rhm_h5 *file, const char *object, const char *name, double *value,
                                       rhm_error *error) {
    RHM_H5_GUARDED;
    struct opened opened;
    char what[160];
    RHM_TRY(open_attribute(&opened, file, object, name, error));
    rhm_status status = RHM_OK;
    const bool number = opened.class == H5T_FLOAT || opened.class == H5T_INTEGER;
    if (!number || opened.nbytes > 16 || opened.count != 1)
        status = rhm_h5_refuse(file, label(what, object, name), error, "is not a single number");
    else if (H5Aread(opened.attribute, H5T_NATIVE_DOUBLE, value) < 0)
        status = rhm_h5_failed(file, label(what, object, name), RHM_CORRUPT, "read", error);
    close_opened(&opened);
    return status;
}

/* The value of an opened string attribute; longer ones than the buffer are refused. */
static rhm_status read_text(const struct opened *opened, const rhm_h5 *file, const char *what, char *text,
                            size_t text_nbytes, rhm_error *error) {
    if (opened->class != H5T_STRING || opened->count != 1)
        return rhm_h5_refuse(file, what, error, "is not a single text");
    char *found = NULL;
    RHM_TRY(rhm_h5_read_string(file, what, opened->attribute, opened->type, &found, error));
    const size_t length = strlen(found);
    rhm_status status = RHM_OK;
    if (length >= text_nbytes)
        status = rhm_h5_refuse(file, what, error, "is \"%.20s...\", of %zu characters; at most %zu are expected", found,
                               length, text_nbytes - 1);
    else
        memcpy(text, found, length + 1);
    rhm_free(found);
    return status;
}

rhm_status rhm_h5_read_text_attribute(const rhm_h5 *file, const char *object, const char *name, char *text,
                                      size_t text_nbytes, rhm_error *error) {
    RHM_H5_GUARDED;
    struct opened opened;
    char what[160];
    RHM_TRY(open_attribute(&opened, file, object, name, error));
    const rhm_status status = read_text(&opened, file, label(what, object, name), text, text_nbytes, error);
    close_opened(&opened);
    return status;
}
