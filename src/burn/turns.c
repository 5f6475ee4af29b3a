/*
 * Turns. Whatever else uses a core, the host of a virtual machine with its steal and a neighbour in the same caches
 * above all, makes runs slower, never faster, and comes and goes in bursts. A run of microseconds fits between them:
 * the best run of a turn says what the core can do. A turn in which even that is far from the core's best turns was
 * disturbed from beginning to end, and is set aside. What is left is compared turn by turn, by a sign test.
 */
#include <math.h>
#include <stdlib.h>

#include "burn/turns.h"
#include "core/median.h"
#include "core/memory.h"

static const double false_alarms = 1e-3; /* a run: half of them for the whole of it, half for its parts */

const rhm_burn_part rhm_burn_parts[RHM_BURN_PARTS] = {{4, 8}, {2, 6}, {0, 4}, {6, 8}, {5, 7},
                                                      {4, 6}, {3, 5}, {2, 4}, {1, 3}, {0, 2}};

/* A core's own best: the tenth of its turns that are better. */
static const double best_quantile = 0.9;

/* Below that by more than frequencies step up and down, and less than a neighbour takes. */
static const double most_slowed = 0.125;

/* Turns are merged, and so depend less on each other, where that leaves this many times the number needed. */
enum { MERGED_TO_LEAST = 6 };

/* Of the time on a virtual processor, what other programs may have of it before its best runs say nothing. Whoever
 * keeps two of them busy may keep both threads of one core busy, which only the host knows. */
static const double most_foreign = 0.5;

/* Of the disturbed windows of a cell, the share from which on its medians are left alone. */
static const double most_disturbed = 0.5;

const char *rhm_burn_excuse(const rhm_burn_cell *cell) {
    if (cell->foreign_seconds > RHM_BURN_FOREIGN_MOST * cell->seconds)
        return "other programs used this core";
    if (cell->stolen_seconds > RHM_BURN_FOREIGN_MOST * cell->seconds)
        return "the host gave this processor to others";
    if ((double)cell->disturbed > most_disturbed * (double)cell->windows)
        return "the processor was taken away in most windows";
    return NULL;
}

bool rhm_burn_is_crowded(const rhm_burn *burn, const rhm_burn_cell *cell) {
    return burn->virtual_machine && cell->foreign_seconds > most_foreign * cell->seconds;
}

static const rhm_burn_cell *cell_of(const rhm_burn_bench *b, int core) {
    return rhm_burn_cell_at(b->burn, b->way, core, b->isa);
}

/* Of the core that has most: a burn that is interrupted ends in the middle of a round. */
static size_t visits_of(const rhm_burn *burn, rhm_burn_way way, int isa) {
    size_t most = 1;
    for (int core = 0; core < burn->cores; core++) {
        const size_t visits = rhm_burn_cell_at(burn, way, core, isa)->visits;
        most = visits > most ? visits : most;
    }
    return most;
}

void rhm_burn_bench_turn_to(rhm_burn_bench *b, rhm_burn_way way, int isa, rhm_burn_part part) {
    b->way = way;
    b->isa = isa;
    b->part = part;
    b->visits = visits_of(b->burn, way, isa);
}

rhm_status rhm_burn_bench_create(rhm_burn_bench *b, const rhm_burn *burn, rhm_error *error) {
    const size_t cores = (size_t)burn->cores;
    size_t most = 1;
    *b = (rhm_burn_bench){.burn = burn};
    for (int way = 0; way < RHM_BURN_TEAM; way++)
        for (int isa = 0; isa < burn->isas; isa++) {
            const size_t visits = visits_of(burn, (rhm_burn_way)way, isa);
            most = visits > most ? visits : most;
        }
    b->rate = RHM_NEW(double, cores, most, 1, "rates of cores", error);
    b->ratio = RHM_NEW(double, most, 1, 1, "ratios of rates", error);
    b->pool = RHM_NEW(double, most > cores ? most : cores, 1, 1, "rates of a turn", error);
    b->mates = RHM_NEW(int, cores, 1, 1, "processors of a core", error);
    if (!b->rate || !b->ratio || !b->pool || !b->mates) {
        rhm_burn_bench_clear(b);
        return RHM_NO_MEMORY;
    }
    for (int i = 0; i < burn->cores; i++)
        for (int j = 0; j < burn->cores; j++)
            b->mates[i] += burn->core[i].core == burn->core[j].core;
    return RHM_OK;
}

