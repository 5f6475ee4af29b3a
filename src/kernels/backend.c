/* Which backend takes which work: measured on the engine's own threads, remembered with the engine, reported. */
#include "kernels/backend.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/parallel.h"

enum {
    TRIAL_PATCHES = RHM_ONEDNN_BLOCK,
    TRIAL_ROWS = 64,                  /* embeddings that the trial's patches are made of */
    TRIALS = 5,                       /* per backend, taken in turn; the fastest counts */
    WORTH_TRIAL = 16 * TRIAL_PATCHES, /* patches after which a measurement has paid for itself */
    PASS_VISITS = 30,                 /* passes that a solver makes at least */
};
#define LEAST_GAIN 1.05 /* native keeps what oneDNN does not do clearly faster: its bits are the same everywhere */

static const char *work_name(rhm_work work) {
    switch (work) {
    case RHM_WORK_PASS: return "pass";
    case RHM_WORK_KEPT_PASS: return "kept pass";
    case RHM_WORK_CONVOLUTION: return "convolution";
    case RHM_WORK_CONVOLUTION_BACK_DATA: return "convolution backward by data";
    case RHM_WORK_CONVOLUTION_BACK_WEIGHTS: return "convolution backward by weights";
    default: return "forward";
    }
}

/* -------------------------------------------------------------------------------------------- kept with the engine */

static void destroy(void *state) {
    rhm_backend *backend = state;
    rhm_onednn_destroy(backend->onednn);
    rhm_free(backend);
}

rhm_status rhm_backend_of(rhm_backend **out, const rhm_engine *engine, rhm_error *error) {
    rhm_slot *slot = engine->kernels_slot;
    if (!slot->state) {
        rhm_backend *backend = RHM_NEW(rhm_backend, 1, 1, 1, "choices of backends", error);
        if (!backend)
            return RHM_NO_MEMORY;
        backend->engine = engine;
        *slot = (rhm_slot){backend, destroy};
    }
    *out = slot->state;
    return RHM_OK;
}

/* ----------------------------------------------------------------------------------------------------- operators */

rhm_status rhm_operator_init_onednn(rhm_operator *out, const rhm_engine *engine, const rhm_phase_map *map,
                                    size_t classes, rhm_error *error) {
    rhm_backend *backend;
    *out = (rhm_operator){.engine = engine, .kernels = rhm_kernels_of(engine), .map = map, .classes = classes};
    RHM_TRY(rhm_backend_of(&backend, engine, error));
    if (!backend->onednn)
        RHM_TRY(rhm_onednn_create(&backend->onednn, engine, error));
    return rhm_onednn_operator(out, backend->onednn, error);
}

/* ------------------------------------------------------------------------------------------------- the measurement */

/* Preemption by other processes does not count. */
static double thread_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Inputs and outputs of one thread's trial. */
typedef struct trial {
    float *table, *x, *y;
    double *g;
    uint32_t *ids;
} trial;

typedef struct contest {
    rhm_work work;
    rhm_operator side[2];
    double (*seconds)[2]; /* (threads) per chunk */
} contest;

static rhm_status make_trial(trial *t, const rhm_operator *op, rhm_error *error) {
    const size_t stride = rhm_feature_stride(op->map->padded), tokens = op->map->tokens;
    t->table = RHM_NEW(float, TRIAL_ROWS, op->map->embedding, 1, "trial embeddings", error);
    t->ids = RHM_NEW(uint32_t, TRIAL_PATCHES, tokens, 1, "trial patches", error);
    t->x = RHM_NEW(float, TRIAL_PATCHES, stride, 1, "trial features", error);
    t->y = RHM_NEW(float, TRIAL_PATCHES, op->classes, 1, "trial outputs", error);
    t->g = RHM_NEW(double, op->classes, stride, 1, "trial gradient", error);
    if (!t->table || !t->ids || !t->x || !t->y || !t->g)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < TRIAL_PATCHES * tokens; i++)
        t->ids[i] = (uint32_t)(i * 29 % TRIAL_ROWS);
    return RHM_OK;
}

static void drop_trial(trial *t) {
    rhm_free(t->table);
    rhm_free(t->ids);
    rhm_free(t->x);
    rhm_free(t->y);
    rhm_free(t->g);
}

