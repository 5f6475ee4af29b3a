/*
 * HDF5 files: lifecycle, attributes and arrays, with every failure a sentence that names the file and the object.
 *
 * Objects are named by absolute paths such as "/grammar/rules_1". What is written appears under the final name at
 * rhm_h5_commit, whole, checksummed (core/file_header.h) and synced, or not at all. Equal contents make equal files: no
 * times are stored. Files of other programs are read too; nothing in them is believed. libhdf5 prints nothing meanwhile
 * and is entered by one thread at a time; a handle belongs to one thread.
 *
 * Status: RHM_IO when the system refuses, RHM_CORRUPT when libhdf5 cannot make sense of the file, RHM_INVALID when the
 * contents are readable but wrong.
 */
#ifndef RHM_CORE_H5FILE_H
#define RHM_CORE_H5FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/file_header.h"
#include "rhm/status.h"

typedef struct rhm_h5 rhm_h5;

/* Elements in memory and, little-endian, in the file. */
typedef enum rhm_h5_type {
    RHM_H5_U8,
    RHM_H5_U16,
    RHM_H5_U32,
    RHM_H5_U64,
    RHM_H5_F32,
    RHM_H5_F64,
} rhm_h5_type;

/* What an existing array must consist of; any width and byte order will do. */
typedef enum rhm_h5_class { RHM_H5_INTEGERS, RHM_H5_FLOATS } rhm_h5_class;

enum { RHM_H5_MAX_RANK = 3 };

typedef struct rhm_h5_shape {
    unsigned rank; /* 1..RHM_H5_MAX_RANK, or 0: a single value */
    uint64_t extent[RHM_H5_MAX_RANK];
} rhm_h5_shape;

static inline rhm_h5_shape rhm_h5_shape1(uint64_t n0) {
    return (rhm_h5_shape){.rank = 1, .extent = {n0}};
}

static inline rhm_h5_shape rhm_h5_shape2(uint64_t n0, uint64_t n1) {
    return (rhm_h5_shape){.rank = 2, .extent = {n0, n1}};
}

static inline rhm_h5_shape rhm_h5_shape3(uint64_t n0, uint64_t n1, uint64_t n2) {
    return (rhm_h5_shape){.rank = 3, .extent = {n0, n1, n2}};
}

/* A new file of a kind (core/file_header.h) with the root attributes schema and version. */
rhm_status rhm_h5_create(rhm_h5 **out, const char *path, const char *kind, rhm_error *error);

/* Finish, checksum, sync, put in place. Releases the handle and sets it to NULL, also on failure. */
rhm_status rhm_h5_commit(rhm_h5 **file, rhm_error *error);

/*
 * Let `reader` take what it wants from a file into `context`. Our own files are read after their checksum was verified.
 * Files of others are first read in a child process, which may crash or hang where libhdf5 does; `reader` therefore
 * runs twice, and must have no effects but in memory.
 */
typedef rhm_status rhm_h5_reader(void *context, const rhm_h5 *file, rhm_error *error);
rhm_status rhm_h5_load(const char *path, rhm_h5_reader *reader, void *context, rhm_error *error);

/* Release the handle and set it to NULL; what was not committed is removed. Accepts a NULL handle. */
void rhm_h5_close(rhm_h5 **file);

/*
 * What the header says or, in a file of others, "grammar", "data", "model", "prediction" or "oracle" after what is there
 * (arrays at the top make a data set); "" when nothing is. The second one opens the file for it.
 */
const char *rhm_h5_kind(const rhm_h5 *file);
rhm_status rhm_h5_load_kind(const char *path, char kind[RHM_FILE_KIND_NBYTES], rhm_error *error);

/* Whether this library wrote the file that is read, and nothing has changed it since. */
bool rhm_h5_intact(const rhm_h5 *file);

