/*
 * What a message-passing library does for the ranks: the interface of the modules, which are the only files that know
 * MPI. Requests and states are the module's. No call blocks but open and close.
 */
#ifndef RHM_RANKS_TRANSPORT_H
#define RHM_RANKS_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

enum { RHM_TRANSPORT_VERSION = 3, RHM_TRANSPORT_NAME_NBYTES = 96 };

/* Kinds of messages, which do not overtake others of their kind between the same two ranks. */
typedef enum rhm_message_kind {
    RHM_MESSAGE_DATA,
    RHM_MESSAGE_LEAVE, /* how a rank's work ended */
    RHM_MESSAGE_POST,  /* texts that nobody waits for */
    RHM_MESSAGE_SIGN,  /* of life */
    RHM_MESSAGE_SAID,  /* a failure has been told to the user */
} rhm_message_kind;

typedef struct rhm_transport {
    char name[RHM_TRANSPORT_NAME_NBYTES]; /* of the library and its version */
    int rank, size;
    int node; /* the lowest rank of those that can share memory with this one; -1: the library does not say */
    void *state;

    /* Begin to send or receive; the bytes are the transport's until the request is done. NULL: refused. */
    void *(*send)(void *state, int to, rhm_message_kind kind, const void *data, size_t nbytes);
    void *(*receive)(void *state, int from, rhm_message_kind kind, void *data, size_t nbytes);

    /* 1: done, and the request is gone; 0: not yet; -1: failed, and the request is gone. */
    int (*done)(void *state, void *request);

    /* Ask that a request be given up: a receive for which nothing has come is then soon done. */
    void (*cancel)(void *state, void *request);

    /* Forget a request, done or not: nobody may touch its bytes any more. */
    void (*drop)(void *state, void *request);

    /* Whether a message of this kind has come, and from whom. */
    bool (*arrived)(void *state, rhm_message_kind kind, int *from);

    void (*abort)(void *state, int exit_status); /* all ranks; does not return */
    void (*close)(void *state);                  /* when all ranks do */
} rhm_transport;

/* The function of a module, named below: false, and a sentence, where the library would not start. */
typedef bool rhm_transport_open(rhm_transport *out, int version, char *sentence, size_t sentence_nbytes);
#define RHM_TRANSPORT_OPEN "rhm_transport_open_module"

#endif
