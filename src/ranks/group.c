#include "ranks/group.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/fail.h"
#include "ranks/departures.h"
#include "ranks/watch.h"

/* A message comes within microseconds, or the other rank computes: then its processor may be this one. */
static const double SPIN_SECONDS = 20e-6, YIELD_SECONDS = 2e-3;
static const double SHORT_NAP = 50e-6, LONG_NAP = 1e-3, NAP_SHARE = 1 / 64.0; /* of what has been waited */
static const double GIVE_UP_SECONDS = 10; /* for a message whose other end is at work on something else */
enum { LOOK_EVERY = 32 };                 /* turns of spinning, between looks at anything but the message */

static void rest(double waited) {
    if (waited < SPIN_SECONDS)
        return;
    if (waited < YIELD_SECONDS)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * fmin(LONG_NAP, fmax(SHORT_NAP, waited * NAP_SHARE)))},
                  NULL);
}

static rhm_status look_around(rhm_ranks *ranks, int peer, double waited, rhm_error *error) {
    const volatile sig_atomic_t *flag = ranks->options.interrupt;
    const int raised = flag ? (int)__atomic_load_n(flag, __ATOMIC_RELAXED) : 0;
    if (raised)
        return rhm_fail(error, RHM_INTERRUPTED, "interrupted by signal %d", raised);
    RHM_TRY(rhm_departures_look(ranks, error));
    const double most = ranks->silence_seconds;
    if (!(most > 0 && waited > most))
        return RHM_OK;
    rhm_departures_silent(ranks, peer);
    return rhm_departures_look(ranks, error);
}

/* Libraries read and write the memory of a message that is on its way behind everybody's back, from other processes
 * too: its owner may not free it before. Who has ended has no such message. */
static void give_up(rhm_ranks *ranks, void *request, int peer) {
    const rhm_transport *t = &ranks->transport;
    const double begin = rhm_seconds();
    t->cancel(t->state, request);
    while (rhm_seconds() - begin < GIVE_UP_SECONDS) {
        if (t->done(t->state, request) != 0)
            return;
        if (ranks->has_gone[peer])
            break;
        rhm_departures_hear(ranks);
        rest(YIELD_SECONDS);
    }
    t->drop(t->state, request);
}

static rhm_status wait_until_done(rhm_ranks *ranks, void *request, int peer, double begin, rhm_error *error) {
    double looked = begin;
    for (unsigned turn = 1;; turn++) {
        const int done = ranks->transport.done(ranks->transport.state, request);
        if (done > 0)
            return RHM_OK;
        if (done < 0)
            return rhm_fail(error, RHM_FAILED, "a message between ranks %d and %d (%s) was lost or has another size",
                            rhm_ranks_rank(ranks), peer, rhm_ranks_host(ranks, peer));
        if (turn % LOOK_EVERY)
            continue;
        const double now = rhm_seconds();
        if (now - looked > RHM_AWAY_SECONDS)
            begin += now - looked;
        looked = now;
        const double waited = now - begin;
        const rhm_status status = look_around(ranks, peer, waited, error);
        if (status != RHM_OK) {
            give_up(ranks, request, peer);
            return status;
        }
        rest(waited);
    }
}

rhm_status rhm_ranks_wait(rhm_ranks *ranks, void *request, int peer, rhm_error *error) {
    if (!request)
        return rhm_fail(error, RHM_FAILED, "%s refuses a message between ranks %d and %d", ranks->transport.name,
                        rhm_ranks_rank(ranks), peer);
    const double begin = rhm_seconds();
    const rhm_status status = wait_until_done(ranks, request, peer, begin, error);
    ranks->account.waited_seconds += rhm_seconds() - begin;
    return status;
}

rhm_account_begun rhm_account_begin(rhm_ranks *ranks, rhm_account_kind kind) {
    const rhm_account_begun begin = {ranks->kind, rhm_seconds()};
    ranks->kind = kind;
    return begin;
}

void rhm_account_end(rhm_ranks *ranks, rhm_account_begun begin) {
    ranks->account.of[ranks->kind].seconds += rhm_seconds() - begin.seconds;
    ranks->kind = begin.before;
}

static void count(rhm_ranks *ranks, bool sent, size_t out_nbytes, bool received, size_t in_nbytes) {
    ranks->account.of[ranks->kind].sent += sent;
    ranks->account.of[ranks->kind].sent_nbytes += sent ? out_nbytes : 0;
    ranks->account.of[ranks->kind].received += received;
    ranks->account.of[ranks->kind].received_nbytes += received ? in_nbytes : 0;
}

rhm_status rhm_ranks_exchange(rhm_ranks *ranks, int to, const void *out, size_t out_nbytes, int from, void *in,
                              size_t in_nbytes, rhm_error *error) {
    void *coming =
        from >= 0 ? ranks->transport.receive(ranks->transport.state, from, RHM_MESSAGE_DATA, in, in_nbytes) : NULL;
    void *going = to >= 0 ? ranks->transport.send(ranks->transport.state, to, RHM_MESSAGE_DATA, out, out_nbytes) : NULL;
    rhm_status status = from >= 0 ? rhm_ranks_wait(ranks, coming, from, error) : RHM_OK;
    if (status == RHM_OK && to >= 0)
        status = rhm_ranks_wait(ranks, going, to, error);
    else if (going)
        give_up(ranks, going, to);
    if (status == RHM_OK)
        count(ranks, to >= 0, out_nbytes, from >= 0, in_nbytes);
    return status;
}

rhm_status rhm_ranks_send(rhm_ranks *ranks, int to, const void *data, size_t nbytes, rhm_error *error) {
    return rhm_ranks_exchange(ranks, to, data, nbytes, -1, NULL, 0, error);
}

rhm_status rhm_ranks_receive(rhm_ranks *ranks, int from, void *data, size_t nbytes, rhm_error *error) {
    return rhm_ranks_exchange(ranks, -1, NULL, 0, from, data, nbytes, error);
}
