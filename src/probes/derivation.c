#include "probes/derivation.h"

/* A number from 0 to below 1. */
static double draw_share(rhm_random *random) {
    return rhm_random_word(random) * 0x1p-32;
}

/* By probabilities, which sum to 1 within rounding. */
static size_t draw_among(const double *weight, size_t count, rhm_random *random) {
    double left = draw_share(random);
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (weight[i] <= 0)
            continue;
        last = i;
        left -= weight[i];
        if (left < 0)
            return i;
    }
    return last;
}

static const uint32_t *patch_at(const rhm_grammar *grammar, uint32_t level, uint32_t symbol, size_t rule) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    return rhm_grammar_patches(grammar, level) +
           (symbol * (size_t)shape->rules[level] + rule) * shape->branching[level];
}

static const double *weights_of(const rhm_grammar *grammar, uint32_t level, uint32_t symbol) {
    return rhm_grammar_probability(grammar, level) + symbol * (size_t)rhm_grammar_shape(grammar)->rules[level];
}

void rhm_derivation_redraw(const rhm_derivation *out, uint32_t level, size_t node, rhm_random *random) {
    const rhm_shape *shape = rhm_grammar_shape(out->grammar);
    size_t first = node, count = 1;
    for (uint32_t l = level + 1; l <= shape->levels; l++) {
        const uint32_t s = shape->branching[l];
        for (size_t i = first; i < first + count; i++) {
            const uint32_t symbol = out->symbol[l - 1][i];
            const size_t rule = draw_among(weights_of(out->grammar, l, symbol), shape->rules[l], random);
            const uint32_t *patch = patch_at(out->grammar, l, symbol, rule);
            for (uint32_t j = 0; j < s; j++)
                out->symbol[l][i * s + j] = (uint16_t)patch[j];
        }
        first *= s;
        count *= s;
    }
}

void rhm_derivation_draw(const rhm_derivation *out, rhm_random *random) {
    out->symbol[0][0] = (uint16_t)draw_among(rhm_grammar_label_probability(out->grammar),
                                             rhm_grammar_shape(out->grammar)->vocab[0], random);
    rhm_derivation_redraw(out, 0, 0, random);
}

bool rhm_derivation_exchange(const rhm_derivation *out, uint32_t level, size_t node, rhm_random *random) {
    const rhm_shape *shape = rhm_grammar_shape(out->grammar);
    const uint32_t s = shape->branching[level], symbol = out->symbol[level - 1][node];
    const double *weight = weights_of(out->grammar, level, symbol);
    uint16_t *there = out->symbol[level] + node * s;
    size_t others = 0;
    for (size_t rule = 0; rule < shape->rules[level] && !others; rule++)
        for (uint32_t j = 0; j < s; j++)
            others += weight[rule] > 0 && patch_at(out->grammar, level, symbol, rule)[j] != there[j];
    if (!others)
        return false;
    enum { MOST_ATTEMPTS = 1000 }; /* where one patch has nearly all of the probability */
    const uint32_t *patch;
    bool same;
    int attempts = 0;
    do {
        patch = patch_at(out->grammar, level, symbol, draw_among(weight, shape->rules[level], random));
        same = true;
        for (uint32_t j = 0; j < s; j++)
            same &= patch[j] == there[j];
    } while (same && ++attempts < MOST_ATTEMPTS);
    for (uint32_t j = 0; j < s; j++)
        if (patch[j] != there[j]) {
            there[j] = (uint16_t)patch[j];
            rhm_derivation_redraw(out, level, node * s + j, random);
        }
    return !same;
}
