/*
 * Files on their way to a final name: .rhm-BOOT-PID-N.partial in the same directory, locked (flock) as long as their
 * owner lives. A lock that is free tells that the owner is gone, whatever process has its number now and in whatever
 * container: the kernel drops it with the process.
 */
#ifndef RHM_CORE_PARTIAL_H
#define RHM_CORE_PARTIAL_H

#include <sys/types.h>

#include "rhm/status.h"

/*
 * Create an empty one beside `path`, with access mode `mode` (0: what the umask leaves), after removing those in that
 * directory whose owners are gone. *name is from rhm_alloc; *descriptor is open for reading and writing and carries the
 * lock: close it once the file has its final name or is removed.
 */
rhm_status rhm_partial_create(char **name, int *descriptor, const char *path, mode_t mode, rhm_error *error);

/* Remove what owners that are gone left in the directory open as `directory`. What fails is left to a later run. */
void rhm_partial_sweep(int directory);

#endif
