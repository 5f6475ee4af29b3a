/* Where long cells keep what they have done, so that an interrupted sweep loses nothing of them. */
#ifndef RHM_CLI_SWEEP_CHECKPOINTS_H
#define RHM_CLI_SWEEP_CHECKPOINTS_H

#include "cli/sweep/store.h"

/* "--checkpoint=DIR/checkpoints/NUMBER" for a cell, from rhm_alloc; the directory around it is made. */
rhm_status rhm_sweep_checkpoint_argument(char **argument, const rhm_sweep_store *store, const char *key,
                                         rhm_error *error);

/* Remove what a cell kept that has ended; it may have kept nothing. */
void rhm_sweep_checkpoint_remove(const rhm_sweep_store *store, const char *key);

#endif
