/*
 * Files that appear whole or not at all: written under a temporary name in the same directory, synced, renamed. Used
 * for everything the library leaves behind, so that a full disk or a crash never damages what was there before.
 */
#ifndef RHM_CORE_ATOMIC_FILE_H
#define RHM_CORE_ATOMIC_FILE_H

#include <stddef.h>

#include "rhm/status.h"

typedef struct rhm_atomic {
    char *path;      /* final name, symbolic links resolved; owned */
    char *temporary; /* where to write meanwhile; owned */
} rhm_atomic;

/*
 * Create an empty temporary file next to `path`, under a name of its own, with the access mode the final file will
 * have. Refused, with the reason, where the final file could not be put in place: no such directory, not writable, a
 * directory, a device. The file is closed: the caller opens `temporary`, writes and closes it.
 */
rhm_status rhm_atomic_begin(rhm_atomic *file, const char *path, rhm_error *error);

/* Sync the temporary file, rename it to the final name, sync the directory. Releases `file`; on failure, abandons. */
rhm_status rhm_atomic_commit(rhm_atomic *file, rhm_error *error);

/* Remove the temporary file and release `file`; accepts a zeroed or released one. */
void rhm_atomic_abandon(rhm_atomic *file);

/* All of it for a text. A device or a pipe (such as /dev/stdout) is written in place: it has nothing to lose. */
rhm_status rhm_atomic_write_text(const char *path, const char *text, size_t nbytes, rhm_error *error);

/* The whole of `text` to a descriptor, across interrupts and partial writes; `path` is for the sentence. */
rhm_status rhm_write_all(int descriptor, const void *bytes, size_t nbytes, const char *path, rhm_error *error);

/* `path`, or its tail where it is so long that a sentence around it would not fit an rhm_error. */
const char *rhm_path_shown(const char *path);

#endif
