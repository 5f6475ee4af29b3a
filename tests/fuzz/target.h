/*
 * What every fuzz target defines, and the ends it may come to. libFuzzer calls the two functions, or replay.c, which
 * runs the kept inputs where there is no libFuzzer.
 */
#ifndef RHM_TESTS_FUZZ_TARGET_H
#define RHM_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes);

/* Aborts with the formatted words: the input is kept as a finding. */
void fuzz_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define FUZZ_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fuzz_fail("%s:%d: %s", __FILE__, __LINE__, #condition);                                                    \
    } while (0)

/* A failure has its status in `error` too, and one printable sentence. Clear `error` before the call that is checked.
 */
void fuzz_check_status(rhm_status status, const rhm_error *error);

/* A new directory in memory, entered; removed at exit. What is printed on standard output from here on is dropped. */
void fuzz_enter_directory(void);

void fuzz_write_file(const char *path, const void *bytes, size_t nbytes);

/* The whole file, from malloc. */
uint8_t *fuzz_read_file(const char *path, size_t *nbytes);

#endif
