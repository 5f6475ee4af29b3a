#include "learners/latent/sequences.h"

#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/spread.h"
#include "sampling/tile_ops.h"

enum {
    CHUNK_TOKENS = 1 << 15,
    LONG = 1 << 24,        /* tokens of the longest chunk that is more than one sequence */
    MOST_KEPT = 256 << 20, /* bytes */
    ROUND = 8,             /* chunks of a thread between two looks at progress */
};

/* At the start of a thread's working set; tokens and labels of a chunk follow. */
typedef struct scratch {
    double drawing, looking_up; /* seconds */
    _Alignas(RHM_ALIGNMENT) uint16_t symbols[];
} scratch;

size_t rhm_sequences_least(size_t tokens) {
    const size_t fit = LONG / tokens;
    return fit >= RHM_TILE ? RHM_TILE : fit > 1 ? fit : 1;
}

static size_t chunk_of(size_t tokens) {
    const size_t least = rhm_sequences_least(tokens), cached = CHUNK_TOKENS / tokens;
    return cached > least ? cached : least;
}

size_t rhm_sequences_scratch_nbytes(size_t tokens) {
    return sizeof(scratch) + sizeof(uint16_t) * chunk_of(tokens) * (tokens + 1);
}

rhm_status rhm_sequences_open(rhm_sequences *out, const rhm_engine *engine, const struct rhm_table *table,
                              rhm_patch_source *source, const void *context, uint64_t count, rhm_error *error) {
    const size_t tokens = table->model.tree.leaves[0];
    const uint64_t share = rhm_engine_describe(engine).memory_limit_nbytes / 4;
    *out = (rhm_sequences){.table = table,
                           .ops = rhm_id_ops_of(engine),
                           .source = source,
                           .context = context,
                           .count = count,
                           .level = table->model.tree.levels,
                           .chunk = chunk_of(tokens),
                           .most_kept_nbytes = share > 0 && share < MOST_KEPT ? (size_t)share : MOST_KEPT};
    RHM_TRY(rhm_scratch_create(&out->scratch, engine, rhm_sequences_scratch_nbytes(tokens), "sequences of a thread",
                               error));
    out->engine = engine;
    return RHM_OK;
}

static void forget(rhm_sequences *s) {
    rhm_free(s->ids);
    rhm_free(s->labels);
    rhm_memory_release(s->engine, s->kept_nbytes);
    s->ids = s->labels = NULL;
    s->kept = s->kept_nbytes = 0;
}

void rhm_sequences_close(rhm_sequences *s) {
    if (!s->engine)
        return;
    forget(s);
    rhm_scratch_destroy(&s->scratch, s->engine);
    *s = (rhm_sequences){0};
}

void rhm_sequences_seconds(const rhm_sequences *s, double *drawing, double *looking_up) {
    const int threads = rhm_engine_threads(s->engine);
    *drawing = *looking_up = 0;
    for (int t = 0; t < threads; t++) {
        const scratch *mine = rhm_scratch_at(&s->scratch, t);
        *drawing += mine->drawing / threads;
        *looking_up += mine->looking_up / threads;
    }
}

/* ---- visits ---------------------------------------------------------------------------------------------- */

static uint64_t ranks_of(const rhm_sequences *s) {
    return (uint64_t)rhm_ranks_size(rhm_engine_ranks(s->engine));
}

/* The first chunk of this rank's that is not before `chunk`. */
static uint64_t own_chunk_from(const rhm_sequences *s, uint64_t chunk) {
    const uint64_t ranks = ranks_of(s), rank = (uint64_t)rhm_ranks_rank(rhm_engine_ranks(s->engine));
    return chunk + (ranks + rank - chunk % ranks) % ranks;
}

/* Rows for this rank's of the sequences 0..count-1: its chunks follow each other. */
static uint64_t own_rows(const rhm_sequences *s, uint64_t count) {
    const uint64_t chunks = own_chunk_from(s, (count + s->chunk - 1) / s->chunk) / ranks_of(s);
    return chunks * s->chunk < count ? chunks * s->chunk : count;
}

typedef struct visit {
    const rhm_sequences *s;
    rhm_sequences_visitor *visitor;
    void *context;
    uint64_t first, last; /* of this range */
    uint64_t chunk;       /* the first one of this loop */
    bool drawn, keep;     /* else they are read from what is kept */
} visit;

static rhm_status visit_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    const visit *v = context;
    const rhm_sequences *s = v->s;
    const rhm_tree *tree = &s->table->model.tree;
    const uint64_t number = v->chunk + chunk * ranks_of(s), begin = number * s->chunk, end = begin + s->chunk;
    const uint64_t first = begin > v->first ? begin : v->first;
    const size_t count = (size_t)((end < v->last ? end : v->last) - first), width = tree->nodes[s->level];
    const size_t row = (size_t)(number / ranks_of(s) * s->chunk + first - begin);
    if (!v->drawn)
        return v->visitor(v->context, thread, count, s->ids + row * width, s->labels + row, error);
    scratch *mine = rhm_scratch_at(&s->scratch, thread);
    uint16_t *tokens = mine->symbols, *labels = mine->symbols + s->chunk * tree->leaves[0];
    const double start = rhm_seconds();
    s->source(s->context, 1, first, count, tokens, labels);
    const double drawn = rhm_seconds();
    rhm_table_rise(s->table, &s->ops, tree->levels, s->level, count, tokens);
    if (v->keep) {
        memcpy(s->ids + row * width, tokens, sizeof *s->ids * count * width);
        memcpy(s->labels + row, labels, sizeof *s->labels * count);
    }
    mine->drawing += drawn - start;
    mine->looking_up += rhm_seconds() - drawn;
    return v->visitor(v->context, thread, count, tokens, labels, error);
}

