#include "learner/draw_choice.h"

#include <math.h>

#include "core/fail.h"
#include "learner/policy.h"
#include "patches/patches.h"

/* The kept samples must be more than a stage can have of drawn ones. */
static bool thins(const rhm_grammar *grammar, const rhm_train_options *options, uint32_t level, double first_look,
                  double share) {
    return options->samples[level] == 0 && first_look > RHM_COMFORT && level < rhm_grammar_shape(grammar)->levels &&
           rhm_patches_table_cells(grammar, level + 1) <= RHM_AFFORDABLE_CELLS &&
           (double)options->max_samples * share >= RHM_MOST_DISTINCT;
}

rhm_status rhm_draw_choose(rhm_draw_choice *out, const rhm_grammar *grammar, const rhm_train_options *options,
                           uint32_t level, double first_look, rhm_error *error) {
    const double cells = grammar ? rhm_patches_table_cells(grammar, level) : HUGE_VAL;
    const bool affordable = cells <= RHM_AFFORDABLE_CELLS;
    const double share = grammar ? fmin(1, RHM_THINNED_PATCHES / rhm_patches_possible(grammar, level)) : 0;
    const bool counts = options->draw != RHM_DRAW_SAMPLES && !options->raw;
    *out = (rhm_draw_choice){.share = 1};
    if (counts && affordable) {
        out->counted = true;
    } else if (counts && grammar && thins(grammar, options, level, first_look, share)) {
        *out = (rhm_draw_choice){true, RHM_THINNED_PATCHES, share};
    } else if (options->draw == RHM_DRAW_COUNTS && grammar && !rhm_grammar_parses(grammar)) {
        return rhm_fail(error, RHM_INVALID,
                        "counts cannot be drawn directly where tokens are noisy or rules ambiguous; draw samples, or "
                        "leave the choice to auto");
    } else if (options->draw == RHM_DRAW_COUNTS) {
        return rhm_fail(error, RHM_INVALID,
                        "the counts of level %u cannot be drawn directly: its table has %.3g cells (first patch, "
                        "label) and allowed are %.3g; draw samples there, or leave the choice to auto",
                        level, cells, (double)RHM_AFFORDABLE_CELLS);
    }
    return RHM_OK;
}
