/*
 * Where a solver stands between two passes: all that going on needs, to the same bits. A solver shows its state after
 * every pass and when a pass was interrupted, and looks at the beginning whether it is to go on from one.
 */
#ifndef RHM_LINEAR_SOLVE_STATE_H
#define RHM_LINEAR_SOLVE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RHM_STATE_NUMBERS = 3, RHM_STATE_VECTORS = 4 };

/* The loop that a state belongs to. */
typedef enum rhm_solve_phase {
    RHM_PHASE_START,
    RHM_PHASE_GRAM, /* the Gram matrix is being formed; iterations are panels of patches */
    RHM_PHASE_CG,
    RHM_PHASE_PRECONDITIONED, /* conjugate gradients with a preconditioner */
    RHM_PHASE_POWER,          /* iteration for the step of gradient descent */
    RHM_PHASE_DESCENT,
    RHM_PHASE_SOLVED, /* W is final; the first number is its residual, where that needs no measuring */
    RHM_PHASES,
} rhm_solve_phase;

typedef struct rhm_solve_state {
    rhm_solve_phase phase;
    uint32_t iterations;
    double number[RHM_STATE_NUMBERS];
    double *vector[RHM_STATE_VECTORS]; /* the solver's own, or NULL */
    size_t length[RHM_STATE_VECTORS];
} rhm_solve_state;

typedef struct rhm_solve_watch {
    void (*show)(void *context, const rhm_solve_state *state); /* or NULL */
    void *context;
    const rhm_solve_state *from; /* where to go on; NULL: at the start */
    double seconds;              /* that getting there had taken */
} rhm_solve_watch;

/* Here and below, `watch` may be NULL. */
static inline void rhm_solve_show(const rhm_solve_watch *watch, const rhm_solve_state *state) {
    if (watch && watch->show)
        watch->show(watch->context, state);
}

/* Whether to go on in state->phase: then iterations, numbers and the contents of its vectors are as they were. */
bool rhm_solve_restore(const rhm_solve_watch *watch, rhm_solve_state *state);

#endif
