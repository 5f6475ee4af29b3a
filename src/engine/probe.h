/*
 * Whether the system lets the process have more threads. OpenMP runtimes end the process where it does not (libgomp:
 * "Thread creation failed"), so it is asked before they are. Between the answer and their start others may take what
 * there is: that is made unlikely, not impossible.
 */
#ifndef RHM_ENGINE_PROBE_H
#define RHM_ENGINE_PROBE_H

#include "rhm/status.h"

/* RHM_NO_MEMORY, with the number of the first one that is refused, unless `count` threads can be had at once. */
rhm_status rhm_probe_threads(int count, rhm_error *error);

#endif
