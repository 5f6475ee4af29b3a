/* What is done while something fails: a part of the library's work that needs memory, files or threads. */
#ifndef RHM_TESTS_FAULTS_SCENARIOS_H
#define RHM_TESTS_FAULTS_SCENARIOS_H

#include "rhm/status.h"

enum { OUTCOME_NBYTES = 256 };

typedef struct fault_scenario {
    const char *name;
    /* `outcome` says what came of it, the same whenever it succeeds. Leaves nothing behind but "out*". */
    rhm_status (*run)(char outcome[OUTCOME_NBYTES], rhm_error *error);
} fault_scenario;

extern const fault_scenario scenarios[]; /* ends with a NULL name */

/* The files that scenarios read, into the current directory. */
void scenarios_prepare(void);

#endif