static rhm_status run_chunk(const rhm_operator *op, bool kept, int thread, const trial *t, size_t first, size_t end,
                            rhm_error *error) {
    const size_t stride = rhm_feature_stride(op->map->padded);
    float *x = t->x + (kept ? first * stride : 0);
    for (size_t i = first; i < end; i += op->block) {
        const size_t count = end - i < op->block ? end - i : op->block;
        const rhm_patch_rows rows = {t->table, t->ids + i * op->map->tokens, count};
        float *here = x + (i - first) * stride;
        if (!kept)
            RHM_TRY(op->operations->features(op, thread, &rows, here, error));
        RHM_TRY(op->operations->product(op, thread, count, here, t->y + (i - first) * op->classes, error));
    }
    return op->operations->gradient(op, thread, end - first, t->y, x, t->g, error);
}

static rhm_status run_pass(const rhm_operator *op, bool kept, int thread, const trial *t, rhm_error *error) {
    for (size_t first = 0; first < TRIAL_PATCHES; first += op->chunk) {
        const size_t left = TRIAL_PATCHES - first;
        RHM_TRY(run_chunk(op, kept, thread, t, first, first + (left < op->chunk ? left : op->chunk), error));
    }
    return RHM_OK;
}

static rhm_status run_once(const contest *c, const rhm_operator *op, int thread, const trial *t, double *seconds,
                           rhm_error *error) {
    const rhm_patch_rows all = {t->table, t->ids, TRIAL_PATCHES};
    const double start = thread_seconds();
    RHM_TRY(c->work == RHM_WORK_FORWARD ? op->operations->forward(op, thread, &all, t->y, error)
                                        : run_pass(op, c->work == RHM_WORK_KEPT_PASS, thread, t, error));
    *seconds = fmin(*seconds, thread_seconds() - start);
    return RHM_OK;
}

static rhm_status measure(void *context, size_t chunk, int thread, rhm_error *error) {
    const contest *c = context;
    trial t = {0};
    rhm_status status = make_trial(&t, &c->side[0], error);
    double seconds[2] = {INFINITY, INFINITY};
    for (int i = 0; i < 2 * TRIALS && status == RHM_OK; i++)
        status = run_once(c, &c->side[i % 2], thread, &t, &seconds[i % 2], error);
    memcpy(c->seconds[chunk], seconds, sizeof seconds);
    drop_trial(&t);
    return status;
}

static rhm_status hold(rhm_backend_choice *choice, const rhm_engine *engine, const rhm_phase_map *map,
                       rhm_error *error) {
    const size_t threads = (size_t)rhm_engine_threads(engine);
    contest c = {.work = choice->work};
    float *w = RHM_NEW(float, choice->classes, rhm_feature_stride(map->padded), 1, "trial weights", error);
    c.seconds = rhm_alloc(sizeof *c.seconds, threads, 1, 1, "trial times", error);
    rhm_status status = w && c.seconds ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = rhm_operator_init_native(&c.side[0], engine, map, choice->classes, error);
    if (status == RHM_OK)
        status = rhm_operator_init_onednn(&c.side[1], engine, map, choice->classes, error);
    for (int i = 0; i < 2 && status == RHM_OK; i++)
        status = rhm_operator_set_weights(&c.side[i], w, error);
    if (status == RHM_OK)
        status = rhm_parallel(engine, threads, measure, &c, error);
    for (size_t i = 0; i < threads && status == RHM_OK; i++) {
        choice->native_seconds += c.seconds[i][0] / (double)(threads * TRIAL_PATCHES);
        choice->onednn_seconds += c.seconds[i][1] / (double)(threads * TRIAL_PATCHES);
    }
    choice->measured = status == RHM_OK;
    choice->onednn = choice->measured && choice->onednn_seconds * LEAST_GAIN < choice->native_seconds;
    rhm_operator_clear(&c.side[0]);
    rhm_operator_clear(&c.side[1]);
    rhm_free(w);
    rhm_free(c.seconds);
    return status;
}

rhm_backend_choice *rhm_backend_choice_of(rhm_backend *backend, rhm_work work, size_t inputs, size_t width,
                                          size_t classes) {
    for (size_t i = 0; i < backend->choices; i++) {
        rhm_backend_choice *at = &backend->choice[i];
        if (at->work == work && at->inputs == inputs && at->padded == width && at->classes == classes)
            return at;
    }
    if (backend->choices == RHM_BACKEND_CHOICES)
        return NULL;
    rhm_backend_choice *fresh = &backend->choice[backend->choices++];
    *fresh = (rhm_backend_choice){.work = work, .inputs = inputs, .padded = width, .classes = classes};
    return fresh;
}

