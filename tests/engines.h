/* Engines of this machine, for tests of what lies below learners. */
#ifndef RHM_TESTS_ENGINES_H
#define RHM_TESTS_ENGINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rhm/engine.h"

static inline rhm_engine *engine_with(const rhm_engine_options *options) {
    rhm_engine *engine;
    rhm_error error = {0};
    if (rhm_engine_create(&engine, options, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return engine;
}

/* Whatever could place threads, or choose their instructions, from outside. */
static inline void forget_environment(void) {
    static const char *const variables[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY",
                                            "RHM_ISA"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
}

#endif
