/* What the kernels keep with an engine: oneDNN, once it has been needed, and the choices that were made. */
#ifndef RHM_KERNELS_BACKEND_H
#define RHM_KERNELS_BACKEND_H

#include <stdbool.h>

#include "kernels/onednn/onednn.h"
#include "kernels/operator.h"

typedef struct rhm_backend_choice {
    rhm_work work;
    size_t inputs, padded, classes; /* of a convolution: channels times taps in, channels and positions out */
    double expected;                /* patches so far, each counted as often as it will be visited */
    bool measured;
    bool onednn;
    double native_seconds, onednn_seconds; /* per patch; of a convolution per batch */
} rhm_backend_choice;

enum { RHM_BACKEND_CHOICES = 64 }; /* shapes beyond these stay native */

typedef struct rhm_backend {
    const rhm_engine *engine;
    rhm_onednn *onednn; /* NULL until needed */
    size_t choices;
    rhm_backend_choice choice[RHM_BACKEND_CHOICES];
} rhm_backend;

/* The engine's, made at the first call; the engine destroys it. */
rhm_status rhm_backend_of(rhm_backend **out, const rhm_engine *engine, rhm_error *error);

/* The one for this work and shape, a fresh one where there was none; NULL when there are as many as can be. */
rhm_backend_choice *rhm_backend_choice_of(rhm_backend *backend, rhm_work work, size_t inputs, size_t width,
                                          size_t classes);

/* Whether oneDNN takes work of this shape, measured if it is time for that. */
rhm_status rhm_backend_choose(bool *onednn, rhm_backend *backend, rhm_work work, const rhm_phase_map *map,
                              size_t classes, size_t count, rhm_error *error);

#endif
