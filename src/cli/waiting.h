/* Under mpirun MPI starts when all ranks are there. Who waits for one that has ended, or never came, says so. */
#ifndef RHM_CLI_WAITING_H
#define RHM_CLI_WAITING_H

#include <pthread.h>
#include <stdbool.h>

typedef struct rhm_waiting {
    const char *command;
    double most_seconds;
    int words; /* the descriptor for sentences */
    bool watched, over;
    pthread_mutex_t mutex;
    pthread_cond_t change;
    pthread_t thread;
} rhm_waiting;

/*
 * Watch what follows, up to rhm_waiting_end, from a thread of its own: rank 0 notes that it waits, and after
 * `most_seconds`, unless that is 0, the process ends with a sentence, and the job with it (rhm_ranks_abort). Nothing is
 * watched in a process that was started alone, or for want of a thread.
 */
void rhm_waiting_begin(rhm_waiting *waiting, const char *command, double most_seconds, int words);
void rhm_waiting_end(rhm_waiting *waiting);

#endif
