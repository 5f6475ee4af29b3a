#include "core/median.h"

#include <math.h>
#include <stdlib.h>

int rhm_by_value(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double rhm_median(double *values, size_t count) {
    qsort(values, count, sizeof *values, rhm_by_value);
    return count ? 0.5 * (values[(count - 1) / 2] + values[count / 2]) : (double)NAN;
}
