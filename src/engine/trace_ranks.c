/* The traces of all ranks in one file: each writes its own events on a common clock, and rank 0 collects the texts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/trace_internal.h"
#include "ranks/group.h"

enum { PINGS = 8 };
static const size_t MOST_NBYTES = (size_t)1 << 30, MOST_OF_RANK_NBYTES = (size_t)1 << 26; /* of other ranks' events */

/* What rank 0's clock shows when another's shows 0: half-way between question and answer, of the quickest answer. */
static rhm_status ask_clock(rhm_ranks *ranks, int rank, int64_t *offset, rhm_error *error) {
    int64_t quickest = INT64_MAX;
    for (int i = 0; i < PINGS; i++) {
        int64_t there = 0;
        const int64_t begin = rhm_trace_now();
        RHM_TRY(rhm_ranks_send(ranks, rank, &there, sizeof there, error));
        RHM_TRY(rhm_ranks_receive(ranks, rank, &there, sizeof there, error));
        const int64_t took = rhm_trace_now() - begin;
        if (took < quickest) {
            quickest = took;
            *offset = begin + took / 2 - there;
        }
    }
    return RHM_OK;
}

static rhm_status tell_clock(rhm_ranks *ranks, rhm_error *error) {
    for (int i = 0; i < PINGS; i++) {
        int64_t now;
        RHM_TRY(rhm_ranks_receive(ranks, 0, &now, sizeof now, error));
        now = rhm_trace_now();
        RHM_TRY(rhm_ranks_send(ranks, 0, &now, sizeof now, error));
    }
    return RHM_OK;
}

/* From here on the traces of all ranks begin when the first of them did. */
static rhm_status agree_on_origin(const rhm_engine *engine, rhm_error *error) {
    rhm_ranks *ranks = engine->ranks;
    const int own = rhm_ranks_rank(ranks), size = rhm_ranks_size(ranks);
    int64_t *offset = RHM_NEW(int64_t, (size_t)size, 2, 1, "origins of traces", error);
    if (!offset)
        return RHM_NO_MEMORY;
    int64_t *origin = offset + size;
    origin[own] = engine->trace->origin;
    rhm_status status = RHM_OK;
    if (own > 0)
        status = tell_clock(ranks, error);
    for (int rank = 1; own == 0 && rank < size && status == RHM_OK; rank++)
        status = ask_clock(ranks, rank, &offset[rank], error);
    if (status == RHM_OK)
        status = rhm_ranks_broadcast(ranks, offset, sizeof *offset * (size_t)size, error);
    if (status == RHM_OK)
        status = rhm_ranks_gather_equal(ranks, origin, sizeof *origin, error);
    int64_t first = origin[0];
    for (int rank = 1; rank < size; rank++)
        first = origin[rank] + offset[rank] < first ? origin[rank] + offset[rank] : first;
    if (status == RHM_OK)
        engine->trace->tracks.shift = origin[own] + offset[own] - first;
    rhm_free(offset);
    return status;
}

static void name_tracks(rhm_trace_tracks *tracks, const rhm_ranks *ranks) {
    const int own = rhm_ranks_rank(ranks);
    char host[sizeof tracks->of];
    size_t length = 0;
    for (const char *c = rhm_ranks_host(ranks, own); *c && length < sizeof host - 32; c++)
        host[length++] = *c == '"' || *c == '\\' || (unsigned char)*c < ' ' || (unsigned char)*c > '~' ? '?' : *c;
    snprintf(tracks->of, sizeof tracks->of, "rank %d (%.*s), ", own, (int)length, host);
    tracks->pid = own * RHM_TRACE_PIDS + 1;
}

/* Events, a zero, sums. */
static rhm_status write_text(char **text, size_t *nbytes, const rhm_engine *engine, rhm_error *error) {
    const size_t share = MOST_NBYTES / (size_t)rhm_ranks_size(engine->ranks);
    FILE *file = open_memstream(text, nbytes);
    if (!file)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the text of a trace");
    rhm_trace_put_events(file, engine, &engine->trace->tracks,
                         share < MOST_OF_RANK_NBYTES ? share : MOST_OF_RANK_NBYTES);
    fputc('\0', file);
    rhm_trace_put_sums(file, engine->trace);
    const bool failed = ferror(file) != 0;
    if (fclose(file) == 0 && !failed) {
        ++*nbytes; /* the zero at the end */
        return RHM_OK;
    }
    free(*text);
    return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the text of a trace");
}

static rhm_status send_text(const rhm_engine *engine, rhm_error *error) {
    char *text = NULL;
    size_t size = 0;
    RHM_TRY(write_text(&text, &size, engine, error));
    const uint64_t nbytes = size;
    rhm_status status = rhm_ranks_send(engine->ranks, 0, &nbytes, sizeof nbytes, error);
    if (status == RHM_OK)
        status = rhm_ranks_send(engine->ranks, 0, text, size, error);
    free(text);
    return status;
}

static rhm_status receive_text(char **text, rhm_ranks *ranks, int rank, rhm_error *error) {
    uint64_t nbytes;
    RHM_TRY(rhm_ranks_receive(ranks, rank, &nbytes, sizeof nbytes, error));
    char *all = RHM_NEW(char, nbytes, 1, 1, "the trace of another rank", error);
    const rhm_status status = all ? rhm_ranks_receive(ranks, rank, all, nbytes, error) : RHM_NO_MEMORY;
    if (status == RHM_OK)
        *text = all;
    else
        rhm_free(all);
    return status;
}

rhm_status rhm_engine_gather_trace(const rhm_engine *engine, rhm_error *error) {
    rhm_ranks *ranks = engine->ranks;
    rhm_trace *trace = engine->trace;
    if (!ranks || !trace || trace->gathered)
        return RHM_OK;
    trace->gathered = true;
    rhm_trace_finish(trace);
    RHM_TRY(agree_on_origin(engine, error));
    name_tracks(&trace->tracks, ranks);
    if (rhm_ranks_rank(ranks) > 0)
        return send_text(engine, error);
    const int size = rhm_ranks_size(ranks);
    if (!(trace->others = RHM_NEW(char *, (size_t)size, 1, 1, "traces of other ranks", error)))
        return RHM_NO_MEMORY;
    for (int rank = 1; rank < size; rank++) {
        RHM_TRY(receive_text(&trace->others[rank], ranks, rank, error));
        trace->other_end = rank + 1;
    }
    return RHM_OK;
}