/* RHM_INVALID and "FILE: OBJECT " followed by the formatted words. */
rhm_status rhm_h5_refuse(const rhm_h5 *file, const char *object, rhm_error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Put "FILE: " before the sentence of a failed check of what was read; returns `status`, which may be RHM_OK. */
rhm_status rhm_h5_blame(const rhm_h5 *file, rhm_status status, rhm_error *error);

bool rhm_h5_has(const rhm_h5 *file, const char *object);

/* Keep "FILE: " and the formatted sentence for whoever reads the file, once; one that does not fit any more is dropped.
 */
void rhm_h5_note(const rhm_h5 *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All of them, a line each, or NULL; *text is from rhm_alloc. */
rhm_status rhm_h5_notes(const rhm_h5 *file, char **text, rhm_error *error);

/* Bit n of *seen: the group, which exists, holds STEM_n. Other ways of writing a number are refused by name. */
enum { RHM_H5_NUMBERS = 64 };
rhm_status rhm_h5_numbers(const rhm_h5 *file, const char *group, const char *stem, uint64_t *seen, rhm_error *error);

rhm_status rhm_h5_write_group(rhm_h5 *file, const char *object, rhm_error *error);

/* Attributes. `count` 0 writes a single value, more an array. */
bool rhm_h5_has_attribute(const rhm_h5 *file, const char *object, const char *name);
rhm_status rhm_h5_write_attribute(rhm_h5 *file, const char *object, const char *name, rhm_h5_type type, size_t count,
                                  const void *values, rhm_error *error);
rhm_status rhm_h5_write_text_attribute(rhm_h5 *file, const char *object, const char *name, const char *text,
                                       rhm_error *error);

/* How many values an attribute has: 1 for a single value. */
rhm_status rhm_h5_count_attribute(const rhm_h5 *file, const char *object, const char *name, size_t *count,
                                  rhm_error *error);

/* `count` integers of any type, each low..high; a count of 1 accepts a single value and an array of one. */
rhm_status rhm_h5_read_integer_attribute(const rhm_h5 *file, const char *object, const char *name, size_t count,
                                         uint64_t low, uint64_t high, uint64_t *values, rhm_error *error);
rhm_status rhm_h5_read_float_attribute(const rhm_h5 *file, const char *object, const char *name, double *value,
                                       rhm_error *error);

/* A string of fixed or variable length; longer ones than the buffer are refused. */
rhm_status rhm_h5_read_text_attribute(const rhm_h5 *file, const char *object, const char *name, char *text,
                                      size_t text_nbytes, rhm_error *error);

/* The shape of an array of the wanted class whose size agrees with what the file can hold. */
rhm_status rhm_h5_read_shape(const rhm_h5 *file, const char *object, rhm_h5_class wanted, rhm_h5_shape *shape,
                             rhm_error *error);

/* A whole array of exactly this shape; `type` is RHM_H5_F32 or RHM_H5_F64. */
rhm_status rhm_h5_read_floats(const rhm_h5 *file, const char *object, const rhm_h5_shape *shape, rhm_h5_type type,
                              void *values, rhm_error *error);

/*
 * A whole array of exactly this shape, of integers 0..limit-1; `type` is RHM_H5_U16 or RHM_H5_U32. The first value out
 * of range is refused by its position.
 */
rhm_status rhm_h5_read_symbols(const rhm_h5 *file, const char *object, const rhm_h5_shape *shape, uint32_t limit,
                               rhm_h5_type type, void *symbols, rhm_error *error);

/* A whole array of exactly this shape, of integers that are not negative. */
rhm_status rhm_h5_read_counts(const rhm_h5 *file, const char *object, const rhm_h5_shape *shape, uint64_t *counts,
                              rhm_error *error);

/* A string; *text is from rhm_alloc and the caller's. */
rhm_status rhm_h5_read_text(const rhm_h5 *file, const char *object, char **text, rhm_error *error);

/*
 * A whole array; or an array of `shape` whose type in the file is `stored`, then its rows first..first+count-1 from
 * `values` of `type`. Every row must be written before the file is committed.
 */
rhm_status rhm_h5_write(rhm_h5 *file, const char *object, rhm_h5_type type, const rhm_h5_shape *shape,
                        const void *values, rhm_error *error);
rhm_status rhm_h5_reserve(rhm_h5 *file, const char *object, rhm_h5_type stored, const rhm_h5_shape *shape,
                          rhm_error *error);
rhm_status rhm_h5_write_rows(rhm_h5 *file, const char *object, rhm_h5_type type, const rhm_h5_shape *shape,
                             uint64_t first, uint64_t count, const void *values, rhm_error *error);
rhm_status rhm_h5_write_text(rhm_h5 *file, const char *object, const char *text, rhm_error *error);

#endif
