#include "kernel_work.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"
#include "engine/parallel.h"
#include "session.h"
#include "session_engine.h"

enum {
    VERIFIED = 199,    /* patches: whole blocks, and a short one */
    LARGEST = 1 << 24, /* any extent of a problem */
    STREAM = 1 << 16,  /* of random numbers */
    GRAM_TILES = 8,    /* of a trial: twice a second-level cache of 512 KiB */
};

static const double TOLERANCE = 1e-4;

const char *operation_name(operation what) {
    static const char *const names[WORK_COUNT] = {
        "forward", "pass",           "kept",        "features",        "product",        "gradient",
        "gram",    "shared_forward", "shared_pass", "shared_features", "turned_forward", "turned_pass"};
    return names[what];
}

/* What a shared operation does without phasors; the others themselves. */
static operation direct_of(operation what) {
    switch (what) {
    case WORK_SHARED_FORWARD:
    case WORK_TURNED_FORWARD: return WORK_FORWARD;
    case WORK_SHARED_PASS:
    case WORK_TURNED_PASS: return WORK_PASS;
    case WORK_SHARED_FEATURES: return WORK_FEATURES;
    default: return what;
    }
}

static bool is_turned(operation what) {
    return what == WORK_TURNED_FORWARD || what == WORK_TURNED_PASS;
}

/* ------------------------------------------------------------------------------------------------------- problems */

static float *random_floats(rhm_random *random, size_t count, float scale, rhm_error *error) {
    float *out = RHM_NEW(float, count, 1, 1, "operands of a benchmark", error);
    for (size_t i = 0; out && i < count; i++)
        out[i] = scale * (2 * (float)rhm_random_word(random) * 0x1p-32f - 1);
    return out;
}

/* Frequencies beyond the width are padding: zero phases, and no weight. */
static void clear_padding(problem *p) {
    const size_t inputs = p->tokens * p->vocab;
    for (size_t k = p->width; k < p->padded; k++) {
        p->offset[k] = 0;
        for (size_t j = 0; j < inputs; j++)
            p->half_turns[(k / RHM_LANES * inputs + j) * RHM_LANES + k % RHM_LANES] = 0;
        for (size_t c = 0; c < p->vocab; c++)
            p->w[c * p->stride + rhm_feature_index(k, 0)] = p->w[c * p->stride + rhm_feature_index(k, 1)] = 0;
    }
}

rhm_status problem_make(problem *out, const shapes *all, const shape *source, rhm_error *error) {
    const struct {
        const char *key;
        size_t *value;
    } sizes[] = {{"vocab", &out->vocab}, {"branching", &out->tokens}, {"width", &out->width},
                 {"rows", &out->rows},   {"run", &out->run},          {"patches", &out->patches}};
    *out = (problem){.source = source};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int64_t value;
        RHM_TRY(shape_value(all, source, sizes[i].key, 1, LARGEST, &value, error));
        *sizes[i].value = (size_t)value;
    }
    problem *p = out;
    p->padded = rhm_padded_width(p->width);
    p->stride = rhm_feature_stride(p->padded);
    const double slot_nbytes = 4.0 * (double)p->patches * (double)(p->tokens + p->vocab);
    p->slots = (size_t)(4 * session_l2_nbytes() / slot_nbytes) + 1 + (size_t)session_allowed_cpus();
    rhm_random random = {.seed = 1, .stream = STREAM};
    p->half_turns = random_floats(&random, p->padded * p->tokens * p->vocab, 2, error);
    p->offset = random_floats(&random, p->padded, 1, error);
    p->table = random_floats(&random, p->rows * p->vocab, 0.5f, error);
    p->w = random_floats(&random, p->vocab * p->stride, 1, error);
    p->frequency = random_floats(&random, p->patches, 1, error);
    p->residual = random_floats(&random, p->slots * p->patches * p->vocab, 1, error);
    p->output = RHM_NEW(float, p->slots, p->patches, p->vocab, "outputs of a benchmark", error);
    p->ids = RHM_NEW(uint32_t, p->slots, p->patches, p->tokens, "ids of a benchmark", error);
    if (!p->half_turns || !p->offset || !p->table || !p->w || !p->frequency || !p->residual || !p->output || !p->ids) {
        problem_clear(p);
        return RHM_NO_MEMORY;
    }
    for (size_t i = 0; i < p->slots * p->patches; i++)
        for (size_t t = 0; t < p->tokens; t++) {
            uint32_t *id = p->ids + i * p->tokens + t;
            const bool same = i % p->run != 0 && t + 1 < p->tokens;
            *id = same ? *(id - p->tokens) : rhm_random_below(&random, (uint32_t)p->rows);
        }
    clear_padding(p);
    p->map = (rhm_phase_map){.tokens = p->tokens,
                             .embedding = p->vocab,
                             .padded = p->padded,
                             .half_turns = p->half_turns,
                             .offset = p->offset};
    return RHM_OK;
}

