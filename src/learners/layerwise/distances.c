#include "learners/layerwise/distances.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "hierarchy/position_law.h"
#include "learners/layerwise/design.h"

/* Posteriors this close are the same. */
static const double SAME = 1e-9;

typedef struct posteriors {
    size_t symbols, classes, positions;
    double *row;     /* (positions, symbols, classes): joint on entry */
    double *often;   /* (positions, symbols): probability */
    bool *somewhere; /* (symbols) */
} posteriors;

/* Where a symbol never occurs its posterior is that of all samples. */
static void condition(posteriors *q, const double *label) {
    for (size_t i = 0; i < q->positions * q->symbols; i++) {
        double *row = q->row + i * q->classes, sum = 0;
        for (size_t z = 0; z < q->classes; z++)
            sum += row[z];
        for (size_t z = 0; z < q->classes; z++)
            row[z] = sum > 0 ? row[z] / sum : label[z];
        q->often[i] = sum;
        q->somewhere[i % q->symbols] |= sum > 0;
    }
}

/* What blocks learn of it, where there are several. */
static void pool(posteriors *q, const double *label) {
    for (size_t a = 0; a < q->symbols && q->positions > 1; a++) {
        double mean = 0;
        for (size_t p = 0; p < q->positions; p++)
            mean += q->often[p * q->symbols + a] / (double)q->positions;
        for (size_t p = 0; p < q->positions && mean > 0; p++) {
            const double own = rhm_pooled_own(q->often[p * q->symbols + a] / mean);
            double *row = q->row + (p * q->symbols + a) * q->classes;
            for (size_t z = 0; z < q->classes; z++)
                row[z] = own * row[z] + (1 - own) * label[z];
        }
    }
}

static double squared_distance(const posteriors *q, size_t a, size_t b) {
    double square = 0;
    for (size_t p = 0; p < q->positions; p++)
        for (size_t z = 0; z < q->classes; z++) {
            const double off =
                q->row[(p * q->symbols + a) * q->classes + z] - q->row[(p * q->symbols + b) * q->classes + z];
            square += off * off;
        }
    return square;
}

static rhm_distances compare(const posteriors *q, const bool *occurs) {
    rhm_distances out = {.apart = true, .all_occur = true, .rho = INFINITY};
    for (size_t a = 0; a < q->symbols; a++) {
        out.all_occur = out.all_occur && (q->somewhere[a] || !occurs[a]);
        for (size_t b = 0; b < a; b++) {
            if (!q->somewhere[a] || !q->somewhere[b])
                continue;
            const double distance = sqrt(squared_distance(q, a, b));
            if (distance > SAME)
                out.rho = fmin(out.rho, distance);
            else
                out.apart = false;
        }
    }
    out.apart = out.apart && out.all_occur;
    out.rho = isfinite(out.rho) ? out.rho : 0;
    return out;
}

rhm_status rhm_distances_at(rhm_distances *out, const rhm_grammar *grammar, const rhm_analysis *analysis,
                            uint32_t level, size_t positions, rhm_error *error) {
    posteriors q = {.symbols = analysis->vocab[level - 1], .classes = analysis->vocab[0], .positions = positions};
    RHM_TRY(rhm_position_law(&q.row, grammar, level - 1, positions, error));
    q.somewhere = RHM_NEW(bool, q.symbols, 1, 1, "symbols at some positions", error);
    double *label = RHM_NEW(double, q.classes, 1, 1, "label frequencies", error);
    q.often = RHM_NEW(double, positions, q.symbols, 1, "symbols at some positions", error);
    const bool made = q.somewhere && q.often && label;
    if (made) {
        for (size_t i = 0; i < q.symbols * q.classes; i++)
            label[i % q.classes] += q.row[i];
        condition(&q, label);
        pool(&q, label);
        *out = compare(&q, analysis->occurs[level]);
    }
    rhm_free(q.row);
    rhm_free(q.often);
    rhm_free(q.somewhere);
    rhm_free(label);
    return made ? RHM_OK : RHM_NO_MEMORY;
}

double rhm_distances_work(const rhm_grammar *grammar, uint32_t level, size_t positions) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const rhm_tree *tree = rhm_grammar_tree(grammar);
    const double labels = shape->vocab[0], symbols = shape->vocab[level - 1];
    double work = (double)positions * symbols * symbols / 2 * labels;
    for (uint32_t l = 1; l < level; l++) {
        const size_t below = rhm_tree_below(tree, l, level - 1), above = (positions + below - 1) / below;
        work += (double)above * (double)shape->vocab[l - 1] * shape->rules[l] * labels;
    }
    return work;
}

rhm_distances rhm_distances_usual(const rhm_grammar *grammar, uint32_t level) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_distances out = {.apart = true, .all_occur = true, .rho = sqrt(2)};
    for (uint32_t l = 1; l < level; l++)
        out.rho /= sqrt(shape->rules[l]);
    return out;
}
