#include "learners/layerwise/absent.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"

/* On average over the positions: fewer are missing by chance, or too few for the proportions of the labels. */
static const double LEAST_SAMPLES = 16, LEAST_OF_LABEL = 2;

typedef struct filling {
    const rhm_patch_counts *from;
    size_t distinct, positions, classes;
    double *frequency; /* (positions, classes): of labels */
    rhm_patch_counts to;
} filling;

static double mean_samples(const filling *f, size_t patch) {
    double n = 0;
    for (size_t cell = f->from->offset[patch]; cell < f->from->offset[patch + 1]; cell++)
        n += (double)f->from->count[cell];
    return n / (double)f->positions;
}

static void put(filling *f, size_t *at, uint32_t label, uint64_t count) {
    if (f->to.label) {
        f->to.label[*at] = label;
        f->to.count[*at] = count;
    }
    ++*at;
}

/* Samples that were added at `position`. */
static uint64_t put_usual(filling *f, size_t *at, size_t position, double samples) {
    uint64_t sum = 0;
    for (size_t z = 0; z < f->classes; z++) {
        const uint64_t count = (uint64_t)rint(samples * f->frequency[position * f->classes + z]);
        if (count > 0)
            put(f, at, (uint32_t)(position * f->classes + z), count);
        sum += count;
    }
    return sum;
}

/* All cells, old and new, in their order; returns how many. Written where there are arrays to write to. */
static size_t walk(filling *f) {
    size_t at = 0;
    for (size_t i = 0; i < f->distinct; i++) {
        const double mean = mean_samples(f, i);
        const bool often = mean >= LEAST_SAMPLES && mean >= LEAST_OF_LABEL * (double)f->classes;
        size_t cell = f->from->offset[i];
        for (size_t p = 0; p < f->positions; p++) {
            const size_t first = cell;
            for (; cell < f->from->offset[i + 1] && f->from->label[cell] < (p + 1) * f->classes; cell++)
                put(f, &at, f->from->label[cell], f->from->count[cell]);
            if (cell == first && often) {
                const uint64_t more = put_usual(f, &at, p, mean);
                if (f->to.of_block)
                    f->to.of_block[p] += more;
            }
        }
        if (f->to.offset)
            f->to.offset[i + 1] = at;
    }
    return at;
}

static void count_labels(filling *f, double samples) {
    for (size_t cell = 0; cell < f->from->offset[f->distinct]; cell++)
        f->frequency[f->from->label[cell]] += (double)f->from->count[cell] / samples;
}

rhm_status rhm_absent_fill(rhm_patch_counts *counts, const rhm_patches *patches, rhm_error *error) {
    static const char what[] = "counts of absent patches";
    filling f = {counts, rhm_patches_distinct(patches), patches->positions, patches->classes, NULL, {0}};
    if (f.positions == 1)
        return RHM_OK;
    if (!(f.frequency = RHM_NEW(double, f.positions, f.classes, 1, what, error)))
        return RHM_NO_MEMORY;
    count_labels(&f, (double)patches->samples);
    const size_t cells = walk(&f);
    rhm_status status = RHM_OK;
    if (cells > counts->offset[f.distinct]) {
        f.to.offset = RHM_NEW(size_t, f.distinct + 1, 1, 1, what, error);
        f.to.label = f.to.offset ? RHM_NEW(uint32_t, cells, 1, 1, what, error) : NULL;
        f.to.count = f.to.label ? RHM_NEW(uint64_t, cells, 1, 1, what, error) : NULL;
        f.to.of_block = f.to.count ? RHM_NEW(uint64_t, f.positions, 1, 1, what, error) : NULL;
        status = f.to.of_block ? RHM_OK : RHM_NO_MEMORY;
    }
    if (f.to.of_block) {
        for (size_t p = 0; p < f.positions; p++)
            f.to.of_block[p] = patches->samples;
        walk(&f);
        rhm_patch_counts_clear(counts);
        *counts = f.to;
        f.to = (rhm_patch_counts){0};
    }
    rhm_patch_counts_clear(&f.to);
    rhm_free(f.frequency);
    return status;
}
