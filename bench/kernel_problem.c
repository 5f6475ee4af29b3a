/* Operations and operands: what they are made of, and what they cost. */
#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"
#include "kernel_parts.h"
#include "session.h"
#include "session_engine.h"

enum {
    LARGEST = 1 << 24, /* any extent of a problem */
    STREAM = 1 << 16,  /* of random numbers */
};

const char *operation_name(operation what) {
    static const char *const names[WORK_COUNT] = {
        "forward", "pass",           "kept",        "features",        "product",         "gradient",
        "gram",    "shared_forward", "shared_pass", "shared_features", "rotated_forward", "rotated_pass"};
    return names[what];
}

operation operation_direct(operation what) {
    switch (what) {
    case WORK_SHARED_FORWARD:
    case WORK_ROTATED_FORWARD: return WORK_FORWARD;
    case WORK_SHARED_PASS:
    case WORK_ROTATED_PASS: return WORK_PASS;
    case WORK_SHARED_FEATURES: return WORK_FEATURES;
    default: return what;
    }
}

bool operation_is_rotated(operation what) {
    return what == WORK_ROTATED_FORWARD || what == WORK_ROTATED_PASS;
}

static float *random_floats(rhm_random *random, size_t count, float scale, rhm_error *error) {
    float *out = RHM_NEW(float, count, 1, 1, "operands of a benchmark", error);
    for (size_t i = 0; out && i < count; i++)
        out[i] = scale * (2 * (float)rhm_random_word(random) * 0x1p-32f - 1);
    return out;
}

static void release(problem *p) {
    float **all[] = {&p->half_turns, &p->offset, &p->table, &p->w, &p->frequency, &p->residual, &p->output};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        rhm_free(*all[i]);
        *all[i] = NULL;
    }
    rhm_free(p->ids);
    p->ids = NULL;
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
    return RHM_OK;
}

rhm_status problem_fill(problem *p, rhm_error *error) {
    if (p->ids)
        return RHM_OK;
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
        release(p);
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
    release(p);
    *p = (problem){0};
}

/* The padding is not counted, so that a rate is of useful work. */
double work_flops(const problem *p, operation what, size_t count) {
    if (what == WORK_GRAM) {
        const double side = RHM_GRAM_SIDE * RHM_LANES;
        return 2 * (double)count * GRAM_TILES * side * side;
    }
    /* A multiplication by a phasor is two products and two multiply-adds: six operations. Rotation is not counted. */
    const bool shared = operation_direct(what) != what;
    const double project = operation_is_rotated(what) ? 0
                           : shared                   ? 3 * (double)(p->tokens - 1)
                                                      : (double)(p->tokens * p->vocab);
    const double product = 2 * (double)p->vocab;
    const double terms[WORK_GRAM] = {project + product, project + 2 * product, 2 * product, project, product, product};
    return 2 * (double)count * (double)p->width * terms[operation_direct(what)];
}

double work_bytes(const problem *p, operation what, size_t count) {
    const double ids = (double)p->tokens, y = (double)p->vocab, x = 2 * (double)p->padded;
    const double words[] = {ids + y, ids + 1, x + 1, ids + x, x + y, x + y, x};
    return 4 * (double)count * words[operation_direct(what)];
}

double work_resident_nbytes(const work *w, operation what) {
    const problem *p = w->p;
    const double map = operation_direct(what) != what
                           ? (double)(p->tokens * p->rows * p->stride)
                           : (double)(p->padded * (p->tokens * p->vocab + 1) + p->rows * p->vocab);
    const double weights = (double)(p->vocab * p->stride), sum = 2 * weights, tiles = 2.0 * GRAM_TILES * RHM_GRAM_TILE;
    const double block = (double)(w->op.block * p->stride), chunk = (double)(w->op.chunk * p->stride);
    const double words[] = {
        map + weights, map + chunk + weights + sum, weights + sum, map + block, block + weights, chunk + sum, tiles};
    return 4 * words[operation_direct(what)];
}
