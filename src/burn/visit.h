/* One thread's stay on one core, or that of a team on all. */
#ifndef RHM_BURN_VISIT_H
#define RHM_BURN_VISIT_H

#include <pthread.h>

#include "burn/burn.h"

enum { RHM_BURN_MOST_WINDOWS = 256 };

/* Who stays together begins together. */
typedef struct rhm_burn_start {
    pthread_mutex_t mutex;
    pthread_cond_t all_there;
    int there, expected;
} rhm_burn_start;

typedef struct rhm_burn_stay {
    const rhm_burn *burn;
    rhm_burn_way way;
    rhm_isa isa;
    const char *placement; /* as rhm_engine_options has it */
    int pu_os;             /* -1: several */
    double seconds;        /* to stay */
    rhm_burn_start *start; /* of all that stay together */

    /* What came of it. */
    rhm_status status;
    rhm_error error;
    rhm_burn_cell sums; /* of this stay; no visits */
    rhm_burn_rates rates;
    double least[RHM_BURN_OPERATIONS]; /* seconds of the shortest run; HUGE_VAL without any */

    /* On the way. */
    rhm_burn_rates window[RHM_BURN_MOST_WINDOWS];
    size_t windows, trainings;
    double training[RHM_BURN_MOST_WINDOWS]; /* seconds of each undisturbed one */
} rhm_burn_stay;

/* Work, from the creation of an engine on; for pthread_create. */
void *rhm_burn_stay_run(void *stay);

#endif