void problem_clear(problem *p) {
    rhm_free(p->half_turns);
    rhm_free(p->offset);
    rhm_free(p->table);
    rhm_free(p->w);
    rhm_free(p->frequency);
    rhm_free(p->residual);
    rhm_free(p->output);
    rhm_free(p->ids);
    *p = (problem){0};
}

/* The padding is not counted, so that a rate is of useful work. */
double work_flops(const problem *p, operation what, size_t count) {
    if (what == WORK_GRAM) {
        const double side = RHM_GRAM_SIDE * RHM_LANES;
        return 2 * (double)count * GRAM_TILES * side * side;
    }
    /* A multiplication by a phasor is two products and two multiply-adds: six operations. Turning is not counted. */
    const bool shared = direct_of(what) != what;
    const double project = is_turned(what) ? 0 : shared ? 3 * (double)(p->tokens - 1) : (double)(p->tokens * p->vocab);
    const double product = 2 * (double)p->vocab;
    const double terms[WORK_GRAM] = {project + product, project + 2 * product, 2 * product, project, product, product};
    return 2 * (double)count * (double)p->width * terms[direct_of(what)];
}

double work_bytes(const problem *p, operation what, size_t count) {
    const double ids = (double)p->tokens, y = (double)p->vocab, x = 2 * (double)p->padded;
    const double words[] = {ids + y, ids + 1, x + 1, ids + x, x + y, x + y, x};
    return 4 * (double)count * words[direct_of(what)];
}

double work_resident_nbytes(const work *w, operation what) {
    const problem *p = w->p;
    const double map = direct_of(what) != what ? (double)(p->tokens * p->rows * p->stride)
                                               : (double)(p->padded * (p->tokens * p->vocab + 1) + p->rows * p->vocab);
    const double weights = (double)(p->vocab * p->stride), sum = 2 * weights, tiles = 2.0 * GRAM_TILES * RHM_GRAM_TILE;
    const double block = (double)(w->op.block * p->stride), chunk = (double)(w->op.chunk * p->stride);
    const double words[] = {
        map + weights, map + chunk + weights + sum, weights + sum, map + block, block + weights, chunk + sum, tiles};
    return 4 * words[direct_of(what)];
}

/* ----------------------------------------------------------------------------------------------------------- work */

/* What the patches of one thread are worked on with. */
typedef struct work_lane {
    float *x;    /* (x_rows, stride), on pages as the solver has them */
    float *y;    /* (chunk, vocab) */
    double *sum; /* (vocab, stride) */

    /* of WORK_GRAM, else NULL */
    float *panel;
    double *tiles; /* (GRAM_TILES, RHM_GRAM_TILE) */
} work_lane;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Patches of one call: a gradient sums a chunk, a product takes a block of it. */
static size_t block_of(const work *w) {
    return smaller(w->what == WORK_GRADIENT ? w->op.chunk : w->op.block, w->patches);
}

/* Rows of features of a thread: of all its patches where they are kept. */
static size_t x_rows(const work *w) {
    return w->what == WORK_KEPT && w->patches > w->op.chunk ? w->patches : w->op.chunk;
}

