#ifndef RHM_CORE_CLOCK_H
#define RHM_CORE_CLOCK_H

/* Seconds on the monotonic clock. */
double rhm_seconds(void);

#endif
