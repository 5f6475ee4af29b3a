/* The first block of an HDF5 file, as far as it tells whether a file is as long as HDF5 left it. */
#ifndef RHM_CORE_SUPERBLOCK_H
#define RHM_CORE_SUPERBLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Find the superblock of the file open as `descriptor`, of `nbytes` bytes, where libhdf5 does: at byte 0, 512, 1024,
 * 2048, ... False where there is none. *end is the size that HDF5 gave the file, or 0 where the block does not say so
 * in a way that is known here.
 */
bool rhm_superblock_find(int descriptor, uint64_t nbytes, uint64_t *end);

#endif