/* Features that are found in place: those of the first patches. */
static rhm_status fill_features(work *w, rhm_error *error) {
    const rhm_patch_rows rows = {w->p->table, w->p->ids, smaller(x_rows(w), w->patches)};
    for (size_t i = 0; i < w->lane_count; i++)
        w->op.kernels.features(&w->p->map, &rows, w->lanes[i].x);
    return rhm_operator_set_weights(&w->op, w->p->w, error);
}

/* The panel of the first patches, in the layout of `op`. */
static rhm_status fill_panel(const work *w, const rhm_operator *op, work_lane *lane, rhm_error *error) {
    const problem *p = w->p;
    if (w->what != WORK_GRAM)
        return RHM_OK;
    if (!lane->panel)
        lane->panel = RHM_NEW(float, rhm_gram_panel_floats(p->padded), 1, 1, "panel of a benchmark", error);
    if (!lane->tiles)
        lane->tiles = RHM_NEW(double, GRAM_TILES, RHM_GRAM_TILE, 1, "tiles of a benchmark", error);
    if (!lane->panel || !lane->tiles)
        return RHM_NO_MEMORY;
    for (size_t first = 0; first < w->patches; first += op->block) {
        const size_t count = w->patches - first < op->block ? w->patches - first : op->block;
        const rhm_patch_rows rows = {p->table, p->ids + first * p->tokens, count};
        op->kernels.features(&p->map, &rows, lane->x);
        op->operations->gram_pack(op, first, count, p->frequency + first, lane->x, lane->panel);
    }
    return RHM_OK;
}

rhm_status work_init(work *w, const problem *p, const rhm_engine *engine, operation what, bool onednn, size_t patches,
                     rhm_error *error) {
    *w = (work){.p = p,
                .engine = engine,
                .what = direct_of(what),
                .shared = direct_of(what) != what,
                .patches = patches < p->patches ? patches : p->patches};
    if (what == WORK_GRAM && w->patches > RHM_GRAM_PANEL)
        w->patches = RHM_GRAM_PANEL;
    if (what == WORK_GRAM && 2 * p->width < GRAM_TILES * RHM_GRAM_SIDE * RHM_LANES) {
        *w = (work){0};
        return rhm_fail(error, RHM_UNSUPPORTED, "a width of %zu has fewer than %d columns of tiles", p->width,
                        GRAM_TILES);
    }
    w->lane_count = (size_t)rhm_engine_threads(engine);
    rhm_status status = onednn ? rhm_operator_init_onednn(&w->op, engine, &p->map, p->vocab, error)
                               : rhm_operator_init_native(&w->op, engine, &p->map, p->vocab, error);
    if (status != RHM_OK) {
        w->op = (rhm_operator){0};
        return status;
    }
    if (w->shared && w->op.operations->share)
        status = w->op.operations->share(&w->op, p->table, p->rows, error);
    w->op.turned = is_turned(what) && w->op.phasor_rows && p->tokens > 1;
    if (status == RHM_OK)
        status = rhm_scratch_create(&w->features, engine, sizeof(float) * x_rows(w) * p->stride, "features", error);
    if (status != RHM_OK) {
        work_clear(w);
        return status;
    }
    w->lanes = RHM_NEW(work_lane, w->lane_count, 1, 1, "workspace of a benchmark", error);
    status = w->lanes ? RHM_OK : RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < w->lane_count; i++) {
        work_lane *lane = &w->lanes[i];
        lane->x = rhm_scratch_at(&w->features, (int)i);
        if (!(lane->y = RHM_NEW(float, w->op.chunk, p->vocab, 1, "outputs of a benchmark", error)) ||
            !(lane->sum = RHM_NEW(double, p->vocab, p->stride, 1, "gradient of a benchmark", error)))
            status = RHM_NO_MEMORY;
        else
            status = fill_panel(w, &w->op, lane, error);
    }
    if (status == RHM_OK)
        status = fill_features(w, error);
    if (status != RHM_OK)
        work_clear(w);
    return status;
}

