#include "learners/layerwise/diagnose.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "hierarchy/position_law.h"
#include "learners/layerwise/design.h"
#include "learners/layerwise/held_out.h"

enum { CHUNK = 1 << 12 }; /* subtrees that are parsed at a time */

typedef struct parsing {
    const rhm_grammar *grammar;
    const rhm_intern *set;
    const uint32_t *below; /* symbols of the level below, or NULL at the leaves */
    uint32_t *symbol;
    uint32_t level;
    rhm_ranks_part own; /* subtrees that are here */
} parsing;

static rhm_status parse_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    const parsing *p = context;
    const size_t first = p->own.first + chunk * CHUNK, end = p->own.end - first < CHUNK ? p->own.end : first + CHUNK;
    uint32_t tuple[RHM_MAX_BRANCHING];
    for (size_t i = first; i < end; i++) {
        const uint32_t *ids = rhm_intern_tuple(p->set, i);
        for (size_t t = 0; t < p->set->words; t++)
            tuple[t] = p->below ? p->below[ids[t]] : ids[t];
        p->symbol[i - p->own.first] = rhm_grammar_parent(p->grammar, p->level, tuple);
        if (p->symbol[i - p->own.first] == UINT32_MAX)
            return rhm_fail(error, RHM_INVALID, "the data hold a level-%u patch that the grammar never produces",
                            p->level);
    }
    return RHM_OK;
}

/* The level-(l-1) symbol of every distinct patch, of divided ones of the own, by bottom-up parsing of the interned
 * subtrees. */
static rhm_status parse_parents(const rhm_engine *engine, const rhm_grammar *grammar, const rhm_patches *patches,
                                rhm_ranks_part own, uint32_t **out, rhm_error *error) {
    uint32_t *below = NULL;
    rhm_status status = RHM_OK;
    if (patches->division)
        engine = rhm_engine_alone(engine);
    for (uint32_t j = patches->tree.levels; j >= patches->level && status == RHM_OK; j--) {
        const rhm_intern *set = &patches->subtree[j];
        parsing p = {.grammar = grammar, .set = set, .below = below, .level = j, .own = {0, set->count}};
        if (patches->division && j == patches->level)
            p.own = own;
        const size_t count = p.own.end - p.own.first;
        p.symbol = RHM_NEW(uint32_t, count, 1, 1, "parsed symbols", error);
        const rhm_spread_output parsed = {p.symbol, sizeof *p.symbol * CHUNK, sizeof *p.symbol * count};
        status = p.symbol ? rhm_spread_many(engine, (count + CHUNK - 1) / CHUNK, parse_chunk, &p, &parsed, 1, error)
                          : RHM_NO_MEMORY;
        rhm_free(below);
        below = p.symbol;
    }
    *out = below;
    return status;
}

static double distance(const double *a, const double *b, size_t width) {
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sqrt(sum);
}

/* Of a run of patches, against their parents. */
typedef struct comparison {
    double mean, most, radius;
    uint64_t nearest_own, samples;
} comparison;

typedef struct diagnosis {
    size_t parents, classes, positions, outputs, distinct, runs;
    double samples; /* of the collection */
    const rhm_patch_counts *counts;
    rhm_spread_part own;    /* patches of this rank's runs */
    const float *y;         /* (own, outputs), centred */
    const uint32_t *parent; /* of all patches, or of divided ones the own: from that of `parents_from` on */
    size_t parents_from;
    double *output;       /* (own, outputs), not centred */
    double *sum;          /* (runs, parents, 1 + outputs): share of the samples, and outputs weighted with it */
    comparison *compared; /* (runs) */
    double *posterior;    /* (parents, outputs): exact, as far as blocks learn it */
    double *occurs;       /* (parents, positions): probability of a symbol */
} diagnosis;

/* Of all patches, once sums are reduced and divided. */
static double share_of(const diagnosis *d, size_t parent) {
    return d->sum[parent * (1 + d->outputs)];
}

static double *mean_of(const diagnosis *d, size_t parent) {
    return d->sum + parent * (1 + d->outputs) + 1;
}

