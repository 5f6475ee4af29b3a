/* Who the ranks are. */
#include "ranks/group.h"

void rhm_ranks_limit_silence(rhm_ranks *ranks, double seconds) {
    if (ranks)
        ranks->silence_seconds = seconds;
}

int rhm_ranks_rank(const rhm_ranks *ranks) {
    return ranks ? ranks->transport.rank : 0;
}

int rhm_ranks_size(const rhm_ranks *ranks) {
    return ranks ? ranks->transport.size : 1;
}

const char *rhm_ranks_library(const rhm_ranks *ranks) {
    return ranks->transport.name;
}

const char *rhm_ranks_host(const rhm_ranks *ranks, int rank) {
    return ranks->host ? ranks->host + (size_t)rank * RHM_HOST_NBYTES : "?";
}
