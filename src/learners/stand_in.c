#include "learners/stand_in.h"

#include <math.h>

#include "core/fail.h"

enum { MOST_RULES = 1 << 14 }; /* of a level: exact posteriors of more take long */

/* No more than there are patches for: no two symbols of a level share one. */
static uint32_t rules_of(const rhm_shape *shape, uint32_t level, double wanted) {
    const double symbols = shape->vocab[level - 1];
    const double patches = floor(pow(shape->vocab[level], shape->branching[level]));
    return (uint32_t)fmax(1, fmin(fmin(wanted, MOST_RULES / symbols), floor(patches / symbols)));
}

rhm_status rhm_stand_in_draw(rhm_grammar **out, const rhm_problem *problem, rhm_error *error) {
    const rhm_data *data = problem->data;
    const uint32_t levels = data->tree.levels;
    rhm_shape shape = {.levels = levels};
    size_t patches;
    bool room = true;
    RHM_TRY(rhm_problem_bottom_patches(&patches, data, data->count, error));
    for (uint32_t l = 1; l <= levels; l++) {
        shape.vocab[l - 1] = problem->parents[l];
        shape.branching[l] = data->tree.branching[l];
    }
    shape.vocab[levels] = data->token_vocab;
    for (uint32_t l = 1; l <= levels; l++) {
        shape.rules[l] = rules_of(&shape, l, round((double)patches / shape.vocab[levels - 1]));
        room = room && pow(shape.vocab[l], shape.branching[l]) >= shape.vocab[l - 1];
    }
    return rhm_grammar_draw(out, &shape, room ? RHM_UNIFORM : RHM_INDEPENDENT, 0, error);
}
