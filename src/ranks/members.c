/* Who the ranks are. */
#include "ranks/group.h"

void rhm_ranks_limit_silence(rhm_ranks *ranks, double seconds) {
    if (ranks)
        ranks->silence_seconds = seconds;
}

int rhm_ranks_rank(const rhm_ranks *ranks) {
    return ranks ? ranks->transport.rank : 0;
}

size_t rhm_ranks_begin(const rhm_ranks *ranks, size_t count, size_t together, int rank) {
    const size_t size = (size_t)rhm_ranks_size(ranks), r = (size_t)rank;
    const size_t blocks = count / together + (count % together > 0), rest = blocks % size;
    const size_t before = blocks / size * r + (r < rest ? r : rest);
    return before < blocks ? before * together : count;
}

rhm_ranks_part rhm_ranks_share(const rhm_ranks *ranks, size_t count, size_t together) {
    const int rank = rhm_ranks_rank(ranks);
    return (rhm_ranks_part){rhm_ranks_begin(ranks, count, together, rank),
                            rhm_ranks_begin(ranks, count, together, rank + 1)};
}

int rhm_ranks_size(const rhm_ranks *ranks) {
    return ranks ? ranks->transport.size : 1;
}

const char *rhm_ranks_library(const rhm_ranks *ranks) {
    return ranks->transport.name;
}

const char *rhm_ranks_host(const rhm_ranks *ranks, int rank) {
    return ranks->home && *ranks->home[rank].host ? ranks->home[rank].host : "?";
}
