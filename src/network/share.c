/* Steps that ranks share: each computes gradients of some chunks of the batch, and their sum is made up the fixed tree.
 */
#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "network/parts.h"
#include "ranks/group.h"

/* ---------------------------------------------------------------------------------------------------------- memory */

static void divide(rhm_network *n, size_t chunks) {
    for (int rank = 0; rank <= rhm_ranks_size(rhm_engine_ranks(n->engine)); rank++)
        n->share.first[rank] = rhm_spread_begin(n->engine, chunks, rank);
}

/* Of any step, a last one of an epoch, too. */
static void most_floats(rhm_network *n, size_t *sums, size_t *spare) {
    rhm_ranks *ranks = rhm_engine_ranks(n->engine);
    const int own = rhm_ranks_rank(ranks);
    const size_t most = n->most / n->chunk + (n->most % n->chunk > 0);
    *sums = 1;
    *spare = 0;
    for (size_t chunks = 2; chunks <= rhm_least(most, RHM_NETWORK_CHUNKS); chunks++) {
        divide(n, chunks);
        const size_t mine = rhm_ranks_subtrees(chunks, n->share.first[own], n->share.first[own + 1]);
        const size_t theirs = rhm_ranks_floats_spare(ranks, chunks, n->share.first, n->share.floats);
        *sums = mine > *sums ? mine : *sums;
        *spare = theirs > *spare ? theirs : *spare;
    }
}

rhm_status rhm_network_share_make(rhm_network *n, rhm_error *error) {
    const size_t ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(n->engine));
    rhm_network_share *share = &n->share;
    size_t sums, spare;
    share->floats = n->momenta.nbytes / sizeof(float);
    share->first = RHM_NEW(size_t, ranks + 1, 1, 1, "parts of ranks", error);
    share->begin = share->first ? RHM_NEW(size_t, ranks + 1, 1, 1, "parts of ranks", error) : NULL;
    if (!share->begin)
        return RHM_NO_MEMORY;
    most_floats(n, &sums, &spare);
    if (!rhm_size_mul(&sums, share->floats) || __builtin_add_overflow(sums, spare, &spare))
        return rhm_fail(error, RHM_NO_MEMORY, "%zu sums of %zu gradients: their size overflows", sums, share->floats);
    RHM_TRY(rhm_buffer_create(&share->buffer, n->engine, (rhm_home){.kind = RHM_HOME_INTERLEAVE}, sizeof(float), spare,
                              1, 1, "gradients of ranks", error));
    share->sums = share->buffer.data;
    share->spare = share->sums + sums;
    return RHM_OK;
}

void rhm_network_share_clear(rhm_network *n) {
    rhm_buffer_destroy(&n->share.buffer, n->engine);
    rhm_free(n->share.first);
    rhm_free(n->share.begin);
    n->share = (rhm_network_share){0};
}

/* ------------------------------------------------------------------------------------------------------------ steps */

void rhm_network_take_part(rhm_network *n, const uint16_t *tokens, const uint16_t *labels, size_t count) {
    rhm_network_tree tree = rhm_network_tree_of(count, n->chunk);
    size_t begin = 0, end = count;
    if (n->share.sums && tree.count > 1) {
        const int own = rhm_ranks_rank(rhm_engine_ranks(n->engine));
        divide(n, tree.count);
        tree.first = n->share.first[own];
        tree.end = n->share.first[own + 1];
        begin = rhm_least(count, tree.first * tree.sequences);
        end = rhm_least(count, tree.end * tree.sequences);
    }
    rhm_network_take(n, tokens + begin * n->layout.tokens, labels + begin, end - begin);
    n->tree = tree;
    n->all = count;
    n->begin = begin;
}

rhm_status rhm_network_unite(rhm_network *n, uint32_t lowest, rhm_error *error) {
    rhm_ranks *ranks = rhm_engine_ranks(n->engine);
    rhm_network_share *share = &n->share;
    const size_t floats =
        lowest < n->shape.levels ? (size_t)(n->level[lowest + 1].v - (const float *)n->momenta.data) : share->floats;
    for (int rank = 0; rank <= rhm_ranks_size(ranks); rank++)
        share->begin[rank] = sizeof *n->outcome * rhm_least(n->all, share->first[rank] * n->tree.sequences);
    const int span = rhm_trace_begin(n->engine, "ranks: reduce", 0);
    rhm_status status = rhm_ranks_gather(ranks, n->outcome, share->begin, error);
    if (status == RHM_OK)
        status = rhm_ranks_sum_floats(ranks, share->sums, n->tree.count, share->first, floats, share->floats,
                                      share->spare, error);
    rhm_trace_end(n->engine, span, (rhm_span_work){.nbytes = 2 * sizeof(float) * (double)floats});
    return status;
}