void rhm_burn_bench_clear(rhm_burn_bench *b) {
    rhm_free(b->rate);
    rhm_free(b->ratio);
    rhm_free(b->pool);
    rhm_free(b->mates);
    *b = (rhm_burn_bench){0};
}

size_t rhm_burn_visits_until(const rhm_burn_bench *b, int eighths) {
    return b->visits * (size_t)eighths / RHM_BURN_EIGHTHS;
}

void rhm_burn_fill(rhm_burn_bench *b, size_t member, bool excused_too) {
    const size_t first = rhm_burn_visits_until(b, b->part.begin);
    b->turns = rhm_burn_visits_until(b, b->part.end) - first;
    for (int core = 0; core < b->burn->cores; core++) {
        const rhm_burn_cell *cell = cell_of(b, core);
        const bool counts = excused_too || !rhm_burn_excuse(cell);
        double *rate = b->rate + (size_t)core * b->turns;
        for (size_t turn = 0; turn < b->turns; turn++) {
            const size_t visit = first + turn;
            rate[turn] = counts && visit < cell->visits ? rhm_burn_member(&cell->visit[visit], member) : (double)NAN;
        }
    }
}

/* NAN for turns that were disturbed. */
static void set_aside(const rhm_burn_bench *b, double *rate) {
    size_t count = 0;
    for (size_t turn = 0; turn < b->turns; turn++)
        if (!isnan(rate[turn]))
            b->pool[count++] = rate[turn];
    qsort(b->pool, count, sizeof *b->pool, rhm_by_value);
    const double best = count ? b->pool[(size_t)(best_quantile * (double)(count - 1))] : 0;
    for (size_t turn = 0; turn < b->turns; turn++)
        if (rate[turn] < (1 - most_slowed) * best)
            rate[turn] = (double)NAN;
}

void rhm_burn_fill_best(rhm_burn_bench *b, rhm_burn_operation operation) {
    const size_t wanted = MERGED_TO_LEAST * rhm_burn_turns_needed(b->burn);
    const size_t merged = b->visits > wanted ? b->visits / wanted : 1;
    const size_t first = rhm_burn_visits_until(b, b->part.begin);
    b->turns = (rhm_burn_visits_until(b, b->part.end) - first) / merged;
    for (int core = 0; core < b->burn->cores; core++) {
        const rhm_burn_cell *cell = cell_of(b, core);
        const size_t visits = rhm_burn_is_crowded(b->burn, cell) ? 0 : cell->visits;
        double *rate = b->rate + (size_t)core * b->turns;
        for (size_t turn = 0; turn < b->turns; turn++) {
            rate[turn] = (double)NAN;
            const size_t visit = first + turn * merged;
            for (size_t i = visit; i < visit + merged && i < visits; i++)
                rate[turn] = fmax(rate[turn], cell->visit[i].best[operation]); /* the number, where one is NAN */
        }
        set_aside(b, rate);
    }
}

bool rhm_burn_is_core(const rhm_burn_bench *b, int core, int subject) {
    (void)b;
    return core == subject;
}

bool rhm_burn_is_sibling(const rhm_burn_bench *b, int core, int subject) {
    const rhm_place *one = &b->burn->core[core], *other = &b->burn->core[subject];
    const bool as_shared = b->way == RHM_BURN_ALONE || b->mates[core] == b->mates[subject];
    return core != subject && one->package == other->package && one->kind == other->kind && as_shared;
}

bool rhm_burn_is_of_socket(const rhm_burn_bench *b, int core, int package) {
    return b->burn->core[core].package == package && b->burn->core[core].kind == 0;
}

bool rhm_burn_is_of_other_socket(const rhm_burn_bench *b, int core, int package) {
    return b->burn->core[core].package != package && b->burn->core[core].kind == 0;
}

static double median_at(const rhm_burn_bench *b, size_t turn, rhm_burn_wanted *wanted, int subject) {
    size_t count = 0;
    for (int core = 0; core < b->burn->cores; core++) {
        const double rate = b->rate[(size_t)core * b->turns + turn];
        if (!isnan(rate) && wanted(b, core, subject))
            b->pool[count++] = rate;
    }
    return rhm_median(b->pool, count);
}

