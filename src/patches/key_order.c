#include "patches/key_order.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/sort.h"

enum { POINTS = 64 }; /* places that are looked at between two bounds */

static uint32_t low_word(const void *context, uint32_t i) {
    const rhm_key_order *o = context;
    return (uint32_t)o->place[i];
}

static uint32_t high_word(const void *context, uint32_t i) {
    const rhm_key_order *o = context;
    return (uint32_t)(o->place[i] >> 32);
}

static rhm_status sort(rhm_key_order *o, const rhm_engine *engine, uint64_t end, uint32_t **spare, rhm_error *error) {
    const size_t low = end >> 32 ? (size_t)1 << 32 : (size_t)end;
    for (size_t i = 0; i < o->count; i++)
        o->key[i] = (uint32_t)i;
    RHM_TRY(rhm_sort(engine, &o->key, spare, o->count, low_word, o, low, error));
    if (end >> 32)
        RHM_TRY(rhm_sort(engine, &o->key, spare, o->count, high_word, o, (size_t)(end >> 32) + 1, error));
    uint64_t *sorted = RHM_NEW(uint64_t, o->count, 1, 1, "order of patches", error);
    if (!sorted)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < o->count; i++)
        sorted[i] = o->place[o->key[i]];
    rhm_free(o->place);
    o->place = sorted;
    return RHM_OK;
}

rhm_status rhm_key_order_make(rhm_key_order *out, const rhm_engine *engine, const rhm_keys *keys, uint64_t end,
                              rhm_error *error) {
    *out = (rhm_key_order){.keys = keys, .count = rhm_keys_count(keys)};
    uint32_t *spare = RHM_NEW(uint32_t, out->count, 1, 1, "order of patches", error);
    out->key = RHM_NEW(uint32_t, out->count, 1, 1, "order of patches", error);
    out->place = RHM_NEW(uint64_t, out->count, 1, 1, "order of patches", error);
    rhm_status status = spare && out->key && out->place ? RHM_OK : RHM_NO_MEMORY;
    for (size_t p = 0; p < RHM_KEY_PARTS; p++) {
        const rhm_key_part *part = &keys->part[p];
        out->base[p + 1] = out->base[p] + part->key.count;
        if (status == RHM_OK && part->key.count > 0)
            memcpy(out->place + out->base[p], part->place, sizeof *part->place * part->key.count);
    }
    if (status == RHM_OK)
        status = sort(out, rhm_engine_alone(engine), end, &spare, error);
    rhm_free(spare);
    return status;
}

void rhm_key_order_clear(rhm_key_order *order) {
    rhm_free(order->key);
    rhm_free(order->place);
    *order = (rhm_key_order){0};
}

size_t rhm_key_order_part(const rhm_key_order *order, size_t key) {
    size_t low = 0, high = RHM_KEY_PARTS - 1;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (key < order->base[middle + 1])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

size_t rhm_key_order_before(const rhm_key_order *order, uint64_t place) {
    size_t low = 0, high = order->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (order->place[middle] < place)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Bounds that lie from `low` on and before `high`, as many keys as `wanted` before each. */
typedef struct search {
    size_t bounds;
    const uint64_t *wanted;
    uint64_t *low, *high, *seen; /* `seen` (bounds, POINTS) */
} search;

static uint64_t point_of(uint64_t low, uint64_t high, size_t k) {
    const uint64_t width = high - low, each = width / POINTS;
    return low + each * k + (width - each * POINTS) * k / POINTS;
}

static rhm_status come_closer(const search *s, const rhm_key_order *order, const rhm_engine *engine, rhm_error *error) {
    for (size_t b = 0; b < s->bounds; b++)
        for (size_t k = 0; k < POINTS; k++)
            s->seen[b * POINTS + k] = rhm_key_order_before(order, point_of(s->low[b], s->high[b], k));
    RHM_TRY(rhm_spread_add(engine, s->seen, s->bounds * POINTS, error));
    for (size_t b = 0; b < s->bounds; b++) {
        const uint64_t low = s->low[b], high = s->high[b];
        for (size_t k = 0; k < POINTS; k++) {
            const uint64_t point = point_of(low, high, k);
            if (s->seen[b * POINTS + k] <= s->wanted[b])
                s->low[b] = point;
            else if (point < s->high[b])
                s->high[b] = point;
        }
    }
    return RHM_OK;
}

/* Keys have places of their own: before one place there is one key less at most than before the next. */
static rhm_status find(const search *s, const rhm_key_order *order, const rhm_engine *engine, rhm_error *error) {
    for (bool open = true; open;) {
        RHM_TRY(come_closer(s, order, engine, error));
        open = false;
        for (size_t b = 0; b < s->bounds; b++)
            open = open || s->high[b] - s->low[b] > 1;
    }
    return RHM_OK;
}

rhm_status rhm_key_order_bounds(uint64_t *bound, const rhm_key_order *order, const rhm_engine *engine, uint64_t end,
                                const rhm_ranks_part *of_rank, rhm_error *error) {
    const size_t bounds = 2 * (size_t)rhm_ranks_size(rhm_engine_ranks(engine));
    uint64_t *wanted = RHM_NEW(uint64_t, bounds, 1, 1, "bounds of ranks", error);
    const search s = {.bounds = bounds,
                      .wanted = wanted,
                      .low = bound,
                      .high = RHM_NEW(uint64_t, bounds, 1, 1, "bounds of ranks", error),
                      .seen = RHM_NEW(uint64_t, bounds, POINTS, 1, "bounds of ranks", error)};
    rhm_status status = wanted && s.high && s.seen ? RHM_OK : RHM_NO_MEMORY;
    for (size_t b = 0; b < bounds && status == RHM_OK; b++) {
        wanted[b] = b % 2 ? of_rank[b / 2].end : of_rank[b / 2].first;
        s.low[b] = 0;
        s.high[b] = end + 1;
    }
    if (status == RHM_OK)
        status = find(&s, order, engine, error);
    rhm_free(wanted);
    rhm_free(s.high);
    rhm_free(s.seen);
    return status;
}
