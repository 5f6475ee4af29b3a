/*
 * The other ranks of a sweep under mpirun, as the first one sees them: cores on which it has cells run, one message to
 * start each and one at its end.
 */
#ifndef RHM_CLI_SWEEP_REMOTE_H
#define RHM_CLI_SWEEP_REMOTE_H

#include "cli/sweep/process.h"
#include "rhm/engine.h"
#include "rhm/ranks.h"

/* How long whoever waits for messages and for ends of processes sleeps. */
#define RHM_SWEEP_NAP_SECONDS 0.002

/* A message; `json` is taken over, NULL being RHM_NO_MEMORY. */
rhm_status rhm_sweep_tell(rhm_ranks *ranks, int to, json_t *json, rhm_error *error);

/* The next message that has come, the caller's, and from whom; NULL: none has. */
rhm_status rhm_sweep_hear(json_t **json, int *from, rhm_ranks *ranks, rhm_error *error);

/* Make an engine with them, on all of them: cores of all ranks, and the fewest of one. */
rhm_status rhm_sweep_remote_join(rhm_engine **out, int *cores, int *fewest, rhm_ranks *ranks,
                                 const rhm_engine_options *options, rhm_error *error);

/* Add the sets that the other ranks have of their cores, behind those of this one; (*owner)[i] is the rank of set i,
 * from rhm_alloc. */
rhm_status rhm_sweep_remote_deal(rhm_core_sets *sets, int **owner, rhm_ranks *ranks, rhm_error *error);

/* Run a cell on set `number` of a rank's, as rhm_sweep_process_start does. */
rhm_status rhm_sweep_remote_start(rhm_ranks *ranks, int rank, int number, char **options, size_t count,
                                  rhm_error *error);

/* The next end of a cell that has come: *rank is 0 where none has. */
rhm_status rhm_sweep_remote_ended(int *rank, int *number, rhm_sweep_outcome *outcome, rhm_ranks *ranks,
                                  rhm_error *error);

/* Nothing is left to run. */
rhm_status rhm_sweep_remote_finish(rhm_ranks *ranks, rhm_error *error);

/* What ranks other than the first do: all that is above, until nothing is left. A failure, here or elsewhere, ends its
 * cells, which keep what they have. */
rhm_status rhm_sweep_serve(rhm_ranks *ranks, const rhm_engine_options *options, rhm_error *error);

#endif