size_t rhm_burn_compare(rhm_burn_bench *b, rhm_burn_wanted *mine, rhm_burn_wanted *others, int subject) {
    size_t count = 0;
    for (size_t turn = 0; turn < b->turns; turn++) {
        const double own = median_at(b, turn, mine, subject);
        const double ratio = isnan(own) ? own : own / median_at(b, turn, others, subject);
        if (!isnan(ratio))
            b->ratio[count++] = ratio;
    }
    return count;
}

/* The median of all but one of `count` sorted values, of which that one is equal to `without`. */
static double median_without(const double *sorted, size_t count, double without) {
    size_t at = 0, beyond = count; /* of the first that is not below it */
    while (at < beyond) {
        const size_t middle = at + (beyond - at) / 2;
        if (sorted[middle] < without)
            at = middle + 1;
        else
            beyond = middle;
    }
    const size_t others = count - 1, low = (others - 1) / 2, high = others / 2;
    return others == 0 ? (double)NAN : 0.5 * (sorted[low + (low >= at)] + sorted[high + (high >= at)]);
}

/* A core and its siblings, if none of them comes before it. */
static void relate_family(rhm_burn_bench *b, int eldest, size_t turn) {
    size_t count = 0;
    for (int core = eldest; core < b->burn->cores; core++) {
        const double rate = b->rate[(size_t)core * b->turns + turn];
        if (!isnan(rate) && (core == eldest || rhm_burn_is_sibling(b, core, eldest)))
            b->pool[count++] = rate;
    }
    qsort(b->pool, count, sizeof *b->pool, rhm_by_value);
    for (int core = eldest; core < b->burn->cores; core++) {
        double *rate = &b->rate[(size_t)core * b->turns + turn];
        if (!isnan(*rate) && (core == eldest || rhm_burn_is_sibling(b, core, eldest)))
            *rate /= median_without(b->pool, count, *rate);
    }
}

void rhm_burn_relate_to_siblings(rhm_burn_bench *b) {
    for (int eldest = 0; eldest < b->burn->cores; eldest++) {
        bool younger = false;
        for (int core = 0; core < eldest; core++)
            younger = younger || rhm_burn_is_sibling(b, core, eldest);
        for (size_t turn = 0; turn < b->turns && !younger; turn++)
            relate_family(b, eldest, turn);
    }
}

size_t rhm_burn_ratios_of(rhm_burn_bench *b, int core) {
    size_t count = 0;
    for (size_t turn = 0; turn < b->turns; turn++) {
        const double ratio = b->rate[(size_t)core * b->turns + turn];
        if (!isnan(ratio))
            b->ratio[count++] = ratio;
    }
    return count;
}

/* P[X <= k], X binomial(n, 1/2). */
static double sign_test(size_t n, size_t k) {
    double sum = 0;
    for (size_t i = 0; i <= k && i <= n; i++)
        sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) - (double)n * M_LN2);
    return sum;
}

/* Of a run: every core and socket by each kernel and by typical rates, and a frequency. */
static size_t comparisons(const rhm_burn *burn) {
    size_t subjects = (size_t)burn->cores;
    for (int core = 0; core < burn->cores; core++) {
        bool seen = false;
        for (int i = 0; i < core; i++)
            seen = seen || burn->core[i].package == burn->core[core].package;
        subjects += !seen;
    }
    return RHM_BURN_TEAM * (size_t)burn->isas * (subjects * (RHM_BURN_OPERATIONS + 1) + 1);
}

size_t rhm_burn_turns_needed(const rhm_burn *burn) {
    return (size_t)ceil(log2((double)comparisons(burn) / (0.5 * false_alarms)));
}

bool rhm_burn_beyond(rhm_burn_bench *b, size_t count, double tolerance, double *below) {
    const double shared_by = (double)comparisons(b->burn) * (rhm_burn_is_whole(b->part) ? 1 : RHM_BURN_PARTS);
    size_t within = 0;
    for (size_t i = 0; i < count; i++)
        within += b->ratio[i] >= 1 - tolerance;
    *below = 1 - rhm_median(b->ratio, count);
    return count > 0 && *below > tolerance && sign_test(count, within) * shared_by <= 0.5 * false_alarms;
}
