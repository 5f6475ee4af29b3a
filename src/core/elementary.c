#include "core/elementary.h"

#include <math.h>

/* The first omitted term is t^(2 terms + 1). */
double rhm_twice_artanh(double t, int terms) {
    const double u = t * t;
    double series = 0;
    for (int n = 2 * terms - 1; n >= 1; n -= 2)
        series = series * u + 1.0 / n;
    return 2 * t * series;
}

double rhm_log(double x) {
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0x1.6a09e667f3bcdp-1) { /* sqrt(1/2): |t| <= 0.1716, and omitted terms are below 2^-60 */
        m *= 2;
        exponent--;
    }
    return exponent * 0x1.62e42fefa39efp-1 + rhm_twice_artanh((m - 1) / (m + 1), 12);
}

/* Taylor series after taking out powers of two; omitted terms are below 2^-57. */
double rhm_exp(double x) {
    const int n = (int)(x * 0x1.71547652b82fep+0 - 0.5);
    const double r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33; /* log 2 in two parts, the first short */
    double series = 1;
    for (int k = 14; k >= 1; k--)
        series = 1 + series * r / k;
    return ldexp(series, n);
}

void rhm_quarter_turns(double quarters, double *cosine, double *sine) {
    const double n = rint(quarters);
    const double x = (quarters - n) * 0x1.921fb54442d18p+0, u = x * x; /* Taylor series; omitted terms below 2^-58 */
    double c = 1, s = 1;
    for (int k = 18; k >= 2; k -= 2)
        c = 1 - c * u / (k * (k - 1));
    for (int k = 17; k >= 3; k -= 2)
        s = 1 - s * u / (k * (k - 1));
    s *= x;
    const int turn = (int)n & 3;
    *cosine = turn == 0 ? c : turn == 1 ? -s : turn == 2 ? -c : s;
    *sine = turn == 0 ? s : turn == 1 ? c : turn == 2 ? -s : -c;
}
