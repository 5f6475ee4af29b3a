/* The ranks as the library sees them: messages that are waited for, under the eyes of interrupts and of ranks that end.
 */
#ifndef RHM_RANKS_GROUP_H
#define RHM_RANKS_GROUP_H

#include <stdint.h>

#include "ranks/transport.h"
#include "rhm/ranks.h"

enum { RHM_HOST_NBYTES = 64 };

/* Where a rank is. */
typedef struct rhm_rank_home {
    char host[RHM_HOST_NBYTES];
    char kernel[RHM_HOST_NBYTES]; /* what differs between machines, and between boots of one */
    int node, machine;            /* lowest ranks there; before all have met, the node as the transport says it */
    int64_t pid;                  /* in a namespace of that kernel's */
    uint64_t of_namespace;        /* 0: not known */
} rhm_rank_home;

/* How a rank's work ended, as it says itself. */
typedef struct rhm_departure {
    int status; /* an rhm_status */
    int rank;   /* who failed of itself: this rank, or the one whose end it was told of */
    bool met;   /* it knew all ranks by then, and they have what they need to know it */
    char sentence[RHM_ERROR_TEXT_NBYTES];
} rhm_departure;

/* What a rank sends messages for. */
typedef enum rhm_account_kind {
    RHM_ACCOUNT_OTHER,
    RHM_ACCOUNT_GATHER,
    RHM_ACCOUNT_REDUCE,
    RHM_ACCOUNT_BROADCAST,
    RHM_ACCOUNT_KINDS,
} rhm_account_kind;

/* What a rank has told and been told since it joined, ends aside. A message of one's own counts when it has gone. */
typedef struct rhm_rank_account {
    struct {
        uint64_t sent, sent_nbytes, received, received_nbytes;
        double seconds; /* in it, waiting for other ranks included */
    } of[RHM_ACCOUNT_KINDS];
    double waited_seconds; /* for messages, of any kind */
} rhm_rank_account;

/* Who has been heard of; all in monotonic seconds. */
typedef struct rhm_watch {
    double signed_seconds; /* when this rank last said that it is alive */
    double looked_seconds; /* when it last looked */
    double *heard_seconds; /* (size), owned; NULL: nobody is watched */
} rhm_watch;

/* A text on its way: its length, then itself. */
struct rhm_posted {
    struct rhm_posted *next;
    void *request[2]; /* NULL: has gone */
    uint64_t nbytes;
    char text[];
};

struct rhm_ranks {
    rhm_transport transport;
    rhm_ranks_options options;
    double silence_seconds;    /* the most that is allowed; 0: any */
    rhm_rank_home *home;       /* (size) */
    rhm_departure *gone;       /* (size) */
    bool *has_gone;            /* (size) */
    bool *silent;              /* (size): waited for in vain, so that they cannot say anything */
    void **farewell;           /* (size): requests of what they are told at the end */
    bool met;                  /* what all ranks are is known */
    int blamed;                /* the rank whose end made this one fail, or -1 */
    struct rhm_posted *posted; /* texts that have not gone yet, owned */
    rhm_watch watch;
    rhm_account_kind kind;    /* of what is under way */
    rhm_rank_account account; /* this rank's, which goes on */
    rhm_rank_account *known;  /* (size): all ranks', as of rhm_ranks_tell_accounts; NULL before */
    double *summing;          /* (summing_size): of rhm_ranks_sum, of which there are thousands */
    size_t summing_size;
};

/*
 * A message, the sender's or the receiver's half; returns when it has been handed over, or RHM_INTERRUPTED, or the
 * failure of a rank that has ended meanwhile. Zero bytes are a message too.
 */
rhm_status rhm_ranks_send(rhm_ranks *ranks, int to, const void *data, size_t nbytes, rhm_error *error);
rhm_status rhm_ranks_receive(rhm_ranks *ranks, int from, void *data, size_t nbytes, rhm_error *error);

/* A request of the transport until it is done, in the same way. */
rhm_status rhm_ranks_wait(rhm_ranks *ranks, void *request, int peer, rhm_error *error);

/* Release posted texts that have gone. */
void rhm_posts_forget(rhm_ranks *ranks);

/* A sign of life that has come, and whose; false: none has. */
bool rhm_signs_take(rhm_ranks *ranks, int *from);

/* Both at a time, from and to any ranks. */
rhm_status rhm_ranks_exchange(rhm_ranks *ranks, int to, const void *out, size_t out_nbytes, int from, void *in,
                              size_t in_nbytes, rhm_error *error);

