/* Sums of long rows up the fixed tree, of which every rank adds up one part of the columns for all. */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "ranks/group.h"

enum { COLUMNS = 16, DEPTH = 65 }; /* that stay together; subtrees beside each other that do not join yet */

static size_t subtree_end(size_t count, size_t row, size_t end) {
    const size_t rows = rhm_ranks_subtree(row, end, count);
    return row + rows < end ? row + rows : end;
}

size_t rhm_ranks_subtrees(size_t count, size_t first, size_t end) {
    size_t subtrees = 0;
    for (; first < end; first = subtree_end(count, first, end))
        subtrees++;
    return subtrees;
}

typedef struct summing {
    rhm_ranks *ranks;
    float *rows, *spare; /* spare: (subtrees of the other ranks, own columns) */
    size_t count, size, stride;
    const size_t *first;
} summing;

static size_t column_of(const summing *s, int rank) {
    return rhm_ranks_begin(s->ranks, s->size, COLUMNS, rank);
}

static size_t subtrees_of(const summing *s, int rank) {
    return rhm_ranks_subtrees(s->count, s->first[rank], s->first[rank + 1]);
}

static size_t own_columns(const summing *s) {
    const int own = rhm_ranks_rank(s->ranks);
    return column_of(s, own + 1) - column_of(s, own);
}

/* Where the own columns of a rank's subtrees are, which lie `*apart`. */
static float *sums_of(const summing *s, int rank, size_t *apart) {
    const int own = rhm_ranks_rank(s->ranks);
    if (rank == own) {
        *apart = s->stride;
        return s->rows + column_of(s, own);
    }
    size_t before = 0;
    for (int other = 0; other < rank; other++)
        before += other == own ? 0 : subtrees_of(s, other);
    *apart = own_columns(s);
    return s->spare + before * *apart;
}

/* To every rank its columns of the own subtrees, and from it the own columns of its. */
static rhm_status exchange(const summing *s, rhm_error *error) {
    const int own = rhm_ranks_rank(s->ranks), ranks = rhm_ranks_size(s->ranks);
    const size_t columns = own_columns(s), mine = subtrees_of(s, own);
    for (int step = 1; step < ranks; step++) {
        const int to = (own + step) % ranks, from = (own + ranks - step) % ranks;
        const size_t column = column_of(s, to), out = column_of(s, to + 1) - column, theirs = subtrees_of(s, from);
        size_t apart;
        float *in = sums_of(s, from, &apart);
        for (size_t i = 0; i < mine || i < theirs; i++)
            RHM_TRY(rhm_ranks_exchange(s->ranks, i < mine && out ? to : -1, s->rows + i * s->stride + column,
                                       out * sizeof *in, i < theirs && columns ? from : -1, in + i * apart,
                                       columns * sizeof *in, error));
    }
    return RHM_OK;
}

typedef struct subtree {
    size_t begin, end;
    float *sum;
} subtree;

/* As a carry goes through a binary number: the last two become one as long as they are the halves of one. */
static size_t join(subtree *last, size_t count, size_t columns) {
    size_t joins = 0;
    for (; last->begin > 0; last--, joins++) {
        const size_t left = last->begin & (last->begin - 1), size = last->begin - left;
        if ((last - 1)->begin != left || (last->end != last->begin + size && last->end != count))
            break;
        for (size_t i = 0; i < columns; i++)
            (last - 1)->sum[i] += last->sum[i];
        (last - 1)->end = last->end;
    }
    return joins;
}

/* The sum of the own columns, in the first row. */
static void add_up(const summing *s) {
    const int own = rhm_ranks_rank(s->ranks), ranks = rhm_ranks_size(s->ranks);
    const size_t columns = own_columns(s);
    subtree stack[DEPTH];
    size_t depth = 0;
    for (int rank = 0; rank < ranks; rank++) {
        size_t apart;
        float *sum = sums_of(s, rank, &apart);
        for (size_t row = s->first[rank], end = s->first[rank + 1]; row < end; sum += apart) {
            stack[depth] = (subtree){row, subtree_end(s->count, row, end), sum};
            row = stack[depth].end;
            depth += 1 - join(&stack[depth], s->count, columns);
        }
    }
    if (depth > 0 && columns > 0)
        memmove(s->rows + column_of(s, own), stack[0].sum, columns * sizeof *stack[0].sum);
}

size_t rhm_ranks_floats_spare(rhm_ranks *ranks, size_t count, const size_t *first, size_t size) {
    const summing s = {.ranks = ranks, .count = count, .size = size, .first = first};
    size_t subtrees = 0;
    for (int rank = 0; rank < rhm_ranks_size(ranks); rank++)
        subtrees += rank == rhm_ranks_rank(ranks) ? 0 : subtrees_of(&s, rank);
    return subtrees * own_columns(&s);
}

static rhm_status gather(const summing *s, rhm_error *error) {
    const size_t ranks = (size_t)rhm_ranks_size(s->ranks);
    size_t *begin = RHM_NEW(size_t, ranks + 1, 1, 1, "parts of ranks", error);
    if (!begin)
        return RHM_NO_MEMORY;
    for (size_t rank = 0; rank <= ranks; rank++)
        begin[rank] = column_of(s, (int)rank) * sizeof *s->rows;
    const rhm_status status = rhm_ranks_gather(s->ranks, s->rows, begin, error);
    rhm_free(begin);
    return status;
}

rhm_status rhm_ranks_sum_floats(rhm_ranks *ranks, float *rows, size_t count, const size_t *first, size_t size,
                                size_t stride, float *spare, rhm_error *error) {
    const summing s = {ranks, rows, spare, count, size, stride, first};
    const rhm_account_begun begun = rhm_account_begin(ranks, RHM_ACCOUNT_REDUCE);
    const rhm_status status = exchange(&s, error);
    rhm_account_end(ranks, begun);
    RHM_TRY(status);
    add_up(&s);
    return gather(&s, error);
}
