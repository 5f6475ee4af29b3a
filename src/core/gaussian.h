/* Standard normal numbers as a pure function of (seed, stream, index), from a fixed sequence of exactly rounded
 * operations: libm's log and cos choose code by CPU and may differ in the last bit between machines. */
#ifndef RHM_CORE_GAUSSIAN_H
#define RHM_CORE_GAUSSIAN_H

#include <stdint.h>

/* Normal number `index` of a stream (Box-Muller: indices 2i and 2i+1 share a random block). */
double rhm_gaussian(uint64_t seed, uint32_t stream, uint64_t index);

#endif
