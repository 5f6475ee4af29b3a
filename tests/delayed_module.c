/*
 * The module of an MPI library over a slow network: a message arrives RHM_TEST_LATENCY_US microseconds, and a second
 * for each RHM_TEST_GBS x 1e9 bytes, after it was sent. For ranks of one machine, whose clock says when that was: it
 * comes in a message of its own.
 */
#define rhm_transport_open_module open_without_delay
#include "ranks/mpi.c"
#undef rhm_transport_open_module

#include <time.h>

enum { STAMP = 16 }; /* beyond kinds of messages */

static rhm_transport inner;
static double latency_us, gbs;

typedef struct delayed {
    void *data, *stamp; /* requests; NULL: done */
    bool receives;
    size_t nbytes;
    int64_t sent; /* nanoseconds */
} delayed;

static int64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double number_of(const char *variable) {
    const char *text = getenv(variable);
    return text ? strtod(text, NULL) : 0;
}

static delayed *new_delayed(bool receives, size_t nbytes) {
    delayed *d = malloc(sizeof *d);
    if (d)
        *d = (delayed){.receives = receives, .nbytes = nbytes, .sent = nanoseconds()};
    return d;
}

static void *send_delayed(void *state, int to, rhm_message_kind kind, const void *data, size_t nbytes) {
    delayed *d = new_delayed(false, nbytes);
    if (d) {
        d->data = inner.send(state, to, kind, data, nbytes);
        d->stamp = inner.send(state, to, (rhm_message_kind)(STAMP + (int)kind), &d->sent, sizeof d->sent);
    }
    return d;
}

static void *receive_delayed(void *state, int from, rhm_message_kind kind, void *data, size_t nbytes) {
    delayed *d = new_delayed(true, nbytes);
    if (d) {
        d->data = inner.receive(state, from, kind, data, nbytes);
        d->stamp = inner.receive(state, from, (rhm_message_kind)(STAMP + (int)kind), &d->sent, sizeof d->sent);
    }
    return d;
}

static int part_done(void *state, void **part) {
    const int outcome = *part ? inner.done(state, *part) : 1;
    if (outcome != 0)
        *part = NULL;
    return outcome;
}

static int delayed_done(void *state, void *pending) {
    delayed *d = pending;
    const int data = part_done(state, &d->data), stamp = part_done(state, &d->stamp);
    if (data == 0 || stamp == 0)
        return 0;
    const double late_us = latency_us + (gbs > 0 ? 1e-3 * (double)d->nbytes / gbs : 0);
    if (data > 0 && stamp > 0 && d->receives && 1e-3 * (double)(nanoseconds() - d->sent) < late_us)
        return 0;
    free(d);
    return data > 0 && stamp > 0 ? 1 : -1;
}

static void cancel_delayed(void *state, void *pending) {
    delayed *d = pending;
    d->receives = false; /* what comes now need not be late */
    if (d->data)
        inner.cancel(state, d->data);
    if (d->stamp)
        inner.cancel(state, d->stamp);
}

static void drop_delayed(void *state, void *pending) {
    delayed *d = pending;
    if (d->data)
        inner.drop(state, d->data);
    if (d->stamp)
        inner.drop(state, d->stamp);
    free(d);
}

__attribute__((visibility("default"))) rhm_transport_open rhm_transport_open_module;

bool rhm_transport_open_module(rhm_transport *out, int version, char *sentence, size_t sentence_nbytes) {
    if (!open_without_delay(&inner, version, sentence, sentence_nbytes))
        return false;
    latency_us = number_of("RHM_TEST_LATENCY_US");
    gbs = number_of("RHM_TEST_GBS");
    *out = inner;
    out->send = send_delayed;
    out->receive = receive_delayed;
    out->done = delayed_done;
    out->cancel = cancel_delayed;
    out->drop = drop_delayed;
    return true;
}
