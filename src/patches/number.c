/* Drawn counts become members of a collection: patches are numbered from the first patches down, then written. */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "patches/draw.h"
#include "patches/whole.h"

/* In rhm_drawing.number: occurs, and has no number yet. */
#define AWAITED UINT32_MAX

size_t rhm_drawing_merge(const rhm_patches *patches, size_t c, uint32_t *tuple, uint64_t *count) {
    const rhm_drawing *d = patches->drawing;
    const uint32_t *number = d->number[d->law.level];
    const size_t places = d->law.at[d->law.level].places;
    const rhm_drawn_cell *new = d->chunk[c].cell, *const new_end = new + d->chunk[c].cells;
    size_t old = d->first_cell[c], written = 0;
    const size_t old_end = d->first_cell[c + 1];
    for (size_t place = c * d->chunk_places; place < places && (new < new_end || old < old_end); place++) {
        const uint32_t id = number[place] - 1;
        for (;;) {
            const bool in_new = new < new_end &&new->place == place;
            const bool in_old = old < old_end && rhm_intern_tuple(&patches->cell, old)[0] == id;
            if (!in_new && !in_old)
                break;
            const uint32_t label = in_old ? rhm_intern_tuple(&patches->cell, old)[1] : UINT32_MAX;
            const bool take_new = in_new && new->label <= label, take_old = in_old && (!in_new || label <= new->label);
            if (tuple) {
                tuple[2 * written] = id;
                tuple[2 * written + 1] = take_old ? label : new->label;
                count[written] = (take_old ? patches->count[old] : 0) + (take_new ? new->count : 0);
            }
            written++;
            new += take_new;
            old += take_old;
        }
    }
    return written;
}

/* The rule of a place, that of an earlier one being `rule`. */
static size_t rule_of(const rhm_drawing *d, uint32_t j, size_t place, size_t rule) {
    const uint32_t *of_rule = d->law.at[j].of_rule;
    const rhm_shape *shape = rhm_grammar_shape(d->law.grammar);
    size_t end = (size_t)shape->vocab[j - 1] * shape->rules[j];
    if (place < of_rule[rule + 1])
        return rule;
    while (end - rule > 1) {
        const size_t mid = rule + (end - rule) / 2;
        if (of_rule[mid] <= place)
            rule = mid;
        else
            end = mid;
    }
    return rule;
}

static void await_children(const rhm_drawing *d, uint32_t j, size_t rule, size_t place) {
    uint32_t children[RHM_MAX_BRANCHING];
    rhm_law_children(&d->law, j, rule, place, children);
    for (uint32_t t = 0; t < d->law.tree.branching[j]; t++) {
        uint32_t *number = &d->number[j + 1][children[t]];
        if (__atomic_load_n(number, __ATOMIC_RELAXED) == 0)
            __atomic_store_n(number, AWAITED, __ATOMIC_RELAXED);
    }
}

static void write_tuple(const rhm_patches *patches, uint32_t j, size_t rule, size_t place, uint32_t id) {
    const rhm_drawing *d = patches->drawing;
    uint32_t *tuple = patches->subtree[j].tuples + id * patches->subtree[j].words;
    rhm_law_children(&d->law, j, rule, place, tuple);
    for (uint32_t t = 0; j < patches->tree.levels && t < patches->tree.branching[j]; t++)
        tuple[t] = d->number[j + 1][tuple[t]] - 1;
}

static rhm_status await_chunk(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const rhm_patches *patches = context;
    const rhm_drawing *d = patches->drawing;
    const rhm_drawn_chunk *chunk = &d->chunk[c];
    size_t rule = 0;
    for (size_t i = 0; i < chunk->cells; i++) {
        const size_t place = chunk->cell[i].place;
        if (d->number[patches->level][place] != 0 || (i > 0 && place == chunk->cell[i - 1].place))
            continue;
        rule = rule_of(d, patches->level, place, rule);
        await_children(d, patches->level, rule, place);
    }
    return RHM_OK;
}

static rhm_status reserve(rhm_intern *set, size_t more, rhm_error *error) {
    if (set->count + more <= set->capacity)
        return RHM_OK;
    void *tuples = set->tuples;
    RHM_TRY(
        rhm_grow(&tuples, sizeof *set->tuples * set->words, set->count, set->count + more, "distinct patches", error));
    set->tuples = tuples;
    set->capacity = set->count + more;
    return RHM_OK;
}

