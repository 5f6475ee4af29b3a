#include "learners/latent/sequences.h"

#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/parallel.h"
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

typedef struct visit {
    const rhm_sequences *s;
    rhm_sequences_visitor *visitor;
    void *context;
    uint64_t first, last; /* of this loop */
    bool drawn, keep;     /* else they are read from what is kept */
} visit;

static rhm_status visit_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    const visit *v = context;
    const rhm_sequences *s = v->s;
    const rhm_tree *tree = &s->table->model.tree;
    const uint64_t first = v->first + chunk * s->chunk, left = v->last - first;
    const size_t count = left < s->chunk ? (size_t)left : s->chunk, width = tree->nodes[s->level];
    if (!v->drawn)
        return v->visitor(v->context, thread, count, s->ids + first * width, s->labels + first, error);
    scratch *mine = rhm_scratch_at(&s->scratch, thread);
    uint16_t *tokens = mine->symbols, *labels = mine->symbols + s->chunk * tree->leaves[0];
    const double begin = rhm_seconds();
    s->source(s->context, 1, first, count, tokens, labels);
    const double drawn = rhm_seconds();
    rhm_table_rise(s->table, &s->ops, tree->levels, s->level, count, tokens);
    if (v->keep) {
        memcpy(s->ids + first * width, tokens, sizeof *s->ids * count * width);
        memcpy(s->labels + first, labels, sizeof *s->labels * count);
    }
    mine->drawing += drawn - begin;
    mine->looking_up += rhm_seconds() - drawn;
    return v->visitor(v->context, thread, count, tokens, labels, error);
}

static rhm_status visit_range(visit *v, uint64_t first, uint64_t last, const char *stage, uint64_t begin, uint64_t end,
                              rhm_error *error) {
    const rhm_engine *engine = v->s->engine;
    const uint64_t round = ROUND * (uint64_t)v->s->chunk * (uint64_t)rhm_engine_threads(engine);
    for (v->first = first; v->first < last; v->first = v->last) {
        v->last = last - v->first < round ? last : v->first + round;
        rhm_engine_progress(engine, stage, v->first - begin, end - begin);
        const uint64_t chunks = (v->last - v->first + v->s->chunk - 1) / v->s->chunk;
        RHM_TRY(rhm_parallel(engine, (size_t)chunks, visit_chunk, v, error));
    }
    return RHM_OK;
}

static uint64_t most_kept(const rhm_sequences *s, uint32_t level) {
    return s->most_kept_nbytes / (sizeof(uint16_t) * (s->table->model.tree.nodes[level] + 1));
}

/* Room for the ids of `kept` sequences, of which the first are copied. */
static rhm_status make_room(rhm_sequences *s, uint64_t kept, rhm_error *error) {
    const size_t width = s->table->model.tree.nodes[s->level];
    const size_t nbytes = sizeof(uint16_t) * (size_t)kept * (width + 1);
    RHM_TRY(rhm_memory_reserve(s->engine, nbytes, "ids of sequences", error));
    uint16_t *ids = RHM_NEW(uint16_t, kept, width, 1, "ids of sequences", error);
    uint16_t *labels = ids ? RHM_NEW(uint16_t, kept, 1, 1, "labels of sequences", error) : NULL;
    if (!labels) {
        rhm_free(ids);
        rhm_memory_release(s->engine, nbytes);
        return RHM_NO_MEMORY;
    }
    const uint64_t old = s->kept;
    if (old) {
        memcpy(ids, s->ids, sizeof *ids * old * width);
        memcpy(labels, s->labels, sizeof *labels * old);
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
    const uint64_t first = chunk * (uint64_t)s->chunk, left = s->kept - first;
    const size_t count = left < s->chunk ? (size_t)left : s->chunk;
    rhm_table_apply(s->table, &s->ops, s->level, s->ids + first * tree->nodes[s->level],
                    count * tree->nodes[s->level - 1], r->out + first * tree->nodes[s->level - 1]);
    return RHM_OK;
}

rhm_status rhm_sequences_rise(rhm_sequences *s, rhm_error *error) {
    const size_t width = s->table->model.tree.nodes[s->level - 1];
    rising r = {.s = s};
    if (s->kept) {
        const size_t nbytes = sizeof(uint16_t) * (size_t)s->kept * width;
        RHM_TRY(rhm_memory_reserve(s->engine, nbytes, "ids of sequences", error));
        rhm_status status = RHM_NO_MEMORY;
        if ((r.out = RHM_NEW(uint16_t, s->kept, width, 1, "ids of sequences", error)))
            status = rhm_parallel(s->engine, (size_t)((s->kept + s->chunk - 1) / s->chunk), rise_chunk, &r, error);
        if (status != RHM_OK) {
            rhm_free(r.out);
            rhm_memory_release(s->engine, nbytes);
            return status;
        }
        const size_t labels_nbytes = sizeof(uint16_t) * (size_t)s->kept;
        rhm_free(s->ids);
        rhm_memory_release(s->engine, s->kept_nbytes - labels_nbytes);
        s->ids = r.out;
        s->kept_nbytes = nbytes + labels_nbytes;
    }
    s->level--;
    return RHM_OK;
}
