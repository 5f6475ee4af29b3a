#include "hierarchy/copy.h"

#include "core/fail.h"
#include "hierarchy/grammar.h"

rhm_status rhm_grammar_copy(rhm_grammar **out, const rhm_grammar *grammar, rhm_error *error) {
    const uint32_t *patches[RHM_MAX_LEVELS];
    const double *probability[RHM_MAX_LEVELS];
    for (uint32_t level = 1; level <= grammar->shape.levels; level++) {
        patches[level - 1] = grammar->patches[level];
        probability[level - 1] = grammar->probability[level];
    }
    return rhm_grammar_create_with(out, &grammar->shape, patches, probability, grammar->label_probability,
                                   &grammar->origin, error);
}
