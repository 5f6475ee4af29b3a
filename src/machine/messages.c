/* What messages between ranks cost: latency and bandwidth of pairs, and of all ranks at a time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/median.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/spread.h"
#include "machine/explore.h"
#include "ranks/group.h"

enum {
    MOST_ENDS = 16,  /* ranks of which all pairs are measured; of more those of rank 0 */
    PINGS = 100,     /* of which the median counts */
    LARGE = 4 << 20, /* bytes of a message that shows bandwidth */
    LARGE_PINGS = 7,
    ROUNDS = 7, /* of all-to-all, of which the median counts */
};
static const size_t all_to_all_nbytes[] = {1 << 10, 1 << 16, 1 << 20};
enum { SIZES = sizeof all_to_all_nbytes / sizeof *all_to_all_nbytes };

/* Seconds of a message: latency + bytes / rate. */
typedef struct rank_link {
    double latency, rate;
} rank_link;

typedef struct survey {
    rhm_ranks *ranks;
    int own, size;
    char *out, *in;   /* (LARGE) */
    rank_link *found; /* (size) what each rank found of the pair that was measured last */
    double *round;    /* (size) */
} survey;

/* Seconds of one way, from there and back. The first time warms up. */
static rhm_status ping(const survey *s, int peer, bool first, size_t nbytes, int times, double *seconds,
                       rhm_error *error) {
    double took[PINGS];
    for (int i = -1; i < times; i++) {
        const double begin = rhm_seconds();
        if (first)
            RHM_TRY(rhm_ranks_send(s->ranks, peer, s->out, nbytes, error));
        RHM_TRY(rhm_ranks_receive(s->ranks, peer, s->in, nbytes, error));
        if (!first)
            RHM_TRY(rhm_ranks_send(s->ranks, peer, s->out, nbytes, error));
        if (i >= 0)
            took[i] = (rhm_seconds() - begin) / 2;
    }
    *seconds = rhm_median(took, (size_t)times);
    return RHM_OK;
}

static rhm_status measure_pair(survey *s, int a, int b, rank_link *found, rhm_error *error) {
    double small = 0, large = 0;
    if (s->own == a || s->own == b) {
        const int peer = s->own == a ? b : a;
        RHM_TRY(ping(s, peer, s->own == a, sizeof(double), PINGS, &small, error));
        RHM_TRY(ping(s, peer, s->own == a, LARGE, LARGE_PINGS, &large, error));
    }
    s->found[s->own] = (rank_link){small, large > small ? LARGE / (large - small) : HUGE_VAL};
    RHM_TRY(rhm_ranks_gather_equal(s->ranks, s->found, sizeof *s->found, error));
    *found = s->found[a];
    return RHM_OK;
}

/* Seconds until all have what all others sent. */
static rhm_status measure_all(survey *s, size_t nbytes, double *seconds, rhm_error *error) {
    double took[ROUNDS];
    for (int i = -1; i < ROUNDS; i++) {
        RHM_TRY(rhm_ranks_gather_equal(s->ranks, s->round, sizeof *s->round, error)); /* they begin together */
        const double begin = rhm_seconds();
        for (int step = 1; step < s->size; step++)
            RHM_TRY(rhm_ranks_exchange(s->ranks, (s->own + step) % s->size, s->out, nbytes,
                                       (s->own + s->size - step) % s->size, s->in, nbytes, error));
        s->round[s->own] = rhm_seconds() - begin;
        RHM_TRY(rhm_ranks_gather_equal(s->ranks, s->round, sizeof *s->round, error));
        double slowest = 0;
        for (int rank = 0; rank < s->size; rank++)
            slowest = fmax(slowest, s->round[rank]);
        if (i >= 0)
            took[i] = slowest;
    }
    *seconds = rhm_median(took, ROUNDS);
    return RHM_OK;
}

static json_t *describe_link(rank_link l) {
    return json_pack("{s:f, s:o}", "latency_us", 1e6 * l.latency, "gbs",
                     isfinite(l.rate) ? json_real(1e-9 * l.rate) : json_null());
}

