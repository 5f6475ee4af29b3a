/* The module of one MPI library: built once for each that there is, and loaded where its launcher started us. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ranks/transport.h"

/* Messages are cut into pieces whose size an int can hold. */
enum { PIECE_NBYTES = 1 << 30, MOST_PIECES = 64 };

typedef struct request {
    int count;
    bool receives, failed;
    MPI_Request piece[MOST_PIECES];
} request;

static int piece_nbytes(size_t left) {
    return left < PIECE_NBYTES ? (int)left : PIECE_NBYTES;
}

static request *begin(size_t nbytes, bool receives) {
    if (nbytes > (size_t)MOST_PIECES * PIECE_NBYTES)
        return NULL;
    request *r = malloc(sizeof *r);
    if (r)
        *r = (request){.receives = receives};
    return r;
}

static void cancel(void *state, void *pending) {
    (void)state;
    request *r = pending;
    for (int i = 0; i < r->count && r->receives; i++)
        if (r->piece[i] != MPI_REQUEST_NULL)
            MPI_Cancel(&r->piece[i]);
}

/* Pieces that are on their way are waited for; that a later one was refused is said then. */
static void *refused_piece(request *r) {
    r->failed = true;
    if (--r->count > 0) {
        if (r->receives)
            cancel(NULL, r);
        return r;
    }
    free(r);
    return NULL;
}

static void *start_send(void *state, int to, rhm_message_kind kind, const void *data, size_t nbytes) {
    (void)state;
    request *r = begin(nbytes, false);
    for (size_t at = 0; r && (at < nbytes || r->count == 0); at += PIECE_NBYTES)
        if (MPI_Isend((const char *)data + at, piece_nbytes(nbytes - at), MPI_BYTE, to, (int)kind, MPI_COMM_WORLD,
                      &r->piece[r->count++]) != MPI_SUCCESS)
            return refused_piece(r);
    return r;
}

static void *start_receive(void *state, int from, rhm_message_kind kind, void *data, size_t nbytes) {
    (void)state;
    request *r = begin(nbytes, true);
    for (size_t at = 0; r && (at < nbytes || r->count == 0); at += PIECE_NBYTES)
        if (MPI_Irecv((char *)data + at, piece_nbytes(nbytes - at), MPI_BYTE, from, (int)kind, MPI_COMM_WORLD,
                      &r->piece[r->count++]) != MPI_SUCCESS)
            return refused_piece(r);
    return r;
}

static int done(void *state, void *pending) {
    (void)state;
    request *r = pending;
    int all = 0;
    MPI_Status statuses[MOST_PIECES]; /* not looked at; but MPICH's headers have compilers check that they are there */
    const int outcome = MPI_Testall(r->count, r->piece, &all, statuses);
    if (outcome == MPI_SUCCESS && !all)
        return 0;
    const bool failed = r->failed || outcome != MPI_SUCCESS;
    free(r);
    return failed ? -1 : 1;
}

static void drop(void *state, void *pending) {
    (void)state;
    request *r = pending;
    for (int i = 0; i < r->count; i++)
        if (r->piece[i] != MPI_REQUEST_NULL)
            MPI_Request_free(&r->piece[i]);
    free(r);
}

static bool arrived(void *state, rhm_message_kind kind, int *from) {
    (void)state;
    int there = 0;
    MPI_Status status;
    if (MPI_Iprobe(MPI_ANY_SOURCE, (int)kind, MPI_COMM_WORLD, &there, &status) != MPI_SUCCESS || !there)
        return false;
    *from = status.MPI_SOURCE;
    return true;
}

static void abort_all(void *state, int exit_status) {
    (void)state;
    MPI_Abort(MPI_COMM_WORLD, exit_status);
}

static void close_all(void *state) {
    (void)state;
    MPI_Finalize();
}

/* "Open MPI v4.1.4, package: ..." up to the first comma; "MPICH Version:\t4.0.2\n..." up to the line's end. */
static void name_library(char name[RHM_TRANSPORT_NAME_NBYTES]) {
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    for (char *tab = text; (tab = strchr(tab, '\t')); tab++)
        *tab = ' ';
    snprintf(name, RHM_TRANSPORT_NAME_NBYTES, "%.90s", text);
}

static int lowest_rank_of_node(int rank) {
    MPI_Comm node;
    if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node) != MPI_SUCCESS)
        return -1;
    int lowest = rank; /* which is the first of it, as all have the same key */
    if (MPI_Bcast(&lowest, 1, MPI_INT, 0, node) != MPI_SUCCESS)
        lowest = -1;
    MPI_Comm_free(&node);
    return lowest;
}

/* Ranks of one node have its memory for their messages. Open MPI still looks for network adapters first, which takes its
 * libraries 0.2 s where there are none: unless somebody has named what to take, it is told not to. */
static void stay_on_node(void) {
    const char *all = getenv("OMPI_COMM_WORLD_SIZE"), *here = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    if (all && here && strcmp(all, here) == 0)
        setenv("OMPI_MCA_pml", "ob1", 0);
}

__attribute__((visibility("default"))) rhm_transport_open rhm_transport_open_module;

bool rhm_transport_open_module(rhm_transport *out, int version, char *sentence, size_t sentence_nbytes) {
    int provided = MPI_THREAD_SINGLE;
    if (version != RHM_TRANSPORT_VERSION) {
        snprintf(sentence, sentence_nbytes, "its interface has version %d, not %d", RHM_TRANSPORT_VERSION, version);
        return false;
    }
    stay_on_node();
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
        snprintf(sentence, sentence_nbytes, "MPI_Init_thread failed");
        return false;
    }
    if (provided < MPI_THREAD_FUNNELED) {
        snprintf(sentence, sentence_nbytes, "it does not allow threads beside the one that calls it");
        MPI_Finalize();
        return false;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    *out = (rhm_transport){.send = start_send,
                           .receive = start_receive,
                           .done = done,
                           .cancel = cancel,
                           .drop = drop,
                           .arrived = arrived,
                           .abort = abort_all,
                           .close = close_all};
    MPI_Comm_rank(MPI_COMM_WORLD, &out->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &out->size);
    out->node = lowest_rank_of_node(out->rank);
    name_library(out->name);
    return true;
}
