#include "engine/sort.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/parallel.h"

enum {
    LEAST_CHUNK = 1 << 13,
    FEWEST_BITS = 8, /* of a digit */
    BLOCK = 1 << 8,  /* digits that a thread adds up at a time */
};

/* By one digit of the key. */
typedef struct sorting {
    const uint32_t *from;
    uint32_t *to, *digit; /* (count): of the numbers at `from` */
    size_t count, chunks, digits;
    rhm_sort_key *key;
    const void *context;
    unsigned shift;
    size_t *place; /* (chunks, digits): how many a chunk has of a digit; then where its next one goes */
    size_t *first; /* (digits + 1): where a digit begins */
} sorting;

static size_t begin_of(const sorting *s, size_t chunk) {
    return chunk * s->count / s->chunks;
}

static rhm_status count_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const sorting *s = context;
    size_t *place = s->place + chunk * s->digits;
    memset(place, 0, sizeof *place * s->digits);
    for (size_t i = begin_of(s, chunk); i < begin_of(s, chunk + 1); i++) {
        s->digit[i] = s->key(s->context, s->from[i]) >> s->shift & (uint32_t)(s->digits - 1);
        place[s->digit[i]]++;
    }
    return RHM_OK;
}

static rhm_status add_digits(void *context, size_t block, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const sorting *s = context;
    for (size_t d = block * BLOCK; d < (block + 1) * BLOCK; d++) {
        size_t sum = 0;
        for (size_t c = 0; c < s->chunks; c++) {
            const size_t here = s->place[c * s->digits + d];
            s->place[c * s->digits + d] = sum;
            sum += here;
        }
        s->first[d + 1] = sum;
    }
    return RHM_OK;
}

static rhm_status move_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const sorting *s = context;
    size_t *place = s->place + chunk * s->digits;
    for (size_t i = begin_of(s, chunk); i < begin_of(s, chunk + 1); i++)
        s->to[s->first[s->digit[i]] + place[s->digit[i]]++] = s->from[i];
    return RHM_OK;
}

static rhm_status sort_by_digit(sorting *s, const rhm_engine *engine, rhm_error *error) {
    RHM_TRY(rhm_parallel(engine, s->chunks, count_chunk, s, error));
    RHM_TRY(rhm_parallel(engine, s->digits / BLOCK, add_digits, s, error));
    for (size_t d = 0; d < s->digits; d++)
        s->first[d + 1] += s->first[d];
    return rhm_parallel(engine, s->chunks, move_chunk, s, error);
}

/* As few digits as leave the counts of all chunks fewer than the numbers. */
static unsigned bits_of_digit(const sorting *s, size_t range) {
    unsigned all = 0, bits;
    while (all < 32 && (size_t)1 << all < range)
        all++;
    for (unsigned parts = 1; (bits = (all + parts - 1) / parts) > FEWEST_BITS; parts++)
        if (s->chunks << bits <= s->count)
            break;
    return bits > FEWEST_BITS ? bits : FEWEST_BITS;
}

rhm_status rhm_sort(const rhm_engine *engine, uint32_t **item, uint32_t **spare, size_t count, rhm_sort_key *key,
                    const void *context, size_t range, rhm_error *error) {
    const size_t threads = (size_t)rhm_engine_threads(engine), few = count / LEAST_CHUNK + 1;
    sorting s = {.count = count, .chunks = few < threads ? few : threads, .key = key, .context = context};
    const unsigned bits = bits_of_digit(&s, range);
    s.digits = (size_t)1 << bits;
    const size_t nbytes = sizeof *s.digit * count + sizeof *s.place * s.digits * (s.chunks + 1);
    RHM_TRY(rhm_memory_reserve(engine, nbytes, "keys of a sort", error));
    rhm_status status = RHM_NO_MEMORY;
    if ((s.digit = RHM_NEW(uint32_t, count, 1, 1, "keys of a sort", error)) &&
        (s.place = RHM_NEW(size_t, s.chunks, s.digits, 1, "keys of a sort", error)) &&
        (s.first = RHM_NEW(size_t, s.digits + 1, 1, 1, "keys of a sort", error)))
        status = RHM_OK;
    for (; range > 1 && range - 1 >= (size_t)1 << s.shift && status == RHM_OK; s.shift += bits) {
        s.from = *item;
        s.to = *spare;
        status = sort_by_digit(&s, engine, error);
        *spare = *item;
        *item = s.to;
    }
    rhm_free(s.digit);
    rhm_free(s.place);
    rhm_free(s.first);
    rhm_memory_release(engine, nbytes);
    return status;
}
