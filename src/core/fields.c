#include "core/fields.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

enum { NAMES_NBYTES = 2048 };

static const size_t member_nbytes[] = {
    [RHM_FIELD_BOOL] = sizeof(bool),  [RHM_FIELD_U32] = sizeof(uint32_t), [RHM_FIELD_U64] = sizeof(uint64_t),
    [RHM_FIELD_F64] = sizeof(double), [RHM_FIELD_TEXT] = sizeof(char),
};

static size_t times(const rhm_field *field) {
    return field->count ? field->count : 1;
}

/* Columns of a table: texts have none. */
static size_t columns_of(const rhm_field *field) {
    return field->type == RHM_FIELD_TEXT ? 0 : times(field);
}

static size_t columns(const rhm_fields *fields) {
    size_t count = 0;
    for (size_t f = 0; f < fields->count; f++)
        count += columns_of(&fields->field[f]);
    return count;
}

static double get(rhm_field_type type, const void *member) {
    switch (type) {
    case RHM_FIELD_BOOL: return *(const bool *)member ? 1 : 0;
    case RHM_FIELD_U32: return *(const uint32_t *)member;
    case RHM_FIELD_U64: return (double)*(const uint64_t *)member;
    case RHM_FIELD_F64:
    case RHM_FIELD_TEXT: break;
    }
    return *(const double *)member;
}

/* False where the member cannot hold the number. */
static bool set(rhm_field_type type, void *member, double number) {
    static const double end[] = {[RHM_FIELD_BOOL] = 2, [RHM_FIELD_U32] = 0x1p32, [RHM_FIELD_U64] = 0x1p64};
    if (type == RHM_FIELD_F64) {
        *(double *)member = number;
        return true;
    }
    if (!(number >= 0 && number < end[type]))
        return false;
    if (type == RHM_FIELD_BOOL)
        *(bool *)member = number != 0;
    else if (type == RHM_FIELD_U32)
        *(uint32_t *)member = (uint32_t)number;
    else
        *(uint64_t *)member = (uint64_t)number;
    return true;
}

/* "level samples subtrees[33] ..." */
static void name_columns(char text[NAMES_NBYTES], const rhm_fields *fields) {
    size_t used = 0;
    for (size_t f = 0; f < fields->count && used < NAMES_NBYTES; f++) {
        const rhm_field *field = &fields->field[f];
        const char *space = f ? " " : "";
        if (!columns_of(field))
            continue;
        used += (size_t)(field->count
                             ? snprintf(text + used, NAMES_NBYTES - used, "%s%s[%zu]", space, field->name, field->count)
                             : snprintf(text + used, NAMES_NBYTES - used, "%s%s", space, field->name));
    }
}

rhm_status rhm_fields_write(rhm_h5 *file, const char *object, const rhm_fields *fields, const void *structures,
                            size_t count, rhm_error *error) {
    const size_t width = columns(fields);
    double *table = RHM_NEW(double, count, width, 1, "table of a checkpoint", error);
    if (!table)
        return RHM_NO_MEMORY;
    double *at = table;
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < fields->count; f++) {
            const rhm_field *field = &fields->field[f];
            const char *member = (const char *)structures + i * fields->structure_nbytes + field->place;
            for (size_t k = 0; k < columns_of(field); k++)
                *at++ = get(field->type, member + k * member_nbytes[field->type]);
        }
    char names[NAMES_NBYTES];
    name_columns(names, fields);
    const rhm_h5_shape shape = rhm_h5_shape2(count, width);
    rhm_status status = rhm_h5_write(file, object, RHM_H5_F64, &shape, table, error);
    if (status == RHM_OK)
        status = rhm_h5_write_text_attribute(file, object, "columns", names, error);
    rhm_free(table);
    return status;
}

rhm_status rhm_fields_rows(const rhm_h5 *file, const char *object, const rhm_fields *fields, size_t *count,
                           rhm_error *error) {
    char names[NAMES_NBYTES], found[NAMES_NBYTES];
    rhm_h5_shape shape;
    RHM_TRY(rhm_h5_read_shape(file, object, RHM_H5_FLOATS, &shape, error));
    RHM_TRY(rhm_h5_read_text_attribute(file, object, "columns", found, sizeof found, error));
    name_columns(names, fields);
    if (shape.rank != 2 || shape.extent[1] != columns(fields) || strcmp(names, found) != 0)
        return rhm_h5_refuse(file, object, error, "has other columns than this build writes");
    *count = (size_t)shape.extent[0];
    return RHM_OK;
}

rhm_status rhm_fields_read(const rhm_h5 *file, const char *object, const rhm_fields *fields, void *structures,
                           size_t count, rhm_error *error) {
    const size_t width = columns(fields);
    const rhm_h5_shape shape = rhm_h5_shape2(count, width);
    double *table = RHM_NEW(double, count, width, 1, "table of a checkpoint", error);
    if (!table)
        return RHM_NO_MEMORY;
    rhm_status status = rhm_h5_read_floats(file, object, &shape, RHM_H5_F64, table, error);
    const double *at = table;
    for (size_t i = 0; i < count && status == RHM_OK; i++)
        for (size_t f = 0; f < fields->count && status == RHM_OK; f++) {
            const rhm_field *field = &fields->field[f];
            char *member = (char *)structures + i * fields->structure_nbytes + field->place;
            for (size_t k = 0; k < columns_of(field) && status == RHM_OK; k++, at++)
                if (!set(field->type, member + k * member_nbytes[field->type], *at))
                    status = rhm_h5_refuse(file, object, error, "has %g as %s of row %zu", *at, field->name, i);
        }
    rhm_free(table);
    return status;
}
