#include "patches/draw.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/spread.h"

enum {
    CHUNK_CELLS = 1 << 14, /* counters of a thread: 128 KiB, and enough to pay for finding the way down to them */
    FEWEST_PLACES = 16,
};

double rhm_patches_kept_share(const rhm_patches *patches) {
    return patches->drawing ? patches->drawing->law.share : 1;
}

void rhm_drawing_destroy(rhm_drawing *drawing) {
    if (!drawing)
        return;
    rhm_law_destroy(&drawing->law);
    for (uint32_t j = 0; j <= RHM_MAX_LEVELS; j++)
        rhm_free(drawing->number[j]);
    rhm_free(drawing->first_cell);
    rhm_free(drawing->chunk);
    rhm_free(drawing->done);
    rhm_free(drawing);
}

/* Memory is entered into the engine's account before it is taken. */
static rhm_status account_for(rhm_patches *patches, const rhm_engine *engine, double more_nbytes, rhm_error *error) {
    if (!(more_nbytes < (double)(SIZE_MAX / 4))) {
        rhm_law_size table;
        RHM_TRY(rhm_law_measure(&table, patches->drawing->law.grammar, patches->level, patches->positions, error));
        return rhm_fail(error, RHM_NO_MEMORY,
                        "the table of level %u has %.3g patches with labels, too many to be numbered: draw samples "
                        "instead of counts",
                        patches->level, table.cells);
    }
    patches->drawing->nbytes += (size_t)more_nbytes;
    return rhm_patches_account(patches, engine, error);
}

static rhm_status fill_drawing(rhm_patches *patches, const rhm_engine *engine, const rhm_grammar *grammar,
                               uint64_t seed, uint32_t stream, rhm_error *error) {
    rhm_drawing *d = patches->drawing;
    rhm_law *law = &d->law;
    law->grammar = grammar;
    const rhm_law_choice some = {patches->thinned, seed, stream}, *choice = patches->thinned ? &some : NULL;
    double nbytes;
    RHM_TRY(rhm_law_nbytes(&nbytes, grammar, patches->level, patches->positions, choice, error));
    RHM_TRY(account_for(patches, engine, nbytes, error));
    RHM_TRY(rhm_law_create(law, grammar, patches->level, patches->positions, choice, error));
    const size_t labels = rhm_patches_labels(patches);
    d->chunk_places = CHUNK_CELLS / labels < FEWEST_PLACES ? FEWEST_PLACES : CHUNK_CELLS / labels;
    d->chunks = (law->at[law->level].places + d->chunk_places - 1) / d->chunk_places;
    nbytes = (double)(d->chunks * (sizeof *d->first_cell + sizeof *d->chunk + sizeof *d->done));
    for (uint32_t j = law->level; j <= law->tree.levels; j++)
        nbytes += (double)(sizeof *d->number[j] * law->at[j].places);
    RHM_TRY(account_for(patches, engine, nbytes, error));
    if (!(d->first_cell = RHM_NEW(size_t, d->chunks + 1, 1, 1, "chunks of a law", error)) ||
        !(d->chunk = RHM_NEW(rhm_drawn_chunk, d->chunks, 1, 1, "chunks of a law", error)) ||
        !(d->done = RHM_NEW(bool, d->chunks, 1, 1, "chunks of a law", error)))
        return RHM_NO_MEMORY;
    for (uint32_t j = law->level; j <= law->tree.levels; j++)
        if (!(d->number[j] = RHM_NEW(uint32_t, law->at[j].places, 1, 1, "numbers of possible patches", error)))
            return RHM_NO_MEMORY;
    return RHM_OK;
}

static rhm_status make_drawing(rhm_patches *patches, const rhm_engine *engine, const rhm_grammar *grammar,
                               uint64_t seed, uint32_t stream, rhm_error *error) {
    if (!(patches->drawing = RHM_NEW(rhm_drawing, 1, 1, 1, "law of a level", error)))
        return RHM_NO_MEMORY;
    const rhm_status status = fill_drawing(patches, engine, grammar, seed, stream, error);
    if (status != RHM_OK) {
        rhm_drawing_destroy(patches->drawing);
        patches->drawing = NULL;
    }
    return status;
}

typedef struct drawing_call {
    const rhm_patches *patches;
    rhm_law_draw draw;
    uint64_t *by_symbol;      /* (positions, V_0, V_{level-1}) */
    uint64_t **counters;      /* (threads): NULL or (chunk_places, positions, V_0), zero between chunks */
    rhm_spread_parcels drawn; /* the cells of all chunks, where ranks have drawn them */
} drawing_call;

