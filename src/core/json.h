/*
 * Lists and objects of JSON that are whole or NULL: where memory is refused for one of their members they are released,
 * and json_pack passes the NULL on to whoever prints the whole, who says so.
 */
#ifndef RHM_CORE_JSON_H
#define RHM_CORE_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "rhm/status.h"

/* Both take over `value`, and accept NULL in place of either. */
static inline void rhm_json_append(json_t **list, json_t *value) {
    if (json_array_append_new(*list, value) != 0) {
        json_decref(*list);
        *list = NULL;
    }
}

static inline void rhm_json_set(json_t **object, const char *key, json_t *value) {
    if (json_object_set_new(*object, key, value) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

/* Text of others (environment, files, paths) need not be UTF-8, which JSON must be: other bytes become question marks.
 */
json_t *rhm_json_text(const char *text);

/* One number where all are equal, else a list. */
json_t *rhm_json_sizes(const uint32_t *values, uint32_t count);

/*
 * The text of `json`, or RHM_NO_MEMORY, also where that is NULL; `flags` are json_dumps', `end` follows it, `what`
 * names it in sentences. It is from rhm_alloc and the caller's.
 */
rhm_status rhm_json_dump(char **text, const json_t *json, size_t flags, const char *end, const char *what,
                         rhm_error *error);

#endif
