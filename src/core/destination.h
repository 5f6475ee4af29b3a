/*
 * What a path means to those who write there: a regular file, which is replaced as a whole, or something that is
 * written through (a device, a pipe, a descriptor of a process such as /dev/stdout), which is never replaced.
 */
#ifndef RHM_CORE_DESTINATION_H
#define RHM_CORE_DESTINATION_H

#include <stdbool.h>
#include <sys/stat.h>

#include "rhm/status.h"

typedef struct rhm_destination {
    char *given;        /* as the caller wrote it, for sentences; owned */
    char *path;         /* symbolic links at its end followed, whether or not there is a file; owned */
    bool through;       /* to be written through */
    int descriptor;     /* of this process, to write to; -1: open `path` */
    bool exists;        /* `status` is of what is there, else of its directory */
    struct stat status; /* st_ino 0 where neither could be looked at */
} rhm_destination;

/* Only look where `path` leads. Release with rhm_destination_clear. RHM_IO: links in a circle. */
rhm_status rhm_destination_find(rhm_destination *out, const char *path, rhm_error *error);

/* Refuse, with the reason, what cannot be written to: a directory, a disk, a mounted file, what is closed or read-only.
 */
rhm_status rhm_destination_check(const rhm_destination *to, rhm_error *error);

/* Whether both lead to the same file, be it through links or to a name that is not there yet. */
bool rhm_destination_same(const rhm_destination *a, const rhm_destination *b);

void rhm_destination_clear(rhm_destination *to); /* accepts a zeroed one */

#endif
