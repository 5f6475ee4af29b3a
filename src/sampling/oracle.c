#include "rhm/oracle.h"

#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "hierarchy/bp.h"

enum {
    CHUNK_GROUPS = 16, /* of RHM_BP_LANES sequences, between two looks at the interrupt flag */
    MOST_SINGLE_BRANCHING = 8,
};

_Static_assert((int)RHM_ORACLE_TOGETHER == (int)RHM_BP_LANES, "groups of sequences");

struct rhm_oracle {
    const rhm_engine *engine;
    rhm_bp bp;
    rhm_bp_ops ops;
    bool single;
};

rhm_status rhm_oracle_create(rhm_oracle **out, const rhm_engine *engine, const rhm_grammar *grammar,
                             rhm_precision precision, rhm_error *error) {
    *out = NULL;
    rhm_oracle *oracle = RHM_NEW(rhm_oracle, 1, 1, 1, "oracle", error);
    if (!oracle)
        return RHM_NO_MEMORY;
    const rhm_status status = rhm_bp_make(&oracle->bp, grammar, error);
    if (status != RHM_OK) {
        rhm_free(oracle);
        return status;
    }
    oracle->engine = engine;
    oracle->ops = rhm_bp_ops_at(rhm_engine_isa(engine));
    oracle->single = precision != RHM_PRECISION_DOUBLE;
    for (uint32_t level = 1; precision == RHM_PRECISION_AUTO && level <= oracle->bp.tree.levels; level++)
        oracle->single = oracle->single && oracle->bp.tree.branching[level] <= MOST_SINGLE_BRANCHING;
    *out = oracle;
    return RHM_OK;
}

void rhm_oracle_destroy(rhm_oracle *oracle) {
    if (!oracle)
        return;
    rhm_bp_clear(&oracle->bp);
    rhm_free(oracle);
}

typedef struct inference {
    const rhm_oracle *oracle;
    const uint16_t *tokens;
    const uint8_t *masked;
    const rhm_beliefs *out;
    size_t count;
    double *posteriors; /* out's, or scratch of a group for each thread */
    size_t single_nbytes, double_nbytes;
    void **workspace; /* (2 threads): single, double */
} inference;

static rhm_status infer_group(const inference *n, size_t first, int thread, rhm_error *error) {
    const rhm_bp *bp = &n->oracle->bp;
    const size_t tokens = bp->tree.leaves[0], left = n->count - first;
    double *marginal[RHM_MAX_LEVELS + 1] = {0};
    for (uint32_t l = 0; n->out->marginals && l <= bp->tree.levels; l++)
        if (n->out->marginals[l])
            marginal[l] = n->out->marginals[l] + first * bp->tree.nodes[l] * bp->vocab[l];
    const rhm_bp_group group = {
        .count = left < RHM_BP_LANES ? left : RHM_BP_LANES,
        .tokens = n->tokens + first * tokens,
        .masked = n->masked ? n->masked + first * tokens : NULL,
        .posterior = n->posteriors + (n->out->posteriors ? first : (size_t)thread * RHM_BP_LANES) * bp->classes,
        .log_likelihood = n->out->log_likelihood ? n->out->log_likelihood + first : NULL,
        .marginal = n->out->marginals ? marginal : NULL,
    };
    bool done = false;
    for (int precise = !n->oracle->single; precise < 2 && !done; precise++) {
        void **workspace = &n->workspace[2 * thread + precise];
        const size_t nbytes = precise ? n->double_nbytes : n->single_nbytes;
        if (!*workspace && !(*workspace = RHM_NEW(char, nbytes, 1, 1, "messages", error)))
            return RHM_NO_MEMORY;
        done = (precise ? n->oracle->ops.group_double : n->oracle->ops.group_float)(bp, &group, *workspace);
    }
    return RHM_OK;
}

static rhm_status infer_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    const inference *n = context;
    const size_t begin = chunk * CHUNK_GROUPS * RHM_BP_LANES, most = begin + CHUNK_GROUPS * RHM_BP_LANES;
    const size_t end = n->count < most ? n->count : most;
    for (size_t first = begin; first < end; first += RHM_BP_LANES)
        RHM_TRY(infer_group(n, first, thread, error));
    return RHM_OK;
}

static rhm_status check_tokens(const rhm_bp *bp, const uint16_t *tokens, const uint8_t *masked, size_t count,
                               rhm_error *error) {
    const size_t d = bp->tree.leaves[0], vocab = bp->vocab[bp->tree.levels];
    for (size_t i = 0; i < count * d; i++)
        if (tokens[i] >= vocab && !(masked && masked[i]))
            return rhm_fail(error, RHM_INVALID,
                            "token %zu of sequence %zu is %u: the grammar knows the tokens 0 to %zu", i % d, i / d,
                            tokens[i], vocab - 1);
    return RHM_OK;
}

rhm_status rhm_oracle_infer(const rhm_oracle *oracle, const uint16_t *tokens, const uint8_t *masked, size_t count,
                            const rhm_beliefs *out, rhm_error *error) {
    const rhm_bp *bp = &oracle->bp;
    const size_t threads = (size_t)rhm_engine_threads(oracle->engine);
    inference n = {.oracle = oracle, .tokens = tokens, .masked = masked, .out = out, .count = count};
    RHM_TRY(check_tokens(bp, tokens, masked, count, error));
    n.single_nbytes = rhm_bp_workspace_nbytes(bp, sizeof(float), masked != NULL, out->marginals != NULL);
    n.double_nbytes = rhm_bp_workspace_nbytes(bp, sizeof(double), masked != NULL, out->marginals != NULL);
    const double all = (double)threads * ((double)n.single_nbytes + (double)n.double_nbytes);
    if (!(all < (double)(PTRDIFF_MAX / 2)))
        return rhm_fail(error, RHM_NO_MEMORY, "the messages of %zu nodes exceed all memory", bp->tree.leaves[0]);
    RHM_TRY(rhm_memory_reserve(oracle->engine, (size_t)all, "messages", error));
    rhm_status status = RHM_NO_MEMORY;
    double *scratch = NULL;
    if (!(n.workspace = RHM_NEW(void *, 2, threads, 1, "messages", error)) ||
        (!out->posteriors && !(scratch = RHM_NEW(double, threads, RHM_BP_LANES, bp->classes, "posteriors", error))))
        goto done;
    n.posteriors = out->posteriors ? out->posteriors : scratch;
    const size_t size = CHUNK_GROUPS * RHM_BP_LANES;
    status = rhm_parallel(oracle->engine, (count + size - 1) / size, infer_chunk, &n, error);
done:
    for (size_t i = 0; n.workspace && i < 2 * threads; i++)
        rhm_free(n.workspace[i]);
    rhm_free(n.workspace);
    rhm_free(scratch);
    rhm_memory_release(oracle->engine, (size_t)all);
    return status;
}
