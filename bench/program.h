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
    const char *shapes_path; /* where --shapes=FILE is not given; NULL: the rows are of no problems */
    const char *const *keys; /* that a line may have; NULL at the end */
    size_t problem_nbytes;   /* of what is made of a line */
    rhm_status (*make)(void *problem, const shapes *all, const shape *line, rhm_error *error);
    void (*clear)(void *problem); /* accepts a zeroed one; NULL: nothing to clear */
    void (*register_problems)(void *problems, size_t count);
} program;

/* The main of such a program; its exit status. */
int program_main(int argc, char **argv, const program *what);

/* One trial: its seconds. RHM_UNSUPPORTED and all other failures end the row. */
typedef rhm_status program_trial(void *state, double *seconds, rhm_error *error);

/*
 * How rows of one kind are run. A row's state is made when the row begins and kept until another one does, so that
 * turns that follow each other find it ready and its memory warm.
 */
typedef struct program_kind {
    size_t state_nbytes;  /* zeroed before it is prepared */
    bool against_ceiling; /* a trial of the multiply-add ceiling follows each */
    /* Make the state for `threads` (0: the row has none), and verify its result where that is asked for. */
    rhm_status (*prepare)(void *state, void *row, int threads, bool verify, rhm_error *error);
    program_trial *trial;
    /* Counters, label and items, after the trials; best: seconds of the shortest, over all calls of the row. */
    void (*report)(gb_state *gb, const void *state, double best);
    void (*clear)(void *state); /* accepts what a prepare that failed left; NULL: nothing to clear */
} program_kind;

/*
 * Register a row: the `nbytes` at `row` are copied and live as long as the program. It has every thread count of the
 * session. The name is printed as printf does.
 */
__attribute__((format(printf, 4, 5))) gb_bench *program_add(const program_kind *kind, const void *row, size_t nbytes,
                                                            const char *name, ...);

/* The same without threads. */
void program_add_alone(const program_kind *kind, const void *row, size_t nbytes, const char *name);

/* The counters flops, best_flops_per_second, ceiling_flops_per_second and share of work that took `best` seconds. */
void program_report_flops(gb_state *state, double flops, double best);

#endif
