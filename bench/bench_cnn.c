/*
 * Networks of convolutions at every instruction set, backend and thread count, for the shapes of shapes/cnn.txt (or
 * --shapes=FILE):
 * forward/shape/isa/backend/t           logits of a batch
 * backward_data/shape/isa/backend/t     gradients of all inputs but the tokens
 * backward_weights/shape/isa/backend/t  gradients of all weights and biases, and the step with them
 * step/shape/isa/backend/t              all of it: a step of gradient descent with momentum and penalty
 *
 * Items are sequences. Only multiply-adds of products count as flops, one-hot inputs, which no product multiplies, not
 * among them. Losses of three steps must be those of the scalar instruction set exactly, of oneDNN within 1e-4.
 */
#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/gaussian.h"
#include "core/memory.h"
#include "core/philox.h"
#include "network/network.h"
#include "network/parts.h"
#include "program.h"

enum {
    VERIFIED_STEPS = 3,
    VERIFIED_BATCH = 16, /* sequences at most: without vectors steps are slow */
};

static const double TRIAL_FLOPS = 1e8;

typedef enum work { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS, STEP, WORKS } work;

typedef struct problem {
    const shape *source;
    rhm_network_shape network;
    size_t batch;
} problem;

typedef struct row {
    problem *of;
    work what;
    rhm_isa isa;
    bool onednn;
} row;

typedef struct batch {
    rhm_network *network;
    uint16_t *tokens, *labels;
    float *logits;
} batch;

typedef struct trial {
    const row *r;
    batch b;
    size_t calls; /* of a trial */
} trial;

static const rhm_network_rule RULE = {.rate = 0.05f, .momentum = 0.9f, .penalty = 5e-4f};

static void clear_batch(batch *b) {
    rhm_network_free(b->network);
    rhm_free(b->tokens);
    rhm_free(b->labels);
    rhm_free(b->logits);
}

static rhm_status make(batch *b, const problem *p, const rhm_engine *engine, bool onednn, rhm_error *error) {
    *b = (batch){0};
    RHM_TRY(rhm_network_make_by(&b->network, engine, &p->network, p->batch, onednn, false, error));
    const rhm_network_layout *layout = rhm_network_layout_of(b->network);
    rhm_random random = {.seed = 1, .stream = 1 << 20};
    float *parameters = RHM_NEW(float, layout->parameters, 1, 1, "parameters of a benchmark", error);
    b->tokens = RHM_NEW(uint16_t, p->batch, layout->tokens, 1, "tokens of a benchmark", error);
    b->labels = RHM_NEW(uint16_t, p->batch, 1, 1, "labels of a benchmark", error);
    b->logits = RHM_NEW(float, p->batch, p->network.classes, 1, "logits of a benchmark", error);
    rhm_status status = parameters && b->tokens && b->labels && b->logits ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK) {
        for (size_t i = 0; i < layout->parameters; i++)
            parameters[i] = (float)rhm_gaussian(1, 1 << 20, i);
        for (size_t i = 0; i < p->batch * layout->tokens; i++)
            b->tokens[i] = (uint16_t)rhm_random_below(&random, (uint32_t)p->network.vocab);
        for (size_t i = 0; i < p->batch; i++)
            b->labels[i] = (uint16_t)rhm_random_below(&random, (uint32_t)p->network.classes);
        status = rhm_network_load(b->network, parameters, NULL, error);
    }
    rhm_free(parameters);
    return status;
}

static rhm_status step(batch *b, const problem *p, double *loss, rhm_error *error) {
    rhm_network_result result;
    RHM_TRY(rhm_network_step(b->network, b->tokens, b->labels, p->batch, &RULE, &result, error));
    *loss = result.loss;
    return RHM_OK;
}

static rhm_status work_once(const trial *t, rhm_error *error) {
    const problem *p = t->r->of;
    rhm_network *n = t->b.network;
    double loss;
    switch (t->r->what) {
    case FORWARD: return rhm_network_forward(n, t->b.tokens, p->batch, t->b.logits, error);
    case STEP: return step((batch *)(uintptr_t)&t->b, p, &loss, error);
    case BACKWARD_DATA:
        for (uint32_t l = 0; l < p->network.levels; l++)
            rhm_network_back(n, l);
        return RHM_OK;
    default:
        for (uint32_t l = 0; l <= p->network.levels; l++)
            rhm_network_learn(n, l, &RULE);
        return RHM_OK;
    }
}

static rhm_status run_trial(void *context, double *seconds, rhm_error *error) {
    trial *t = context;
    const double start = rhm_seconds();
    for (size_t i = 0; i < t->calls; i++)
        RHM_TRY(work_once(t, error));
    *seconds = rhm_seconds() - start;
    return RHM_OK;
}

static rhm_status losses_of(double losses[VERIFIED_STEPS], const problem *p, const rhm_engine *engine, bool onednn,
                            rhm_error *error) {
    batch b;
    rhm_status status = make(&b, p, engine, onednn, error);
    for (int i = 0; i < VERIFIED_STEPS && status == RHM_OK; i++)
        status = step(&b, p, &losses[i], error);
    clear_batch(&b);
    return status;
}

