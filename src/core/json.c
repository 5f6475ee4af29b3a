#include "core/json.h"

#include <stdbool.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

/* Not json_dumps: of a buffer that could not grow it may return a text with a gap (seen with 2.14). */
rhm_status rhm_json_dump(char **text, const json_t *json, size_t flags, const char *end, const char *what,
                         rhm_error *error) {
    *text = NULL;
    const size_t length = json ? json_dumpb(json, NULL, 0, flags) : 0;
    if (length == 0)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for %s", what);
    char *dumped = RHM_NEW(char, length + strlen(end) + 1, 1, 1, what, error);
    if (!dumped)
        return RHM_NO_MEMORY;
    if (json_dumpb(json, dumped, length, flags) != length) {
        rhm_free(dumped);
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for %s", what);
    }
    memcpy(dumped + length, end, strlen(end) + 1);
    *text = dumped;
    return RHM_OK;
}

json_t *rhm_json_text(const char *text) {
    json_t *json = json_string(text);
    if (json)
        return json;
    const size_t length = strlen(text);
    char *plain = RHM_NEW(char, length + 1, 1, 1, "a text for JSON", NULL);
    for (size_t i = 0; plain && i < length; i++)
        plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    json = plain ? json_string(plain) : NULL;
    rhm_free(plain);
    return json;
}

json_t *rhm_json_sizes(const uint32_t *values, uint32_t count) {
    bool equal = true;
    for (uint32_t i = 1; i < count; i++)
        equal &= values[i] == values[0];
    if (equal)
        return json_integer(values[0]);
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        rhm_json_append(&list, json_integer(values[i]));
    return list;
}
