/*
 * What is slow. A core is compared with the median of its siblings (same socket, same kind of core) at the same turn:
 * of those ratios a sign test says whether their median is below 1 - tolerance, at a level shared by all comparisons.
 * Noise of any distribution then leads to a false alarm in one of a thousand runs, drifts of the whole machine to none.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "burn/burn.h"
#include "core/fail.h"
#include "core/memory.h"

static const double false_alarms = 1e-3; /* a run */

/* Of the disturbed windows of a cell, the share from which on its rates are left alone. */
static const double most_disturbed = 0.5;

const char *rhm_burn_excuse(const rhm_burn_cell *cell) {
    if (cell->foreign_seconds > RHM_BURN_FOREIGN_MOST * cell->seconds)
        return "other programs used this processor";
    if (cell->stolen_seconds > RHM_BURN_FOREIGN_MOST * cell->seconds)
        return "the host gave this processor to others";
    if ((double)cell->disturbed > most_disturbed * (double)cell->windows)
        return "the processor was taken away in most windows";
    return NULL;
}

static double member_of(const rhm_burn_rates *rates, size_t member) {
    double value;
    memcpy(&value, (const char *)rates + member, sizeof value);
    return value;
}

static int by_value(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Sorts. NAN of none. */
static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_value);
    return count ? 0.5 * (values[(count - 1) / 2] + values[count / 2]) : (double)NAN;
}

/* Distances from `centre`, or the values themselves where that is NAN. */
static double median_of_visits(const rhm_burn_cell *cell, size_t member, double centre) {
    double *values = RHM_NEW(double, cell->visits, 1, 1, "rates of a core", NULL);
    size_t count = 0;
    for (size_t i = 0; values && i < cell->visits; i++) {
        const double value = member_of(&cell->visit[i], member);
        if (!isnan(value))
            values[count++] = isnan(centre) ? value : fabs(value - centre);
    }
    const double result = median(values, count);
    rhm_free(values);
    return result;
}

double rhm_burn_median(const rhm_burn_cell *cell, size_t member) {
    return median_of_visits(cell, member, (double)NAN);
}

double rhm_burn_spread(const rhm_burn_cell *cell, size_t member) {
    const double centre = rhm_burn_median(cell, member);
    return isnan(centre) ? centre : median_of_visits(cell, member, centre);
}

/* P[X <= k], X binomial(n, 1/2). */
static double sign_test(size_t n, size_t k) {
    double sum = 0;
    for (size_t i = 0; i <= k && i <= n; i++)
        sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) - (double)n * M_LN2);
    return sum;
}

/* Of the turns of a virtual machine's core, the share that may be within the tolerance: neighbours that nobody here can
 * see come and go, but a core that is slow itself is so at all times. */
static const double most_within = 0.1;

/* *below: 1 - the median ratio. Whether that is beyond `tolerance` for certain, and at nearly every turn where it must
 * be `lasting`. Sorts. */
static bool beyond(double *ratio, size_t count, double tolerance, size_t comparisons, bool lasting, double *below) {
    size_t within = 0;
    for (size_t i = 0; i < count; i++)
        within += ratio[i] >= 1 - tolerance;
    *below = 1 - median(ratio, count);
    if (lasting && (double)within > most_within * (double)count)
        return false;
    return count > 0 && *below > tolerance && sign_test(count, within) * (double)comparisons <= false_alarms;
}

/* What judging one way and instruction set takes: ratios of one subject, and values of a turn. */
typedef struct bench {
    rhm_burn *burn;
    rhm_burn_way way;
    int isa;
    size_t member, comparisons;
    double *ratio, *value; /* (turns), (cores) */
} bench;

static const rhm_burn_cell *cell_of(const bench *b, int core) {
    return rhm_burn_cell_at(b->burn, b->way, core, b->isa);
}

/* Of the cores that are no subjects of an excuse and for which `wanted` holds, at one turn. */
static double median_at(const bench *b, size_t turn, bool (*wanted)(const rhm_burn *, int, int), int subject) {
    size_t count = 0;
    for (int core = 0; core < b->burn->cores; core++) {
        const rhm_burn_cell *cell = cell_of(b, core);
        if (!wanted(b->burn, core, subject) || turn >= cell->visits || rhm_burn_excuse(cell))
            continue;
        const double value = member_of(&cell->visit[turn], b->member);
        if (!isnan(value))
            b->value[count++] = value;
    }
    return median(b->value, count);
}

