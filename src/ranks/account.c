/* What all ranks have exchanged, as they tell each other. */
#include "core/fail.h"
#include "core/memory.h"
#include "ranks/group.h"

rhm_status rhm_ranks_tell_accounts(rhm_ranks *ranks, rhm_error *error) {
    if (!ranks)
        return RHM_OK;
    const size_t size = (size_t)rhm_ranks_size(ranks);
    if (!ranks->known && !(ranks->known = RHM_NEW(rhm_rank_account, size, 1, 1, "accounts of messages", error)))
        return RHM_NO_MEMORY;
    ranks->known[rhm_ranks_rank(ranks)] = ranks->account;
    return rhm_ranks_gather_equal(ranks, ranks->known, sizeof *ranks->known, error);
}

const rhm_rank_account *rhm_ranks_account(const rhm_ranks *ranks, int rank) {
    return ranks && ranks->known ? &ranks->known[rank] : NULL;
}
