/* How the library reports failures: build the sentence where the values are known, then forward the status. */
#ifndef RHM_CORE_FAIL_H
#define RHM_CORE_FAIL_H

#include "rhm/status.h"

/* Fill `error` (which may be NULL) and return `status`, so that callers write `return rhm_fail(...)`. */
rhm_status rhm_fail(rhm_error *error, rhm_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Analyzers see one file at a time: without this they follow paths on which a failure returns success. */
#ifdef __clang_analyzer__
#define rhm_fail(error, failure, ...) ((void)(rhm_fail)(error, failure, __VA_ARGS__), (failure))
#endif

/* `path`, or its tail where it is so long that a sentence around it would not fit an rhm_error. */
const char *rhm_path_shown(const char *path);

/* Return the status of a failing call unchanged. For functions that own nothing yet; others `goto done`. */
#define RHM_TRY(call)                                                                                                  \
    do {                                                                                                               \
        const rhm_status rhm_try_status = (call);                                                                      \
        if (rhm_try_status != RHM_OK)                                                                                  \
            return rhm_try_status;                                                                                     \
    } while (0)

#endif
