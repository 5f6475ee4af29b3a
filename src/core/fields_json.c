#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/fail.h"
#include "core/fields.h"

enum { NAME_NBYTES = 64 };

json_t *rhm_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *rhm_json_unsigned(uint64_t value) {
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_sprintf("%llu", (unsigned long long)value);
}

static json_t *value_of(const rhm_field *field, const void *member) {
    switch (field->type) {
    case RHM_FIELD_BOOL: return json_boolean(*(const bool *)member);
    case RHM_FIELD_U32:
        return field->word ? json_string(field->word(*(const uint32_t *)member))
                           : json_integer(*(const uint32_t *)member);
    case RHM_FIELD_U64: return rhm_json_unsigned(*(const uint64_t *)member);
    case RHM_FIELD_F64: return rhm_json_number(*(const double *)member);
    case RHM_FIELD_TEXT: break;
    }
    return json_string(member);
}

/* Where `name` is to be put in: *object, or the object inside it that a dotted name asks for; *name becomes what is
 * left. */
static json_t *place_of(json_t *object, const char **name) {
    const char *dot = strchr(*name, '.');
    char outer[NAME_NBYTES];
    if (!dot || (size_t)(dot - *name) >= sizeof outer)
        return object;
    memcpy(outer, *name, (size_t)(dot - *name));
    outer[dot - *name] = '\0';
    *name = dot + 1;
    json_t *inner = json_object_get(object, outer);
    if (!inner && json_object_set_new(object, outer, json_object()) == 0)
        inner = json_object_get(object, outer);
    return inner;
}

json_t *rhm_fields_json(const rhm_fields *fields, const void *structure) {
    json_t *object = json_object();
    int failed = object ? 0 : -1;
    for (size_t f = 0; f < fields->count && !failed; f++) {
        const rhm_field *field = &fields->field[f];
        const char *name = field->name, *bytes = structure;
        const bool absent = field->only_with && *(const uint32_t *)(const void *)(bytes + field->only_with - 1) == 0;
        json_t *place = place_of(object, &name);
        failed = json_object_set_new(place, name, absent ? json_null() : value_of(field, bytes + field->place));
    }
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

/* ---- back --------------------------------------------------------------------------------------------------------
 */

static const json_t *found_at(const json_t *object, const char *name) {
    const char *dot = strchr(name, '.');
    char outer[NAME_NBYTES];
    if (!dot || (size_t)(dot - name) >= sizeof outer)
        return json_object_get(object, name);
    memcpy(outer, name, (size_t)(dot - name));
    outer[dot - name] = '\0';
    return json_object_get(json_object_get(object, outer), dot + 1);
}

enum { MOST_WORDS = 16 };

static bool take_word(uint32_t *out, const rhm_field *field, const char *text) {
    for (uint32_t value = 0; text && value < MOST_WORDS; value++) {
        const char *word = field->word(value);
        if (word && !strcmp(word, text)) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool take_number(void *member, const rhm_field *field, const json_t *value) {
    const json_int_t whole = json_integer_value(value);
    switch (field->type) {
    case RHM_FIELD_BOOL: *(bool *)member = json_is_true(value); return json_is_boolean(value);
    case RHM_FIELD_U32:
        if (field->word)
            return take_word(member, field, json_string_value(value));
        *(uint32_t *)member = (uint32_t)whole;
        return json_is_integer(value) && whole >= 0 && whole <= UINT32_MAX;
    case RHM_FIELD_U64: *(uint64_t *)member = (uint64_t)whole; return json_is_integer(value) && whole >= 0;
    case RHM_FIELD_F64:
        *(double *)member = json_is_null(value) ? (double)NAN : json_number_value(value);
        return json_is_null(value) || json_is_number(value);
    case RHM_FIELD_TEXT: break;
    }
    return false;
}

rhm_status rhm_fields_from_json(const rhm_fields *fields, const json_t *object, void *structure, rhm_error *error) {
    for (size_t f = 0; f < fields->count; f++) {
        const rhm_field *field = &fields->field[f];
        const json_t *value = found_at(object, field->name);
        if (field->only_with && json_is_null(value))
            continue;
        if (!take_number((char *)structure + field->place, field, value))
            return rhm_fail(error, RHM_CORRUPT, "'%s' is %s", field->name, value ? "not what it should be" : "missing");
    }
    return RHM_OK;
}
