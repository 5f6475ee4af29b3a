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
    double *law;    /* (positions, symbols, labels): joint with the label, then posteriors */
    double *apart;  /* (symbols, symbols): squared distances at the positions so far */
    bool *here;     /* (symbols): which come at the position */
    bool *anywhere; /* (symbols): at the positions so far */
} posteriors;

/* The law of the label takes the place of a posterior that does not exist. */
static uint32_t condition(posteriors *p, uint32_t position, const double *prior) {
    uint32_t absent = 0;
    for (uint32_t a = 0; a < p->symbols; a++) {
        double *row = p->law + ((size_t)position * p->symbols + a) * p->labels, sum = 0;
        for (uint32_t z = 0; z < p->labels; z++)
            sum += row[z];
        p->here[a] = sum > 0;
        p->anywhere[a] = p->anywhere[a] || sum > 0;
        absent += !p->here[a];
        for (uint32_t z = 0; z < p->labels; z++)
            row[z] = sum > 0 ? row[z] / sum : prior[z];
    }
    return absent;
}

static double root(double squared) {
    const double distance = sqrt(squared);
    return distance < same_posterior ? 0 : distance;
}

static void measure(rhm_position_analysis *out, posteriors *p, uint32_t position) {
    double alone = (double)INFINITY, together = (double)INFINITY;
    const double *rows = p->law + (size_t)position * p->symbols * p->labels;
    for (uint32_t a = 0; a < p->symbols; a++)
        for (uint32_t b = a + 1; b < p->symbols; b++) {
            double sum = 0;
            for (uint32_t z = 0; z < p->labels; z++) {
                const double difference = rows[(size_t)a * p->labels + z] - rows[(size_t)b * p->labels + z];
                sum += difference * difference;
            }
            double *apart = &p->apart[(size_t)a * p->symbols + b];
            *apart += sum;
            if (p->here[a] && p->here[b])
                alone = fmin(alone, sum);
            if (p->anywhere[a] && p->anywhere[b])
                together = fmin(together, *apart);
        }
    out->rho[position] = root(alone);
    out->together[position] = root(together);
}

static rhm_status analyse(rhm_position_analysis *out, posteriors *p, const rhm_grammar *grammar, uint32_t level,
                          rhm_error *error) {
    double *prior;
    RHM_TRY(rhm_position_law(&p->law, grammar, level - 1, p->positions, error));
    RHM_TRY(rhm_position_law(&prior, grammar, 0, 1, error));
    for (uint32_t z = 1; z < p->labels; z++) /* labels as they are recorded: the sum over those that were drawn */
        for (uint32_t seen = 0; seen < p->labels; seen++)
            prior[seen] += prior[(size_t)z * p->labels + seen];
    for (uint32_t j = 0; j < p->positions; j++) {
        out->absent[j] = condition(p, j, prior);
        for (uint32_t a = 0; a < p->symbols; a++)
            out->nowhere[j] += !p->anywhere[a];
        measure(out, p, j);
    }
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
        .apart = RHM_NEW(double, symbols, symbols, 1, "distances of posteriors", error),
        .here = RHM_NEW(bool, symbols, 1, 1, "symbols of a position", error),
        .anywhere = RHM_NEW(bool, symbols, 1, 1, "symbols of positions", error),
    };
    out->positions = p.positions;
    const rhm_status status = p.apart && p.here && p.anywhere ? analyse(out, &p, grammar, level, error) : RHM_NO_MEMORY;
    rhm_free(p.law);
    rhm_free(p.apart);
    rhm_free(p.here);
    rhm_free(p.anywhere);
    return status;
}