/* Keep what is not zero, and clear it. */
static rhm_status keep(rhm_drawn_chunk *chunk, uint64_t *counters, size_t begin, size_t end, size_t classes,
                       rhm_error *error) {
    const size_t size = (end - begin) * classes;
    chunk->cells = 0;
    for (size_t i = 0; i < size; i++)
        chunk->cells += counters[i] > 0;
    if (!(chunk->cell = RHM_NEW(rhm_drawn_cell, chunk->cells, 1, 1, "drawn counts", error)))
        return RHM_NO_MEMORY;
    rhm_drawn_cell *cell = chunk->cell;
    for (size_t i = 0; i < size && cell < chunk->cell + chunk->cells; i++)
        if (counters[i] > 0) {
            *cell++ = (rhm_drawn_cell){(uint32_t)(begin + i / classes), (uint32_t)(i % classes), counters[i]};
            counters[i] = 0;
        }
    return RHM_OK;
}

static rhm_status draw_chunk(void *context, size_t c, int thread, rhm_error *error) {
    const drawing_call *call = context;
    const rhm_drawing *d = call->patches->drawing;
    const size_t classes = rhm_patches_labels(call->patches), places = d->law.at[d->law.level].places;
    const size_t begin = c * d->chunk_places;
    const size_t end = begin + d->chunk_places < places ? begin + d->chunk_places : places;
    rhm_drawn_chunk *chunk = &d->chunk[c];
    uint64_t **counters = &call->counters[thread];
    if (!*counters && !(*counters = RHM_NEW(uint64_t, d->chunk_places, classes, 1, "counters of a chunk", error)))
        return RHM_NO_MEMORY;
    rhm_law_split_places(&d->law, &call->draw, call->by_symbol, begin, end, *counters);
    return keep(chunk, *counters, begin, end, classes, error);
}

/* What a chunk adds to the collection. */
static rhm_status compare_chunk(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const drawing_call *call = context;
    const rhm_drawing *d = call->patches->drawing;
    const uint32_t *number = d->number[d->law.level];
    rhm_drawn_chunk *chunk = &d->chunk[c];
    chunk->patches = 0;
    for (size_t i = 0; i < chunk->cells; i++)
        chunk->patches +=
            number[chunk->cell[i].place] == 0 && (i == 0 || chunk->cell[i].place != chunk->cell[i - 1].place);
    chunk->all_cells = rhm_drawing_merge(call->patches, c, NULL, NULL);
    return RHM_OK;
}

/* Cells that ranks have drawn, to all of them. */
static rhm_status share_chunks(drawing_call *call, const rhm_engine *engine, rhm_error *error) {
    const rhm_drawing *d = call->patches->drawing;
    const rhm_spread_part own = rhm_spread_own(engine, d->chunks);
    size_t cells = 0, *of_chunk = RHM_NEW(size_t, d->chunks, 1, 1, "cells of chunks", error);
    for (size_t c = own.first; of_chunk && c < own.end; c++)
        cells += of_chunk[c] = d->chunk[c].cells;
    rhm_drawn_cell *drawn = of_chunk ? RHM_NEW(rhm_drawn_cell, cells, 1, 1, "drawn counts", error) : NULL, *at = drawn;
    rhm_status status = RHM_NO_MEMORY;
    for (size_t c = own.first; drawn && c < own.end; c++) {
        memcpy(at, d->chunk[c].cell, sizeof *at * of_chunk[c]);
        at += of_chunk[c];
        rhm_free(d->chunk[c].cell);
        d->chunk[c].cell = NULL;
    }
    const rhm_spread_output counts = {of_chunk, sizeof *of_chunk, sizeof *of_chunk * d->chunks};
    if (drawn && (status = rhm_spread_gather(engine, d->chunks, &counts, error)) == RHM_OK)
        status = rhm_spread_collect(&call->drawn, engine, drawn, sizeof *drawn * cells, error);
    at = call->drawn.data;
    for (size_t c = 0; status == RHM_OK && c < d->chunks; at += of_chunk[c++]) {
        d->chunk[c].cell = at;
        d->chunk[c].cells = of_chunk[c];
    }
    rhm_free(of_chunk);
    rhm_free(drawn);
    return status;
}

/* Each rank draws its share, unless there is too little. */
static rhm_status draw_chunks(drawing_call *call, const rhm_engine *engine, uint64_t count, rhm_error *error) {
    enum { FEW_CELLS = 1 << 14 };
    const rhm_drawing *d = call->patches->drawing;
    const double drawn = (double)count * (double)d->law.positions;
    const bool shared = rhm_engine_ranks(engine) && fmin(d->law.cells, drawn) >= FEW_CELLS;
    if (shared) {
        RHM_TRY(rhm_spread(engine, d->chunks, draw_chunk, call, NULL, 0, error));
        RHM_TRY(share_chunks(call, engine, error));
    } else {
        RHM_TRY(rhm_parallel(engine, d->chunks, draw_chunk, call, error));
    }
    return rhm_parallel(engine, d->chunks, compare_chunk, call, error);
}

