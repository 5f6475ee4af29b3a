/* The end of a process that a launcher started as one of several ranks, and that could not join them. */
#ifndef RHM_RANKS_UNJOINED_H
#define RHM_RANKS_UNJOINED_H

/* So that the launcher ends the others, too. Returns in a process that was started alone. */
void rhm_unjoined_end(int exit_status);

#endif