static bool is_core(const rhm_burn *burn, int core, int subject) {
    (void)burn;
    return core == subject;
}

static bool is_sibling(const rhm_burn *burn, int core, int subject) {
    const rhm_place *a = &burn->core[core], *b = &burn->core[subject];
    return core != subject && a->package == b->package && a->kind == b->kind;
}

static bool is_of_socket(const rhm_burn *burn, int core, int package) {
    return burn->core[core].package == package && burn->core[core].kind == 0;
}

static bool is_of_other_socket(const rhm_burn *burn, int core, int package) {
    return burn->core[core].package != package && burn->core[core].kind == 0;
}

/* Ratios of what `mine` picks to what `others` picks, turn by turn. Returns how many there are. */
static size_t compare(const bench *b, bool (*mine)(const rhm_burn *, int, int),
                      bool (*others)(const rhm_burn *, int, int), int subject) {
    const size_t turns = cell_of(b, 0)->visits;
    size_t count = 0;
    for (size_t turn = 0; turn < turns; turn++) {
        const double ratio = median_at(b, turn, mine, subject) / median_at(b, turn, others, subject);
        if (!isnan(ratio))
            b->ratio[count++] = ratio;
    }
    return count;
}

static rhm_status add(rhm_burn *burn, const rhm_burn_outlier *outlier, rhm_error *error) {
    if (burn->outliers == burn->outliers_capacity) {
        void *memory = burn->outlier;
        const size_t larger = burn->outliers_capacity ? 2 * burn->outliers_capacity : 16;
        RHM_TRY(rhm_grow(&memory, sizeof *outlier, burn->outliers, larger, "outliers", error));
        burn->outlier = memory;
        burn->outliers_capacity = larger;
    }
    burn->outlier[burn->outliers++] = *outlier;
    return RHM_OK;
}

static rhm_status judge_subject(bench *b, rhm_burn_outlier_kind kind, int subject, rhm_error *error) {
    const bool core = kind == RHM_BURN_SLOW_CORE;
    rhm_burn_outlier found = {.kind = kind, .way = b->way, .isa = b->burn->isa[b->isa], .core = subject};
    b->member = offsetof(rhm_burn_rates, gflops);
    size_t count =
        core ? compare(b, is_core, is_sibling, subject) : compare(b, is_of_socket, is_of_other_socket, subject);
    if (!beyond(b->ratio, count, b->burn->tolerance, b->comparisons, b->burn->virtual_machine, &found.below))
        return RHM_OK;
    b->member = offsetof(rhm_burn_rates, hertz);
    count = core ? compare(b, is_core, is_sibling, subject) : compare(b, is_of_socket, is_of_other_socket, subject);
    found.hertz_below = 1 - median(b->ratio, count);
    return add(b->burn, &found, error);
}

/* The frequency of an instruction set against that of the first, which is the least demanding one. */
static rhm_status judge_frequency(bench *b, rhm_error *error) {
    bench first = *b;
    first.isa = 0;
    first.member = b->member = offsetof(rhm_burn_rates, hertz);
    size_t count = 0;
    for (size_t turn = 0; turn < cell_of(b, 0)->visits; turn++) {
        double ratio = 0;
        size_t cores = 0;
        for (int core = 0; core < b->burn->cores; core++) {
            const double one = median_at(b, turn, is_core, core) / median_at(&first, turn, is_core, core);
            ratio += isnan(one) ? 0 : one;
            cores += !isnan(one);
        }
        if (cores)
            b->ratio[count++] = ratio / (double)cores;
    }
    rhm_burn_outlier found = {.kind = RHM_BURN_SLOW_ISA, .way = b->way, .isa = b->burn->isa[b->isa], .core = -1};
    if (!beyond(b->ratio, count, b->burn->frequency_tolerance, b->comparisons, false, &found.below))
        return RHM_OK;
    found.hertz_below = found.below;
    return add(b->burn, &found, error);
}

