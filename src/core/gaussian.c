#include "core/gaussian.h"

#include <math.h>

#include "core/elementary.h"
#include "core/philox.h"

/* cos and sin of a quarter turn times t, |t| <= 1/2: Taylor series, first omitted terms below 2^-58. */
static void quarter_turn(double t, double *cosine, double *sine) {
    const double x = t * 0x1.921fb54442d18p+0, u = x * x;
    double c = 1, s = 1;
    for (int n = 18; n >= 2; n -= 2)
        c = 1 - c * u / (n * (n - 1));
    for (int n = 17; n >= 3; n -= 2)
        s = 1 - s * u / (n * (n - 1));
    *cosine = c;
    *sine = s * x;
}

double rhm_gaussian(uint64_t seed, uint32_t stream, uint64_t index) {
    const rhm_philox_block block = rhm_philox(seed, index / 2, stream, 0);
    const uint64_t a = (uint64_t)block.word[0] << 32 | block.word[1];
    const uint64_t b = (uint64_t)block.word[2] << 32 | block.word[3];
    const double u = (double)((a >> 11) + 1) * 0x1p-53; /* (0, 1]: the logarithm is finite */
    const double quarters = (double)(b >> 11) * 0x1p-51;
    const double n = rint(quarters);
    double cosine, sine;
    quarter_turn(quarters - n, &cosine, &sine);
    const int turn = (int)n & 3;
    const double radius = sqrt(-2 * rhm_log(u));
    const double x = turn == 0 ? cosine : turn == 1 ? -sine : turn == 2 ? -cosine : sine;
    const double y = turn == 0 ? sine : turn == 1 ? cosine : turn == 2 ? -sine : -cosine;
    return radius * (index % 2 ? y : x);
}
