/*
 * The exact quantities of Assumption 6 (docs/mathematics.md, section 2). A patch is written by its parent alone, so
 * everything follows from the joint law of the label and the first symbol of each level, propagated downwards.
 */
#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "hierarchy/grammar.h"

/* Two posteriors this close are the same: about 10^4 times what rounding leaves between equal ones. */
static const double same_posterior = 1e-12;

/* joint (V_{l-1}, V_0) of (first level-(l-1) symbol, label) to next (V_l, V_0); `first` is scratch for V_l numbers. */
static void propagate(double *next, const double *joint, double *first, const rhm_grammar *grammar, size_t labels,
                      uint32_t level) {
    const rhm_shape *shape = &grammar->shape;
    const size_t rules = shape->rules[level];
    const size_t vocab = shape->vocab[level];
    const size_t branching = shape->branching[level];
    memset(next, 0, sizeof *next * vocab * labels);
    for (size_t parent = 0; parent < shape->vocab[level - 1]; parent++) {
        const double *probability = grammar->probability[level] + parent * rules;
        const uint32_t *patch = grammar->patches[level] + parent * rules * branching;
        /* Rules that share a first symbol are merged first: many rules then cost no more than many symbols. */
        memset(first, 0, sizeof *first * vocab);
        for (size_t rule = 0; rule < rules; rule++)
            first[patch[rule * branching]] += probability[rule];
        for (size_t rule = 0; rule < rules; rule++) {
            const size_t symbol = patch[rule * branching];
            if (first[symbol] == 0)
                continue;
            for (size_t label = 0; label < labels; label++)
                next[symbol * labels + label] += first[symbol] * joint[parent * labels + label];
            first[symbol] = 0;
        }
    }
}

/* Symbols of the level that some symbol occurring above writes, at any position. */
static void find_occurring(rhm_analysis *analysis, const rhm_grammar *grammar, uint32_t level) {
    const rhm_shape *shape = &grammar->shape;
    bool *occurs = analysis->occurs[level];
    if (level == 1) {
        for (size_t label = 0; label < shape->vocab[0]; label++)
            occurs[label] = grammar->label_probability[label] > 0;
    } else {
        const size_t rules = (size_t)shape->vocab[level - 2] * shape->rules[level - 1];
        for (size_t rule = 0; rule < rules; rule++)
            if (analysis->occurs[level - 1][rule / shape->rules[level - 1]] &&
                grammar->probability[level - 1][rule] > 0)
                for (size_t t = 0; t < shape->branching[level - 1]; t++)
                    occurs[grammar->patches[level - 1][rule * shape->branching[level - 1] + t]] = true;
    }
    for (size_t symbol = 0; symbol < shape->vocab[level - 1]; symbol++)
        analysis->never[level] += !occurs[symbol];
}

/* 1 / (|P_l| P[first patch = mu]) at its largest, for one parent that comes first with probability `first`. */
static double patch_kappa(const rhm_grammar *grammar, uint32_t level, size_t parent, double first) {
    const size_t rules = grammar->shape.rules[level];
    const double patch_count = (double)grammar->present[level].count;
    double largest = 0;
    for (size_t rule = 0; rule < rules; rule++) {
        const double probability = grammar->probability[level][parent * rules + rule];
        if (probability > 0)
            largest = fmax(largest, first > 0 ? 1 / (patch_count * first * probability) : (double)INFINITY);
    }
    return largest;
}

/* The same over all patches of a level some of which have several parents, whose shares add up. first (V_{l-1}). */
static rhm_status ambiguous_kappa(double *kappa, const rhm_grammar *grammar, uint32_t level, const double *first,
                                  rhm_error *error) {
    const rhm_shape *shape = &grammar->shape;
    const rhm_intern *present = &grammar->present[level];
    double *share = RHM_NEW(double, present->count, 1, 1, "shares of patches", error);
    if (!share)
        return RHM_NO_MEMORY;
    for (size_t row = 0; row < rhm_shape_rules(shape, level); row++)
        if (grammar->probability[level][row] > 0)
            share[rhm_intern_find(present, grammar->patches[level] + row * shape->branching[level])] +=
                first[row / shape->rules[level]] * grammar->probability[level][row];
    for (size_t id = 0; id < present->count; id++)
        *kappa = fmax(*kappa, share[id] > 0 ? 1 / ((double)present->count * share[id]) : (double)INFINITY);
    rhm_free(share);
    return RHM_OK;
}

/* Rows of the joint law to label posteriors, noting kappa and the symbols that never come first. */
static rhm_status condition(rhm_analysis *analysis, const rhm_grammar *grammar, size_t labels, uint32_t level,
                            const double *joint, double *first, rhm_error *error) {
    for (size_t symbol = 0; symbol < grammar->shape.vocab[level - 1]; symbol++) {
        double sum = 0;
        for (size_t label = 0; label < labels; label++)
            sum += joint[symbol * labels + label];
        for (size_t label = 0; label < labels && analysis->posterior[level]; label++)
            analysis->posterior[level][symbol * labels + label] =
                sum > 0 ? joint[symbol * labels + label] / sum : (double)NAN;
        analysis->never_first[level] += !(sum > 0);
        first[symbol] = sum;
        if (grammar->ambiguous[level] == 0)
            analysis->kappa = fmax(analysis->kappa, patch_kappa(grammar, level, symbol, sum));
    }
    analysis->ambiguous[level] = grammar->ambiguous[level];
    return grammar->ambiguous[level] ? ambiguous_kappa(&analysis->kappa, grammar, level, first, error) : RHM_OK;
}