static rhm_status judge(bench *b, rhm_error *error) {
    rhm_burn *burn = b->burn;
    for (int core = 0; core < burn->cores; core++) {
        bool seen = false; /* its socket, by a core before it */
        for (int i = 0; i < core; i++)
            seen = seen || burn->core[i].package == burn->core[core].package;
        if (!seen)
            RHM_TRY(judge_subject(b, RHM_BURN_SLOW_SOCKET, burn->core[core].package, error));
    }
    for (int core = 0; core < burn->cores; core++)
        if (!rhm_burn_excuse(cell_of(b, core)))
            RHM_TRY(judge_subject(b, RHM_BURN_SLOW_CORE, core, error));
    return b->isa > 0 ? judge_frequency(b, error) : RHM_OK;
}

static size_t comparisons(const rhm_burn *burn) {
    enum { SOCKETS_AND_FREQUENCY = 3 };
    return RHM_BURN_TEAM * (size_t)(burn->cores + SOCKETS_AND_FREQUENCY) * (size_t)burn->isas;
}

size_t rhm_burn_turns_short(const rhm_burn *burn) {
    const size_t needed = (size_t)ceil(log2((double)comparisons(burn) / false_alarms));
    return burn->rounds < needed ? needed - (size_t)burn->rounds : 0;
}

rhm_status rhm_burn_judge(rhm_burn *burn, rhm_error *error) {
    size_t turns = 1;
    for (int way = 0; way < RHM_BURN_TEAM; way++)
        for (int core = 0; core < burn->cores; core++) {
            const rhm_burn_cell *cell = rhm_burn_cell_at(burn, (rhm_burn_way)way, core, 0);
            turns = cell->visits > turns ? cell->visits : turns;
        }
    bench b = {.burn = burn, .comparisons = comparisons(burn)};
    b.ratio = RHM_NEW(double, turns, 1, 1, "ratios of rates", error);
    b.value = RHM_NEW(double, (size_t)burn->cores, 1, 1, "rates of cores", error);
    rhm_status status = b.ratio && b.value ? RHM_OK : RHM_NO_MEMORY;
    for (int way = 0; way < RHM_BURN_TEAM; way++)
        for (int isa = 0; isa < burn->isas && status == RHM_OK; isa++) {
            b.way = (rhm_burn_way)way;
            b.isa = isa;
            status = judge(&b, error);
        }
    rhm_free(b.ratio);
    rhm_free(b.value);
    return status;
}

void rhm_burn_core_text(const rhm_burn *burn, rhm_burn_way way, int core, char *text, size_t nbytes) {
    const rhm_place *place = &burn->core[core];
    if (way == RHM_BURN_TEAM)
        snprintf(text, nbytes, "all cores");
    else if (place->package >= 0)
        snprintf(text, nbytes, "core %d (CPU %d, socket %d)", place->core, place->pu_os, place->package);
    else
        snprintf(text, nbytes, "core %d (CPU %d)", place->core, place->pu_os);
}

void rhm_burn_outlier_text(const rhm_burn *burn, const rhm_burn_outlier *o, char *text, size_t nbytes) {
    char who[64];
    const char *how = o->way == RHM_BURN_ALONE ? "alone" : "with all cores at work";
    if (o->kind == RHM_BURN_SLOW_ISA) {
        snprintf(text, nbytes, "%s %s: the frequency is %.1f %% below that of %s", rhm_isa_name(o->isa), how,
                 100 * o->below, rhm_isa_name(burn->isa[0]));
        return;
    }
    if (o->kind == RHM_BURN_SLOW_CORE)
        rhm_burn_core_text(burn, o->way, o->core, who, sizeof who);
    else
        snprintf(who, sizeof who, "socket %d", o->core);
    const bool clocked = !isnan(o->hertz_below) && o->hertz_below > 0.5 * o->below;
    snprintf(text, nbytes, "%s in %s %s: %.1f %% below its siblings%s", who, rhm_isa_name(o->isa), how, 100 * o->below,
             clocked ? ", and so is its frequency"
             : burn->virtual_machine
                 ? " at the same frequency: in a virtual machine a neighbour on the same core would look like that"
                 : " at the same frequency");
}
