#include "learners/layerwise/diagnose.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"

/* The level-(l-1) symbol of every distinct first patch, by bottom-up parsing of the interned subtrees. */
static rhm_status parse_parents(const rhm_grammar *grammar, const rhm_patches *patches, uint32_t **out,
                                rhm_error *error) {
    uint32_t *below = NULL, *symbol = NULL;
    for (uint32_t j = patches->tree.levels; j >= patches->level; j--) {
        const rhm_intern *set = &patches->subtree[j];
        uint32_t tuple[RHM_MAX_BRANCHING];
        if (!(symbol = RHM_NEW(uint32_t, set->count, 1, 1, "parsed symbols", error))) {
            rhm_free(below);
            return RHM_NO_MEMORY;
        }
        for (size_t i = 0; i < set->count; i++) {
            const uint32_t *ids = rhm_intern_tuple(set, i);
            for (size_t t = 0; t < set->words; t++)
                tuple[t] = below ? below[ids[t]] : ids[t];
            symbol[i] = rhm_grammar_parent(grammar, j, tuple);
            if (symbol[i] == UINT32_MAX) {
                rhm_free(symbol);
                rhm_free(below);
                return rhm_fail(error, RHM_INVALID, "the data hold a level-%u patch that the grammar never produces",
                                j);
            }
        }
        rhm_free(below);
        below = symbol;
    }
    *out = below;
    return RHM_OK;
}

static double distance(const double *a, const double *b, size_t width) {
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sqrt(sum);
}

typedef struct diagnosis {
    size_t parents, classes, distinct;
    const uint32_t *parent; /* (distinct) */
    uint64_t *samples;      /* (distinct): of each patch */
    double *weight;         /* (distinct): share of the samples */
    double *output;         /* (distinct, classes), not centred */
    double *mean;           /* (parents, classes) */
    double *share;          /* (parents) */
} diagnosis;

static void fill(diagnosis *d, const rhm_patches *patches, const rhm_patch_counts *counts, const float *y) {
    for (size_t i = 0; i < d->distinct; i++) {
        uint64_t n = 0;
        for (size_t cell = counts->offset[i]; cell < counts->offset[i + 1]; cell++)
            n += counts->count[cell];
        d->samples[i] = n;
        d->weight[i] = (double)n / (double)patches->samples;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): parents are NULL where there is no level to parse */
        d->share[d->parent[i]] += d->weight[i];
        for (size_t c = 0; c < d->classes; c++) {
            d->output[i * d->classes + c] = (double)y[i * d->classes + c] + 1.0 / (double)d->classes;
            d->mean[d->parent[i] * d->classes + c] += d->weight[i] * d->output[i * d->classes + c];
        }
    }
    for (size_t p = 0; p < d->parents; p++)
        for (size_t c = 0; c < d->classes && d->share[p] > 0; c++)
            d->mean[p * d->classes + c] /= d->share[p];
}

static void compare(const diagnosis *d, const rhm_grammar *grammar, const rhm_analysis *analysis, uint64_t samples,
                    rhm_level_report *report) {
    const uint32_t level = report->level;
    const double *posterior = analysis->posterior[level];
    const double *rule = rhm_grammar_probability(grammar, level);
    const size_t rules = rhm_grammar_shape(grammar)->rules[level];
    double mean = 0, most = 0, radius = 0;
    uint64_t nearest_own = 0, total = 0;
    for (size_t i = 0; i < d->distinct; i++) {
        const double *y = d->output + i * d->classes;
        const size_t own = d->parent[i];
        const double off = distance(y, posterior + own * d->classes, d->classes);
        mean += d->weight[i] * off;
        most = fmax(most, off);
        const double to_own = distance(y, d->mean + own * d->classes, d->classes);
        radius = fmax(radius, to_own);
        bool nearest = true;
        for (size_t p = 0; p < d->parents && nearest; p++)
            nearest = p == own || d->share[p] == 0 || distance(y, d->mean + p * d->classes, d->classes) > to_own;
        nearest_own += nearest ? d->samples[i] : 0;
        total += d->samples[i];
    }
    double separation = INFINITY, floor = 0;
    for (size_t p = 0; p < d->parents; p++) {
        if (d->share[p] == 0)
            continue;
        for (size_t q = 0; q < p; q++)
            if (d->share[q] > 0)
                separation = fmin(separation, distance(d->mean + p * d->classes, d->mean + q * d->classes, d->classes));
        double square = 0;
        for (size_t c = 0; c < d->classes; c++)
            square += posterior[p * d->classes + c] * posterior[p * d->classes + c];
        for (size_t r = 0; r < rules; r++) {
            const double patch = d->share[p] * rule[p * rules + r];
            if (patch > 0)
                floor += patch * sqrt(fmax(0, 1 - square) / ((double)samples * patch));
        }
    }
    report->posterior_error_mean = mean;
    report->posterior_error_max = most;
    report->posterior_error_floor = floor;
    report->synonym_accuracy = (double)nearest_own / (double)total;
    report->separation = isfinite(separation) ? separation : (double)NAN;
    report->radius = radius;
}

rhm_status rhm_diagnose(rhm_level_report *report, const rhm_grammar *grammar, const rhm_analysis *analysis,
                        const rhm_patches *patches, const rhm_patch_counts *counts, const rhm_embeddings *outputs,
                        uint64_t samples, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    diagnosis d = {
        .parents = shape->vocab[report->level - 1],
        .classes = shape->vocab[0],
        .distinct = rhm_patches_distinct(patches),
    };
    uint32_t *parent = NULL;
    RHM_TRY(parse_parents(grammar, patches, &parent, error));
    d.parent = parent;
    rhm_status status = RHM_NO_MEMORY;
    if ((d.samples = RHM_NEW(uint64_t, d.distinct, 1, 1, "patch counts", error)) &&
        (d.weight = RHM_NEW(double, d.distinct, 1, 1, "patch frequencies", error)) &&
        (d.output = RHM_NEW(double, d.distinct, d.classes, 1, "outputs", error)) &&
        (d.mean = RHM_NEW(double, d.parents, d.classes, 1, "mean outputs", error)) &&
        (d.share = RHM_NEW(double, d.parents, 1, 1, "symbol frequencies", error))) {
        fill(&d, patches, counts, outputs->row);
        compare(&d, grammar, analysis, samples, report);
        status = RHM_OK;
    }
    rhm_free(parent);
    rhm_free(d.samples);
    rhm_free(d.weight);
    rhm_free(d.output);
    rhm_free(d.mean);
    rhm_free(d.share);
    return status;
}
