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
