/*
 * Files that appear whole or not at all: written under a temporary name in the same directory, synced, renamed. Used
 * for everything the library leaves behind, so that a full disk or a crash never damages what was there before. What is
 * not a regular file (core/destination.h) is written through instead: it receives the finished contents in one go.
 */
#ifndef RHM_CORE_ATOMIC_FILE_H
#define RHM_CORE_ATOMIC_FILE_H

#include <stddef.h>

#include "core/destination.h"
#include "rhm/status.h"

typedef struct rhm_atomic {
    rhm_destination to;
    char *temporary; /* where to write meanwhile; owned */
    int descriptor;  /* of the temporary file, while there is one */
} rhm_atomic;

/*
 * Create an empty temporary file for what is to be written to `path`: next to it, with the access mode the final file
 * will have, or without a name where `path` is written through. Refused, with the reason, where the contents could not
 * be put in place: no such directory, not writable, a directory, a disk. The caller opens `temporary`, writes, closes.
 */
rhm_status rhm_atomic_begin(rhm_atomic *file, const char *path, rhm_error *error);

/*
 * Sync the temporary file, rename it to the final name, sync the directory; or copy it to what is written through,
 * which may wait for a reader. Releases `file`; on failure, abandons.
 */
rhm_status rhm_atomic_commit(rhm_atomic *file, rhm_error *error);

/* Remove the temporary file and release `file`; accepts a zeroed or released one. */
void rhm_atomic_abandon(rhm_atomic *file);

/* All of it for a text. */
rhm_status rhm_atomic_write_text(const char *path, const char *text, size_t nbytes, rhm_error *error);

/* All of `bytes` to a descriptor, across interrupts and partial writes; `path` is for the sentence. */
rhm_status rhm_write_all(int descriptor, const void *bytes, size_t nbytes, const char *path, rhm_error *error);

#endif
