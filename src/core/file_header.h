/*
 * The first 512 bytes of our files: an HDF5 user block, which other programs skip, with a text header. It makes damage
 * known before libhdf5 looks at anything, since parsing damaged metadata can crash it:
 *
 *     rhm-file/1
 *     kind grammar
 *     nbytes 123456
 *     sha256 (64 hexadecimal digits: of every byte after the header)
 *
 * and zeros up to byte 512. The number in the first line changes when older libraries could no longer read the file.
 */
#ifndef RHM_CORE_FILE_HEADER_H
#define RHM_CORE_FILE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

enum {
    RHM_FILE_HEADER_NBYTES = 512,
    RHM_FILE_KIND_NBYTES = 16,
};

typedef struct rhm_file_header {
    bool present;    /* false: not as this library wrote it, or never written by it */
    bool rewritten;  /* this library's file, written anew by another program: the checksum no longer holds */
    uint64_t nbytes; /* of the whole file */
    /* "grammar", "data", "model", "prediction", "oracle", "checkpoint", "samples"; "" where another program wrote it. */
    char kind[RHM_FILE_KIND_NBYTES];
} rhm_file_header;

/*
 * Hash the finished HDF5 file at `target`, whose first 512 bytes are free, and write its header. `path` is the name for
 * sentences.
 */
rhm_status rhm_file_header_write(const char *target, const char *path, const char *kind, rhm_error *error);

/*
 * Look at a file before libhdf5 does. RHM_IO: missing, unreadable, not a regular file. RHM_CORRUPT: neither ours nor
 * HDF5, truncated, or damaged, which also the checkpoints are that another program wrote anew. RHM_UNSUPPORTED: ours,
 * of a later format.
 */
rhm_status rhm_file_header_check(rhm_file_header *out, const char *path, rhm_error *error);

#endif
