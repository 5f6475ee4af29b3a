/* Ceilings of this process, remembered. */
#include "ceilings_session.h"

#include <stddef.h>

#include "core/memory.h"

/* A measured value and what it is of; `first` and `second` are the two enumerations. */
typedef struct entry {
    bool is_bandwidth;
    int first, second, threads;
    rhm_ceilings_result result;
} entry;

static struct {
    entry *entries;
    size_t count, capacity;
} session;

static const rhm_ceilings_result *recall(bool is_bandwidth, int first, int second, int threads) {
    for (size_t i = 0; i < session.count; i++) {
        const entry *e = &session.entries[i];
        if (e->is_bandwidth == is_bandwidth && e->first == first && e->second == second && e->threads == threads)
            return &e->result;
    }
    return NULL;
}

/* Without memory the value is measured again next time. */
static void remember(entry value) {
    if (session.count == session.capacity) {
        const size_t capacity = session.capacity ? 2 * session.capacity : 16;
        void *entries = session.entries;
        if (rhm_grow(&entries, sizeof value, session.count, capacity, "ceilings", NULL) != RHM_OK)
            return;
        session.entries = entries;
        session.capacity = capacity;
    }
    session.entries[session.count++] = value;
}

static rhm_ceilings_result measure(bool is_bandwidth, int first, int second, int threads) {
    const rhm_ceilings_result *known = recall(is_bandwidth, first, second, threads);
    if (known)
        return *known;
    const rhm_ceilings_result result =
        is_bandwidth ? rhm_ceilings_measure_bandwidth((rhm_ceilings_stream)first, (rhm_ceilings_memory)second, threads)
                     : rhm_ceilings_measure_fma((rhm_isa)first, (rhm_ceilings_precision)second, threads);
    remember((entry){is_bandwidth, first, second, threads, result});
    return result;
}

rhm_ceilings_result rhm_ceilings_fma(rhm_isa isa, rhm_ceilings_precision precision, int threads) {
    return measure(false, (int)isa, (int)precision, threads);
}

rhm_ceilings_result rhm_ceilings_bandwidth(rhm_ceilings_stream stream, rhm_ceilings_memory where, int threads) {
    return measure(true, (int)stream, (int)where, threads);
}

double rhm_ceilings_fma_gflops(rhm_isa isa, int threads) {
    return rhm_ceilings_fma(isa, CEILINGS_F32, threads).rate;
}

double rhm_ceilings_fma_gflops_f64(rhm_isa isa, int threads) {
    return rhm_ceilings_fma(isa, CEILINGS_F64, threads).rate;
}

double rhm_ceilings_load_gbs(rhm_ceilings_memory where, int threads) {
    return rhm_ceilings_bandwidth(CEILINGS_LOAD, where, threads).rate;
}

double rhm_ceilings_triad_gbs(rhm_ceilings_memory where, int threads) {
    return rhm_ceilings_bandwidth(CEILINGS_TRIAD, where, threads).rate;
}
