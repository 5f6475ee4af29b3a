/* A whole job of a shapes file, with everything fixed that training could choose. */
#ifndef RHM_BENCH_JOB_H
#define RHM_BENCH_JOB_H

#include "instance.h"
#include "rhm/learner.h"

typedef struct job {
    instance of;
    rhm_train_options options;
    double accuracy; /* share of the test that must come out right */
} job;

/* The keys of shapes/jobs.txt. */
extern const char *const job_keys[];

rhm_status job_make(job *out, const shapes *all, const shape *source, rhm_error *error);
void job_clear(job *of); /* accepts a zeroed one */

#endif