/* The medians of links within nodes, or between them; null where there is none. */
static json_t *typical(rank_link *links, size_t count) {
    if (count == 0)
        return json_null();
    double *values = RHM_NEW(double, count, 1, 1, "links", NULL);
    if (!values)
        return NULL;
    rank_link l;
    for (size_t i = 0; i < count; i++)
        values[i] = links[i].latency;
    l.latency = rhm_median(values, count);
    for (size_t i = 0; i < count; i++)
        values[i] = links[i].rate;
    l.rate = rhm_median(values, count);
    rhm_free(values);
    return describe_link(l);
}

static rhm_status survey_pairs(json_t **out, survey *s, rank_link *within, rank_link *between, rhm_error *error) {
    const int rows = s->size <= MOST_ENDS ? s->size : 1;
    size_t inside = 0, outside = 0;
    json_t *pairs = json_array();
    for (int a = 0; a < rows; a++)
        for (int b = a + 1; b < s->size; b++) {
            rank_link found;
            const rhm_status status = measure_pair(s, a, b, &found, error);
            if (status != RHM_OK) {
                json_decref(pairs);
                return status;
            }
            const bool same = rhm_ranks_node(s->ranks, a) == rhm_ranks_node(s->ranks, b);
            json_t *pair = describe_link(found);
            rhm_json_set(&pair, "ranks", json_pack("[i, i]", a, b));
            rhm_json_set(&pair, "same_node", json_boolean(same));
            rhm_json_append(&pairs, pair);
            *(same ? &within[inside++] : &between[outside++]) = found;
        }
    rhm_json_set(out, "pairs", pairs);
    rhm_json_set(out, "within_nodes", typical(within, inside));
    rhm_json_set(out, "between_nodes", typical(between, outside));
    return RHM_OK;
}

static rhm_status survey_all(json_t **out, survey *s, rhm_error *error) {
    json_t *rows = json_array();
    for (int i = 0; i < SIZES; i++) {
        double seconds = 0;
        const size_t nbytes = all_to_all_nbytes[i];
        const rhm_status status = measure_all(s, nbytes, &seconds, error);
        if (status != RHM_OK) {
            json_decref(rows);
            return status;
        }
        rhm_json_append(&rows, json_pack("{s:I, s:f, s:f}", "bytes", (json_int_t)nbytes, "seconds", seconds, "gbs",
                                         1e-9 * (double)nbytes * (s->size - 1) / seconds));
    }
    rhm_json_set(out, "all_to_all", rows);
    return RHM_OK;
}

static json_t *describe_hosts(const rhm_ranks *ranks) {
    json_t *hosts = json_array();
    for (int rank = 0; rank < rhm_ranks_size(ranks); rank++)
        rhm_json_append(&hosts, rhm_json_text(rhm_ranks_host(ranks, rank)));
    return hosts;
}

rhm_status rhm_machine_survey_messages(json_t **out, const rhm_engine *engine, rhm_error *error) {
    rhm_ranks *ranks = rhm_engine_ranks(engine);
    survey s = {.ranks = ranks, .own = rhm_ranks_rank(ranks), .size = rhm_ranks_size(ranks)};
    const size_t size = (size_t)s.size, pairs = size <= MOST_ENDS ? size * (size - 1) / 2 : size - 1;
    *out = NULL;
    if (!ranks)
        return rhm_fail(error, RHM_INVALID, "messages between ranks need several of them, which mpirun starts");
    s.out = RHM_NEW(char, LARGE, 2, 1, "messages", error);
    s.in = s.out ? s.out + LARGE : NULL;
    s.found = RHM_NEW(rank_link, size, 1, 1, "links", error);
    s.round = RHM_NEW(double, size, 1, 1, "links", error);
    rank_link *links = RHM_NEW(rank_link, pairs, 2, 1, "links", error);
    json_t *all = json_pack("{s:o, s:o, s:i, s:i}", "library", rhm_json_text(rhm_ranks_library(ranks)), "hosts",
                            describe_hosts(ranks), "latency_bytes", (int)sizeof(double), "bandwidth_bytes", LARGE);
    rhm_status status = s.out && s.found && s.round && links ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = survey_pairs(&all, &s, links, links + pairs, error);
    if (status == RHM_OK)
        status = survey_all(&all, &s, error);
    rhm_free(s.out);
    rhm_free(s.found);
    rhm_free(s.round);
    rhm_free(links);
    if (status == RHM_OK)
        *out = all;
    else
        json_decref(all);
    return status;
}
