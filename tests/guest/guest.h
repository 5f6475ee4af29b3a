/* Checks of the program that runs in the guest: they print what is wrong and go on. */
#ifndef RHM_TESTS_GUEST_H
#define RHM_TESTS_GUEST_H

#include <stdbool.h>

#include "engine/engine.h"

extern int guest_failures;

void guest_check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As a shell's echo would. */
void guest_write_file(const char *path, const char *text);

/* An engine, or the end of the program. */
rhm_engine *guest_engine(const char *placement, int threads);

/* The guest's machine: CPUs 0 and 1 are on node 0, CPUs 2 and 3 on node 1. */
enum { GUEST_CPUS = 4, GUEST_NODES = 2 };
static inline int guest_node_of_cpu(int cpu) {
    return cpu / 2;
}

/* Where memory really is, with binding allowed and denied. */
void guest_check_memory(void);
void guest_check_memory_denied(void);

#endif
