#include "ranks/unjoined.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rhm/ranks.h"

enum { LAUNCHER_SECONDS = 5 };          /* to end this process; half a second is usual */
static const long WORDS_NS = 300000000; /* for words to come through a launcher, as in departures.c */

/*
 * MPICH's launcher lets others wait for ever for a process that ends without having started MPI, unless a signal has
 * ended it, whose number is then the status of the job. But it listens to what MPI_Abort says (PMI 1, of which this is
 * one line), from whoever says it.
 */
static void ask_hydra(int exit_status) {
    const char *socket = getenv("PMI_FD");
    char *end, line[48];
    if (!getenv("HYDI_CONTROL_FD") || !socket)
        return;
    const long descriptor = strtol(socket, &end, 10);
    snprintf(line, sizeof line, "cmd=abort exitcode=%d\n", exit_status);
    if (end == socket || *end || descriptor <= STDERR_FILENO ||
        send((int)descriptor, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
        raise(SIGKILL);
    sleep(LAUNCHER_SECONDS);
    raise(SIGKILL);
}

/* Open MPI's ends all when one has ended with a failure; of Slurm's srun the user says so (--kill-on-bad-exit). */
void rhm_unjoined_end(int exit_status) {
    if (rhm_ranks_launched().size < 2)
        return;
    nanosleep(&(struct timespec){.tv_nsec = WORDS_NS}, NULL);
    ask_hydra(exit_status);
    _exit(exit_status);
}

/* Slurm's PMI-2 kills the step: a signal's status. Its tasks may end without a word to MPI, each with a status of its
 * own, the largest of which is the step's. */
bool rhm_launcher_drops_status(void) {
    return getenv("PMI_FD") && getenv("SLURM_STEP_ID") && !getenv("HYDI_CONTROL_FD");
}
