#include "sampling/law_survey.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "sampling/reach.h"

void rhm_survey_clear(rhm_survey *s) {
    rhm_free(s->reached);
    rhm_free(s->next);
    rhm_free(s->pairs);
    for (uint32_t j = 0; j <= RHM_MAX_LEVELS + 1; j++) {
        rhm_free(s->derivations[j]);
        if (j <= RHM_MAX_LEVELS)
            rhm_free(s->possible[j]);
    }
}

void rhm_survey_reach(rhm_survey *survey, const rhm_grammar *grammar, uint32_t level, size_t position, size_t label) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const rhm_tree *tree = rhm_grammar_tree(grammar);
    double *reached = survey->reached, *next = survey->next;
    const double noise = rhm_grammar_origin(grammar)->label_noise;
    for (size_t z = 0; z < shape->vocab[0]; z++)
        reached[z] =
            rhm_grammar_label_probability(grammar)[z] * ((z == label ? 1 - noise : 0) + noise / shape->vocab[0]);
    for (uint32_t j = 1; j < level; j++) {
        const uint32_t *patches = rhm_grammar_patches(grammar, j);
        const double *probability = rhm_grammar_probability(grammar, j);
        const size_t place = position / rhm_tree_below(tree, j, level - 1) % shape->branching[j]; /* on the way down */
        memset(next, 0, sizeof *next * shape->vocab[j]);
        for (size_t row = 0; row < (size_t)shape->vocab[j - 1] * shape->rules[j]; row++)
            next[patches[row * shape->branching[j] + place]] += reached[row / shape->rules[j]] * probability[row];
        memcpy(reached, next, sizeof *reached * shape->vocab[j]);
    }
}

/* What the levels up to L + 1 need is allocated, and no level is above L:
 * NOLINTBEGIN(clang-analyzer-core.NullDereference)
 */

/* All are soon marked, and the rules that are left mark none. */
static void mark_children(const rhm_grammar *grammar, uint32_t j, const bool *parent, bool *child) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const uint32_t *patches = rhm_grammar_patches(grammar, j), s = shape->branching[j];
    size_t left = shape->vocab[j];
    for (size_t row = 0; row < (size_t)shape->vocab[j - 1] * shape->rules[j] && left > 0; row++) {
        const bool occurs = parent[row / shape->rules[j]] && rhm_grammar_probability(grammar, j)[row] > 0;
        for (uint32_t t = 0; occurs && t < s; t++) {
            left -= !child[patches[row * s + t]];
            child[patches[row * s + t]] = true;
        }
    }
}

double rhm_survey_derivations(const rhm_grammar *grammar, uint32_t j, size_t row, const double *below) {
    const uint32_t s = rhm_grammar_shape(grammar)->branching[j];
    double product = rhm_grammar_probability(grammar, j)[row] > 0 ? 1 : 0;
    for (uint32_t t = 0; t < s && product > 0; t++)
        product *= below[rhm_grammar_patches(grammar, j)[row * s + t]];
    return product;
}

rhm_status rhm_survey_make(rhm_survey *out, const rhm_grammar *grammar, uint32_t level, size_t positions,
                           rhm_error *error) {
    static const char what[] = "derivations of a grammar";
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    size_t widest = 0;
    for (uint32_t j = 0; j <= shape->levels; j++)
        widest = shape->vocab[j] > widest ? shape->vocab[j] : widest;
    *out = (rhm_survey){.positions = positions};
    if (!(out->reached = RHM_NEW(double, widest, 1, 1, what, error)) ||
        !(out->next = RHM_NEW(double, widest, 1, 1, what, error)) ||
        !(out->pairs = RHM_NEW(uint64_t, widest, 1, 1, what, error)))
        goto fail;
    for (uint32_t j = level; j <= shape->levels + 1; j++)
        if (!(out->possible[j - 1] = RHM_NEW(bool, widest, 1, 1, what, error)) ||
            !(out->derivations[j] = RHM_NEW(double, widest, 1, 1, what, error)))
            goto fail;

    if (rhm_reach_pairs(out->pairs, grammar, level, positions, error) != RHM_OK)
        goto fail;
    for (size_t symbol = 0; symbol < shape->vocab[level - 1]; symbol++)
        out->possible[level - 1][symbol] = out->pairs[symbol] > 0;
    for (uint32_t j = level; j <= shape->levels; j++)
        mark_children(grammar, j, out->possible[j - 1], out->possible[j]);
    for (size_t token = 0; token < shape->vocab[shape->levels]; token++)
        out->derivations[shape->levels + 1][token] = 1;
    for (uint32_t j = shape->levels; j >= level; j--)
        for (size_t row = 0; row < (size_t)shape->vocab[j - 1] * shape->rules[j]; row++)
            if (out->possible[j - 1][row / shape->rules[j]])
                out->derivations[j][row / shape->rules[j]] +=
                    rhm_survey_derivations(grammar, j, row, out->derivations[j + 1]);
    for (size_t symbol = 0; symbol < shape->vocab[level - 1]; symbol++)
        out->cells += (double)out->pairs[symbol] * out->derivations[level][symbol];
    return RHM_OK;
fail:
    rhm_survey_clear(out);
    return RHM_NO_MEMORY;
}

double rhm_survey_places(const rhm_survey *s, const rhm_shape *shape, uint32_t j) {
    double places = 0;
    for (size_t symbol = 0; symbol < shape->vocab[j - 1]; symbol++)
        places += s->derivations[j][symbol];
    return places;
}

/* NOLINTEND(clang-analyzer-core.NullDereference) */
