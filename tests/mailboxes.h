/* Ranks that are threads of one process: a transport of mailboxes, and what each of them does. */
#ifndef TESTS_MAILBOXES_H
#define TESTS_MAILBOXES_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ranks/group.h"

enum { MOST_RANKS = 7, ROWS = 37, SIZE = 1024 * MOST_RANKS + 3 };

typedef struct message {
    struct message *next;
    int from;
    rhm_message_kind kind;
    size_t nbytes;
    char data[];
} message;

typedef struct mailbox {
    pthread_mutex_t mutex;
    message *first;
} mailbox;

static mailbox boxes[MOST_RANKS];

typedef struct request {
    int rank, from;
    rhm_message_kind kind;
    void *data;
    size_t nbytes;
} request;

static void *send_to(void *state, int to, rhm_message_kind kind, const void *data, size_t nbytes) {
    message *m = malloc(sizeof *m + nbytes), **at = &boxes[to].first;
    *m = (message){.from = *(int *)state, .kind = kind, .nbytes = nbytes};
    memcpy(m->data, data, nbytes);
    pthread_mutex_lock(&boxes[to].mutex);
    while (*at)
        at = &(*at)->next;
    *at = m;
    pthread_mutex_unlock(&boxes[to].mutex);
    return calloc(1, sizeof(request));
}

static void *receive_from(void *state, int from, rhm_message_kind kind, void *data, size_t nbytes) {
    request *r = malloc(sizeof *r);
    *r = (request){*(int *)state, from, kind, data, nbytes};
    return r;
}

static message **find(int rank, rhm_message_kind kind, int from) {
    message **at = &boxes[rank].first;
    while (*at && ((*at)->kind != kind || (from >= 0 && (*at)->from != from)))
        at = &(*at)->next;
    return at;
}

static int is_done(void *state, void *pending) {
    (void)state;
    request *r = pending;
    int outcome = 1;
    if (r->nbytes > 0 || r->data) {
        pthread_mutex_lock(&boxes[r->rank].mutex);
        message **at = find(r->rank, r->kind, r->from), *m = *at;
        outcome = !m ? 0 : m->nbytes == r->nbytes ? 1 : -1;
        if (m) {
            memcpy(r->data, m->data, m->nbytes < r->nbytes ? m->nbytes : r->nbytes);
            *at = m->next;
            free(m);
        }
        pthread_mutex_unlock(&boxes[r->rank].mutex);
    }
    if (outcome)
        free(r);
    return outcome;
}

static void cancel(void *state, void *pending) {
    (void)state, (void)pending;
}

static void drop(void *state, void *pending) {
    (void)state;
    free(pending);
}

static bool has_arrived(void *state, rhm_message_kind kind, int *from) {
    const int rank = *(int *)state;
    pthread_mutex_lock(&boxes[rank].mutex);
    const message *m = *find(rank, kind, -1);
    if (m)
        *from = m->from;
    pthread_mutex_unlock(&boxes[rank].mutex);
    return m != NULL;
}

static void close_it(void *state) {
    (void)state;
}

/* One rank's work on a thread of its own, and how it left. */
typedef struct worker {
    pthread_t thread;
    int rank, size;
    rhm_ranks *ranks;
    void (*work)(struct worker *worker);
    double rows[ROWS * SIZE], out[SIZE];
    char all[MOST_RANKS * 16];
    rhm_rank_account account[MOST_RANKS];
    rhm_status status;
    rhm_error error;
} worker;

static void *run_worker(void *context) {
    worker *w = context;
    w->ranks = calloc(1, sizeof *w->ranks);
    *w->ranks = (rhm_ranks){
        .transport = {"mailboxes", w->rank, w->size, 0, &w->rank, send_to, receive_from, is_done, cancel, drop,
                      has_arrived, NULL, close_it},
        .blamed = -1,
    };
    /* Released by rhm_ranks_leave: aligned memory of the library is malloc's too. */
    w->ranks->home = calloc(MOST_RANKS, sizeof(rhm_rank_home));
    w->ranks->gone = calloc(MOST_RANKS, sizeof(rhm_departure));
    w->ranks->has_gone = calloc(MOST_RANKS, sizeof(bool));
    w->ranks->silent = calloc(MOST_RANKS, sizeof(bool));
    w->ranks->farewell = calloc(MOST_RANKS, sizeof(void *));
    w->work(w);
    return NULL;
}

/* After a failure processes end as they are; threads do not. */
static inline void clean_up(worker *w) {
    free(w->ranks->home);
    free(w->ranks->gone);
    free(w->ranks->has_gone);
    free(w->ranks->silent);
    for (int rank = 0; rank < w->size; rank++)
        free(w->ranks->farewell[rank]);
    free(w->ranks->farewell);
    free(w->ranks);
    for (message *m = boxes[w->rank].first, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    boxes[w->rank].first = NULL;
}

static worker workers[MOST_RANKS];

static void run_all(int size, void (*work)(worker *)) {
    memset(workers, 0, sizeof workers);
    for (int rank = 0; rank < size; rank++) {
        workers[rank].rank = rank;
        workers[rank].size = size;
        workers[rank].work = work;
    }
    for (int rank = 0; rank < size; rank++)
        assert_int_equal(pthread_create(&workers[rank].thread, NULL, run_worker, &workers[rank]), 0);
    for (int rank = 0; rank < size; rank++)
        pthread_join(workers[rank].thread, NULL);
}

static void open_boxes(void) {
    for (int i = 0; i < MOST_RANKS; i++)
        pthread_mutex_init(&boxes[i].mutex, NULL);
}

#endif