static double squared_distance(const double *a, const double *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static void find_closest(rhm_analysis *analysis, const rhm_shape *shape, uint32_t level) {
    const size_t labels = shape->vocab[0];
    const double *posterior = analysis->posterior[level];
    double closest = (double)INFINITY;
    for (uint32_t a = 0; a < shape->vocab[level - 1]; a++) {
        if (isnan(posterior[a * labels]))
            continue;
        for (uint32_t b = a + 1; b < shape->vocab[level - 1]; b++) {
            /* False for the NaN of a symbol that never comes first. */
            const double distance = squared_distance(posterior + a * labels, posterior + b * labels, labels);
            if (distance < closest) {
                closest = distance;
                analysis->closest[level][0] = a;
                analysis->closest[level][1] = b;
            }
        }
    }
    const double rho = sqrt(closest);
    analysis->rho[level] = rho < same_posterior ? 0 : rho;
}

/* The law of the label, with what is recorded of it, or alone. */
static void begin(double *joint, const rhm_grammar *grammar, bool posteriors) {
    const size_t labels = grammar->shape.vocab[0];
    const double noise = grammar->origin.label_noise;
    if (!posteriors)
        memcpy(joint, grammar->label_probability, sizeof *joint * labels);
    for (size_t label = 0; posteriors && label < labels; label++)
        for (size_t seen = 0; seen < labels; seen++)
            joint[label * labels + seen] =
                grammar->label_probability[label] * ((label == seen ? 1 - noise : 0) + noise / (double)labels);
}

static rhm_status analyse_level(rhm_analysis *analysis, const rhm_grammar *grammar, bool posteriors, uint32_t level,
                                const double *joint, double *first, rhm_error *error) {
    const rhm_shape *shape = &grammar->shape;
    const size_t symbols = shape->vocab[level - 1], labels = posteriors ? shape->vocab[0] : 1;
    double rules = 1;
    for (uint32_t l = 1; l <= level; l++)
        rules *= shape->rules[l];
    if (!(analysis->occurs[level] = RHM_NEW(bool, symbols, 1, 1, "symbols that occur", error)) ||
        (posteriors && !(analysis->posterior[level] = RHM_NEW(double, symbols, labels, 1, "label posteriors", error))))
        return RHM_NO_MEMORY;
    find_occurring(analysis, grammar, level);
    RHM_TRY(condition(analysis, grammar, labels, level, joint, first, error));
    analysis->rho[level] = NAN;
    if (posteriors)
        find_closest(analysis, shape, level);
    analysis->k_rho[level] = analysis->rho[level] * sqrt(rules);
    analysis->assumption_6 = analysis->assumption_6 && !(analysis->rho[level] <= 0);
    return RHM_OK;
}

/* Without posteriors symbols are followed alone, as if there were one label. */
static rhm_status analyse(rhm_analysis *out, const rhm_grammar *grammar, bool posteriors, rhm_error *error) {
    const rhm_shape *shape = &grammar->shape;
    const size_t labels = posteriors ? shape->vocab[0] : 1;
    size_t largest = 0;
    for (uint32_t level = 0; level <= shape->levels; level++)
        largest = shape->vocab[level] > largest ? shape->vocab[level] : largest;
    rhm_analysis analysis = {.levels = shape->levels, .assumption_6 = true};
    memcpy(analysis.vocab, shape->vocab, sizeof analysis.vocab);
    double *joint = RHM_NEW(double, largest, labels, 1, "exact analysis", error);
    double *next = joint ? RHM_NEW(double, largest, labels, 1, "exact analysis", error) : NULL;
    double *first = next ? RHM_NEW(double, largest, 1, 1, "exact analysis", error) : NULL;
    rhm_status status = first ? RHM_OK : RHM_NO_MEMORY;
    if (first)
        begin(joint, grammar, posteriors);
    for (uint32_t level = 1; level <= shape->levels && status == RHM_OK; level++) {
        status = analyse_level(&analysis, grammar, posteriors, level, joint, first, error);
        propagate(next, joint, first, grammar, labels, level);
        double *const swap = joint;
        joint = next;
        next = swap;
    }
    analysis.assumption_6 = analysis.assumption_6 && isfinite(analysis.kappa);
    if (status == RHM_OK)
        *out = analysis;
    else
        rhm_analysis_clear(&analysis);
    rhm_free(joint);
    rhm_free(next);
    rhm_free(first);
    return status;
}

rhm_status rhm_analyse(rhm_analysis *out, const rhm_grammar *grammar, rhm_error *error) {
    return analyse(out, grammar, true, error);
}

rhm_status rhm_analyse_frequencies(rhm_analysis *out, const rhm_grammar *grammar, rhm_error *error) {
    return analyse(out, grammar, false, error);
}

double rhm_analysis_work(const rhm_grammar *grammar) {
    const rhm_shape *shape = &grammar->shape;
    double work = 0;
    for (uint32_t l = 1; l <= shape->levels; l++) {
        const double symbols = shape->vocab[l - 1], rules = shape->rules[l], below = shape->vocab[l];
        work += symbols * shape->vocab[0] * (symbols / 2 + (rules < below ? rules : below));
    }
    return work;
}

void rhm_analysis_clear(rhm_analysis *analysis) {
    for (uint32_t level = 1; level <= RHM_MAX_LEVELS; level++) {
        rhm_free(analysis->posterior[level]);
        rhm_free(analysis->occurs[level]);
    }
    *analysis = (rhm_analysis){0};
}