rhm_status rhm_backend_choose(bool *onednn, rhm_backend *backend, rhm_work work, const rhm_phase_map *map,
                              size_t classes, size_t count, rhm_error *error) {
    *onednn = false;
    rhm_backend_choice *choice =
        rhm_backend_choice_of(backend, work, map->tokens * map->embedding, map->padded, classes);
    if (!choice)
        return RHM_OK;
    choice->expected += (double)count * (work == RHM_WORK_FORWARD ? 1 : PASS_VISITS);
    if (!choice->measured && choice->expected >= WORTH_TRIAL)
        RHM_TRY(hold(choice, backend->engine, map, error));
    *onednn = choice->onednn;
    return RHM_OK;
}

rhm_status rhm_operator_init(rhm_operator *out, const rhm_engine *engine, rhm_work work, const rhm_phase_map *map,
                             size_t classes, size_t count, rhm_error *error) {
    bool onednn = engine->backend_kind == RHM_BACKEND_ONEDNN;
    if (engine->backend_kind == RHM_BACKEND_AUTO && !rhm_backend_obstacle(RHM_BACKEND_ONEDNN, engine->isa)) {
        rhm_backend *backend;
        RHM_TRY(rhm_backend_of(&backend, engine, error));
        RHM_TRY(rhm_backend_choose(&onednn, backend, work, map, classes, count, error));
    }
    return onednn ? rhm_operator_init_onednn(out, engine, map, classes, error)
                  : rhm_operator_init_native(out, engine, map, classes, error);
}

/* ------------------------------------------------------------------------------------------------------ the report */

static json_t *describe_choices(const rhm_backend *backend) {
    json_t *list = json_array();
    for (size_t i = 0; i < backend->choices; i++) {
        const rhm_backend_choice *c = &backend->choice[i];
        json_t *native = c->measured ? json_real(c->native_seconds) : json_null();
        json_t *onednn = c->measured ? json_real(c->onednn_seconds) : json_null();
        rhm_json_append(&list, json_pack("{s:s, s:I, s:I, s:I, s:s, s:o, s:o}", "work", work_name(c->work), "inputs",
                                         (json_int_t)c->inputs, "width", (json_int_t)c->padded, "classes",
                                         (json_int_t)c->classes, "taken", c->onednn ? "onednn" : "native",
                                         "native_seconds", native, "onednn_seconds", onednn));
    }
    return list;
}

json_t *rhm_backend_record(const rhm_engine *engine) {
    const rhm_backend *backend = engine->kernels_slot->state;
    if (engine->backend_kind == RHM_BACKEND_NATIVE)
        return json_null();
    return json_pack("{s:s?, s:s?, s:o}", "library",
                     backend && backend->onednn ? rhm_onednn_name(backend->onednn) : NULL, "obstacle",
                     rhm_backend_obstacle(RHM_BACKEND_ONEDNN, engine->isa), "choices",
                     backend ? describe_choices(backend) : json_array());
}

void rhm_backend_text(const rhm_engine *engine, char text[RHM_BACKEND_TEXT_NBYTES]) {
    const rhm_backend *backend = engine->kernels_slot->state;
    const char *library = backend && backend->onednn ? rhm_onednn_name(backend->onednn) : "oneDNN";
    size_t taken = 0;
    for (size_t i = 0; backend && i < backend->choices; i++)
        taken += backend->choice[i].onednn;
    if (engine->backend_kind == RHM_BACKEND_NATIVE)
        snprintf(text, RHM_BACKEND_TEXT_NBYTES, "native");
    else if (engine->backend_kind == RHM_BACKEND_ONEDNN)
        snprintf(text, RHM_BACKEND_TEXT_NBYTES, "%s", library);
    else if (rhm_backend_obstacle(RHM_BACKEND_ONEDNN, engine->isa))
        snprintf(text, RHM_BACKEND_TEXT_NBYTES, "auto: native, %s",
                 rhm_backend_obstacle(RHM_BACKEND_ONEDNN, engine->isa));
    else
        snprintf(text, RHM_BACKEND_TEXT_NBYTES, "auto: %s for %zu of %zu shapes", library, taken,
                 backend ? backend->choices : 0);
}