static double *output_of(const diagnosis *d, size_t patch) {
    return d->output + (patch - d->own.first) * d->outputs;
}

static size_t parent_of(const diagnosis *d, size_t patch) {
    return d->parent[patch - d->parents_from];
}

/* Of a patch, at all positions. */
static uint64_t samples_of(const diagnosis *d, size_t patch) {
    uint64_t n = 0;
    for (size_t cell = d->counts->offset[patch]; cell < d->counts->offset[patch + 1]; cell++)
        n += d->counts->count[cell];
    return n;
}

static double weight_of(const diagnosis *d, uint64_t samples) {
    return (double)samples / (d->samples * (double)d->positions);
}

static rhm_status add_run(void *context, size_t run, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const diagnosis *d = context;
    const size_t end = rhm_held_out_run_begin(d->distinct, d->runs, run + 1);
    for (size_t i = rhm_held_out_run_begin(d->distinct, d->runs, run); i < end; i++) {
        const double weight = weight_of(d, samples_of(d, i));
        double *sum = d->sum + (run * d->parents + parent_of(d, i)) * (1 + d->outputs), *output = output_of(d, i);
        const float *y = d->y + (i - d->own.first) * d->outputs;
        *sum++ += weight;
        for (size_t c = 0; c < d->outputs; c++) {
            output[c] = (double)y[c] + 1.0 / (double)d->classes;
            sum[c] += weight * output[c];
        }
    }
    return RHM_OK;
}

static rhm_status find_means(diagnosis *d, const rhm_engine *engine, rhm_error *error) {
    const size_t row = d->parents * (1 + d->outputs);
    RHM_TRY(rhm_spread_many(engine, d->runs, add_run, d, NULL, 0, error));
    RHM_TRY(rhm_spread_reduce_many(engine, d->sum, d->runs, row, error));
    for (size_t p = 0; p < d->parents; p++)
        for (size_t c = 0; c < d->outputs && share_of(d, p) > 0; c++)
            mean_of(d, p)[c] /= share_of(d, p);
    return RHM_OK;
}

/* How much of its posterior a block learns of a symbol; all where there is one. */
static double learnt(const diagnosis *d, size_t nu, size_t position) {
    double sum = 0;
    for (size_t p = 0; p < d->positions; p++)
        sum += d->occurs[nu * d->positions + p];
    if (d->positions == 1 || !(sum > 0))
        return 1;
    return rhm_pooled_own(d->occurs[nu * d->positions + position] * (double)d->positions / sum);
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
    for (size_t i = 0; i < d->parents * d->outputs; i++) {
        const double own = learnt(d, i / d->outputs, i % d->outputs / d->classes);
        d->posterior[i] = own * d->posterior[i] + (1 - own) * label[i % d->classes];
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
        square += patch > 0 ? pow(learnt(d, nu, p), 2) * fmax(0, 1 - norm) / (samples * patch) : 0;
    }
    return sqrt(square);
}

static double smallest_distance(const diagnosis *d) {
    double separation = INFINITY;
    for (size_t p = 0; p < d->parents; p++)
        for (size_t q = 0; q < p; q++)
            if (share_of(d, p) > 0 && share_of(d, q) > 0)
                separation = fmin(separation, distance(mean_of(d, p), mean_of(d, q), d->outputs));
    return isfinite(separation) ? separation : (double)NAN;
}

static rhm_status compare_run(void *context, size_t run, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const diagnosis *d = context;
    comparison *of = &d->compared[run];
    const size_t end = rhm_held_out_run_begin(d->distinct, d->runs, run + 1);
    for (size_t i = rhm_held_out_run_begin(d->distinct, d->runs, run); i < end; i++) {
        const double *y = output_of(d, i);
        const size_t own = parent_of(d, i);
        const uint64_t samples = samples_of(d, i);
        const double off = distance(y, d->posterior + own * d->outputs, d->outputs);
        const double to_own = distance(y, mean_of(d, own), d->outputs);
        of->mean += weight_of(d, samples) * off;
        of->most = fmax(of->most, off);
        of->radius = fmax(of->radius, to_own);
        bool nearest = true;
        for (size_t p = 0; p < d->parents && nearest; p++)
            nearest = p == own || share_of(d, p) == 0 || distance(y, mean_of(d, p), d->outputs) > to_own;
        of->nearest_own += nearest ? samples : 0;
        of->samples += samples;
    }
    return RHM_OK;
}

