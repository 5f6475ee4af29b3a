/* Parameters of a network on the way in and out. */
#include <math.h>
#include <string.h>

#include "network/onednn.h"
#include "network/parts.h"

/* Between panels and numbers `first` and so on of plain arrays: from `in`, or else to `out`. */
static void move_weights(const rhm_network_level *v, float *packed, size_t first, const float *in, float *out) {
    for (size_t t = 0; t < v->taps; t++)
        for (size_t k = 0; k < v->inputs; k++)
            for (size_t c = 0; c < v->outputs; c++) {
                float *p = packed + rhm_weight_at(v, c / RHM_LANES, t, k) + c % RHM_LANES;
                const size_t plain = first + (t * v->inputs + k) * v->outputs + c;
                if (in)
                    *p = in[plain];
                else
                    out[plain] = *p;
            }
}

static void move_bias(const rhm_network_level *v, float *packed, size_t first, const float *in, float *out) {
    for (size_t i = 0; i < v->positions; i++)
        for (size_t c = 0; c < v->outputs; c++) {
            float *p = packed + (c / RHM_LANES * v->positions + i) * RHM_LANES + c % RHM_LANES;
            const size_t plain = first + i * v->outputs + c;
            if (in)
                *p = in[plain];
            else
                out[plain] = *p;
        }
}

/* One array, parameters or momenta. */
static void move(const rhm_network *n, const float *in, float *out, bool momenta) {
    for (uint32_t l = 0; l <= n->shape.levels; l++) {
        const rhm_network_level *v = &n->level[l];
        move_weights(v, momenta ? v->v : v->w, n->layout.weights[l], in, out);
        if (v->b)
            move_bias(v, momenta ? v->bv : v->b, n->layout.bias[l], in, out);
    }
}

rhm_status rhm_network_load(rhm_network *network, const float *parameters, const float *momenta, rhm_error *error) {
    if (network->onednn)
        return rhm_network_onednn_load(network->onednn, parameters, momenta, error);
    memset(network->weights.data, 0, network->weights.nbytes);
    memset(network->momenta.data, 0, network->momenta.nbytes);
    move(network, parameters, NULL, false);
    if (momenta)
        move(network, momenta, NULL, true);
    for (uint32_t l = 0; l <= network->shape.levels; l++) {
        rhm_network_turn(network, l);
        rhm_network_prepare(network, l);
    }
    return RHM_OK;
}

void rhm_network_store(const rhm_network *network, float *parameters, float *momenta) {
    if (network->onednn) {
        if (rhm_network_onednn_store(network->onednn, parameters, momenta, NULL) == RHM_OK)
            return;
        for (size_t i = 0; i < network->layout.parameters; i++) {
            parameters[i] = NAN;
            if (momenta)
                momenta[i] = NAN;
        }
        return;
    }
    move(network, NULL, parameters, false);
    if (momenta)
        move(network, NULL, momenta, true);
}