/* Against an engine of one thread without vectors; it ends before the row's engine is asked for. */
static rhm_status verify(const row *r, int threads, rhm_error *error) {
    double want[VERIFIED_STEPS], have[VERIFIED_STEPS];
    rhm_engine *engine;
    problem few = *r->of;
    few.batch = few.batch < VERIFIED_BATCH ? few.batch : VERIFIED_BATCH;
    RHM_TRY(session_engine(&engine, RHM_ISA_SCALAR, 1, error));
    RHM_TRY(losses_of(want, &few, engine, false, error));
    RHM_TRY(session_engine(&engine, r->isa, threads, error));
    RHM_TRY(losses_of(have, &few, engine, r->onednn, error));
    for (int i = 0; i < VERIFIED_STEPS; i++)
        if (!(fabs(have[i] - want[i]) <= (r->onednn ? 1e-4 * want[i] : 0)))
            return rhm_fail(error, RHM_FAILED, "wrong result: step %d has the loss %.9g, without vectors %.9g", i,
                            have[i], want[i]);
    return RHM_OK;
}

static double flops_of(const row *r) {
    const rhm_network_shape *s = &r->of->network;
    rhm_network_layout layout;
    if (rhm_network_layout_init(&layout, s, NULL) != RHM_OK)
        return NAN;
    double once = 0;
    for (uint32_t l = 0; l < s->levels; l++)
        once += 2.0 * (double)rhm_network_weights(&layout, s, l) * (double)(layout.positions[l] * r->of->batch);
    return once * (r->what == STEP ? 3 : 1);
}

/* Calls of a trial follow from the work, so that every build does the same. */
static rhm_status prepare(void *state, void *of, int threads, bool verified, rhm_error *error) {
    trial *t = state;
    rhm_engine *engine;
    double loss;
    t->r = of;
    t->calls = (size_t)fmax(1, TRIAL_FLOPS / flops_of(t->r));
    if (verified)
        RHM_TRY(verify(t->r, threads, error));
    RHM_TRY(session_engine(&engine, t->r->isa, threads, error));
    RHM_TRY(make(&t->b, t->r->of, engine, t->r->onednn, error));
    return step(&t->b, t->r->of, &loss, error);
}

static void clear(void *state) {
    clear_batch(&((trial *)state)->b);
}

static void report(gb_state *gb, const void *state, double best) {
    const trial *t = state;
    gb_items_processed(gb, (int64_t)(t->r->of->batch * t->calls) * gb_iterations_done(gb));
    program_report_flops(gb, flops_of(t->r), best / (double)t->calls);
    gb_counter(gb, "best_calls_per_second", (double)t->calls / best, 0);
    session_report_placement(gb);
    gb_label(gb, "sequences");
}

static const program_kind kind = {sizeof(trial), true, prepare, run_trial, report, clear};

/* Of oneDNN, which goes through all levels part by part, forward passes and whole steps. */
static void add_rows(problem *p, work what, rhm_isa isa) {
    static const char *const kinds[] = {"forward", "backward_data", "backward_weights", "step"};
    for (int onednn = 0; onednn < (what == FORWARD || what == STEP ? 2 : 1); onednn++) {
        const row r = {.of = p, .what = what, .isa = isa, .onednn = onednn};
        program_add(&kind, &r, sizeof r, "%s/%s/%s/%s", kinds[what], p->source->name, rhm_isa_name(isa),
                    onednn ? "onednn" : "native");
    }
}

static void register_problems(void *problems, size_t count) {
    problem *p = problems;
    for (int what = 0; what < WORKS; what++)
        for (size_t i = 0; i < count; i++)
            for (int isa = RHM_ISA_SCALAR + 1; isa < RHM_ISA_COUNT; isa++)
                add_rows(&p[i], (work)what, (rhm_isa)isa);
}

static rhm_status make_problem(void *out, const shapes *all, const shape *line, rhm_error *error) {
    problem *p = out;
    int64_t vocab = 0, branching = 0, levels = 0, width = 0, sequences = 0;
    RHM_TRY(shape_value(all, line, "vocab", 2, RHM_MAX_VOCAB, &vocab, error));
    RHM_TRY(shape_value(all, line, "branching", 1, RHM_MAX_BRANCHING, &branching, error));
    RHM_TRY(shape_value(all, line, "levels", 1, RHM_MAX_LEVELS, &levels, error));
    RHM_TRY(shape_value(all, line, "width", 1, RHM_NETWORK_WIDTH, &width, error));
    RHM_TRY(shape_value(all, line, "batch", 1, 1 << 20, &sequences, error));
    const double v = (double)vocab, q = 1 / sqrt(v - 1);
    p->source = line;
    p->batch = (size_t)sequences;
    p->network = (rhm_network_shape){.levels = (uint32_t)levels,
                                     .positions = 1,
                                     .vocab = (size_t)vocab,
                                     .classes = (size_t)vocab,
                                     .bias = true,
                                     .bias_scale = 0.1f,
                                     .readout_scale = (float)(1 / (double)width),
                                     .input_scale = (float)(1 + q),
                                     .input_shift = (float)-q};
    for (uint32_t l = 1; l <= (uint32_t)levels; l++) {
        p->network.branching[l] = (uint32_t)branching;
        p->network.width[l] = (size_t)width;
        p->network.weight_scale[l] = (float)(1 / sqrt(l == (uint32_t)levels ? v : (double)width));
    }
    rhm_network_layout layout;
    return rhm_network_layout_init(&layout, &p->network, error);
}

int main(int argc, char **argv) {
    static const char *const keys[] = {"vocab", "branching", "levels", "width", "batch", NULL};
    const program what = {
        .about = "bench_cnn [--shapes=FILE]: passes and steps of networks of convolutions",
        .shapes_path = RHM_BENCH_DIR "/shapes/cnn.txt",
        .keys = keys,
        .problem_nbytes = sizeof(problem),
        .make = make_problem,
        .register_problems = register_problems,
    };
    return program_main(argc, argv, &what);
}
