#include "learners/layerwise/diagnose.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "hierarchy/position_law.h"

/* The level-(l-1) symbol of every distinct patch, by bottom-up parsing of the interned subtrees. */
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
    size_t parents, classes, positions, outputs, distinct;
    const uint32_t *parent; /* (distinct) */
    uint64_t *samples;      /* (distinct): of each patch, at all positions */
    double *weight;         /* (distinct): share of the samples */
    double *output;         /* (distinct, outputs), not centred */
    double *mean;           /* (parents, outputs) */
    double *share;          /* (parents) */
    double *posterior;      /* (parents, outputs): exact, label frequencies where a symbol never occurs */
    double *occurs;         /* (parents, positions): probability of a symbol */
} diagnosis;

static void fill(diagnosis *d, const rhm_patches *patches, const rhm_patch_counts *counts, const float *y) {
    for (size_t i = 0; i < d->distinct; i++) {
        uint64_t n = 0;
        for (size_t cell = counts->offset[i]; cell < counts->offset[i + 1]; cell++)
            n += counts->count[cell];
        d->samples[i] = n;
        d->weight[i] = (double)n / ((double)patches->samples * (double)d->positions);
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): parents are NULL where there is no level to parse */
        d->share[d->parent[i]] += d->weight[i];
        for (size_t c = 0; c < d->outputs; c++) {
            d->output[i * d->outputs + c] = (double)y[i * d->outputs + c] + 1.0 / (double)d->classes;
            d->mean[d->parent[i] * d->outputs + c] += d->weight[i] * d->output[i * d->outputs + c];
        }
    }
    for (size_t p = 0; p < d->parents; p++)
        for (size_t c = 0; c < d->outputs && d->share[p] > 0; c++)
            d->mean[p * d->outputs + c] /= d->share[p];
}

/* Of all positions side by side. `label` (classes) is scratch. */
static rhm_status find_posteriors(diagnosis *d, const rhm_grammar *grammar, uint32_t level, double *label,
                                  rhm_error *error) {
    double *joint; /* (positions, parents, classes) */
    RHM_TRY(rhm_position_law(&joint, grammar, level - 1, d->positions, error));
    for (size_t i = 0; i < d->parents * d->classes; i++)
        label[i % d->classes] += joint[i];
    for (size_t p = 0; p < d->positions; p++)
        for (size_t nu = 0; nu < d->parents; nu++) {
            const double *row = joint + (p * d->parents + nu) * d->classes;
            double *sum = &d->occurs[nu * d->positions + p];
            for (size_t z = 0; z < d->classes; z++)
                *sum += row[z];
            for (size_t z = 0; z < d->classes; z++)
                d->posterior[nu * d->outputs + p * d->classes + z] = *sum > 0 ? row[z] / *sum : label[z];
        }
    rhm_free(joint);
    return RHM_OK;
}

/* Distance to the exact posteriors that so many samples a position make inevitable, of one patch of parent `nu`. */
static double inevitable(const diagnosis *d, size_t nu, double probability, double samples) {
    double square = 0;
    for (size_t p = 0; p < d->positions; p++) {
        const double *q = d->posterior + nu * d->outputs + p * d->classes;
        const double patch = d->occurs[nu * d->positions + p] * probability;
        double norm = 0;
        for (size_t z = 0; z < d->classes; z++)
            norm += q[z] * q[z];
        square += patch > 0 ? fmax(0, 1 - norm) / (samples * patch) : 0;
    }
    return sqrt(square);
}

static double smallest_distance(const diagnosis *d) {
    double separation = INFINITY;
    for (size_t p = 0; p < d->parents; p++)
        for (size_t q = 0; q < p; q++)
            if (d->share[p] > 0 && d->share[q] > 0)
                separation = fmin(separation, distance(d->mean + p * d->outputs, d->mean + q * d->outputs, d->outputs));
    return isfinite(separation) ? separation : (double)NAN;
}

