/* From every rank to every other: what it has for that one. */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "ranks/group.h"

static size_t nbytes_of(const rhm_ranks_part *slice) {
    return slice->end - slice->first;
}

/* nbytes (ranks): what each has for this one. */
static rhm_status tell_sizes(rhm_ranks *ranks, const rhm_ranks_part *slice, size_t *nbytes, rhm_error *error) {
    const int rank = rhm_ranks_rank(ranks), size = rhm_ranks_size(ranks);
    nbytes[rank] = nbytes_of(&slice[rank]);
    for (int step = 1; step < size; step++) {
        const int to = (rank + step) % size, from = (rank + size - step) % size;
        const size_t own = nbytes_of(&slice[to]);
        RHM_TRY(rhm_ranks_exchange(ranks, to, &own, sizeof own, from, &nbytes[from], sizeof *nbytes, error));
    }
    return RHM_OK;
}

static rhm_status deal(rhm_ranks *ranks, const char *out, const rhm_ranks_part *slice, void **in, size_t *begin,
                       rhm_error *error) {
    const int rank = rhm_ranks_rank(ranks), size = rhm_ranks_size(ranks);
    size_t all = 0;
    RHM_TRY(tell_sizes(ranks, slice, begin, error));
    for (int from = 0; from <= size; from++) {
        const size_t of_rank = from < size ? begin[from] : 0;
        begin[from] = all;
        all += of_rank;
    }
    char *into = rhm_alloc(1, all, 1, 1, "what ranks have sent", error);
    if (!into)
        return RHM_NO_MEMORY;
    *in = into;
    if (nbytes_of(&slice[rank]) > 0)
        memcpy(into + begin[rank], out + slice[rank].first, nbytes_of(&slice[rank]));
    for (int step = 1; step < size; step++) {
        const int to = (rank + step) % size, from = (rank + size - step) % size;
        const size_t going = nbytes_of(&slice[to]), coming = begin[from + 1] - begin[from];
        RHM_TRY(rhm_ranks_exchange(ranks, going ? to : -1, out + slice[to].first, going, coming ? from : -1,
                                   into + begin[from], coming, error));
    }
    return RHM_OK;
}

rhm_status rhm_ranks_deal(rhm_ranks *ranks, const void *out, const rhm_ranks_part *slice, void **in, size_t *begin,
                          rhm_error *error) {
    const rhm_account_begun begun = rhm_account_begin(ranks, RHM_ACCOUNT_GATHER);
    *in = NULL;
    const rhm_status status = deal(ranks, out, slice, in, begin, error);
    rhm_account_end(ranks, begun);
    return status;
}
