/*
 * What a structure's members are called, what they hold and when they mean nothing, said once beside the structure:
 * tables of checkpoints, JSON and documentation follow. In tables a structure is a row of doubles: integers must stay
 * below 2^53, and texts have no column.
 */
#ifndef RHM_CORE_FIELDS_H
#define RHM_CORE_FIELDS_H

#include <jansson.h>
#include <stddef.h>

#include "core/h5file.h"

typedef enum rhm_field_type {
    RHM_FIELD_BOOL,
    RHM_FIELD_U32,
    RHM_FIELD_U64,
    RHM_FIELD_F64,
    RHM_FIELD_TEXT, /* an array of char, NUL-terminated */
} rhm_field_type;

/* A member, or `count` of them side by side (0: one). */
typedef struct rhm_field {
    const char *name; /* "a.b" is member b of the JSON object a */
    rhm_field_type type;
    size_t place;
    size_t count;

    const char *unit;              /* NULL: a number, or what the name says */
    const char *meaning;           /* one line, for documentation; NULL in tables that nobody but the library reads */
    const char *(*word)(uint32_t); /* what an RHM_FIELD_U32 is called in JSON, or NULL */
    size_t only_with; /* 1 + the place of an RHM_FIELD_U32 that must not be 0, else this is null; 0: none */
} rhm_field;

typedef struct rhm_fields {
    const rhm_field *field;
    size_t count;
    size_t structure_nbytes;
} rhm_fields;

/* Structures side by side as a table with a row each and its columns' names as an attribute. */
rhm_status rhm_fields_write(rhm_h5 *file, const char *object, const rhm_fields *fields, const void *structures,
                            size_t count, rhm_error *error);

/* The rows of a table; `count` is what rhm_fields_rows says. Members without a column stay as they are. */
rhm_status rhm_fields_read(const rhm_h5 *file, const char *object, const rhm_fields *fields, void *structures,
                           size_t count, rhm_error *error);
rhm_status rhm_fields_rows(const rhm_h5 *file, const char *object, const rhm_fields *fields, size_t *count,
                           rhm_error *error);

/* A structure as a JSON object; numbers that are not finite are null. NULL without memory. */
json_t *rhm_fields_json(const rhm_fields *fields, const void *structure);

/* And back: null is NAN, and leaves members that are null without others as they are. RHM_CORRUPT where a member is
 * missing or of another type; there are no texts. */
rhm_status rhm_fields_from_json(const rhm_fields *fields, const json_t *object, void *structure, rhm_error *error);

/* `value`, or null unless it is finite; whole numbers, beyond 2^63 as text, which JSON readers would round. */
json_t *rhm_json_number(double value);
json_t *rhm_json_unsigned(uint64_t value);

#endif