static rhm_status refuse(const rhm_patches *patches, const rhm_grammar *grammar, uint64_t round, uint64_t count,
                         rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    if (round >= RHM_MOST_ROUNDS)
        return rhm_fail(error, RHM_INVALID, "round %llu of drawing counts: rounds are below %d",
                        (unsigned long long)round, RHM_MOST_ROUNDS);
    if (count > RHM_BINOMIAL_MOST || patches->samples > RHM_BINOMIAL_MOST - count)
        return rhm_fail(error, RHM_INVALID, "%llu samples and %llu more: counts are exact up to 2^53 samples",
                        (unsigned long long)patches->samples, (unsigned long long)count);
    if (!rhm_tree_same(&patches->tree, rhm_grammar_tree(grammar)) || patches->classes != shape->vocab[0])
        return rhm_fail(
            error, RHM_INVALID,
            "counts of %u levels, %zu tokens and %u labels cannot be drawn from a grammar of another shape: %u levels, "
            "%zu tokens and %u labels",
            patches->tree.levels, patches->tree.leaves[0], patches->classes, shape->levels,
            rhm_grammar_tree(grammar)->leaves[0], shape->vocab[0]);
    if (patches->thinned && patches->level == patches->tree.levels)
        return rhm_fail(error, RHM_INVALID, "level %u is the lowest: its counts are never thinned", patches->level);
    if (patches->raw)
        return rhm_fail(error, RHM_INVALID, "level %u keeps raw samples: only counts of distinct patches can be drawn",
                        patches->level);
    if (!patches->drawing && patches->samples > 0)
        return rhm_fail(error, RHM_INVALID, "samples were counted for level %u: counts cannot be drawn on top of them",
                        patches->level);
    if (patches->drawing && patches->drawing->law.grammar != grammar)
        return rhm_fail(error, RHM_INVALID, "the counts of level %u were drawn from another grammar", patches->level);
    return RHM_OK;
}

/* What a call can need at most besides what the collection has: lists of the call, of ranks also what each has drawn
 * before all have it, and longer lists of the collection. */
static size_t most_nbytes(const rhm_patches *patches, const rhm_engine *engine, uint64_t count) {
    const rhm_law *law = &patches->drawing->law;
    const double drawn = (double)count * (double)law->positions;
    const double cells = law->cells < drawn ? law->cells : drawn;
    const double old = (double)patches->cell.count;
    const double all = old + cells < law->cells ? old + cells : law->cells;
    const double lists = rhm_engine_ranks(engine) ? 1 + 1.0 / rhm_ranks_size(rhm_engine_ranks(engine)) : 1;
    double nbytes = (double)sizeof(rhm_drawn_cell) * cells * lists + (2 * sizeof(uint32_t) + sizeof(uint64_t)) * all;
    for (uint32_t j = law->level; j <= law->tree.levels; j++)
        nbytes += (double)(sizeof(uint32_t) * law->tree.branching[j] * law->at[j].places);
    return (size_t)nbytes;
}

rhm_status rhm_patches_draw(rhm_patches *patches, const rhm_engine *engine, const rhm_grammar *grammar, uint64_t seed,
                            uint32_t stream, uint64_t round, uint64_t count, rhm_error *error) {
    RHM_TRY(refuse(patches, grammar, round, count, error));
    if (count == 0)
        return RHM_OK;
    if (!patches->drawing)
        RHM_TRY(make_drawing(patches, engine, grammar, seed, stream, error));
    const rhm_drawing *d = patches->drawing;
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t threads = (size_t)rhm_engine_threads(engine), reserved_nbytes = most_nbytes(patches, engine, count);
    RHM_TRY(rhm_memory_reserve(engine, reserved_nbytes, "drawn counts", error));
    drawing_call call = {.patches = patches, .draw = {seed, stream, (uint32_t)round}};
    rhm_status status = RHM_NO_MEMORY;
    if (!(call.counters = RHM_NEW(uint64_t *, threads, 1, 1, "counters of a chunk", error)) ||
        !(call.by_symbol = RHM_NEW(uint64_t, d->law.positions, d->law.classes, shape->vocab[d->law.level - 1],
                                   "counts of symbols", error)))
        goto done;
    rhm_law_split_samples(&d->law, &call.draw, count, call.by_symbol);
    if ((status = draw_chunks(&call, engine, count, error)) == RHM_OK &&
        (status = rhm_drawing_enter(patches, engine, error)) == RHM_OK)
        patches->samples += count;
done:
    for (size_t c = 0; c < d->chunks && !call.drawn.data; c++)
        rhm_free(d->chunk[c].cell);
    rhm_spread_parcels_clear(&call.drawn);
    memset(d->chunk, 0, sizeof *d->chunk * d->chunks);
    for (size_t t = 0; call.counters && t < threads; t++)
        rhm_free(call.counters[t]);
    rhm_free(call.counters);
    rhm_free(call.by_symbol);
    rhm_memory_release(engine, reserved_nbytes);
    return status == RHM_OK ? rhm_patches_account(patches, engine, error) : status;
}
