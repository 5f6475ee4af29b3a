#include "core/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SHOWN_NBYTES = 160 };

#undef rhm_fail
rhm_status rhm_fail(rhm_error *error, rhm_status status, const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return status;
}

const char *rhm_status_name(rhm_status status) {
    switch (status) {
    case RHM_OK: return "ok";
    case RHM_INVALID: return "invalid";
    case RHM_CORRUPT: return "corrupt";
    case RHM_IO: return "input/output";
    case RHM_NO_MEMORY: return "no memory";
    case RHM_UNSUPPORTED: return "unsupported";
    case RHM_INTERRUPTED: return "interrupted";
    case RHM_FAILED: return "failed";
    }
    return "unknown";
}

const char *rhm_version(void) {
    return RHM_VERSION;
}

const char *rhm_path_shown(const char *path) {
    const size_t length = strlen(path);
    return length > PATH_SHOWN_NBYTES ? path + length - PATH_SHOWN_NBYTES : path;
}