static rhm_status compare(diagnosis *d, const rhm_engine *engine, const rhm_grammar *grammar, uint64_t samples,
                          rhm_level_report *report, rhm_error *error) {
    const double *rule = rhm_grammar_probability(grammar, report->level);
    const size_t rules = rhm_grammar_shape(grammar)->rules[report->level];
    comparison all = {0};
    double floor = 0;
    const rhm_spread_output compared = {d->compared, sizeof *d->compared, sizeof *d->compared * d->runs};
    RHM_TRY(rhm_spread_many(engine, d->runs, compare_run, d, &compared, 1, error));
    for (size_t run = 0; run < d->runs; run++) {
        all.mean += d->compared[run].mean;
        all.most = fmax(all.most, d->compared[run].most);
        all.radius = fmax(all.radius, d->compared[run].radius);
        all.nearest_own += d->compared[run].nearest_own;
        all.samples += d->compared[run].samples;
    }
    for (size_t i = 0; i < d->parents * rules; i++)
        floor += share_of(d, i / rules) * rule[i] * inevitable(d, i / rules, rule[i], (double)samples);
    report->posterior_error_mean = all.mean;
    report->posterior_error_max = all.most;
    report->posterior_error_floor = floor;
    report->synonym_accuracy = (double)all.nearest_own / (double)all.samples;
    report->separation = smallest_distance(d);
    report->radius = all.radius;
    return RHM_OK;
}

static rhm_status allocate(diagnosis *d, double **label, rhm_error *error) {
    return (d->output = RHM_NEW(double, d->own.end - d->own.first, d->outputs, 1, "outputs", error)) &&
                   (d->sum = RHM_NEW(double, d->runs, d->parents, 1 + d->outputs, "mean outputs", error)) &&
                   (d->compared = RHM_NEW(comparison, d->runs, 1, 1, "mean outputs", error)) &&
                   (d->posterior = RHM_NEW(double, d->parents, d->outputs, 1, "exact posteriors", error)) &&
                   (d->occurs = RHM_NEW(double, d->parents, d->positions, 1, "exact posteriors", error)) &&
                   (*label = RHM_NEW(double, d->classes, 1, 1, "exact posteriors", error))
               ? RHM_OK
               : RHM_NO_MEMORY;
}

rhm_status rhm_diagnose(rhm_level_report *report, const rhm_engine *engine, const rhm_grammar *grammar,
                        const rhm_patches *patches, const rhm_patch_counts *counts, const rhm_embeddings *outputs,
                        uint64_t samples, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t distinct = rhm_patches_distinct(patches);
    diagnosis d = {
        .parents = shape->vocab[report->level - 1],
        .classes = shape->vocab[0],
        .positions = patches->positions,
        .outputs = (size_t)patches->positions * shape->vocab[0],
        .distinct = distinct,
        .runs = rhm_held_out_runs(distinct),
        .own = rhm_held_out_own(engine, distinct),
        .samples = (double)patches->samples,
        .counts = counts,
        .y = outputs->row,
    };
    uint32_t *parent = NULL;
    double *label = NULL;
    rhm_status status = parse_parents(engine, grammar, patches, d.own, &parent, error);
    d.parent = parent;
    d.parents_from = patches->division ? d.own.first : 0;
    if (status == RHM_OK)
        status = allocate(&d, &label, error);
    if (status == RHM_OK)
        status = find_posteriors(&d, grammar, report->level, label, error);
    if (status == RHM_OK)
        status = find_means(&d, engine, error);
    if (status == RHM_OK)
        status = compare(&d, engine, grammar, samples, report, error);
    rhm_free(parent);
    rhm_free(label);
    rhm_free(d.output);
    rhm_free(d.sum);
    rhm_free(d.compared);
    rhm_free(d.posterior);
    rhm_free(d.occurs);
    return status;
}
