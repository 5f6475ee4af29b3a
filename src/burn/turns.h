/* Rates of cores turn by turn, and whether those of some are below those of others for certain. */
#ifndef RHM_BURN_TURNS_H
#define RHM_BURN_TURNS_H

#include <string.h>

#include "burn/burn.h"

static inline double rhm_burn_member(const rhm_burn_rates *rates, size_t member) {
    double value;
    memcpy(&value, (const char *)rates + member, sizeof value);
    return value;
}

/* Of one way, instruction set and part of a burn. A turn is one visit or several in a row. */
typedef struct rhm_burn_bench {
    const rhm_burn *burn;
    rhm_burn_way way;
    int isa;
    rhm_burn_part part;
    size_t visits; /* of every core, in the whole burn */
    size_t turns;  /* of the part */
    double *rate;  /* (cores, most visits), of which (cores, turns) are filled; NAN where a core does not count */
    double *ratio; /* (most visits) */
    double *pool;  /* (most visits or cores, whichever are more) */
    int *mates;    /* (cores), processors of this core that take part */
} rhm_burn_bench;

rhm_status rhm_burn_bench_create(rhm_burn_bench *bench, const rhm_burn *burn, rhm_error *error);
void rhm_burn_bench_clear(rhm_burn_bench *bench); /* accepts a zeroed one */

/* What is looked at from here on. */
void rhm_burn_bench_turn_to(rhm_burn_bench *bench, rhm_burn_way way, int isa, rhm_burn_part part);

/* Visits before a moment. */
size_t rhm_burn_visits_until(const rhm_burn_bench *bench, int eighths);

static inline bool rhm_burn_is_whole(rhm_burn_part part) {
    return part.begin == 0 && part.end == RHM_BURN_EIGHTHS;
}

/* Parts that are looked at besides the whole: halves and quarters, each beginning in the middle of the one before. */
enum { RHM_BURN_PARTS = 10 };
extern const rhm_burn_part rhm_burn_parts[RHM_BURN_PARTS];

/* A member of the rates of every visit, of cells without an excuse or of all. */
void rhm_burn_fill(rhm_burn_bench *bench, size_t member, bool excused_too);

/* The best run of a kernel in each turn, where nothing disturbed it. */
void rhm_burn_fill_best(rhm_burn_bench *bench, rhm_burn_operation operation);

/* Whether a core belongs to a subject or to what that is compared with. */
typedef bool rhm_burn_wanted(const rhm_burn_bench *bench, int core, int subject);
rhm_burn_wanted rhm_burn_is_core, rhm_burn_is_sibling, rhm_burn_is_of_socket, rhm_burn_is_of_other_socket;

/* Ratios of the median of what `mine` picks to that of what `others` picks, for all turns that have both. Returns how
 * many there are. */
size_t rhm_burn_compare(rhm_burn_bench *bench, rhm_burn_wanted *mine, rhm_burn_wanted *others, int subject);

/* Puts in place of every rate its ratio to the median of the core's siblings at the same turn, which is what
 * rhm_burn_compare has for one core at a time. */
void rhm_burn_relate_to_siblings(rhm_burn_bench *bench);

/* Then those of a core, for all turns that have one. Returns how many there are. */
size_t rhm_burn_ratios_of(rhm_burn_bench *bench, int core);

/* *below: 1 - the median of `count` ratios. Whether that is beyond `tolerance` for certain. Sorts. */
bool rhm_burn_beyond(rhm_burn_bench *bench, size_t count, double tolerance, double *below);

/* Ratios that it takes at the least, of a whole burn. */
size_t rhm_burn_turns_needed(const rhm_burn *burn);

#endif
