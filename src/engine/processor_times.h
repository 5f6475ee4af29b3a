/* What the system says a processor, or all together, did since it started. */
#ifndef RHM_ENGINE_PROCESSOR_TIMES_H
#define RHM_ENGINE_PROCESSOR_TIMES_H

#include <stdbool.h>

typedef struct rhm_processor_times {
    double busy;   /* seconds of anything at all; of all processors: summed over them */
    double stolen; /* seconds in which there was work, and the host of this virtual machine ran others */
} rhm_processor_times;

/* Of one processor by the system's number, or (-1) of all. False where the system does not say. To the nearest tick,
 * some milliseconds. */
bool rhm_processor_times_read(rhm_processor_times *times, int pu_os);

/* Since some moment. */
typedef struct rhm_processor_others {
    bool known;
    rhm_processor_times begin;
    double own_begin;
} rhm_processor_others;

rhm_processor_others rhm_processor_others_begin(void);

/* What other programs had of all processors, and what the host took; NAN where the system does not say. */
rhm_processor_times rhm_processor_others_since(const rhm_processor_others *others);

#endif
