/* The cross-entropy of a batch, whether its predictions are right, and the gradient of the logits. */
#include "core/elementary.h"
#include "core/fail.h"
#include "network/parts.h"

typedef struct losses {
    rhm_network *n;
    bool gradient;
    size_t rows; /* of a piece */
} losses;

enum { ROWS = 16 };

/* Row i of the logits: the first of the largest, and whether it is the label's. */
static float largest(const rhm_network_level *v, size_t i, size_t label, bool *correct) {
    const float *y = v->y + i * RHM_LANES;
    float most = y[0];
    size_t best = 0;
    for (size_t c = 1; c < v->outputs; c++) {
        const float here = y[c / RHM_LANES * v->panel + c % RHM_LANES];
        if (here > most || (most != most && here == here)) {
            most = here;
            best = c;
        }
    }
    *correct = best == label && most == most;
    return most;
}

/* The loss of row i; level[0].dy becomes exp(logit - most), then, with `gradient`, the gradient. */
static void lose(const losses *k, size_t i) {
    rhm_network *n = k->n;
    const rhm_network_level *v = &n->level[0];
    const size_t label = n->label[i];
    rhm_network_outcome *out = &n->outcome[n->begin + i];
    float *dy = v->dy + i * RHM_LANES;
    const float most = largest(v, i, label, &out->correct);
    float sum = 0;
    for (size_t p = 0; p < v->out_panels; p++)
        sum += n->ops.exponentials(rhm_least(RHM_LANES, v->outputs - p * RHM_LANES),
                                   v->y + p * v->panel + i * RHM_LANES, most, dy + p * v->panel);
    const float own = v->y[label / RHM_LANES * v->panel + i * RHM_LANES + label % RHM_LANES];
    /* The sum is at least 1, or not a number. */
    out->loss = sum >= 1 ? rhm_log((double)sum) + ((double)most - (double)own) : (double)(sum + most);
    if (!k->gradient)
        return;
    const float part = 1 / sum, share = 1 / (float)n->all;
    for (size_t p = 0; p < v->out_panels; p++)
        for (size_t c = 0; c < RHM_LANES; c++)
            dy[p * v->panel + c] *= part;
    dy[label / RHM_LANES * v->panel + label % RHM_LANES] -= 1;
    for (size_t p = 0; p < v->out_panels; p++)
        for (size_t c = 0; c < RHM_LANES; c++)
            dy[p * v->panel + c] *= share;
}

static void lose_piece(void *context, size_t piece) {
    const losses *k = context;
    const size_t first = piece * k->rows, end = rhm_least(k->n->last, first + k->rows);
    for (size_t i = first; i < end; i++)
        lose(k, i);
}

void rhm_network_losses(rhm_network *n, bool gradient) {
    enum {
        FLOPS = 40,
        ROW_FLOPS = 1000
    }; /* an exponential takes as long as so many of a product, a row's logarithm too */
    const size_t count = n->last;
    const double flops = (double)count * (FLOPS * (double)n->shape.classes + ROW_FLOPS);
    const size_t pieces = rhm_network_pieces(n, flops, (count + ROWS - 1) / ROWS);
    losses k = {.n = n, .gradient = gradient, .rows = (count + pieces - 1) / pieces};
    rhm_parallel_whole(n->engine, (count + k.rows - 1) / k.rows, lose_piece, &k);
}

rhm_network_result rhm_network_sum_losses(const rhm_network *n) {
    rhm_network_result all = {0};
    for (size_t i = 0; i < n->all; i++) {
        all.loss += n->outcome[i].loss;
        all.correct += n->outcome[i].correct;
    }
    return all;
}

rhm_status rhm_network_evaluate(rhm_network *network, const uint16_t *tokens, const uint16_t *labels, size_t count,
                                rhm_network_result *out, rhm_error *error) {
    rhm_network_result all = {0};
    for (size_t at = 0; at < count; at += network->batch) {
        const size_t some = rhm_least(network->batch, count - at);
        RHM_TRY(rhm_engine_check(network->engine, error));
        rhm_network_take(network, tokens + at * network->layout.tokens, labels + at, some);
        RHM_TRY(rhm_network_pass(network, error));
        rhm_network_losses(network, false);
        const rhm_network_result here = rhm_network_sum_losses(network);
        all.loss += here.loss;
        all.correct += here.correct;
    }
    *out = all;
    return RHM_OK;
}
