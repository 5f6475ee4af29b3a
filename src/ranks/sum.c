/* Sums of rows in the fixed tree: no arithmetic is left to MPI. */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "ranks/columns.h"

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

static void add(void *into, const void *from, size_t size) {
    add_row(into, from, size);
}

static rhm_status make_space(rhm_columns *c, rhm_error *error) {
    rhm_ranks *ranks = c->ranks;
    const size_t spare = rhm_columns_spare(c);
    if (spare > ranks->summing_size) {
        rhm_free(ranks->summing);
        ranks->summing = RHM_NEW(double, spare, 1, 1, "sums of ranks", error);
        ranks->summing_size = ranks->summing ? spare : 0;
        if (!ranks->summing)
            return RHM_NO_MEMORY;
    }
    c->spare = (char *)ranks->summing;
    return RHM_OK;
}

static rhm_status sum_by_columns(rhm_columns *c, double *sum, rhm_error *error) {
    const int own = rhm_ranks_rank(c->ranks);
    const size_t begin = rhm_columns_begin(c, own), end = rhm_columns_begin(c, own + 1);
    const char *part = NULL;
    RHM_TRY(make_space(c, error));
    RHM_TRY(rhm_columns_sum(c, &part, error));
    if (part)
        memcpy(sum + begin, part, sizeof *sum * (end - begin));
    return rhm_columns_gather(c, sum, RHM_ACCOUNT_BROADCAST, error);
}

rhm_status rhm_ranks_sum(rhm_ranks *ranks, double *rows, size_t count, const size_t *first, size_t size, size_t stride,
                         double *sum, rhm_error *error) {
    if (!rhm_ranks_share_columns(rhm_ranks_size(ranks), size))
        return climb_and_tell(ranks, rows, count, first, size, stride, sum, error);
    rhm_columns c = {.ranks = ranks,
                     .first = first,
                     .count = count,
                     .size = size,
                     .nbytes = sizeof *rows,
                     .together = 1,
                     .rows = (char *)rows,
                     .stride = stride,
                     .add = add};
    return sum_by_columns(&c, sum, error);
}
