/* Sizes that decide which memory a bandwidth trial sees. */
#ifndef RHM_CEILINGS_CACHES_H
#define RHM_CEILINGS_CACHES_H

#include <stddef.h>
#include <stdint.h>

#include "ceilings/ceilings.h"

/*
 * Bytes for one of `threads` threads such that the working set of all of them fits `where` and not the level before:
 *   L1, L2   half of the cache: stacks and code live there as well;
 *   L3       half of a core's share of it, as all cores may be at work, but at least twice the L2;
 *   DRAM     four times all last-level caches together (STREAM's rule, per array: `arrays` of them), at least 64 MiB,
 * divided by the threads; at most 4 GiB and a quarter of the memory this process may use. 0 with a phrase in `reason`
 * when that cannot be.
 */
uint64_t rhm_ceilings_working_set(rhm_ceilings_memory where, unsigned arrays, int threads, char *reason,
                                  size_t reason_nbytes);

#endif
