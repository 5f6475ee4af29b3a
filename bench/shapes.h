/*
 * Problems for benchmarks, from text files: who needs a shape adds a line, not code.
 *
 *     # comment, to the end of the line
 *     name  vocab=16 branching=2 width=2048 patches=4096
 *
 * One problem per line: a name, then key=value pairs in any order, separated by blanks. Names are letters, digits and
 * "._-" (they become part of a benchmark's name) and unique in the file; keys are lower-case letters, digits and "_",
 * each at most once; values are decimal integers from 0 to 2^63 - 1. Errors start with file:line.
 */
#ifndef RHM_BENCH_SHAPES_H
#define RHM_BENCH_SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

enum { SHAPES_MAX_PAIRS = 24, SHAPES_NAME_NBYTES = 64, SHAPES_KEY_NBYTES = 32 };

typedef struct shape {
    char name[SHAPES_NAME_NBYTES];
    size_t line; /* in the file, from 1 */
    size_t pair_count;
    struct {
        char key[SHAPES_KEY_NBYTES];
        int64_t value;
    } pairs[SHAPES_MAX_PAIRS];
} shape;

typedef struct shapes {
    char *path;
    shape *items; /* (count), in the order of the file */
    size_t count;
} shapes;

/*
 * Read a file. Keys outside the list `known` (ended by NULL; NULL itself: any key) are refused, so that a slip of the
 * pen cannot pass for a default. RHM_IO when it cannot be read, RHM_INVALID when a line is wrong or there is no problem
 * in it.
 */
rhm_status shapes_read(shapes *out, const char *path, const char *const *known, rhm_error *error);

/* Accepts a zeroed object. */
void shapes_destroy(shapes *all);

/* Whether the problem has the key; if so, *value. */
bool shape_find(const shape *problem, const char *key, int64_t *value);

/* The value of a key that must be there and within bounds; the error names the line. */
rhm_status shape_value(const shapes *all, const shape *problem, const char *key, int64_t low, int64_t high,
                       int64_t *value, rhm_error *error);

#endif
