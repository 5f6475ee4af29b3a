/* Sequences through tables: a lookup a patch, a few sequences at a time in the memory of a thread. */
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "model/table.h"
#include "sampling/tile_ops.h"

enum {
    CHUNK_TOKENS = 1 << 15,
    LONG = 1 << 18,
    BLOCK = 1 << 13, /* ids that go up together */
    PIECE = 1 << 15, /* tokens of a long sequence that are there at a time */
};

size_t rhm_table_chunk(size_t tokens) {
    return tokens > LONG ? 1 : tokens * RHM_TILE > CHUNK_TOKENS ? RHM_TILE : CHUNK_TOKENS / tokens;
}

void rhm_table_apply(const struct rhm_table *table, const rhm_id_ops *ops, uint32_t l, const uint16_t *inputs,
                     size_t patches, uint16_t *ids) {
    const struct rhm_table_level *level = &table->level[l];
    const size_t s = level->patch.words;
    if (level->look_up.entry) {
        ops->look_up(&level->look_up, inputs, patches, ids);
        return;
    }
    for (size_t i = 0; i < patches; i++) {
        uint32_t tuple[RHM_MAX_BRANCHING];
        for (size_t t = 0; t < s; t++)
            tuple[t] = inputs[i * s + t];
        const uint32_t found = rhm_intern_find(&level->patch, tuple);
        ids[i] = (uint16_t)(found == UINT32_MAX ? level->other : level->id[found]);
    }
}

/* Blocks of ids from one level to another: where a block ends up, its ids were read before. */
static void rise_blocks(const struct rhm_table *table, const rhm_id_ops *ops, uint32_t from, uint32_t to, size_t ids,
                        size_t below, uint16_t *symbols) {
    uint16_t block[BLOCK];
    const size_t most = below < BLOCK ? BLOCK / below : 1;
    for (size_t done = 0; done < ids; done += most) {
        size_t left = (ids - done < most ? ids - done : most) * below;
        const uint16_t *source = symbols + done * below;
        for (uint32_t l = from; l > to; l--) {
            uint16_t *into = l == to + 1 ? symbols + done : block;
            left /= table->model.tree.branching[l];
            rhm_table_apply(table, ops, l, source, left, into);
            source = into;
        }
    }
}

/* As many ids of level `from` as make `ids` of level `to`. */
static void rise(const struct rhm_table *table, const rhm_id_ops *ops, uint32_t from, uint32_t to, size_t ids,
                 uint16_t *symbols) {
    const rhm_tree *tree = &table->model.tree;
    while (from > to) {
        uint32_t next = from - 1;
        while (next > to && rhm_tree_below(tree, next - 1, from) <= BLOCK)
            next--;
        rise_blocks(table, ops, from, next, ids * rhm_tree_below(tree, to, next), rhm_tree_below(tree, next, from),
                    symbols);
        from = next;
    }
}

void rhm_table_rise(const struct rhm_table *table, const rhm_id_ops *ops, uint32_t from, uint32_t to, size_t sequences,
                    uint16_t *symbols) {
    rise(table, ops, from, to, sequences * table->model.tree.nodes[to], symbols);
}

uint32_t rhm_table_row(const struct rhm_table *table, const uint16_t *patch) {
    const struct rhm_table_level *level = &table->level[1];
    uint32_t tuple[RHM_MAX_BRANCHING];
    size_t code = 0;
    for (size_t t = 0; t < level->patch.words; t++) {
        tuple[t] = patch[t];
        code = code * level->inputs + patch[t];
    }
    if (level->dense)
        return level->dense[code];
    const uint32_t found = rhm_intern_find(&level->patch, tuple);
    return found == UINT32_MAX ? (uint32_t)level->patch.count : found;
}

/* Tokens and labels of a thread's chunk; of a sequence in pieces one piece, and the ids of those before it. */
typedef struct scratch {
    uint16_t *tokens, *labels, *ids;
    double sample_seconds, seconds;
    uint64_t correct;
} scratch;

typedef struct forward {
    const struct rhm_table *table;
    rhm_id_ops ops;
    const rhm_batch *batch;
    rhm_outputs *outputs;
    rhm_piece_source *pieces; /* NULL: sequences are there as a whole */
    uint32_t cut;             /* level of the symbols above pieces */
    size_t chunk;             /* sequences */
    uint64_t done;            /* in earlier rounds */
    uint64_t count;
    scratch *of_thread;
} forward;

