/*
 * The operations of tile_ops.h in registers, a header for each kind, written once for every register width. What
 * includes them has included a header of its instruction set, as in sampling/vector/, with
 *     vec, WIDTH    a register and its bytes; a "quarter" is the 16 bytes within which shuffles and packs work
 *     vec_...       the operations on it
 */
#ifndef RHM_SAMPLING_LANES_LANES_H
#define RHM_SAMPLING_LANES_LANES_H

#include <stdbool.h>

#include "sampling/tile_ops.h"

#define INLINE static inline __attribute__((always_inline))

enum { QUARTER = 16 };

#endif
