/* One cell as a process of its own: what goes wrong there stays there. */
#ifndef RHM_CLI_SWEEP_PROCESS_H
#define RHM_CLI_SWEEP_PROCESS_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "rhm/status.h"
#include "rhm/sweep.h"

typedef struct rhm_sweep_process {
    pid_t pid;
    int report, words; /* descriptors of what it writes */
    double began;      /* monotonic seconds */
} rhm_sweep_process;

enum { RHM_SWEEP_REASON_NBYTES = 512 };

/* How it ended. */
typedef struct rhm_sweep_outcome {
    json_t *report; /* owned; NULL unless it is done */
    bool interrupted;
    char reason[RHM_SWEEP_REASON_NBYTES]; /* "" unless it failed */
    double seconds, cpu_seconds;
} rhm_sweep_outcome;

enum { RHM_SWEEP_SPARE_ARGUMENTS = 12 };

/*
 * Run this program's `train` on some CPUs. It ends when this process does, even if that is killed. `options` leaves
 * room for so many more arguments (rhm_sweep_cell_arguments); those from `count` on are set, up to a NULL at the end.
 */
rhm_status rhm_sweep_process_start(rhm_sweep_process *out, char **options, size_t count, const rhm_core_set *cores,
                                   rhm_error *error);

/* Ask it to come to an end. */
void rhm_sweep_process_interrupt(const rhm_sweep_process *process);

/* Whether it has ended; then its outcome, and the descriptors are closed. */
bool rhm_sweep_process_ended(rhm_sweep_process *process, rhm_sweep_outcome *outcome);

/* Wait for the end of any process, a signal, or so long. */
void rhm_sweep_process_wait(double seconds);

/* Before the first process starts: their ends are waited for from now on. */
void rhm_sweep_process_prepare(void);

#endif
