#include "linear/solve_state.h"

#include <string.h>

bool rhm_solve_restore(const rhm_solve_watch *watch, rhm_solve_state *state) {
    const rhm_solve_state *from = watch ? watch->from : NULL;
    if (!from || from->phase != state->phase || memcmp(from->length, state->length, sizeof from->length) != 0)
        return false;
    state->iterations = from->iterations;
    memcpy(state->number, from->number, sizeof state->number);
    for (size_t v = 0; v < RHM_STATE_VECTORS; v++)
        if (state->length[v])
            memcpy(state->vector[v], from->vector[v], sizeof *state->vector[v] * state->length[v]);
    return true;
}
