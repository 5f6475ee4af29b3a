#include "core/json.h"

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
