/* The exact quantities of Assumption 6b at other positions than the first, alone and side by side. */
#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "hierarchy/position_law.h"
#include "rhm/theory.h"

static const double same_posterior = 1e-12; /* as in analysis.c */

/* Of the symbols of one level at its first positions. */
typedef struct posteriors {
    uint32_t symbols, labels, positions;
    double *law;     /* (positions, symbols, labels): joint with the label, then posteriors */
    bool *here;      /* (positions, symbols): which come there */
    uint32_t *first; /* (symbols): position at which it first comes, or `positions` */
} posteriors;

/* The law of the label takes the place of a posterior that does not exist. */
static uint32_t condition(posteriors *p, uint32_t position, const double *prior) {
    uint32_t absent = 0;
    for (uint32_t a = 0; a < p->symbols; a++) {
        double *row = p->law + ((size_t)position * p->symbols + a) * p->labels, sum = 0;
        for (uint32_t z = 0; z < p->labels; z++)
            sum += row[z];
        p->here[(size_t)position * p->symbols + a] = sum > 0;
        if (sum > 0 && p->first[a] == p->positions)
            p->first[a] = position;
        absent += !(sum > 0);
        for (uint32_t z = 0; z < p->labels; z++)
            row[z] = sum > 0 ? row[z] / sum : prior[z];
    }
    return absent;
}

static double root(double squared) {
    const double distance = sqrt(squared);
    return distance < same_posterior ? 0 : distance;
}

static double squared_distance(const posteriors *p, uint32_t position, uint32_t a, uint32_t b) {
    const double *rows = p->law + (size_t)position * p->symbols * p->labels;
    double sum = 0;
    for (uint32_t z = 0; z < p->labels; z++) {
        const double difference = rows[(size_t)a * p->labels + z] - rows[(size_t)b * p->labels + z];
        sum += difference * difference;
    }
    return sum;
}

static void measure(rhm_position_analysis *out, const posteriors *p) {
    double alone[RHM_ANALYSED_POSITIONS], together[RHM_ANALYSED_POSITIONS];
    for (uint32_t j = 0; j < p->positions; j++)
        alone[j] = together[j] = (double)INFINITY;
    for (uint32_t a = 0; a < p->symbols; a++)
        for (uint32_t b = a + 1; b < p->symbols; b++) {
            double apart = 0;
            for (uint32_t j = 0; j < p->positions; j++) {
                const bool *here = p->here + (size_t)j * p->symbols;
                const double squared = squared_distance(p, j, a, b);
                apart += squared;
                if (here[a] && here[b])
                    alone[j] = fmin(alone[j], squared);
                if (p->first[a] <= j && p->first[b] <= j)
                    together[j] = fmin(together[j], apart);
            }
        }
    for (uint32_t j = 0; j < p->positions; j++) {
        out->rho[j] = root(alone[j]);
        out->together[j] = root(together[j]);
    }
}

static rhm_status analyse(rhm_position_analysis *out, posteriors *p, const rhm_grammar *grammar, uint32_t level,
                          rhm_error *error) {
    double *prior;
    RHM_TRY(rhm_position_law(&p->law, grammar, level - 1, p->positions, error));
    RHM_TRY(rhm_position_law(&prior, grammar, 0, 1, error));
    for (uint32_t z = 1; z < p->labels; z++) /* labels as they are recorded: the sum over those that were drawn */
        for (uint32_t seen = 0; seen < p->labels; seen++)
            prior[seen] += prior[(size_t)z * p->labels + seen];
    for (uint32_t a = 0; a < p->symbols; a++)
        p->first[a] = p->positions;
    for (uint32_t j = 0; j < p->positions; j++) {
        out->absent[j] = condition(p, j, prior);
        for (uint32_t a = 0; a < p->symbols; a++)
            out->nowhere[j] += p->first[a] > j;
    }
    measure(out, p);
    rhm_free(prior);
    return RHM_OK;
}

rhm_status rhm_analyse_positions(rhm_position_analysis *out, const rhm_grammar *grammar, uint32_t level,
                                 rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    *out = (rhm_position_analysis){0};
    if (level < 1 || level > shape->levels)
        return rhm_fail(error, RHM_INVALID, "level %u was asked for: the grammar has levels 1 to %u", level,
                        shape->levels);
    const size_t nodes = rhm_grammar_tree(grammar)->nodes[level - 1], symbols = shape->vocab[level - 1];
    posteriors p = {
        .symbols = shape->vocab[level - 1],
        .labels = shape->vocab[0],
        .positions = nodes < RHM_ANALYSED_POSITIONS ? (uint32_t)nodes : RHM_ANALYSED_POSITIONS,
        .here = RHM_NEW(bool, RHM_ANALYSED_POSITIONS, symbols, 1, "symbols of positions", error),
        .first = RHM_NEW(uint32_t, symbols, 1, 1, "first positions of symbols", error),
    };
    out->positions = p.positions;
    const rhm_status status = p.here && p.first ? analyse(out, &p, grammar, level, error) : RHM_NO_MEMORY;
    rhm_free(p.law);
    rhm_free(p.here);
    rhm_free(p.first);
    return status;
}
