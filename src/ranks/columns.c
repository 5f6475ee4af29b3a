#include "ranks/columns.h"

#include "core/fail.h"
#include "core/memory.h"

enum { DEPTH = 65 }; /* subtrees beside each other that do not join yet */

size_t rhm_ranks_subtree(size_t row, size_t end, size_t count) {
    size_t rows = 1;
    while (row % (2 * rows) == 0 && (row + 2 * rows <= end || (end == count && row + rows < end)))
        rows *= 2;
    return rows;
}

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

size_t rhm_columns_begin(const rhm_columns *c, int rank) {
    return rhm_ranks_begin(c->ranks, c->size, c->together, rank);
}

static size_t subtrees_of(const rhm_columns *c, int rank) {
    return rhm_ranks_subtrees(c->count, c->first[rank], c->first[rank + 1]);
}

static size_t own_columns(const rhm_columns *c) {
    const int own = rhm_ranks_rank(c->ranks);
    return rhm_columns_begin(c, own + 1) - rhm_columns_begin(c, own);
}

/* Of the ranks before one, but for the own. */
static size_t subtrees_before(const rhm_columns *c, int rank) {
    size_t before = 0;
    for (int other = 0; other < rank; other++)
        before += other == rhm_ranks_rank(c->ranks) ? 0 : subtrees_of(c, other);
    return before;
}

size_t rhm_columns_spare(const rhm_columns *c) {
    return subtrees_before(c, rhm_ranks_size(c->ranks)) * own_columns(c);
}

/* The own columns of the i-th subtree of a rank, which begins with `row`. */
static char *sum_of(const rhm_columns *c, int rank, size_t i, size_t row) {
    const int own = rhm_ranks_rank(c->ranks);
    if (rank == own)
        return c->rows + ((c->packed ? i : row) * c->stride + rhm_columns_begin(c, own)) * c->nbytes;
    return c->spare + (subtrees_before(c, rank) + i) * own_columns(c) * c->nbytes;
}

/* To every rank its columns of the own subtrees, and from it the own columns of its. */
static rhm_status exchange(const rhm_columns *c, rhm_error *error) {
    const int own = rhm_ranks_rank(c->ranks), ranks = rhm_ranks_size(c->ranks);
    const size_t mine = subtrees_of(c, own), columns = own_columns(c);
    for (int step = 1; step < ranks; step++) {
        const int to = (own + step) % ranks, from = (own + ranks - step) % ranks;
        const size_t column = rhm_columns_begin(c, to), out = rhm_columns_begin(c, to + 1) - column;
        const size_t theirs = subtrees_of(c, from);
        for (size_t i = 0, row = c->first[own]; i < mine || i < theirs; i++) {
            const bool sends = i < mine && out > 0, receives = i < theirs && columns > 0;
            const char *sum = sends ? c->rows + ((c->packed ? i : row) * c->stride + column) * c->nbytes : NULL;
            RHM_TRY(rhm_ranks_exchange(c->ranks, sends ? to : -1, sum, out * c->nbytes, receives ? from : -1,
                                       receives ? sum_of(c, from, i, 0) : NULL, columns * c->nbytes, error));
            row = i < mine ? subtree_end(c->count, row, c->first[own + 1]) : row;
        }
    }
    return RHM_OK;
}

typedef struct subtree {
    size_t begin, end;
    char *sum;
} subtree;

/* As a carry goes through a binary number: the last two become one as long as they are the halves of one. */
static size_t join(const rhm_columns *c, subtree *last, size_t columns) {
    size_t joins = 0;
    for (; last->begin > 0; last--, joins++) {
        const size_t left = last->begin & (last->begin - 1), size = last->begin - left;
        if ((last - 1)->begin != left || (last->end != last->begin + size && last->end != c->count))
            break;
        c->add((last - 1)->sum, last->sum, columns);
        (last - 1)->end = last->end;
    }
    return joins;
}

static const char *add_up(const rhm_columns *c) {
    const size_t columns = own_columns(c);
    subtree stack[DEPTH];
    size_t depth = 0;
    for (int rank = 0; rank < rhm_ranks_size(c->ranks); rank++)
        for (size_t i = 0, row = c->first[rank], end = c->first[rank + 1]; row < end; i++) {
            stack[depth] = (subtree){row, subtree_end(c->count, row, end), sum_of(c, rank, i, row)};
            row = stack[depth].end;
            depth += 1 - join(c, &stack[depth], columns);
        }
    return depth > 0 ? stack[0].sum : NULL;
}

rhm_status rhm_columns_sum(const rhm_columns *c, const char **sum, rhm_error *error) {
    const rhm_account_begun begun = rhm_account_begin(c->ranks, RHM_ACCOUNT_REDUCE);
    const rhm_status status = exchange(c, error);
    rhm_account_end(c->ranks, begun);
    if (status == RHM_OK)
        *sum = add_up(c);
    return status;
}

rhm_status rhm_columns_gather(const rhm_columns *c, void *sum, rhm_account_kind kind, rhm_error *error) {
    const int ranks = rhm_ranks_size(c->ranks);
    size_t *begin = RHM_NEW(size_t, (size_t)ranks + 1, 1, 1, "parts of ranks", error);
    if (!begin)
        return RHM_NO_MEMORY;
    for (int rank = 0; rank <= ranks; rank++)
        begin[rank] = rhm_columns_begin(c, rank) * c->nbytes;
    const rhm_account_begun begun = rhm_account_begin(c->ranks, kind);
    const rhm_status status = rhm_ranks_pass_round(c->ranks, sum, begin, error);
    rhm_account_end(c->ranks, begun);
    rhm_free(begin);
    return status;
}
