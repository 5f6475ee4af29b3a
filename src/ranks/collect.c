/* What all ranks do together, but for sums (sum.c). */
#include "core/fail.h"
#include "core/memory.h"
#include "ranks/group.h"

/* A binomial tree: rank r hears from r without its highest bit. */
static rhm_status broadcast(rhm_ranks *ranks, void *data, size_t nbytes, rhm_error *error) {
    const int rank = rhm_ranks_rank(ranks), size = rhm_ranks_size(ranks);
    int step = 1;
    for (; step <= rank; step *= 2)
        if (rank < 2 * step)
            RHM_TRY(rhm_ranks_receive(ranks, rank - step, data, nbytes, error));
    for (; rank + step < size; step *= 2)
        RHM_TRY(rhm_ranks_send(ranks, rank + step, data, nbytes, error));
    return RHM_OK;
}

rhm_status rhm_ranks_broadcast(rhm_ranks *ranks, void *data, size_t nbytes, rhm_error *error) {
    if (!ranks || nbytes == 0)
        return RHM_OK;
    const rhm_account_begun begun = rhm_account_begin(ranks, RHM_ACCOUNT_BROADCAST);
    const rhm_status status = broadcast(ranks, data, nbytes, error);
    rhm_account_end(ranks, begun);
    return status;
}

/* Parts go round in a ring: each rank sends and receives all but its own once. */
rhm_status rhm_ranks_pass_round(rhm_ranks *ranks, void *data, const size_t *begin, rhm_error *error) {
    char *bytes = data;
    const int rank = rhm_ranks_rank(ranks), size = rhm_ranks_size(ranks);
    const int next = (rank + 1) % size, last = (rank + size - 1) % size;
    for (int step = 0; step + 1 < size; step++) {
        const int out = (rank + size - step) % size, in = (rank + 2 * size - step - 1) % size;
        const size_t out_nbytes = begin[out + 1] - begin[out], in_nbytes = begin[in + 1] - begin[in];
        RHM_TRY(rhm_ranks_exchange(ranks, out_nbytes ? next : -1, bytes + begin[out], out_nbytes, in_nbytes ? last : -1,
                                   bytes + begin[in], in_nbytes, error));
    }
    return RHM_OK;
}

rhm_status rhm_ranks_gather(rhm_ranks *ranks, void *data, const size_t *begin, rhm_error *error) {
    if (!ranks)
        return RHM_OK;
    const rhm_account_begun begun = rhm_account_begin(ranks, RHM_ACCOUNT_GATHER);
    const rhm_status status = rhm_ranks_pass_round(ranks, data, begin, error);
    rhm_account_end(ranks, begun);
    return status;
}

rhm_status rhm_ranks_gather_equal(rhm_ranks *ranks, void *data, size_t each_nbytes, rhm_error *error) {
    const size_t size = (size_t)rhm_ranks_size(ranks);
    size_t *begin = RHM_NEW(size_t, size + 1, 1, 1, "parts of ranks", error);
    if (!begin)
        return RHM_NO_MEMORY;
    for (size_t rank = 0; rank <= size; rank++)
        begin[rank] = rank * each_nbytes;
    const rhm_status status = rhm_ranks_gather(ranks, data, begin, error);
    rhm_free(begin);
    return status;
}

/* To every rank what the others have of its part, which it adds up; then all get all parts. */
static rhm_status add_parts(rhm_ranks *ranks, uint64_t *values, const size_t *begin, uint64_t *spare,
                            rhm_error *error) {
    const int rank = rhm_ranks_rank(ranks), size = rhm_ranks_size(ranks);
    uint64_t *own = values + begin[rank] / sizeof *own;
    const size_t nbytes = begin[rank + 1] - begin[rank];
    for (int step = 1; step < size; step++) {
        const int to = (rank + step) % size, from = (rank + size - step) % size;
        const size_t out_nbytes = begin[to + 1] - begin[to];
        RHM_TRY(rhm_ranks_exchange(ranks, out_nbytes ? to : -1, (const char *)values + begin[to], out_nbytes,
                                   nbytes ? from : -1, spare, nbytes, error));
        for (size_t i = 0; i < nbytes / sizeof *own; i++)
            own[i] += spare[i];
    }
    return rhm_ranks_gather(ranks, values, begin, error);
}

rhm_status rhm_ranks_add(rhm_ranks *ranks, uint64_t *values, size_t count, rhm_error *error) {
    const int size = rhm_ranks_size(ranks);
    if (!ranks || count == 0)
        return RHM_OK;
    size_t *begin = RHM_NEW(size_t, (size_t)size + 1, 1, 1, "parts of ranks", error);
    if (!begin)
        return RHM_NO_MEMORY;
    for (int rank = 0; rank <= size; rank++)
        begin[rank] = sizeof *values * rhm_ranks_begin(ranks, count, 1, rank);
    uint64_t *spare = RHM_NEW(uint64_t, count / (size_t)size + 1, 1, 1, "numbers of a rank", error);
    const rhm_account_begun account = rhm_account_begin(ranks, RHM_ACCOUNT_REDUCE);
    const rhm_status status = spare ? add_parts(ranks, values, begin, spare, error) : RHM_NO_MEMORY;
    rhm_account_end(ranks, account);
    rhm_free(spare);
    rhm_free(begin);
    return status;
}

rhm_status rhm_ranks_collect(rhm_ranks *ranks, void *items, size_t nbytes, size_t count, size_t together,
                             rhm_error *error) {
    const int rank = rhm_ranks_rank(ranks), size = rhm_ranks_size(ranks);
    char *bytes = items;
    for (int from = rank > 0 ? rank : 1; from < size && (rank == 0 || from == rank); from++) {
        const size_t first = rhm_ranks_begin(ranks, count, together, from);
        const size_t part = (rhm_ranks_begin(ranks, count, together, from + 1) - first) * nbytes;
        if (part == 0)
            continue;
        RHM_TRY(rank > 0 ? rhm_ranks_send(ranks, 0, bytes + first * nbytes, part, error)
                         : rhm_ranks_receive(ranks, from, bytes + first * nbytes, part, error));
    }
    return RHM_OK;
}
