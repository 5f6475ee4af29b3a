#include "sampling/usage.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/memory.h"

enum {
    PLENTY = 16, /* occurrences for each symbol: of so many, chance leaves none out */
    NAMED = 5,
    LIST_NBYTES = 128,
};

/* "symbol 3", "classes 3, 5, 8 and 4 more" */
static void list_unused(char text[LIST_NBYTES], const char *noun, const uint8_t *used, uint32_t vocab,
                        uint32_t unused) {
    uint32_t named = 0;
    size_t length = (size_t)snprintf(text, LIST_NBYTES, "%s%s", noun, unused == 1 ? "" : noun[0] == 'c' ? "es" : "s");
    for (uint32_t symbol = 0; symbol < vocab && named < NAMED; symbol++)
        if (!used[symbol])
            length += (size_t)snprintf(text + length, LIST_NBYTES - length, "%s%" PRIu32, named++ ? ", " : " ", symbol);
    if (unused > named)
        snprintf(text + length, LIST_NBYTES - length, " and %" PRIu32 " more", unused - named);
}

rhm_status rhm_usage_note(const rhm_h5 *file, const char *object, const char *noun, const uint16_t *symbols,
                          size_t count, uint32_t vocab, bool inferred, rhm_error *error) {
    if (!inferred && count / PLENTY < vocab)
        return RHM_OK;
    uint8_t *used = RHM_NEW(uint8_t, vocab, 1, 1, "used symbols", error);
    if (!used)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        used[symbols[i]] = 1;
    uint32_t unused = 0;
    for (uint32_t symbol = 0; symbol < vocab; symbol++)
        unused += !used[symbol];
    if (unused > 0) {
        char list[LIST_NBYTES];
        list_unused(list, noun, used, vocab, unused);
        rhm_h5_note(file, "of 0 to %" PRIu32 " in %s, %s never occur%s%s", vocab - 1, object, list,
                    unused == 1 ? "s" : "",
                    unused == 1 && !used[0] ? ": where they are numbered from 1, subtract 1" : "");
    }
    rhm_free(used);
    return RHM_OK;
}
