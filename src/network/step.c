/* One step of gradient descent: gradients level by level from the readout down, each level's parameters as soon as
 * nothing needs the old ones. */
#include "core/fail.h"
#include "network/onednn.h"
#include "network/parts.h"

/* Gradients of level l's inputs, which are the outputs y of another: zero where these are. */
static void back_through(const rhm_network *n, uint32_t l, const float *y, float *dy, size_t panel) {
    const rhm_network_level *v = &n->level[l];
    rhm_dense_product p = {
        .count = n->last * v->positions,
        .panels = v->in_panels,
        .taps = 1,
        .depth = v->outputs,
        .a = v->dy,
        .a_row = RHM_LANES,
        .a_panel = v->panel,
        .b_panel = v->out_panels * RHM_LANES * RHM_LANES,
        .y_row = v->taps * RHM_LANES,
        .y_panel = panel,
        .finish = y ? RHM_DENSE_MASK : RHM_DENSE_SCALE,
        .scale = v->scale,
        .period = 1,
    };
    for (size_t t = 0; t < v->taps; t++) {
        p.b = v->turned + t * v->in_panels * v->out_panels * RHM_LANES * RHM_LANES;
        p.y = dy + t * RHM_LANES;
        p.mask = y ? y + t * RHM_LANES : NULL;
        rhm_network_multiply(n, &p);
    }
}

/* The gradient of a mean is shared by what it is of. */
static void share_mean(const rhm_network *n) {
    const rhm_network_level *v = &n->level[1];
    const float share = 1 / (float)v->positions;
    for (size_t panel = 0; panel < v->out_panels; panel++)
        for (size_t i = 0; i < n->last * v->positions; i++) {
            const size_t at = panel * v->panel + i * RHM_LANES;
            const float *mean = n->dmean + (panel * n->batch + i / v->positions) * RHM_LANES;
            for (size_t c = 0; c < RHM_LANES; c++)
                v->dy[at + c] = v->y[at + c] != 0 ? share * mean[c] : 0;
        }
}

void rhm_network_back(const rhm_network *n, uint32_t l) {
    const rhm_network_level *below = &n->level[l + 1];
    const int span = rhm_trace_begin(n->engine, "convolution backward by data", l);
    if (l == 0 && n->mean) {
        back_through(n, 0, NULL, n->dmean, n->batch * RHM_LANES);
        share_mean(n);
    } else {
        back_through(n, l, below->y, below->dy, below->panel);
    }
    rhm_trace_end(n->engine, span, rhm_network_work(n, l));
}

/* Nothing changes before all ranks' gradients are there: what ends a job between leaves parameters as they were. */
static rhm_status descend_together(rhm_network *n, const rhm_network_rule *rule, uint32_t lowest, rhm_error *error) {
    for (uint32_t l = 0; l <= lowest && n->last > 0; l++) {
        if (l < lowest)
            rhm_network_back(n, l);
        if (!rule->frozen[l])
            rhm_network_sum(n, l);
    }
    RHM_TRY(rhm_network_unite(n, lowest, error));
    for (uint32_t l = 0; l <= lowest; l++)
        if (!rule->frozen[l])
            rhm_network_move(n, l, rule);
    return RHM_OK;
}

rhm_status rhm_network_descend(rhm_network *n, const rhm_network_rule *rule, rhm_error *error) {
    if (n->onednn)
        return rhm_network_onednn_descend(n->onednn, rule, error);
    uint32_t lowest = n->shape.levels; /* the farthest level from the readout that learns */
    while (lowest > 0 && rule->frozen[lowest])
        lowest--;
    if (rhm_network_is_shared(n))
        return descend_together(n, rule, lowest, error);
    for (uint32_t l = 0; l <= lowest; l++) {
        if (l < lowest)
            rhm_network_back(n, l);
        if (!rule->frozen[l])
            rhm_network_learn(n, l, rule);
    }
    return RHM_OK;
}

rhm_status rhm_network_step(rhm_network *network, const uint16_t *tokens, const uint16_t *labels, size_t count,
                            const rhm_network_rule *rule, rhm_network_result *out, rhm_error *error) {
    if (count < 1 || count > network->most)
        return rhm_fail(error, RHM_INVALID, "a step on %zu sequences: this network was made for 1 to %zu", count,
                        network->most);
    RHM_TRY(rhm_engine_check(network->engine, error));
    rhm_network_take_part(network, tokens, labels, count);
    if (network->last > 0) {
        RHM_TRY(rhm_network_pass(network, error));
        rhm_network_losses(network, true);
    }
    RHM_TRY(rhm_network_descend(network, rule, error));
    *out = rhm_network_sum_losses(network);
    return RHM_OK;
}
