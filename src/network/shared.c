/* Networks whose steps ranks share, and whether that pays. */
#include "core/fail.h"
#include "engine/engine.h"
#include "engine/spread.h"
#include "network/parts.h"

/* What a core does in a second, and messages take within a machine and between two: with less work than they take,
 * every rank does all of it. Estimates, on which no bits depend. */
static const double CORE_FLOPS = 1e11;
static const struct { double latency, rate; } within = {5e-6, 2e9}, between = {40e-6, 1e9};

static size_t own_chunks(const rhm_engine *engine, size_t count) {
    const size_t ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(engine));
    return (count + ranks - 1) / ranks;
}

static bool on_one_node(rhm_ranks *ranks) {
    bool one = true;
    for (int rank = 1; rank < rhm_ranks_size(ranks); rank++)
        one = one && rhm_ranks_node(ranks, rank) == rhm_ranks_node(ranks, 0);
    return one;
}

/* The same on every rank: from the shape, and what all know of each other. */
static bool pays(const rhm_engine *engine, const rhm_network_shape *shape, const rhm_network_layout *layout,
                 size_t batch) {
    rhm_ranks *ranks = rhm_engine_ranks(engine);
    const double multiply_adds = rhm_network_multiply_adds(shape, layout);
    const size_t chunks = rhm_network_tree_of(batch, rhm_network_least_chunk(multiply_adds)).count;
    const double size = rhm_ranks_size(ranks), threads = (double)rhm_spread_threads(engine) / size;
    if (!ranks || size < 2 || chunks < 2)
        return false;
    const bool near = on_one_node(ranks);
    const double latency = near ? within.latency : between.latency, rate = near ? within.rate : between.rate;
    const double alone = 3 * 2 * multiply_adds * (double)batch / (CORE_FLOPS * threads);
    const double saved = alone * (1 - (double)own_chunks(engine, chunks) / (double)chunks);
    const double nbytes = 2 * sizeof(float) * (double)layout->parameters * (1 - 1 / size);
    return saved > 3 * (size - 1) * latency + nbytes / rate;
}

rhm_status rhm_network_make_shared(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape,
                                   size_t batch, rhm_error *error) {
    rhm_network_layout layout;
    *out = NULL;
    RHM_TRY(rhm_network_layout_init(&layout, shape, error));
    if (engine->backend_kind != RHM_BACKEND_NATIVE || !pays(engine, shape, &layout, batch))
        return rhm_network_make(out, engine, shape, batch, error);
    const size_t least = rhm_network_least_chunk(rhm_network_multiply_adds(shape, &layout));
    const rhm_network_tree tree = rhm_network_tree_of(batch, least);
    const size_t own = rhm_least(batch, own_chunks(engine, tree.count) * tree.sequences);
    RHM_TRY(rhm_network_make_part(out, engine, shape, batch, own, false, false, error));
    const rhm_status status = rhm_network_share_make(*out, error);
    if (status != RHM_OK) {
        rhm_network_free(*out);
        *out = NULL;
    }
    return status;
}
