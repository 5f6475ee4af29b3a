/* What a burn holds: where it ran, and what came of every visit to a core. */
#ifndef RHM_BURN_INTERNAL_H
#define RHM_BURN_INTERNAL_H

#include "burn/work.h"
#include "engine/placement.h"
#include "rhm/burn.h"

typedef enum rhm_burn_way {
    RHM_BURN_ALONE,    /* one core after the other, the rest idle */
    RHM_BURN_TOGETHER, /* every core at the same time, each with work of its own */
    RHM_BURN_TEAM,     /* one training of all cores */
    RHM_BURN_WAYS,
} rhm_burn_way;

/* "alone", "together", "team". */
const char *rhm_burn_way_name(rhm_burn_way way);

/* What a visit measured: medians over its undisturbed windows, and the best of all; NAN where it has none. */
typedef struct rhm_burn_rates {
    double gflops;   /* of the kernels */
    double share;    /* of the multiply-adds' peak in the same milliseconds */
    double training; /* trainings a second */
    double hertz;
    double best[RHM_BURN_OPERATIONS]; /* runs a second, by the shortest run */
    double best_gflops;               /* of all kernels at their best */
    double best_hertz;
} rhm_burn_rates;

/* One core (in RHM_BURN_TEAM: all) in one instruction set, over all visits. */
typedef struct rhm_burn_cell {
    uint64_t runs, mismatches;
    uint64_t wrong[RHM_BURN_OPERATIONS + 1]; /* of these by operation, trainings last */
    uint64_t windows, disturbed;
    double seconds;                         /* of the visits; */
    double foreign_seconds, stolen_seconds; /* of them, others on this core; the host's others */
    bool counted;                           /* hertz by perf events */
    rhm_burn_rates *visit;                  /* (visits), owned */
    size_t visits, visits_capacity;
    uint64_t visits_made; /* of which one in 2^thinned is kept */
    unsigned thinned;
    /* Set by the judgement: turns, of them those in which it was compared with siblings (mean over kernels), and
     * kernels with enough of these. */
    size_t turns, compared;
    int kernels_judged;
} rhm_burn_cell;

/* A part of a burn, in eighths of its time. */
typedef struct rhm_burn_part {
    int begin, end;
} rhm_burn_part;

enum { RHM_BURN_EIGHTHS = 8 };

/* How many of the kernels of a cell were compared with siblings. */
typedef enum rhm_burn_judged { RHM_BURN_JUDGED_NONE, RHM_BURN_JUDGED_SOME, RHM_BURN_JUDGED_ALL } rhm_burn_judged;

typedef enum rhm_burn_outlier_kind {
    RHM_BURN_SLOW_CORE,
    RHM_BURN_SLOW_SOCKET,
    RHM_BURN_SLOW_ISA
} rhm_burn_outlier_kind;

typedef struct rhm_burn_outlier {
    rhm_burn_outlier_kind kind;
    rhm_burn_way way;
    rhm_isa isa;
    int core;           /* index, of a core; package number, of a socket; -1, of an instruction set */
    unsigned kernels;   /* bits of the operations whose best runs are slow; 0: typical runs of all together */
    double below;       /* share by which it is below, in the slowest of them */
    double hertz_below; /* the same of its frequency */
    rhm_burn_part part; /* when */
} rhm_burn_outlier;

struct rhm_burn {
    rhm_burn_options options;
    char cpu[RHM_CPU_NAME_NBYTES];
    double tolerance, frequency_tolerance;
    bool virtual_machine;
    int cores;
    rhm_place *core; /* (cores), owned */
    int isas;
    rhm_isa isa[RHM_ISA_COUNT];
    rhm_grammar *grammar;
    rhm_burn_cell *cell;  /* (RHM_BURN_WAYS, cores, isas), owned; of RHM_BURN_TEAM those of core 0 */
    uint64_t rounds;      /* that every core has had */
    double seconds;       /* that it took */
    double other_seconds; /* of processors that other programs had meanwhile, NAN where that is not known */
    rhm_burn_outlier *outlier;
    size_t outliers, outliers_capacity;
    bool interrupted;
};

static inline rhm_burn_cell *rhm_burn_cell_at(const rhm_burn *burn, rhm_burn_way way, int core, int isa) {
    return &burn->cell[((size_t)way * (size_t)burn->cores + (size_t)core) * (size_t)burn->isas + (size_t)isa];
}

/* Cells that `way` has in an instruction set. */
static inline int rhm_burn_cells(const rhm_burn *burn, rhm_burn_way way) {
    return way == RHM_BURN_TEAM ? 1 : burn->cores;
}

/* ---- visits ---- */

/* A stay on `count` cores from `first` on for about `seconds`: together, or (RHM_BURN_TEAM) as one. Adds to the cells.
 */
rhm_status rhm_burn_visit(rhm_burn *burn, rhm_burn_way way, int first, int count, int isa, double seconds,
                          rhm_error *error);

/* Adds the rates of a visit to the history of a cell, which stays one of the whole burn however long that is. */
rhm_status rhm_burn_keep_visit(rhm_burn_cell *cell, const rhm_burn_rates *rates, rhm_error *error);

/* ---- judgement ---- */

/* Medians of cells whose processor others used for more than this share of the visits say little. */
#define RHM_BURN_FOREIGN_MOST 0.02

/* Why the typical rates of a cell say little, or NULL. */
const char *rhm_burn_excuse(const rhm_burn_cell *cell);

/* Whether other programs had so much of the processor of a virtual machine that its best runs say little, too. */
bool rhm_burn_is_crowded(const rhm_burn *burn, const rhm_burn_cell *cell);

/* After the judgement: what of a cell was judged, and why not more; NULL if all was. */
rhm_burn_judged rhm_burn_what_was_judged(const rhm_burn_cell *cell);
const char *rhm_burn_why_not_all(const rhm_burn *burn, rhm_burn_way way, const rhm_burn_cell *cell);

/* The reason where a cell of several cores that had rounds enough could not be judged at all, or NULL. */
const char *rhm_burn_unjudged(const rhm_burn *burn, const rhm_burn_cell *cell);

/* The median of a member of the rates of all visits, and the median distance from it; NAN without any. */
double rhm_burn_median(const rhm_burn_cell *cell, size_t member);
double rhm_burn_spread(const rhm_burn_cell *cell, size_t member);

/* Fills in the outliers. */
rhm_status rhm_burn_judge(rhm_burn *burn, rhm_error *error);

/* Turns that are lacking before a core can be told to be slow; 0: there are enough. */
size_t rhm_burn_turns_short(const rhm_burn *burn);

/* From the beginning of the burn. */
static inline double rhm_burn_seconds_until(const rhm_burn *burn, int eighths) {
    return burn->seconds * eighths / RHM_BURN_EIGHTHS;
}

/* Whether what is slow has a frequency that is low enough to be why. */
static inline bool rhm_burn_is_clocked(const rhm_burn_outlier *o) {
    return o->hertz_below > 0.5 * o->below; /* not of NAN */
}

/* A sentence. */
void rhm_burn_outlier_text(const rhm_burn *burn, const rhm_burn_outlier *outlier, char *text, size_t nbytes);

/* "core 1 (CPU 3, socket 0)", "socket 1" or "all cores". */
void rhm_burn_core_text(const rhm_burn *burn, rhm_burn_way way, int core, char *text, size_t nbytes);

#endif
