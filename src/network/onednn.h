/*
 * The whole of a network by oneDNN's convolutions, as its users build them: a one-hot input, layouts that the library
 * asks for, copies into others at both ends only. A batch is cut into a part for each thread, which goes through all
 * levels alone; gradients of the parts are added in their order.
 *
 * A network that has one of these keeps parameters and activations there; of its own it uses the logits, their gradient
 * and the losses.
 */
#ifndef RHM_NETWORK_ONEDNN_H
#define RHM_NETWORK_ONEDNN_H

#include "network/parts.h"

typedef struct rhm_network_onednn rhm_network_onednn;

/* `narrow`: activations and weights in products are bfloat16. RHM_UNSUPPORTED in builds without oneDNN, for networks
 * that leave several positions, and for `narrow` on CPUs without such numbers. */
rhm_status rhm_network_onednn_make(rhm_network_onednn **out, rhm_network *n, bool narrow, rhm_error *error);
void rhm_network_onednn_free(rhm_network_onednn *o); /* accepts NULL */

rhm_status rhm_network_onednn_load(rhm_network_onednn *o, const float *parameters, const float *momenta,
                                   rhm_error *error);
rhm_status rhm_network_onednn_store(const rhm_network_onednn *o, float *parameters, float *momenta, rhm_error *error);

/* Of the sequences that the network has taken; tokens are its index. */
rhm_status rhm_network_onednn_pass(rhm_network_onednn *o, rhm_error *error);
rhm_status rhm_network_onednn_descend(rhm_network_onednn *o, const rhm_network_rule *rule, rhm_error *error);
rhm_status rhm_network_onednn_hidden(const rhm_network_onednn *o, uint32_t level, float *out, rhm_error *error);

/* Seconds of the thread that took most, since the last call, in forward, backward by data and backward by weights. */
enum { RHM_NETWORK_PHASES = 3 };
double rhm_network_onednn_seconds(const rhm_network_onednn *o, uint32_t level, int phase);

#endif
