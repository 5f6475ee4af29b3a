/* The order of numbers, and their middle. Thread-safe. */
#ifndef RHM_CORE_MEDIAN_H
#define RHM_CORE_MEDIAN_H

#include <stddef.h>

/* Of two doubles, for qsort. NAN must not be among them. */
int rhm_by_value(const void *left, const void *right);

/* Of an even number the mean of the middle two. Sorts. NAN of none. */
double rhm_median(double *values, size_t count);

#endif