void work_clear(work *w) {
    for (size_t i = 0; w->lanes && i < w->lane_count; i++) {
        rhm_free(w->lanes[i].y);
        rhm_free(w->lanes[i].sum);
        rhm_free(w->lanes[i].panel);
        rhm_free(w->lanes[i].tiles);
    }
    rhm_free(w->lanes);
    rhm_scratch_destroy(&w->features, w->engine);
    rhm_operator_clear(&w->op);
    *w = (work){0};
}

/* What `count` patches of one thread start from. */
typedef struct span {
    const uint32_t *ids;
    const float *residual;
    float *output;
    size_t count;
} span;

static span span_at(const problem *p, size_t input_slot, size_t output_slot, size_t count) {
    const size_t in = input_slot % p->slots * p->patches, out = output_slot % p->slots * p->patches;
    return (span){p->ids + in * p->tokens, p->residual + in * p->vocab, p->output + out * p->vocab, count};
}

/* Outputs of the patches from `first` on times their shares of the samples. */
static void weigh(const problem *p, size_t first, size_t count, float *y) {
    for (size_t k = 0; k < count; k++)
        for (size_t c = 0; c < p->vocab; c++)
            y[k * p->vocab + c] *= p->frequency[first + k];
}

/* Of the loop of src/learner/regression.c, one chunk: the patches first..end-1. */
static rhm_status run_chunk_pass(const work *w, const work_lane *lane, int thread, const uint32_t *ids, size_t first,
                                 size_t end, rhm_error *error) {
    const problem *p = w->p;
    const bool kept = w->what == WORK_KEPT;
    float *x = lane->x + (kept ? first * p->stride : 0);
    for (size_t i = first; i < end; i += w->op.block) {
        const size_t count = smaller(w->op.block, end - i), row = i - first;
        const rhm_patch_rows rows = {p->table, ids + i * p->tokens, count};
        float *y = lane->y + row * p->vocab;
        if (!kept)
            RHM_TRY(w->op.operations->features(&w->op, thread, &rows, x + row * p->stride, error));
        RHM_TRY(w->op.operations->product(&w->op, thread, count, x + row * p->stride, y, error));
        weigh(p, i, count, y);
    }
    return w->op.operations->gradient(&w->op, thread, end - first, lane->y, x, lane->sum, error);
}

/* The same with turned weights. */
static rhm_status run_chunk_turned(const work *w, const work_lane *lane, int thread, const uint32_t *ids, size_t first,
                                   size_t end, rhm_error *error) {
    const problem *p = w->p;
    const rhm_patch_rows rows = {p->table, ids + first * p->tokens, end - first};
    RHM_TRY(w->op.operations->forward(&w->op, thread, &rows, lane->y, error));
    weigh(p, first, rows.count, lane->y);
    return w->op.operations->turned_gradient(&w->op, thread, &rows, lane->y, lane->sum, error);
}

static rhm_status run_pass(const work *w, const work_lane *lane, int thread, span s, rhm_error *error) {
    if (w->same) /* once for many chunks in the solver, and so not in every trial */
        memset(lane->sum, 0, sizeof *lane->sum * w->p->vocab * w->p->stride);
    rhm_status (*run)(const work *, const work_lane *, int, const uint32_t *, size_t, size_t, rhm_error *) =
        w->op.turned ? run_chunk_turned : run_chunk_pass;
    for (size_t begin = 0; begin < s.count; begin += w->op.chunk)
        RHM_TRY(run(w, lane, thread, s.ids, begin, smaller(s.count, begin + w->op.chunk), error));
    return RHM_OK;
}

