#include "learners/layerwise/draw_choice.h"

#include <math.h>

#include "core/fail.h"
#include "learners/layerwise/tuning.h"
#include "patches/patches.h"
#include "sampling/law.h"

/* The kept samples must be more than a stage can have of drawn ones. */
static rhm_status thins(bool *out, const rhm_grammar *grammar, const rhm_train_options *options, uint32_t level,
                        double first_look, double share, rhm_error *error) {
    *out = false;
    if (options->samples[level] != 0 || first_look <= rhm_tuning_default.comfort ||
        level == rhm_grammar_shape(grammar)->levels ||
        (double)options->max_samples * share < rhm_tuning_default.most_distinct)
        return RHM_OK;
    rhm_law_size below;
    RHM_TRY(rhm_law_measure(&below, grammar, level + 1, 1, error));
    *out = below.cells <= RHM_AFFORDABLE_CELLS;
    return RHM_OK;
}

rhm_status rhm_draw_choose(rhm_draw_choice *out, const rhm_grammar *grammar, const rhm_train_options *options,
                           uint32_t level, uint32_t positions, double first_look, rhm_error *error) {
    rhm_law_size table = {HUGE_VAL, HUGE_VAL};
    bool thinned = false;
    const bool counts = options->draw != RHM_DRAW_SAMPLES && !options->raw;
    *out = (rhm_draw_choice){.share = 1};
    if (grammar)
        RHM_TRY(rhm_law_measure(&table, grammar, level, positions, error));
    const double share = fmin(1, RHM_THINNED_PATCHES / table.patches);
    if (counts && table.cells <= RHM_AFFORDABLE_CELLS) {
        out->counted = true;
        return RHM_OK;
    }
    if (counts && grammar)
        RHM_TRY(thins(&thinned, grammar, options, level, first_look, share, error));
    if (thinned) {
        *out = (rhm_draw_choice){true, RHM_THINNED_PATCHES, share};
    } else if (options->draw == RHM_DRAW_COUNTS && grammar && !rhm_grammar_parses(grammar)) {
        return rhm_fail(error, RHM_INVALID,
                        "counts cannot be drawn directly where tokens are noisy or rules ambiguous; draw samples, or "
                        "leave the choice to auto");
    } else if (options->draw == RHM_DRAW_COUNTS) {
        return rhm_fail(error, RHM_INVALID,
                        "the counts of level %u cannot be drawn directly: its table has %.3g cells (patch, position, "
                        "label) and allowed are %.3g; draw samples there, or leave the choice to auto",
                        level, table.cells, (double)RHM_AFFORDABLE_CELLS);
    }
    return RHM_OK;
}
