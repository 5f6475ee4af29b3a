#include <math.h>

#include "kernels/kernels.h"

uint64_t rhm_normalise(size_t classes, size_t count, float floor, double centre, float *y) {
    uint64_t clamped = 0;
    for (size_t i = 0; i < count; i++) {
        float *row = y + i * classes;
        double sum = 0;
        for (size_t c = 0; c < classes; c++)
            sum += (double)row[c];
        if (!(fabs(sum) >= (double)floor)) {
            sum = sum < 0 ? (double)-floor : (double)floor;
            clamped++;
        }
        for (size_t c = 0; c < classes; c++)
            row[c] = (float)((double)row[c] / sum - centre);
    }
    return clamped;
}
