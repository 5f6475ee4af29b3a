/* Parameters of a network on the way in and out. */
#include <math.h>
#include <string.h>

#include "network/onednn.h"
#include "network/parts.h"

/* `rows` rows of all outputs between the array of parameters and panels; row r is row_of(r) of each panel. */
static void move_weights(const rhm_network_level *v, float *packed, float *plain, bool in) {
    for (size_t t = 0; t < v->taps; t++)
        for (size_t k = 0; k < v->inputs; k++)
            for (size_t c = 0; c < v->outputs; c++) {
                float *p = packed + rhm_weight_at(v, c / RHM_LANES, t, k) + c % RHM_LANES;
                float *q = plain + (t * v->inputs + k) * v->outputs + c;
                if (in)
                    *p = *q;
                else
                    *q = *p;
            }
}

static void move_bias(const rhm_network_level *v, float *packed, float *plain, bool in) {
    for (size_t i = 0; i < v->positions; i++)
        for (size_t c = 0; c < v->outputs; c++) {
            float *p = packed + (c / RHM_LANES * v->positions + i) * RHM_LANES + c % RHM_LANES;
            float *q = plain + i * v->outputs + c;
            if (in)
                *p = *q;
            else
                *q = *p;
        }
}

/* One array, parameters or momenta, in or out. */
static void move(const rhm_network *n, float *plain, bool momenta, bool in) {
    for (uint32_t l = 0; l <= n->shape.levels; l++) {
        const rhm_network_level *v = &n->level[l];
        move_weights(v, momenta ? v->v : v->w, plain + n->layout.weights[l], in);
        if (v->b)
            move_bias(v, momenta ? v->bv : v->b, plain + n->layout.bias[l], in);
    }
}

rhm_status rhm_network_load(rhm_network *network, const float *parameters, const float *momenta, rhm_error *error) {
    if (network->onednn)
        return rhm_network_onednn_load(network->onednn, parameters, momenta, error);
    memset(network->weights.data, 0, network->weights.nbytes);
    memset(network->momenta.data, 0, network->momenta.nbytes);
    move(network, (float *)(uintptr_t)parameters, false, true);
    if (momenta)
        move(network, (float *)(uintptr_t)momenta, true, true);
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
    move(network, parameters, false, false);
    if (momenta)
        move(network, momenta, true, false);
}