static rhm_status visit_range(visit *v, uint64_t first, uint64_t last, const char *stage, uint64_t begin, uint64_t end,
                              rhm_error *error) {
    const rhm_sequences *s = v->s;
    const uint64_t ranks = ranks_of(s), most = ROUND * (uint64_t)rhm_engine_threads(s->engine);
    const uint64_t chunks = first < last ? (last + s->chunk - 1) / s->chunk : 0;
    v->first = first;
    v->last = last;
    for (v->chunk = own_chunk_from(s, first / s->chunk); v->chunk < chunks;) {
        const uint64_t left = (chunks - v->chunk + ranks - 1) / ranks, now = left < most ? left : most;
        const uint64_t at = v->chunk * s->chunk;
        rhm_engine_progress(s->engine, stage, (at > first ? at : first) - begin, end - begin);
        RHM_TRY(rhm_parallel(s->engine, (size_t)now, visit_chunk, v, error));
        v->chunk += now * ranks;
    }
    return RHM_OK;
}

static uint64_t most_kept(const rhm_sequences *s, uint32_t level) {
    const uint64_t rows = s->most_kept_nbytes / (sizeof(uint16_t) * (s->table->model.tree.nodes[level] + 1));
    return ranks_of(s) == 1 ? rows : rows / s->chunk * s->chunk * ranks_of(s);
}

/* Room for the ids of `kept` sequences, of which the first are copied. */
static rhm_status make_room(rhm_sequences *s, uint64_t kept, rhm_error *error) {
    const size_t width = s->table->model.tree.nodes[s->level], rows = (size_t)own_rows(s, kept);
    const size_t nbytes = sizeof(uint16_t) * rows * (width + 1);
    RHM_TRY(rhm_memory_reserve(s->engine, nbytes, "ids of sequences", error));
    uint16_t *ids = RHM_NEW(uint16_t, rows, width, 1, "ids of sequences", error);
    uint16_t *labels = ids ? RHM_NEW(uint16_t, rows, 1, 1, "labels of sequences", error) : NULL;
    if (!labels) {
        rhm_free(ids);
        rhm_memory_release(s->engine, nbytes);
        return RHM_NO_MEMORY;
    }
    const uint64_t old = s->kept, old_rows = own_rows(s, old);
    if (old_rows) {
        memcpy(ids, s->ids, sizeof *ids * old_rows * width);
        memcpy(labels, s->labels, sizeof *labels * old_rows);
    }
    forget(s);
    s->ids = ids;
    s->labels = labels;
    s->kept = old;
    s->kept_nbytes = nbytes;
    return RHM_OK;
}

rhm_status rhm_sequences_visit(rhm_sequences *s, uint64_t first, uint64_t last, const char *stage,
                               rhm_sequences_visitor *visitor, void *context, rhm_error *error) {
    visit v = {.s = s, .visitor = visitor, .context = context};
    const uint64_t most = most_kept(s, s->level), kept = s->kept < last ? s->kept : last;
    /* What is kept has no gaps. */
    const uint64_t keep = first > s->kept ? 0 : last < most ? last : most;
    uint64_t next = first;
    if (keep > s->kept)
        RHM_TRY(make_room(s, keep, error));
    if (next < kept) {
        RHM_TRY(visit_range(&v, next, kept, stage, first, last, error));
        next = kept;
    }
    v.drawn = true;
    if (next < keep) {
        v.keep = true;
        RHM_TRY(visit_range(&v, next, keep, stage, first, last, error));
        v.keep = false;
        s->kept = next = keep;
    }
    return visit_range(&v, next, last, stage, first, last, error);
}

/* ---- the next level -------------------------------------------------------------------------------------- */

typedef struct rising {
    const rhm_sequences *s;
    uint16_t *out;
} rising;

static rhm_status rise_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const rising *r = context;
    const rhm_sequences *s = r->s;
    const rhm_tree *tree = &s->table->model.tree;
    const uint64_t first = chunk * (uint64_t)s->chunk, left = own_rows(s, s->kept) - first;
    const size_t count = left < s->chunk ? (size_t)left : s->chunk;
    rhm_table_apply(s->table, &s->ops, s->level, s->ids + first * tree->nodes[s->level],
                    count * tree->nodes[s->level - 1], r->out + first * tree->nodes[s->level - 1]);
    return RHM_OK;
}

rhm_status rhm_sequences_rise(rhm_sequences *s, rhm_error *error) {
    const size_t width = s->table->model.tree.nodes[s->level - 1];
    rising r = {.s = s};
    const size_t rows = (size_t)own_rows(s, s->kept);
    if (rows) {
        const size_t nbytes = sizeof(uint16_t) * rows * width;
        RHM_TRY(rhm_memory_reserve(s->engine, nbytes, "ids of sequences", error));
        rhm_status status = RHM_NO_MEMORY;
        if ((r.out = RHM_NEW(uint16_t, rows, width, 1, "ids of sequences", error)))
            status = rhm_parallel(s->engine, (rows + s->chunk - 1) / s->chunk, rise_chunk, &r, error);
        if (status != RHM_OK) {
            rhm_free(r.out);
            rhm_memory_release(s->engine, nbytes);
            return status;
        }
        const size_t labels_nbytes = sizeof(uint16_t) * rows;
        rhm_free(s->ids);
        rhm_memory_release(s->engine, s->kept_nbytes - labels_nbytes);
        s->ids = r.out;
        s->kept_nbytes = nbytes + labels_nbytes;
    }
    s->level--;
    return RHM_OK;
}
