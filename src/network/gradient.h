/* What gradient.c has of gradient_rows.c, and both share: a level's gradients, their sums, and the step with them. */
#ifndef RHM_NETWORK_GRADIENT_H
#define RHM_NETWORK_GRADIENT_H

#include "network/parts.h"

typedef struct rhm_descent rhm_descent;
typedef void rhm_descend_panel(const rhm_descent *d, size_t panel, int thread);

/* Gradients are summed, or are those that ranks have summed; a step is made of them, or they are kept for other ranks.
 */
struct rhm_descent {
    rhm_network *n;
    const rhm_network_rule *rule;
    rhm_dense_rule of_weights;
    uint32_t l;
    bool sums, steps;
    const float *x; /* inputs of the level */
    size_t x_panel;
    size_t panels, depth_panels; /* of outputs and of inputs of a piece */
    rhm_descend_panel *one;      /* what is done panel by panel */
};

static inline rhm_dense_rule rhm_descent_rule(const rhm_network_rule *rule, size_t parameters) {
    return (rhm_dense_rule){
        .penalty = 2 * rule->penalty / (float)parameters, .momentum = rule->momentum, .rate = rule->rate, .scale = 1};
}

static inline size_t rhm_descent_weights(const rhm_network_level *v) {
    return v->taps * v->inputs * v->outputs;
}

static inline rhm_network_walk rhm_descent_walk(const rhm_descent *d) {
    const rhm_network *n = d->n;
    const size_t positions = n->level[d->l].positions;
    return rhm_network_walk_of(&n->tree, positions, n->last * positions);
}

/* Of the outputs of the own sequences. */
static inline double rhm_descent_rows(const rhm_descent *d) {
    return (double)(d->n->last * d->n->level[d->l].positions);
}

/* The gradient of the parameters whose momenta are at v, as ranks have summed it. */
static inline const float *rhm_descent_total(const rhm_descent *d, const float *v) {
    return d->n->share.sums + (v - (const float *)d->n->momenta.data);
}

/* Keep the sums in so many slots, `slot` floats apart, of the parameters whose momenta are at v. */
void rhm_descent_keep(const rhm_descent *d, const float *v, const float *g, size_t floats, size_t slot, size_t slots);

/* All panels of outputs, each of which takes `adds` additions of a row. */
void rhm_descend_panels(rhm_descent *d, rhm_descend_panel *one, double adds);

/* Gradients of the biases; those of convolution L's table. */
void rhm_descend_biases(rhm_descent *d);
void rhm_descend_table(rhm_descent *d);

#endif
