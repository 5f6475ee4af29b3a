#include "hierarchy/position_law.h"

#include "core/fail.h"
#include "core/memory.h"

/* From a symbol's law, (symbols, labels), to that of its child `place`. */
static void step(double *next, const double *joint, const rhm_grammar *grammar, uint32_t level, size_t place) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t labels = shape->vocab[0], rules = shape->rules[level], s = shape->branching[level];
    const uint32_t *patches = rhm_grammar_patches(grammar, level);
    const double *probability = rhm_grammar_probability(grammar, level);
    for (size_t r = 0; r < shape->vocab[level - 1] * rules; r++)
        for (size_t z = 0; z < labels; z++)
            next[patches[r * s + place] * labels + z] += probability[r] * joint[r / rules * labels + z];
}

rhm_status rhm_position_law(double **out, const rhm_grammar *grammar, uint32_t level, size_t positions,
                            rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const rhm_tree *tree = rhm_grammar_tree(grammar);
    const size_t labels = shape->vocab[0];
    double *now = RHM_NEW(double, labels, labels, 1, "law of positions", error);
    if (!now)
        return RHM_NO_MEMORY;
    const double noise = rhm_grammar_origin(grammar)->label_noise;
    for (size_t z = 0; z < labels; z++)
        for (size_t seen = 0; seen < labels; seen++)
            now[z * labels + seen] =
                rhm_grammar_label_probability(grammar)[z] * ((z == seen ? 1 - noise : 0) + noise / (double)labels);
    for (uint32_t l = 1; l <= level; l++) {
        const size_t below = rhm_tree_below(tree, l, level), s = shape->branching[l];
        const size_t count = (positions + below - 1) / below; /* of level l, above what is wanted */
        const size_t above = shape->vocab[l - 1] * labels, here = shape->vocab[l] * labels;
        double *next = RHM_NEW(double, count, shape->vocab[l], labels, "law of positions", error);
        for (size_t p = 0; next && p < count; p++)
            step(next + p * here, now + p / s * above, grammar, l, p % s);
        rhm_free(now);
        if (!(now = next))
            return RHM_NO_MEMORY;
    }
    *out = now;
    return RHM_OK;
}