static void compare(const diagnosis *d, const rhm_grammar *grammar, uint64_t samples, rhm_level_report *report) {
    const double *rule = rhm_grammar_probability(grammar, report->level);
    const size_t rules = rhm_grammar_shape(grammar)->rules[report->level];
    double mean = 0, most = 0, radius = 0, floor = 0;
    uint64_t nearest_own = 0, total = 0;
    for (size_t i = 0; i < d->distinct; i++) {
        const double *y = d->output + i * d->outputs;
        const size_t own = d->parent[i];
        const double off = distance(y, d->posterior + own * d->outputs, d->outputs);
        mean += d->weight[i] * off;
        most = fmax(most, off);
        const double to_own = distance(y, d->mean + own * d->outputs, d->outputs);
        radius = fmax(radius, to_own);
        bool nearest = true;
        for (size_t p = 0; p < d->parents && nearest; p++)
            nearest = p == own || d->share[p] == 0 || distance(y, d->mean + p * d->outputs, d->outputs) > to_own;
        nearest_own += nearest ? d->samples[i] : 0;
        total += d->samples[i];
    }
    for (size_t i = 0; i < d->parents * rules; i++)
        floor += d->share[i / rules] * rule[i] * inevitable(d, i / rules, rule[i], (double)samples);
    report->posterior_error_mean = mean;
    report->posterior_error_max = most;
    report->posterior_error_floor = floor;
    report->synonym_accuracy = (double)nearest_own / (double)total;
    report->separation = smallest_distance(d);
    report->radius = radius;
}

static rhm_status allocate(diagnosis *d, double **label, rhm_error *error) {
    return (d->samples = RHM_NEW(uint64_t, d->distinct, 1, 1, "patch counts", error)) &&
                   (d->weight = RHM_NEW(double, d->distinct, 1, 1, "patch frequencies", error)) &&
                   (d->output = RHM_NEW(double, d->distinct, d->outputs, 1, "outputs", error)) &&
                   (d->mean = RHM_NEW(double, d->parents, d->outputs, 1, "mean outputs", error)) &&
                   (d->share = RHM_NEW(double, d->parents, 1, 1, "symbol frequencies", error)) &&
                   (d->posterior = RHM_NEW(double, d->parents, d->outputs, 1, "exact posteriors", error)) &&
                   (d->occurs = RHM_NEW(double, d->parents, d->positions, 1, "exact posteriors", error)) &&
                   (*label = RHM_NEW(double, d->classes, 1, 1, "exact posteriors", error))
               ? RHM_OK
               : RHM_NO_MEMORY;
}

rhm_status rhm_diagnose(rhm_level_report *report, const rhm_grammar *grammar, const rhm_patches *patches,
                        const rhm_patch_counts *counts, const rhm_embeddings *outputs, uint64_t samples,
                        rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    diagnosis d = {
        .parents = shape->vocab[report->level - 1],
        .classes = shape->vocab[0],
        .positions = patches->positions,
        .outputs = (size_t)patches->positions * shape->vocab[0],
        .distinct = rhm_patches_distinct(patches),
    };
    uint32_t *parent = NULL;
    double *label = NULL;
    RHM_TRY(parse_parents(grammar, patches, &parent, error));
    d.parent = parent;
    rhm_status status = allocate(&d, &label, error);
    if (status == RHM_OK)
        status = find_posteriors(&d, grammar, report->level, label, error);
    if (status == RHM_OK) {
        fill(&d, patches, counts, outputs->row);
        compare(&d, grammar, samples, report);
    }
    rhm_free(parent);
    rhm_free(label);
    rhm_free(d.samples);
    rhm_free(d.weight);
    rhm_free(d.output);
    rhm_free(d.mean);
    rhm_free(d.share);
    rhm_free(d.posterior);
    rhm_free(d.occurs);
    return status;
}
