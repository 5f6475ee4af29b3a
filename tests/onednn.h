/* What the tests of the backends share. */
#ifndef RHM_TESTS_ONEDNN_H
#define RHM_TESTS_ONEDNN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "kernels/backend.h"

static inline rhm_engine *must_start(const char *backend, int threads) {
    const rhm_engine_options options = {.backend = backend, .threads = threads, .placement = "none"};
    rhm_engine *engine;
    rhm_error error = {0};
    if (rhm_engine_create(&engine, &options, &error) != RHM_OK)
        fail_msg("backend %s: %s", backend, error.text);
    return engine;
}

/* Whether oneDNN can run here: it is in the build, and the CPU (or RHM_ISA) allows AVX2. */
static inline bool available(void) {
    rhm_engine *engine = must_start("auto", 1);
    const char *obstacle = rhm_backend_obstacle(RHM_BACKEND_ONEDNN, engine->isa);
    if (obstacle)
        print_message("SKIPPED: %s\n", obstacle);
    rhm_engine_destroy(engine);
    return !obstacle;
}

#define NEEDS_ONEDNN()                                                                                                 \
    do {                                                                                                               \
        if (!available())                                                                                              \
            skip();                                                                                                    \
    } while (0)

static inline void must(rhm_status status, const rhm_error *error) {
    if (status != RHM_OK)
        fail_msg("%s", error->text);
}

#endif
