/*
 * Plain structures as rows of doubles, for tables in checkpoints: which member is which column is said once, and both
 * directions follow. Integers must stay below 2^53.
 */
#ifndef RHM_LEARNER_FIELDS_H
#define RHM_LEARNER_FIELDS_H

#include <stddef.h>

#include "core/h5file.h"

typedef enum rhm_field_type { RHM_FIELD_BOOL, RHM_FIELD_U32, RHM_FIELD_U64, RHM_FIELD_F64 } rhm_field_type;

/* A member, or `count` of them side by side (0: one). */
typedef struct rhm_field {
    const char *name;
    rhm_field_type type;
    size_t place;
    size_t count;
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

/* The members of one structure into another. */
void rhm_fields_copy(const rhm_fields *fields, void *to, const void *from);

#endif
