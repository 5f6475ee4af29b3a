/* Signs of life, where silence is limited. */
#ifndef RHM_RANKS_WATCH_H
#define RHM_RANKS_WATCH_H

#include "ranks/group.h"

/* A process that has not looked for so long was stopped, or busy: others may have been, too. */
#define RHM_AWAY_SECONDS 1.0

/* When a rank was last heard of, as far as that counts against it: not the time in which nobody listened. All in
 * monotonic seconds; `away` is how long before `now` the listener last looked. */
static inline double rhm_watch_excused(double heard, double away, double now) {
    const double later = away > RHM_AWAY_SECONDS ? heard + away : heard;
    return later < now ? later : now;
}

/* Take in signs of life: fails where a rank has been silent for too long. To be called again and again. */
rhm_status rhm_watch_look(rhm_ranks *ranks, rhm_error *error);

/* Something else has come from a rank. */
void rhm_watch_heard(rhm_ranks *ranks, int from);

#endif
