/* Which backend computes a network: both are measured on its shape, level by level and phase by phase. */
#include <math.h>
#include <time.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "kernels/backend.h"
#include "network/onednn.h"
#include "network/parts.h"

enum { FORWARD, BACK_DATA, BACK_WEIGHTS, ROUNDS = 4 };
#define LEAST_GAIN 1.05 /* native keeps what oneDNN does not do clearly faster: its bits are the same everywhere */

static const rhm_work works[RHM_NETWORK_PHASES] = {RHM_WORK_CONVOLUTION, RHM_WORK_CONVOLUTION_BACK_DATA,
                                                   RHM_WORK_CONVOLUTION_BACK_WEIGHTS};

typedef struct seconds {
    double of[RHM_MAX_LEVELS + 1][RHM_NETWORK_PHASES]; /* the least of all rounds */
} seconds;

/* Preemption by other processes does not count. */
static double thread_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void note(double *least, double lasted) {
    *least = fmin(*least, lasted);
}

/* Convolution L passes no gradient on. */
static bool happens(const rhm_network *n, uint32_t l, int phase) {
    return phase != BACK_DATA || l < n->shape.levels;
}

static void time_native(rhm_network *n, seconds *s) {
    const rhm_network_rule rule = {.momentum = 0.5f};
    double start = thread_seconds(), end;
    for (uint32_t l = n->shape.levels + 1; l-- > 0; start = end) {
        rhm_network_convolve(n, l);
        end = thread_seconds();
        note(&s->of[l][FORWARD], end - start);
    }
    rhm_network_losses(n, true);
    start = thread_seconds();
    for (uint32_t l = 0; l <= n->shape.levels; l++, start = end) {
        if (happens(n, l, BACK_DATA))
            rhm_network_back(n, l);
        end = thread_seconds();
        note(&s->of[l][BACK_DATA], end - start);
        start = end;
        rhm_network_learn(n, l, &rule);
        end = thread_seconds();
        note(&s->of[l][BACK_WEIGHTS], end - start);
    }
}

static rhm_status time_onednn(rhm_network *n, seconds *s, rhm_error *error) {
    const rhm_network_rule rule = {.momentum = 0.5f};
    RHM_TRY(rhm_network_pass(n, error));
    rhm_network_losses(n, true);
    RHM_TRY(rhm_network_descend(n, &rule, error));
    for (uint32_t l = 0; l <= n->shape.levels; l++)
        for (int phase = 0; phase < RHM_NETWORK_PHASES; phase++)
            note(&s->of[l][phase], rhm_network_onednn_seconds(n->onednn, l, phase));
    return RHM_OK;
}

/* A batch of any tokens for networks whose parameters are zeros: times do not depend on either. */
static rhm_status compare(rhm_network *side[2], seconds s[2], rhm_error *error) {
    const rhm_network *n = side[0];
    uint16_t *tokens = RHM_NEW(uint16_t, n->batch, n->layout.tokens, 1, "tokens of a trial", error);
    uint16_t *labels = RHM_NEW(uint16_t, n->batch, 1, 1, "labels of a trial", error);
    rhm_status status = tokens && labels ? RHM_OK : RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < n->batch * n->layout.tokens; i++)
        tokens[i] = (uint16_t)(i * 29 % n->shape.vocab);
    for (int k = 0; k < 2 && status == RHM_OK; k++) {
        for (uint32_t l = 0; l <= RHM_MAX_LEVELS; l++)
            for (int phase = 0; phase < RHM_NETWORK_PHASES; phase++)
                s[k].of[l][phase] = INFINITY;
        rhm_network_take(side[k], tokens, labels, n->batch);
    }
    for (int round = 0; round < ROUNDS && status == RHM_OK; round++) {
        time_native(side[0], &s[0]);
        status = time_onednn(side[1], &s[1], error);
    }
    rhm_free(tokens);
    rhm_free(labels);
    return status;
}