/* Patches of level 1 of a chunk: of whole sequences, or of one whose pieces are drawn and looked up one by one. */
static const uint16_t *find_tops(const forward *f, scratch *mine, uint64_t first, size_t count) {
    const rhm_tree *tree = &f->table->model.tree;
    const void *context = f->batch->context;
    const double begin = rhm_seconds();
    f->batch->source(context, f->pieces ? tree->levels : 1, first, count, mine->tokens, mine->labels);
    mine->sample_seconds += rhm_seconds() - begin;
    if (!f->pieces) {
        rhm_table_rise(f->table, &f->ops, tree->levels, 1, count, mine->tokens);
        return mine->tokens;
    }
    for (size_t node = 0; node < tree->nodes[f->cut]; node++) {
        const double before = rhm_seconds();
        f->pieces(context, f->cut, node, first, 1, mine->tokens);
        mine->sample_seconds += rhm_seconds() - before;
        rise(f->table, &f->ops, tree->levels, f->cut, 1, mine->tokens);
        mine->ids[node] = mine->tokens[0];
    }
    rise(f->table, &f->ops, f->cut, 1, tree->nodes[1], mine->ids);
    return mine->ids;
}

static rhm_status forward_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)error;
    const forward *f = context;
    const rhm_model *model = &f->table->model;
    scratch *mine = &f->of_thread[thread];
    const uint64_t first = f->done + chunk * f->chunk;
    const uint64_t left = f->done + f->count - first;
    const size_t count = left < f->chunk ? (size_t)left : f->chunk;
    const double begin = rhm_seconds();
    const uint16_t *tops = find_tops(f, mine, f->batch->first + first, count);
    for (size_t i = 0; i < count; i++) {
        const uint32_t row = rhm_table_row(f->table, tops + i * model->tree.nodes[1]);
        const struct rhm_table_level *top = &f->table->level[1];
        const uint32_t label = row == top->patch.count ? top->other : top->id[row];
        mine->correct += label == mine->labels[i];
        if (f->outputs->labels)
            f->outputs->labels[first + i] = (uint16_t)label;
        if (f->outputs->posteriors)
            memcpy(f->outputs->posteriors + (first + i) * model->classes,
                   f->table->posterior + (size_t)row * model->classes, sizeof(float) * model->classes);
    }
    mine->seconds += rhm_seconds() - begin;
    return RHM_OK;
}

static rhm_status run(forward *f, const rhm_engine *engine, rhm_error *error) {
    /* A round is what lies between two looks at progress: so many chunks that threads seldom wait for the last. */
    const uint64_t round = 8 * (uint64_t)f->chunk * (uint64_t)rhm_engine_threads(engine);
    for (; f->done < f->batch->count; f->done += f->count) {
        f->count = f->batch->count - f->done < round ? f->batch->count - f->done : round;
        rhm_engine_progress(engine, f->batch->stage, f->done, f->batch->count);
        RHM_TRY(rhm_parallel(engine, (size_t)((f->count + f->chunk - 1) / f->chunk), forward_chunk, f, error));
    }
    return RHM_OK;
}

/* The chunks of threads; long sequences come in pieces where their source has them. */
static rhm_status prepare(forward *f, size_t threads, rhm_error *error) {
    const rhm_tree *tree = &f->table->model.tree;
    size_t tokens = tree->leaves[0];
    f->pieces = tokens > LONG ? rhm_pieces_of(f->batch->source) : NULL;
    f->chunk = f->pieces ? 1 : rhm_table_chunk(tokens);
    for (f->cut = 0; f->pieces && tokens > PIECE && f->cut + 1 < tree->levels;)
        tokens = tree->leaves[++f->cut];
    if (!(f->of_thread = RHM_NEW(scratch, threads, 1, 1, "sequences of a thread", error)))
        return RHM_NO_MEMORY;
    for (size_t t = 0; t < threads; t++) {
        scratch *mine = &f->of_thread[t];
        if (!(mine->tokens = RHM_NEW(uint16_t, f->chunk, tokens, 1, "sequences of a thread", error)) ||
            !(mine->labels = RHM_NEW(uint16_t, f->chunk, 1, 1, "labels of a thread", error)) ||
            !(mine->ids = RHM_NEW(uint16_t, tree->nodes[f->cut], 1, 1, "ids of a thread", error)))
            return RHM_NO_MEMORY;
    }
    return RHM_OK;
}

rhm_status rhm_table_forward(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                             rhm_outputs *outputs, rhm_error *error) {
    const size_t threads = (size_t)rhm_engine_threads(engine);
    forward f = {.table = rhm_table_of(model), .ops = rhm_id_ops_of(engine), .batch = batch, .outputs = outputs};
    rhm_status status = prepare(&f, threads, error);
    if (status == RHM_OK)
        status = run(&f, engine, error);
    for (size_t t = 0; f.of_thread && t < threads; t++) {
        scratch *mine = &f.of_thread[t];
        outputs->score.correct += mine->correct;
        outputs->score.sample_seconds += mine->sample_seconds / (double)threads;
        outputs->score.kernel_seconds += (mine->seconds - mine->sample_seconds) / (double)threads;
        rhm_free(mine->tokens);
        rhm_free(mine->labels);
        rhm_free(mine->ids);
    }
    rhm_free(f.of_thread);
    outputs->score.samples += status == RHM_OK ? batch->count : 0;
    return status;
}
