#include "core/gaussian.h"

#include <math.h>

#include "core/elementary.h"
#include "core/philox.h"

double rhm_gaussian(uint64_t seed, uint32_t stream, uint64_t index) {
    const rhm_philox_block block = rhm_philox(seed, index / 2, stream, 0);
    const uint64_t a = (uint64_t)block.word[0] << 32 | block.word[1];
    const uint64_t b = (uint64_t)block.word[2] << 32 | block.word[3];
    const double u = (double)((a >> 11) + 1) * 0x1p-53; /* (0, 1]: the logarithm is finite */
    const double quarters = (double)(b >> 11) * 0x1p-51;
    double cosine, sine;
    rhm_quarter_turns(quarters, &cosine, &sine);
    return sqrt(-2 * rhm_log(u)) * (index % 2 ? sine : cosine);
}