/* SHA-256 of a text, in RHM_SHA256_TEXT_NBYTES of hexadecimal digits. */
void rhm_ranks_hash(const char *text, char *out);

/* Between these two all messages count as of this kind; `begin` is what the first returns. */
typedef struct rhm_account_begun {
    rhm_account_kind before;
    double seconds;
} rhm_account_begun;
rhm_account_begun rhm_account_begin(rhm_ranks *ranks, rhm_account_kind kind);
void rhm_account_end(rhm_ranks *ranks, rhm_account_begun begin);

/* ---- of all ranks, each of which must call them in the same order; no failure with `ranks` NULL ---- */

/* Rank 0's bytes for all. */
rhm_status rhm_ranks_broadcast(rhm_ranks *ranks, void *data, size_t nbytes, rhm_error *error);

/* Each rank's own part of `data` for all: rank r's begins at begin[r] and ends at begin[r + 1], in bytes. */
rhm_status rhm_ranks_gather(rhm_ranks *ranks, void *data, const size_t *begin, rhm_error *error);

/* The same within an account of another kind. */
rhm_status rhm_ranks_pass_round(rhm_ranks *ranks, void *data, const size_t *begin, rhm_error *error);

/* As rhm_ranks_share: where the part of a rank begins, 0..size. */
size_t rhm_ranks_begin(const rhm_ranks *ranks, size_t count, size_t together, int rank);

/* The same with parts of one size: data is (size, each_nbytes). */
rhm_status rhm_ranks_gather_equal(rhm_ranks *ranks, void *data, size_t each_nbytes, rhm_error *error);

/*
 * From every rank to every other: rank r is sent the bytes slice[r] of `out`, of which several may get the same. *in,
 * to be freed, also after failures, receives what all have sent to this one, rank r's from begin[r] to begin[r + 1].
 */
rhm_status rhm_ranks_deal(rhm_ranks *ranks, const void *out, const rhm_ranks_part *slice, void **in, size_t *begin,
                          rhm_error *error);

/* Sums of the ranks' numbers, exact below 2^64: values (count), on all of them. */
rhm_status rhm_ranks_add(rhm_ranks *ranks, uint64_t *values, size_t count, rhm_error *error);

/* Rows of the largest subtree of `count` rows that begins with `row` and ends before `end`, a rank's last: a power of
 * two, of which the end of all rows may cut something off. */
size_t rhm_ranks_subtree(size_t row, size_t end, size_t count);

/*
 * The sum of `count` rows in the binary tree of engine/reduce.h, of which rank r has rows first[r] .. first[r + 1] - 1.
 * It has added up those of each subtree (rhm_ranks_subtree, from its first row on) into the first of them. `rows` are
 * `stride` doubles apart, row 0 of the problem at rows[0], and are overwritten; `sum` (size) is on all ranks.
 */
rhm_status rhm_ranks_sum(rhm_ranks *ranks, double *rows, size_t count, const size_t *first, size_t size, size_t stride,
                         double *sum, rhm_error *error);

/* How they go about it: each rank adds up its share of the columns; or else sums go up the tree to rank 0, and back. */
enum { RHM_RANKS_SHARING_COLUMNS = 8 }; /* at most */
bool rhm_ranks_share_columns(int ranks, size_t size);

/* Into how many subtrees of that tree, each as large as can be, rows first .. end - 1 of `count` fall. */
size_t rhm_ranks_subtrees(size_t count, size_t first, size_t end);

/*
 * The sum of `count` long rows of floats in the same tree, on all ranks: each adds up an equal part of the columns, and
 * gets no more than those of the others' rows. At `rows`, `stride` >= size apart, rank r has the sums, of `size` floats
 * each, of the rhm_ranks_subtrees of its part. The sum replaces the first, for which a rank without rows has memory,
 * too; the others are left as scratch. `spare` has as many floats as the function below says.
 */
rhm_status rhm_ranks_sum_floats(rhm_ranks *ranks, float *rows, size_t count, const size_t *first, size_t size,
                                size_t stride, float *spare, rhm_error *error);
size_t rhm_ranks_floats_spare(rhm_ranks *ranks, size_t count, const size_t *first, size_t size);

/* What each rank has sent, received and waited up to here, to all of them; rhm_ranks_account has it then. */
rhm_status rhm_ranks_tell_accounts(rhm_ranks *ranks, rhm_error *error);

/* NULL before. */
const rhm_rank_account *rhm_ranks_account(const rhm_ranks *ranks, int rank);

#endif
