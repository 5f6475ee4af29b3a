/* Sums of rows in the fixed tree: no arithmetic is left to MPI. */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "ranks/group.h"

size_t rhm_ranks_subtree(size_t row, size_t end, size_t count) {
    size_t rows = 1;
    while (row % (2 * rows) == 0 && (row + 2 * rows <= end || (end == count && row + rows < end)))
        rows *= 2;
    return rows;
}

/* Few ranks send each other everything in fewer steps; of little, latency is all that counts. */
bool rhm_ranks_share_columns(int ranks, size_t size) {
    enum { LEAST_SHARE = 1 << 10 }; /* doubles: the bytes of two or three latencies */
    return ranks > 1 && ranks <= RHM_RANKS_SHARING_COLUMNS && size / (size_t)ranks >= LEAST_SHARE;
}

/* ---- up the tree ------------------------------------------------------------------------------------------------- */

static int owner_of(const size_t *first, int size, size_t row) {
    int low = 0, high = size - 1;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (row < first[middle + 1])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void add_row(double *into, const double *from, size_t size) {
    for (size_t i = 0; i < size; i++)
        into[i] += from[i];
}

static rhm_status climb(rhm_ranks *ranks, double *rows, size_t count, const size_t *first, size_t size, size_t stride,
                        double *spare, rhm_error *error) {
    const int rank = rhm_ranks_rank(ranks), ranks_count = rhm_ranks_size(ranks);
    for (size_t step = 1; step < count; step *= 2)
        for (size_t row = 0; row + step < count; row += 2 * step) {
            const int left = owner_of(first, ranks_count, row), right = owner_of(first, ranks_count, row + step);
            const size_t end = count - row < 2 * step ? count : row + 2 * step;
            if ((left != rank && right != rank) || owner_of(first, ranks_count, end - 1) == left)
                continue;
            double *into = rows + row * stride, *from = rows + (row + step) * stride;
            if (left == right) {
                add_row(into, from, size);
            } else if (right == rank) {
                RHM_TRY(rhm_ranks_send(ranks, left, from, sizeof *from * size, error));
            } else {
                RHM_TRY(rhm_ranks_receive(ranks, right, spare, sizeof *spare * size, error));
                add_row(into, spare, size);
            }
        }
    return RHM_OK;
}

static rhm_status climb_and_tell(rhm_ranks *ranks, double *rows, size_t count, const size_t *first, size_t size,
                                 size_t stride, double *sum, rhm_error *error) {
    const rhm_account_begun begun = rhm_account_begin(ranks, RHM_ACCOUNT_REDUCE);
    const rhm_status status = climb(ranks, rows, count, first, size, stride, sum, error);
    rhm_account_end(ranks, begun);
    RHM_TRY(status);
    if (rhm_ranks_rank(ranks) == 0)
        memcpy(sum, rows, sizeof *sum * size);
    return rhm_ranks_broadcast(ranks, sum, sizeof *sum * size, error);
}

/* ---- by columns -------------------------------------------------------------------------------------------------- */

/* The subtrees of all ranks, of which each rank adds up its share of the columns. */
typedef struct columns {
    rhm_ranks *ranks;
    const size_t *first; /* rows of ranks */
    size_t count, size, stride;
    double *rows; /* in which those of this rank are */
    double *got;  /* (subtrees of all ranks, own columns): those of others */
} columns;

static size_t column_begin(const columns *c, int rank) {
    return rhm_ranks_begin(c->ranks, c->size, 1, rank);
}

static size_t columns_of(const columns *c, int rank) {
    return column_begin(c, rank + 1) - column_begin(c, rank);
}

/* Rows of the subtree that begins with `row`, a row of that rank. */
static size_t subtree(const columns *c, int rank, size_t row) {
    return rhm_ranks_subtree(row, c->first[rank + 1], c->count);
}

static size_t subtrees_before(const columns *c, int before) {
    size_t subtrees = 0;
    for (int rank = 0; rank < before; rank++)
        for (size_t row = c->first[rank]; row < c->first[rank + 1]; subtrees++)
            row += subtree(c, rank, row);
    return subtrees;
}

/* Of each subtree a message to one rank, and from another. */
static rhm_status exchange_columns(const columns *c, int to, int from, rhm_error *error) {
    const int own = rhm_ranks_rank(c->ranks);
    const size_t width = columns_of(c, own), theirs = columns_of(c, to), at = column_begin(c, to);
    size_t row = c->first[own], sent = c->first[from];
    double *got = c->got + subtrees_before(c, from) * width;
    while (row < c->first[own + 1] || sent < c->first[from + 1]) {
        const bool sends = row < c->first[own + 1], receives = sent < c->first[from + 1];
        RHM_TRY(rhm_ranks_exchange(c->ranks, sends ? to : -1, c->rows + row * c->stride + at, sizeof *got * theirs,
                                   receives ? from : -1, got, sizeof *got * width, error));
        row += sends ? subtree(c, own, row) : 0;
        sent += receives ? subtree(c, from, sent) : 0;
        got += width;
    }
    return RHM_OK;
}

/* Neighbours of one size are the halves of a larger subtree; what is left in the end belongs together from the right.
 */
static void add_subtrees(const columns *c, double *sum) {
    enum { DEEPEST = 8 * sizeof(size_t) };
    const int own = rhm_ranks_rank(c->ranks);
    const size_t width = columns_of(c, own);
    size_t rows_of[DEEPEST], waiting = 0;
    double *at[DEEPEST], *got = c->got;
    for (int rank = 0; rank < rhm_ranks_size(c->ranks); rank++)
        for (size_t row = c->first[rank]; row < c->first[rank + 1]; got += width) {
            at[waiting] = rank == own ? c->rows + row * c->stride + column_begin(c, own) : got;
            rows_of[waiting] = subtree(c, rank, row);
            row += rows_of[waiting++];
            for (; waiting > 1 && rows_of[waiting - 1] == rows_of[waiting - 2]; waiting--) {
                add_row(at[waiting - 2], at[waiting - 1], width);
                rows_of[waiting - 2] *= 2;
            }
        }
    for (; waiting > 1; waiting--)
        add_row(at[waiting - 2], at[waiting - 1], width);
    if (waiting > 0)
        memcpy(sum, at[0], sizeof *sum * width);
}

static rhm_status gather_columns(const columns *c, double *sum, rhm_error *error) {
    size_t begin[RHM_RANKS_SHARING_COLUMNS + 1];
    for (int rank = 0; rank <= rhm_ranks_size(c->ranks); rank++)
        begin[rank] = sizeof *sum * column_begin(c, rank);
    const rhm_account_begun begun = rhm_account_begin(c->ranks, RHM_ACCOUNT_BROADCAST);
    const rhm_status status = rhm_ranks_pass_round(c->ranks, sum, begin, error);
    rhm_account_end(c->ranks, begun);
    return status;
}

static rhm_status make_space(columns *c, rhm_error *error) {
    rhm_ranks *ranks = c->ranks;
    const size_t got = subtrees_before(c, rhm_ranks_size(ranks)) * columns_of(c, rhm_ranks_rank(ranks));
    if (got > ranks->summing_size) {
        rhm_free(ranks->summing);
        ranks->summing = RHM_NEW(double, got, 1, 1, "sums of ranks", error);
        ranks->summing_size = ranks->summing ? got : 0;
        if (!ranks->summing)
            return RHM_NO_MEMORY;
    }
    c->got = ranks->summing;
    return RHM_OK;
}

static rhm_status sum_by_columns(columns *c, double *sum, rhm_error *error) {
    const int own = rhm_ranks_rank(c->ranks), size = rhm_ranks_size(c->ranks);
    RHM_TRY(make_space(c, error));
    const rhm_account_begun begun = rhm_account_begin(c->ranks, RHM_ACCOUNT_REDUCE);
    rhm_status status = RHM_OK;
    for (int step = 1; step < size && status == RHM_OK; step++)
        status = exchange_columns(c, (own + step) % size, (own + size - step) % size, error);
    rhm_account_end(c->ranks, begun);
    RHM_TRY(status);
    add_subtrees(c, sum + column_begin(c, own));
    return gather_columns(c, sum, error);
}

rhm_status rhm_ranks_sum(rhm_ranks *ranks, double *rows, size_t count, const size_t *first, size_t size, size_t stride,
                         double *sum, rhm_error *error) {
    if (!rhm_ranks_share_columns(rhm_ranks_size(ranks), size))
        return climb_and_tell(ranks, rows, count, first, size, stride, sum, error);
    columns c = {.ranks = ranks, .first = first, .count = count, .size = size, .stride = stride, .rows = rows};
    return sum_by_columns(&c, sum, error);
}