/* One tile of each column, off the diagonal as nearly all are. */
static rhm_status run_gram(const work *w, const work_lane *lane, int thread, size_t count, rhm_error *error) {
    if (w->same)
        memset(lane->tiles, 0, sizeof *lane->tiles * GRAM_TILES * RHM_GRAM_TILE);
    for (size_t t = 0; t < GRAM_TILES; t++)
        RHM_TRY(w->op.operations->gram_tile(&w->op, thread, count, lane->panel, t / 2, GRAM_TILES - 1 - t / 4,
                                            lane->tiles + t * RHM_GRAM_TILE, error));
    return RHM_OK;
}

static rhm_status run_span(const work *w, const work_lane *lane, int thread, span s, rhm_error *error) {
    const problem *p = w->p;
    const rhm_operations *call = w->op.operations;
    if (w->what == WORK_PASS || w->what == WORK_KEPT)
        return run_pass(w, lane, thread, s, error);
    if (w->what == WORK_FORWARD) {
        const rhm_patch_rows rows = {p->table, s.ids, s.count};
        return call->forward(&w->op, thread, &rows, s.output, error);
    }
    if (w->what == WORK_GRAM)
        return run_gram(w, lane, thread, s.count, error);
    if (w->what == WORK_GRADIENT)
        memset(lane->sum, 0, sizeof *lane->sum * p->vocab * p->stride);
    for (size_t first = 0; first < s.count; first += block_of(w)) {
        const size_t count = s.count - first < block_of(w) ? s.count - first : block_of(w);
        const rhm_patch_rows rows = {p->table, s.ids + first * p->tokens, count};
        if (w->what == WORK_FEATURES)
            RHM_TRY(call->features(&w->op, thread, &rows, lane->x, error));
        else if (w->what == WORK_PRODUCT)
            RHM_TRY(call->product(&w->op, thread, count, lane->x, s.output + first * p->vocab, error));
        else
            RHM_TRY(call->gradient(&w->op, thread, count, s.residual + first * p->vocab, lane->x, lane->sum, error));
    }
    return RHM_OK;
}

static rhm_status run_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    const work *w = context;
    const span s = span_at(w->p, w->same ? 0 : w->slot + chunk, w->slot + chunk, w->patches);
    return run_span(w, &w->lanes[chunk], thread, s, error);
}

rhm_status work_run(work *w, rhm_error *error) {
    const rhm_status status = rhm_parallel(w->engine, w->lane_count, run_chunk, w, error);
    w->slot = (w->slot + w->lane_count) % w->p->slots;
    return status;
}

/* --------------------------------------------------------------------------------------------------- verification */

/* Rows of results, in either precision. */
typedef struct result {
    const float *f;
    const double *d;
    size_t rows, length, stride;
} result;

static result result_of(const work *w, const work_lane *lane, span s) {
    const problem *p = w->p;
    const size_t features = 2 * p->padded, last = s.count % block_of(w) ? s.count % block_of(w) : block_of(w);
    switch (w->what) {
    case WORK_FEATURES: return (result){lane->x, NULL, last, features, p->stride};
    case WORK_GRADIENT:
    case WORK_KEPT:
    case WORK_PASS: return (result){NULL, lane->sum, p->vocab, features, p->stride};
    case WORK_GRAM: return (result){NULL, lane->tiles, GRAM_TILES, RHM_GRAM_TILE, RHM_GRAM_TILE};
    default: return (result){s.output, NULL, s.count, p->vocab, p->vocab};
    }
}

static double value_at(const result *r, size_t row, size_t i) {
    return r->f ? (double)r->f[row * r->stride + i] : r->d[row * r->stride + i];
}

static rhm_status compare(const result *got, const result *want, double tolerance, size_t thread, rhm_error *error) {
    double squares = 0;
    for (size_t row = 0; row < want->rows; row++)
        for (size_t i = 0; i < want->length; i++)
            squares += value_at(want, row, i) * value_at(want, row, i);
    const double bound = tolerance * sqrt(squares / (double)(want->rows * want->length));
    for (size_t row = 0; row < want->rows; row++)
        for (size_t i = 0; i < want->length; i++) {
            const double a = value_at(got, row, i), b = value_at(want, row, i);
            if (!(fabs(a - b) <= bound))
                return rhm_fail(error, RHM_FAILED, "wrong result of thread %zu: row %zu, column %zu is %.9g, not %.9g",
                                thread, row, i, a, b);
        }
    return RHM_OK;
}

