/* What a reader should know of a file that was read all the same: sentences, a line each. */
#include "core/h5internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

void rhm_h5_note(const rhm_h5 *file, const char *format, ...) {
    char words[RHM_ERROR_TEXT_NBYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    char line[RHM_ERROR_TEXT_NBYTES + 192];
    snprintf(line, sizeof line, "%s: %s\n", rhm_path_shown(file->path), words);
    /* An array is looked at more than once. Whole sentences or none: what does not fit any more is the least of it. */
    const size_t used = strlen(file->notes), length = strlen(line);
    if (used + length < RHM_H5_NOTES_NBYTES && !strstr(file->notes, line))
        memcpy(file->notes + used, line, length + 1);
}

rhm_status rhm_h5_notes(const rhm_h5 *file, char **text, rhm_error *error) {
    const size_t length = strlen(file->notes);
    *text = NULL;
    if (length == 0)
        return RHM_OK;
    if (!(*text = RHM_NEW(char, length + 1, 1, 1, "notes on a file", error)))
        return RHM_NO_MEMORY;
    memcpy(*text, file->notes, length);
    return RHM_OK;
}
