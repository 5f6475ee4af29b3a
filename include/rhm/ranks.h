/*
 * Several processes that train one model: the ranks of an MPI job. Each calls the same functions with the same
 * arguments; the engine, which is given the ranks, spreads the work of its loops over them, and all of them end with
 * the same model, the one that a single process would have made, to the last bit.
 *
 * MPI itself is a module that is loaded at run time (librhm_mpi_openmpi.so, librhm_mpi_mpich.so), so that the library
 * needs none. Modules are looked for in the directory that the environment variable RHM_MODULES names, beside the
 * program, in ../lib/rhm of it, and where the library was installed.
 *
 * One thread a process may call these, the one that calls the engine.
 */
#ifndef RHM_RANKS_H
#define RHM_RANKS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rhm_ranks rhm_ranks;

typedef struct rhm_ranks_options {
    /* Raised by a signal handler, say: whoever waits for another rank returns RHM_INTERRUPTED soon. May be NULL. */
    const volatile sig_atomic_t *interrupt;
    const char *agreement; /* what must be the same on all ranks, such as the command; NULL: nothing. The version of
                              the library and the bytes of the program are compared in any case */
} rhm_ranks_options;

/* What the environment says before anything is loaded: how many ranks a launcher started, 1 where none did, and which
 * of them this is. */
typedef struct rhm_ranks_launch {
    int rank, size;
} rhm_ranks_launch;

RHM_API rhm_ranks_launch rhm_ranks_launched(void);

/* How many tasks Slurm's srun started that cannot find each other (--mpi=none), so that each is alone; 0: no others. */
RHM_API int rhm_ranks_strangers(void);

/*
 * Join the other ranks. *out is NULL, and all is well, where this process was started alone, and where the variable
 * RHM_MPI is "off"; "openmpi" and "mpich" name the module where the environment leaves it open. A failure with *out
 * NULL is of a process that could not start MPI, RHM_UNSUPPORTED without a module for the launcher; on ranks other than
 * 0 it returns some seconds later, as rank 0 has the first word. With *out the process has joined, and leaves as after
 * any failure: RHM_INVALID where ranks disagree, naming the first that differs from rank 0.
 */
RHM_API rhm_status rhm_ranks_join(rhm_ranks **out, const rhm_ranks_options *options, rhm_error *error);

/* Give up on a rank that has not answered for so long: RHM_FAILED, naming it. 0, as at first: never. */
RHM_API void rhm_ranks_limit_silence(rhm_ranks *ranks, double seconds);

/*
 * Tell the others how this rank's work ended, wait for them, and end. Each rank that joined must leave, after its
 * engines are gone. Where all succeeded it returns RHM_OK. Otherwise the failure of the lowest rank that failed of
 * itself, the same on all ranks, and its sentence, which names the rank unless it is 0. Accepts NULL: the outcome
 * itself. After a failure the job is aborted in a way that leaves no process behind.
 */
RHM_API rhm_status rhm_ranks_leave(rhm_ranks *ranks, rhm_status outcome, rhm_error *error);

/*
 * After a failed job, when all has been said: ends this process and, if they hang, all others, with this exit status.
 * NULL: of a process that could not join, whose launcher is told to end the others; returns where the process was
 * started alone.
 */
RHM_API void rhm_ranks_abort(rhm_ranks *ranks, int exit_status);

/* Whether this is the rank to tell a user things: 0, or the next where that one is silent. True for NULL. */
RHM_API bool rhm_ranks_speaks(const rhm_ranks *ranks);

RHM_API int rhm_ranks_rank(const rhm_ranks *ranks); /* 0 for NULL */
RHM_API int rhm_ranks_size(const rhm_ranks *ranks); /* 1 for NULL */

/* The first rank whose text is not rank 0's, on all of them; -1: there is none. */
RHM_API rhm_status rhm_ranks_compare(rhm_ranks *ranks, const char *text, int *other, rhm_error *error);

/* For work that a caller shares among ranks: items first..end-1. */
typedef struct rhm_ranks_part {
    size_t first, end;
} rhm_ranks_part;

/* This rank's of `count` items: equal shares in the order of ranks, `together` >= 1 items from a multiple of that on
 * always in one of them. All of them for NULL. */
RHM_API rhm_ranks_part rhm_ranks_share(const rhm_ranks *ranks, size_t count, size_t together);

/* Items of `nbytes` each, (count, nbytes), of which every rank has its share: rank 0 gets all of them. All ranks must
 * call with the same numbers, in the same order. Nothing for NULL. */
RHM_API rhm_status rhm_ranks_collect(rhm_ranks *ranks, void *items, size_t nbytes, size_t count, size_t together,
                                     rhm_error *error);

/*
 * Texts that nobody waits for: one rank posts a copy, and the other finds it when it looks; those of a rank come in the
 * order in which they were posted. *text is NULL where none has come, else from malloc, and *from the rank that posted
 * it. Fails where a rank has failed. Every text has to be fetched before the ranks leave.
 *
 * Where silence is limited, rank 0 must hear of each other rank, and each of rank 0, as long as they fetch: fetching
 * says that a rank is alive, and whoever is busy with something else for long should say so itself (rhm_ranks_sign).
 */
RHM_API rhm_status rhm_ranks_post(rhm_ranks *ranks, int to, const char *text, rhm_error *error);
RHM_API rhm_status rhm_ranks_fetch(rhm_ranks *ranks, char **text, int *from, rhm_error *error);
RHM_API void rhm_ranks_sign(rhm_ranks *ranks); /* cheap; accepts NULL */

/* "Open MPI 4.1.4", and the host of a rank; owned by `ranks`. */
RHM_API const char *rhm_ranks_library(const rhm_ranks *ranks);
RHM_API const char *rhm_ranks_host(const rhm_ranks *ranks, int rank);

/*
 * The lowest rank on the node of a rank, and on its machine. A node is what MPI says can share memory
 * (MPI_Comm_split_type), within which messages are fast. A machine is what one kernel schedules, whose cores and memory
 * its ranks divide: containers of a machine may be nodes of their own to MPI, and host names tell nothing.
 */
RHM_API int rhm_ranks_node(const rhm_ranks *ranks, int rank);
RHM_API int rhm_ranks_machine(const rhm_ranks *ranks, int rank);

/* Whether nodes, machines and host names do not go together, and a sentence about the first ranks where they do not. */
RHM_API bool rhm_ranks_odd_nodes(const rhm_ranks *ranks, char *sentence, size_t sentence_nbytes);

#ifdef __cplusplus
}
#endif
#endif