/* Numbers for the level-j patches that are awaited, j > level; their children are awaited from now on. */
static rhm_status number_level(rhm_patches *patches, uint32_t j, size_t *first, rhm_error *error) {
    const rhm_drawing *d = patches->drawing;
    uint32_t *number = d->number[j];
    size_t rule = 0, more = 0;
    for (size_t place = 0; place < d->law.at[j].places; place++) {
        if (number[place] != AWAITED)
            continue;
        if (j < patches->tree.levels)
            await_children(d, j, rule = rule_of(d, j, place, rule), place);
        more++;
    }
    RHM_TRY(reserve(&patches->subtree[j], more, error));
    *first = patches->subtree[j].count;
    for (size_t place = 0; place < d->law.at[j].places; place++)
        if (number[place] == AWAITED)
            number[place] = (uint32_t)++patches->subtree[j].count;
    return RHM_OK;
}

static void write_level(const rhm_patches *patches, uint32_t j, size_t first) {
    const rhm_drawing *d = patches->drawing;
    size_t rule = 0;
    for (size_t place = 0; place < d->law.at[j].places; place++)
        if (d->number[j][place] > first)
            write_tuple(patches, j, rule = rule_of(d, j, place, rule), place, d->number[j][place] - 1);
}

typedef struct writing {
    const rhm_patches *patches;
    uint32_t *tuple; /* of all cells */
    uint64_t *count;
} writing;

static rhm_status write_chunk(void *context, size_t c, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const writing *w = context;
    const rhm_drawing *d = w->patches->drawing;
    const rhm_drawn_chunk *chunk = &d->chunk[c];
    uint32_t *number = d->number[w->patches->level];
    size_t rule = 0, next = chunk->first_patch;
    for (size_t i = 0; i < chunk->cells; i++) {
        const size_t place = chunk->cell[i].place;
        if (number[place] != 0)
            continue;
        number[place] = (uint32_t)++next;
        rule = rule_of(d, w->patches->level, place, rule);
        write_tuple(w->patches, w->patches->level, rule, place, number[place] - 1);
    }
    rhm_drawing_merge(w->patches, c, w->tuple + 2 * chunk->first_cell, w->count + chunk->first_cell);
    return RHM_OK;
}

rhm_status rhm_drawing_enter(rhm_patches *patches, const rhm_engine *engine, rhm_error *error) {
    const rhm_drawing *d = patches->drawing;
    rhm_intern *set = &patches->subtree[patches->level];
    size_t new = 0, cells = 0, first[RHM_MAX_LEVELS + 1];
    for (size_t c = 0; c < d->chunks; c++) {
        d->chunk[c].first_patch = set->count + new;
        d->chunk[c].first_cell = cells;
        new += d->chunk[c].patches;
        cells += d->chunk[c].all_cells;
    }
    if (cells > UINT32_MAX / 2)
        return rhm_fail(error, RHM_NO_MEMORY, "%zu pairs of a patch and a label occur at level %u: at most %u fit",
                        cells, patches->level, UINT32_MAX / 2);
    writing w = {
        .patches = patches,
        .tuple = RHM_NEW(uint32_t, cells, 2, 1, "cells of patches and labels", error),
        .count = RHM_NEW(uint64_t, cells, 1, 1, "counts of patches", error),
    };
    rhm_status status = RHM_NO_MEMORY;
    if (!w.tuple || !w.count || (status = reserve(set, new, error)) != RHM_OK)
        goto fail;
    if (patches->level < patches->tree.levels &&
        (status = rhm_whole_run(engine, d->chunks, d->done, await_chunk, patches, error)) != RHM_OK)
        goto fail;
    for (uint32_t j = patches->level + 1; j <= patches->tree.levels; j++)
        if ((status = number_level(patches, j, &first[j], error)) != RHM_OK)
            goto fail;
    for (uint32_t j = patches->level + 1; j <= patches->tree.levels; j++)
        write_level(patches, j, first[j]);
    if ((status = rhm_whole_run(engine, d->chunks, d->done, write_chunk, &w, error)) != RHM_OK)
        goto fail;
    set->count += new;
    for (size_t c = 0; c < d->chunks; c++)
        d->first_cell[c] = d->chunk[c].first_cell;
    d->first_cell[d->chunks] = cells;
    rhm_free(patches->cell.tuples);
    rhm_free(patches->count);
    patches->cell.tuples = w.tuple;
    patches->cell.count = patches->cell.capacity = cells;
    patches->count = w.count;
    return RHM_OK;
fail:
    rhm_free(w.tuple);
    rhm_free(w.count);
    return status;
}
