#include "sampling/alias.h"

#include <math.h>
#include <stdbool.h>

static bool all_equal(const double *probability, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (probability[i] != probability[0])
            return false;
    return true;
}

static size_t largest_entry(const double *probability, size_t count) {
    size_t largest = 0;
    for (size_t i = 1; i < count; i++)
        if (probability[i] > probability[largest])
            largest = i;
    return largest;
}

void rhm_alias_build(rhm_alias *columns, const double *probability, size_t count, double *scratch, uint32_t *work) {
    for (size_t i = 0; i < count; i++)
        columns[i] = (rhm_alias){.threshold = UINT32_MAX, .alias = (uint32_t)i};
    if (all_equal(probability, count))
        return;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += probability[i];

    /* `work` holds the columns below height 1 as a stack growing up and those above as one growing down. Zeros go on
     * top of the first, so that they are settled while donors certainly remain and can never be left over by rounding.
     */
    size_t low = 0, high = count;
    for (size_t i = 0; i < count; i++) {
        scratch[i] = probability[i] / sum * (double)count;
        if (scratch[i] >= 1)
            work[--high] = (uint32_t)i;
        else if (scratch[i] > 0)
            work[low++] = (uint32_t)i;
    }
    for (size_t i = 0; i < count; i++)
        if (probability[i] == 0)
            work[low++] = (uint32_t)i;
    while (low > 0 && high < count) {
        const uint32_t small = work[--low];
        const uint32_t large = work[high];
        columns[small].threshold = (uint32_t)fmin(rint(ldexp(scratch[small], 32)), (double)UINT32_MAX);
        columns[small].alias = large;
        scratch[large] -= 1 - scratch[small];
        if (scratch[large] < 1) {
            high++;
            work[low++] = large;
        }
    }
    const uint32_t largest = (uint32_t)largest_entry(probability, count);
    for (size_t i = 0; i < low; i++)
        if (probability[work[i]] == 0)
            columns[work[i]] = (rhm_alias){.threshold = 0, .alias = largest};
}
