/*
 * A benchmark program whose rows are made of the problems of a shapes file: what all of them do besides their work.
 *
 * Rows run on the session's engine with their argument t as the number of threads, and say themselves what a trial
 * took. The best trial of a row counts, since neighbours on a shared machine only ever take time away.
 */
#ifndef RHM_BENCH_PROGRAM_H
#define RHM_BENCH_PROGRAM_H

#include "gbench.h"
#include "session.h"
#include "session_engine.h"
#include "shapes.h"

typedef struct program {
    const char *about;       /* for --help */
    const char *shapes_path; /* where --shapes=FILE is not given */
    const char *const *keys; /* that a line may have; NULL at the end */
    size_t problem_nbytes;   /* of what is made of a line */
    rhm_status (*make)(void *problem, const shapes *all, const shape *line, rhm_error *error);
    void (*clear)(void *problem); /* accepts a zeroed one; NULL: nothing to clear */
    void (*register_problems)(void *problems, size_t count);
} program;

/* The main of such a program; its exit status. */
int program_main(int argc, char **argv, const program *what);

/*
 * Register a row: `body` is given a copy of the `nbytes` at `row`, which lives as long as the program, at every thread
 * count of the session. The name is printed as printf does.
 */
__attribute__((format(printf, 4, 5))) gb_bench *program_add(gb_function *body, const void *row, size_t nbytes,
                                                            const char *name, ...);

/* The same without threads. */
void program_add_alone(gb_function *body, const void *row, size_t nbytes, const char *name);

/* One trial: its seconds. RHM_UNSUPPORTED and all other failures end the row. */
typedef rhm_status program_trial(void *context, double *seconds, rhm_error *error);

/*
 * Go on with trials until the row is measured, each followed by one of the ceiling where `against_ceiling`; *best
 * (seconds) falls to the shortest, over all calls of the row. `status` is that of the preparation: when it is no RHM_OK
 * nothing is run. The status of everything; the row has been ended with `error` when that is not RHM_OK.
 */
rhm_status program_measure(gb_state *state, rhm_status status, program_trial *trial, void *context, double *best,
                           bool against_ceiling, rhm_error *error);

/* Whether this is the first call of a row, which is to verify its result; *best begins anew then. */
bool program_first(gb_state *state, double *best);

/* The counters flops, best_flops_per_second, ceiling_flops_per_second and share of work that took `best` seconds. */
void program_report_flops(gb_state *state, double flops, double best);

#endif