static rhm_backend_choice *remembered(rhm_backend *backend, const rhm_network_shape *s, const rhm_network_layout *at,
                                      uint32_t l, int phase) {
    return rhm_backend_choice_of(backend, works[phase], (l ? s->branching[l] : 1) * at->inputs[l], at->outputs[l],
                                 at->positions[l]);
}

/* Everything is written down, under the one decision. */
static bool decide(rhm_backend *backend, const rhm_network *n, const seconds s[2]) {
    double all[2] = {0};
    for (int k = 0; k < 2; k++)
        for (uint32_t l = 0; l <= n->shape.levels; l++)
            for (int phase = 0; phase < RHM_NETWORK_PHASES; phase++)
                all[k] += happens(n, l, phase) ? s[k].of[l][phase] : 0;
    const bool onednn = all[1] * LEAST_GAIN < all[0];
    for (uint32_t l = 0; l <= n->shape.levels; l++)
        for (int phase = 0; phase < RHM_NETWORK_PHASES; phase++) {
            rhm_backend_choice *c = happens(n, l, phase) ? remembered(backend, &n->shape, &n->layout, l, phase) : NULL;
            if (!c)
                continue;
            c->measured = true;
            c->onednn = onednn;
            c->native_seconds = s[0].of[l][phase];
            c->onednn_seconds = s[1].of[l][phase];
        }
    return onednn;
}

/* The decision of before, where all of this shape has been measured; batches are taken to be of one size. */
static bool known(rhm_backend *backend, const rhm_network_shape *s, const rhm_network_layout *at, bool *onednn) {
    for (uint32_t l = 0; l <= s->levels; l++) {
        const rhm_backend_choice *c = remembered(backend, s, at, l, FORWARD);
        if (!c || !c->measured)
            return false;
        *onednn = c->onednn;
    }
    return true;
}

/* Whether oneDNN is faster for this shape, measured once for each engine. */
static rhm_status choose(bool *onednn, const rhm_engine *engine, const rhm_network_shape *shape, size_t batch,
                         rhm_error *error) {
    rhm_backend *backend;
    rhm_network_layout layout;
    *onednn = false;
    RHM_TRY(rhm_network_layout_init(&layout, shape, error));
    if (shape->positions > 1)
        return RHM_OK;
    RHM_TRY(rhm_backend_of(&backend, engine, error));
    if (known(backend, shape, &layout, onednn))
        return RHM_OK;
    rhm_network *side[2] = {NULL};
    seconds *s = RHM_NEW(seconds, 2, 1, 1, "times of a trial", error);
    rhm_status status = s ? RHM_OK : RHM_NO_MEMORY;
    for (int k = 0; k < 2 && status == RHM_OK; k++)
        status = rhm_network_make_by(&side[k], engine, shape, batch, k == 1, false, error);
    if (status == RHM_OK)
        status = compare(side, s, error);
    if (status == RHM_OK)
        *onednn = decide(backend, side[0], s);
    rhm_network_free(side[0]);
    rhm_network_free(side[1]);
    rhm_free(s);
    return status;
}

rhm_status rhm_network_make(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape, size_t batch,
                            rhm_error *error) {
    bool onednn = engine->backend_kind == RHM_BACKEND_ONEDNN;
    *out = NULL;
    if (engine->backend_kind == RHM_BACKEND_AUTO && !rhm_backend_obstacle(RHM_BACKEND_ONEDNN, engine->isa))
        RHM_TRY(choose(&onednn, engine, shape, batch, error));
    return rhm_network_make_by(out, engine, shape, batch, onednn, false, error);
}

rhm_status rhm_network_make_narrow(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape,
                                   size_t batch, rhm_error *error) {
    *out = NULL;
    if (engine->backend_kind == RHM_BACKEND_NATIVE)
        return rhm_fail(error, RHM_INVALID, "arithmetic bfloat16 needs the backend onednn, but native is in use");
    return rhm_network_make_by(out, engine, shape, batch, true, true, error);
}