/* What the reference table makes of the same patches, in blocks of the same size. */
static rhm_status run_reference(const work *w, work_lane *lane, float *output, rhm_error *error) {
    work reference = {.p = w->p, .engine = w->engine, .what = w->what, .patches = w->patches};
    RHM_TRY(rhm_operator_init_native(&reference.op, w->engine, &w->p->map, w->p->vocab, error));
    const rhm_status shared =
        w->shared ? reference.op.operations->share(&reference.op, w->p->table, w->p->rows, error) : RHM_OK;
    if (shared != RHM_OK) {
        rhm_operator_clear(&reference.op);
        return shared;
    }
    reference.op.turned = w->op.turned;
    reference.op.kernels = rhm_kernels_at(RHM_ISA_SCALAR);
    reference.op.block = w->op.block;
    reference.op.chunk = w->op.chunk;
    reference.same = true;
    const rhm_status packed = rhm_operator_set_weights(&reference.op, w->p->w, error);
    if (packed != RHM_OK) {
        rhm_operator_clear(&reference.op);
        return packed;
    }
    span s = span_at(w->p, 0, 0, w->patches);
    s.output = output;
    const rhm_patch_rows rows = {w->p->table, w->p->ids, smaller(x_rows(&reference), w->patches)};
    reference.op.kernels.features(&w->p->map, &rows, lane->x);
    rhm_status status = fill_panel(&reference, &reference.op, lane, error);
    if (status == RHM_OK)
        status = run_span(&reference, lane, 0, s, error);
    rhm_operator_clear(&reference.op);
    return status;
}

/* Poison what earlier runs left behind, and the features that only the product and the gradient start from. */
static void forget_results(const work *w) {
    for (size_t lane = 0; lane < w->lane_count; lane++) {
        float *output = span_at(w->p, 0, lane, 0).output;
        for (size_t i = 0; i < w->patches * w->p->vocab; i++)
            output[i] = NAN;
        for (size_t i = 0; w->what == WORK_FEATURES && i < w->op.block * w->p->stride; i++)
            w->lanes[lane].x[i] = NAN;
    }
}

rhm_status work_verify(work *w, rhm_error *error) {
    const problem *p = w->p;
    const size_t size = p->vocab * p->stride, patches = w->patches;
    const bool native = strcmp(w->op.backend, "native") == 0;
    w->patches = patches < VERIFIED ? patches : VERIFIED;
    work_lane lane = {
        RHM_NEW(float, x_rows(w), p->stride, 1, "reference", error),
        RHM_NEW(float, w->op.chunk, p->vocab, 1, "reference", error),
        RHM_NEW(double, size, 1, 1, "reference", error),
        NULL,
        NULL,
    };
    float *output = RHM_NEW(float, w->patches, p->vocab, 1, "reference", error);
    rhm_status status = lane.x && lane.y && lane.sum && output ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK) {
        forget_results(w);
        w->slot = 0;
        w->same = true;
        status = work_run(w, error);
        w->same = false;
        if (status == RHM_OK)
            status = run_reference(w, &lane, output, error);
        for (size_t i = 0; status == RHM_OK && i < w->lane_count; i++) {
            const span mine = span_at(p, 0, i, w->patches);
            span right = mine;
            right.output = output;
            const result got = result_of(w, &w->lanes[i], mine), want = result_of(w, &lane, right);
            status = compare(&got, &want, native ? 0 : TOLERANCE, i, error);
        }
    }
    w->patches = patches;
    w->slot = 0;
    rhm_free(lane.x);
    rhm_free(lane.y);
    rhm_free(lane.sum);
    rhm_free(lane.panel);
    rhm_free(lane.tiles);
    rhm_free(output);
    return status == RHM_OK ? fill_features(w, error) : status;
}
