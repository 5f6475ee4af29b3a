/* Tokens into one-hot rows and integers. */
#include "rhm/encoding.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    CHUNK_NBYTES = 1 << 16, /* of output for one thread at a time */
    CACHED = 1 << 23,       /* bytes of output that caches may hold until they are read */
    STAGE = 4096,           /* floats: a row that goes past the caches is made here first */
};

typedef struct encoding {
    const rhm_one_hot *how; /* NULL: integers */
    rhm_token_rows from;
    int64_t add;
    void *out;
    size_t chunk; /* rows */
    bool past;    /* the caches */
} encoding;

static rhm_status find_row(const uint16_t **out, const encoding *e, size_t i, rhm_error *error) {
    const int64_t row = e->from.row ? e->from.row[i] : (int64_t)i;
    if (row < 0 || (uint64_t)row >= e->from.rows)
        return rhm_fail(error, RHM_INVALID, "row %lld is not in the data: allowed are 0 to %lld", (long long)row,
                        (long long)e->from.rows - 1);
    *out = e->from.tokens + (size_t)row * e->from.width;
    return RHM_OK;
}

static void fill(float *out, float value, size_t count) {
    if (value == 0)
        memset(out, 0, sizeof *out * count);
    else
        for (size_t i = 0; i < count; i++)
            out[i] = value;
}

/* `blank` is a row without tokens, or NULL: copying one is what processors do fastest. */
static rhm_status write_one_hot(const rhm_one_hot *how, const float *blank, const uint16_t *token, size_t width,
                                float *out, rhm_error *error) {
    const size_t channel = how->channels_last ? 1 : width, position = how->channels_last ? how->vocab : 1;
    if (blank)
        memcpy(out, blank, sizeof *out * width * how->vocab);
    else
        fill(out, how->off, width * how->vocab);
    for (size_t t = 0; t < width; t++) {
        if (token[t] >= how->vocab)
            return rhm_fail(error, RHM_INVALID, "token %u is out of range: allowed are 0 to %u", token[t],
                            how->vocab - 1);
        out[token[t] * channel + t * position] = how->on;
    }
    return RHM_OK;
}

/* Without reading first what is overwritten, where the processor can and the row lies well. */
static void copy_past(float *out, const float *row, size_t count) {
#if defined(__SSE2__)
    if (((uintptr_t)out & 15) == 0 && count % 4 == 0) {
        for (size_t i = 0; i < count; i += 4)
            _mm_stream_ps(out + i, _mm_load_ps(row + i));
        return;
    }
#endif
    memcpy(out, row, sizeof *out * count);
}

static void settle(void) {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

static rhm_status encode_one_hot(const encoding *e, size_t from, size_t to, rhm_error *error) {
    const size_t each = e->from.width * e->how->vocab;
    _Alignas(RHM_ALIGNMENT) float stage[STAGE], blank[STAGE];
    const bool staged = each <= STAGE, past = e->past && staged;
    if (staged)
        fill(blank, e->how->off, each);
    for (size_t i = from; i < to; i++) {
        const uint16_t *token = NULL;
        float *out = (float *)e->out + i * each;
        RHM_TRY(find_row(&token, e, i, error));
        RHM_TRY(write_one_hot(e->how, staged ? blank : NULL, token, e->from.width, past ? stage : out, error));
        if (past)
            copy_past(out, stage, each);
    }
    if (past)
        settle();
    return RHM_OK;
}

static rhm_status encode_integers(const encoding *e, size_t from, size_t to, rhm_error *error) {
    for (size_t i = from; i < to; i++) {
        const uint16_t *token = NULL;
        int64_t *out = (int64_t *)e->out + i * e->from.width;
        RHM_TRY(find_row(&token, e, i, error));
        for (size_t t = 0; t < e->from.width; t++)
            out[t] = token[t] + e->add;
    }
    return RHM_OK;
}

static rhm_status encode_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    const encoding *e = context;
    const size_t from = chunk * e->chunk, left = e->from.count - from;
    return (e->how ? encode_one_hot : encode_integers)(e, from, from + (left < e->chunk ? left : e->chunk), error);
}

static rhm_status encode(const rhm_engine *engine, encoding *e, size_t each, size_t element_nbytes, rhm_error *error) {
    size_t nbytes = element_nbytes;
    if (!rhm_size_mul(&nbytes, each) || nbytes == 0)
        return rhm_fail(error, RHM_INVALID, "rows of %zu tokens cannot be encoded", e->from.width);
    e->chunk = nbytes < CHUNK_NBYTES ? CHUNK_NBYTES / nbytes : 1;
    if (!rhm_size_mul(&nbytes, e->from.count))
        return rhm_fail(error, RHM_NO_MEMORY, "%zu rows of %zu numbers are not addressable", e->from.count, each);
    if (!e->from.row && e->from.count > e->from.rows)
        return rhm_fail(error, RHM_INVALID, "%zu rows are asked for, but there are %zu", e->from.count, e->from.rows);
    e->past = nbytes > CACHED;
    return rhm_parallel(engine, (e->from.count + e->chunk - 1) / e->chunk, encode_chunk, e, error);
}

rhm_status rhm_encode_one_hot(const rhm_engine *engine, const rhm_one_hot *how, const rhm_token_rows *rows, float *out,
                              rhm_error *error) {
    encoding e = {.how = how, .from = *rows, .out = out};
    size_t each = rows->width;
    if (how->vocab < 1 || !rhm_size_mul(&each, how->vocab))
        return rhm_fail(error, RHM_INVALID, "%u channels for each of %zu tokens are out of range", how->vocab,
                        rows->width);
    return encode(engine, &e, each, sizeof(float), error);
}

rhm_status rhm_encode_integers(const rhm_engine *engine, const rhm_token_rows *rows, int64_t add, int64_t *out,
                               rhm_error *error) {
    encoding e = {.from = *rows, .add = add, .out = out};
    return encode(engine, &e, rows->width, sizeof(int64_t), error);
}
