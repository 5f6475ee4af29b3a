/*
 * What is slow. A core is compared with the median of its siblings (same socket, same kind of core) at the same turn:
 * of those ratios a sign test says whether their median is below 1 - tolerance, at a level shared by all comparisons.
 * Noise of any distribution then leads to a false alarm in one of a thousand runs, drifts of the whole machine to none.
 * The best runs of every kernel are compared on every machine; typical rates only where nobody unseen can spoil them.
 * All that is done for the whole burn and then for parts of it: what becomes slow after half of the time was fast in
 * too many turns for the whole to show it.
 */
#include <math.h>

#include "burn/turns.h"
#include "core/fail.h"
#include "core/median.h"
#include "core/memory.h"

/* Neighbours on the host of a virtual machine have been seen to stay on one core for a quarter of a minute. Of a part
 * of a burn, of which there are several, twice as long is asked for, unless the frequency falls too, which they leave
 * alone. */
static const double least_virtual_seconds = 24, least_seconds_of_part = 48;

size_t rhm_burn_turns_short(const rhm_burn *burn) {
    const size_t needed = rhm_burn_turns_needed(burn), rounds = (size_t)burn->rounds;
    size_t lacking = rounds < needed ? needed - rounds : 0;
    if (burn->virtual_machine && rounds > 0 && burn->seconds < least_virtual_seconds) {
        const size_t more = (size_t)ceil((double)rounds * (least_virtual_seconds / burn->seconds - 1));
        lacking = more > lacking ? more : lacking;
    }
    return lacking;
}

rhm_burn_judged rhm_burn_what_was_judged(const rhm_burn_cell *cell) {
    return cell->kernels_judged == RHM_BURN_OPERATIONS ? RHM_BURN_JUDGED_ALL
           : cell->kernels_judged > 0                  ? RHM_BURN_JUDGED_SOME
                                                       : RHM_BURN_JUDGED_NONE;
}

const char *rhm_burn_why_not_all(const rhm_burn *burn, rhm_burn_way way, const rhm_burn_cell *cell) {
    if (way == RHM_BURN_TEAM)
        return "one training of all cores has no siblings";
    if (burn->cores == 1)
        return "one core has no siblings";
    if (rhm_burn_turns_short(burn) > 0)
        return "too few rounds";
    if (cell->kernels_judged == RHM_BURN_OPERATIONS)
        return NULL;
    if (rhm_burn_is_crowded(burn, cell))
        return "other programs had this processor for most of the time";
    return "too few turns in which neither it nor its siblings were disturbed, or no siblings";
}

const char *rhm_burn_unjudged(const rhm_burn *burn, const rhm_burn_cell *cell) {
    if (burn->cores == 1 || rhm_burn_turns_short(burn) > 0 || cell->kernels_judged > 0)
        return NULL;
    return rhm_burn_why_not_all(burn, RHM_BURN_ALONE, cell);
}

/* Distances from `centre`, or the values themselves where that is NAN. */
static double median_of_visits(const rhm_burn_cell *cell, size_t member, double centre) {
    double *values = RHM_NEW(double, cell->visits, 1, 1, "rates of a core", NULL);
    size_t count = 0;
    for (size_t i = 0; values && i < cell->visits; i++) {
        const double value = rhm_burn_member(&cell->visit[i], member);
        if (!isnan(value))
            values[count++] = isnan(centre) ? value : fabs(value - centre);
    }
    const double result = values ? rhm_median(values, count) : (double)NAN;
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

static rhm_burn_outlier *find(const rhm_burn *burn, const rhm_burn_outlier *like) {
    for (size_t i = 0; i < burn->outliers; i++) {
        rhm_burn_outlier *o = &burn->outlier[i];
        if (o->kind == like->kind && o->way == like->way && o->isa == like->isa && o->core == like->core)
            return o;
    }
    return NULL;
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

/* Of the same subject once: what a part shows, what was found before tells already, but for other kernels and for how
 * long it went on. */
static rhm_status note(rhm_burn *burn, const rhm_burn_outlier *found, rhm_error *error) {
    rhm_burn_outlier *known = find(burn, found);
    if (!known)
        return add(burn, found, error);
    if (found->kernels & ~known->kernels)
        known->below = fmax(known->below, found->below);
    known->kernels |= found->kernels;
    if (found->part.begin <= known->part.end && found->part.end >= known->part.begin) {
        known->part.begin = found->part.begin < known->part.begin ? found->part.begin : known->part.begin;
        known->part.end = found->part.end > known->part.end ? found->part.end : known->part.end;
    }
    return RHM_OK;
}

static size_t compare(rhm_burn_bench *b, rhm_burn_outlier_kind kind, int subject) {
    return kind == RHM_BURN_SLOW_CORE
               ? rhm_burn_compare(b, rhm_burn_is_core, rhm_burn_is_sibling, subject)
               : rhm_burn_compare(b, rhm_burn_is_of_socket, rhm_burn_is_of_other_socket, subject);
}

/* By the first `count` ratios of the bench: those of a kernel, or (0) of typical rates, which need not be told of what
 * is slow at its best already. */
static rhm_status judge_ratios(rhm_burn *burn, rhm_burn_bench *b, rhm_burn_outlier_kind kind, int subject,
                               unsigned kernel, size_t count, rhm_error *error) {
    rhm_burn_outlier found = {.kind = kind,
                              .way = b->way,
                              .isa = burn->isa[b->isa],
                              .core = subject,
                              .kernels = kernel,
                              .part = b->part,
                              .hertz_below = (double)NAN};
    return rhm_burn_beyond(b, count, burn->tolerance, &found.below) ? note(burn, &found, error) : RHM_OK;
}

/* Every socket and every core, by the rates that the bench is filled with. */
static rhm_status judge_all(rhm_burn *burn, rhm_burn_bench *b, unsigned kernel, rhm_error *error) {
    for (int core = 0; core < burn->cores; core++) {
        const int package = burn->core[core].package;
        bool seen = false; /* by a core before it */
        for (int i = 0; i < core; i++)
            seen = seen || burn->core[i].package == package;
        if (!seen)
            RHM_TRY(judge_ratios(burn, b, RHM_BURN_SLOW_SOCKET, package, kernel,
                                 compare(b, RHM_BURN_SLOW_SOCKET, package), error));
    }
    rhm_burn_relate_to_siblings(b);
    for (int core = 0; core < burn->cores; core++) {
        const size_t count = rhm_burn_ratios_of(b, core);
        RHM_TRY(judge_ratios(burn, b, RHM_BURN_SLOW_CORE, core, kernel, count, error));
        if (!kernel || !rhm_burn_is_whole(b->part))
            continue;
        rhm_burn_cell *cell = rhm_burn_cell_at(burn, b->way, core, b->isa);
        cell->turns += b->turns;
        cell->compared += count;
        cell->kernels_judged += count >= rhm_burn_turns_needed(burn);
    }
    return RHM_OK;
}

static double seconds_of(const rhm_burn *burn, rhm_burn_part part) {
    return rhm_burn_seconds_until(burn, part.end) - rhm_burn_seconds_until(burn, part.begin);
}

/* Of what was found in this way and instruction set: how its frequency compares. Forgets what a neighbour may have
 * been. */
static void find_frequencies(rhm_burn *burn, rhm_burn_bench *b) {
    size_t kept = 0;
    for (size_t i = 0; i < burn->outliers; i++) {
        rhm_burn_outlier *o = &burn->outlier[i];
        bool believed = true;
        if (o->way == b->way && o->isa == burn->isa[b->isa] && o->kind != RHM_BURN_SLOW_ISA) {
            rhm_burn_bench_turn_to(b, b->way, b->isa, o->part);
            rhm_burn_fill(b, offsetof(rhm_burn_rates, best_hertz), true);
            o->hertz_below = 1 - rhm_median(b->ratio, compare(b, o->kind, o->core));
            believed = !burn->virtual_machine || rhm_burn_is_whole(o->part) || rhm_burn_is_clocked(o) ||
                       seconds_of(burn, o->part) >= least_seconds_of_part;
        }
        if (believed)
            burn->outlier[kept++] = *o;
    }
    burn->outliers = kept;
}

/* The frequency of an instruction set against that of the first, which is the least demanding one. */
static rhm_status judge_frequency(rhm_burn *burn, rhm_burn_bench *b, rhm_error *error) {
    const size_t end = rhm_burn_visits_until(b, b->part.end);
    size_t count = 0;
    for (size_t turn = rhm_burn_visits_until(b, b->part.begin); turn < end; turn++) {
        double sum = 0;
        size_t cores = 0;
        for (int core = 0; core < burn->cores; core++) {
            const rhm_burn_cell *wide = rhm_burn_cell_at(burn, b->way, core, b->isa);
            const rhm_burn_cell *first = rhm_burn_cell_at(burn, b->way, core, 0);
            if (turn >= wide->visits || turn >= first->visits)
                continue;
            const double ratio = wide->visit[turn].best_hertz / first->visit[turn].best_hertz;
            sum += isnan(ratio) ? 0 : ratio;
            cores += !isnan(ratio);
        }
        if (cores)
            b->ratio[count++] = sum / (double)cores;
    }
    rhm_burn_outlier found = {
        .kind = RHM_BURN_SLOW_ISA, .way = b->way, .isa = burn->isa[b->isa], .core = -1, .part = b->part};
    if (!rhm_burn_beyond(b, count, burn->frequency_tolerance, &found.below))
        return RHM_OK;
    found.hertz_below = found.below;
    return note(burn, &found, error);
}

static rhm_status judge_part(rhm_burn *burn, rhm_burn_bench *b, rhm_error *error) {
    for (int op = 0; op < RHM_BURN_OPERATIONS; op++) {
        rhm_burn_fill_best(b, (rhm_burn_operation)op);
        RHM_TRY(judge_all(burn, b, 1u << op, error));
    }
    if (!burn->virtual_machine) {
        rhm_burn_fill(b, offsetof(rhm_burn_rates, gflops), false);
        RHM_TRY(judge_all(burn, b, 0, error));
    }
    return b->isa > 0 ? judge_frequency(burn, b, error) : RHM_OK;
}

/* In a virtual machine what is slow in a part must go on to the end: what leaves is a neighbour. */
static bool can_be_judged(const rhm_burn *burn, rhm_burn_part part) {
    return !burn->virtual_machine || (part.end == RHM_BURN_EIGHTHS && seconds_of(burn, part) >= least_virtual_seconds);
}

static rhm_status judge(rhm_burn *burn, rhm_burn_bench *b, rhm_burn_way way, int isa, rhm_error *error) {
    rhm_burn_bench_turn_to(b, way, isa, (rhm_burn_part){0, RHM_BURN_EIGHTHS});
    RHM_TRY(judge_part(burn, b, error));
    for (int core = 0; core < burn->cores; core++) {
        rhm_burn_cell *cell = rhm_burn_cell_at(burn, way, core, isa);
        cell->turns /= RHM_BURN_OPERATIONS;
        cell->compared /= RHM_BURN_OPERATIONS;
    }
    for (size_t i = 0; i < RHM_BURN_PARTS; i++)
        if (can_be_judged(burn, rhm_burn_parts[i])) {
            rhm_burn_bench_turn_to(b, way, isa, rhm_burn_parts[i]);
            RHM_TRY(judge_part(burn, b, error));
        }
    find_frequencies(burn, b);
    return RHM_OK;
}

rhm_status rhm_burn_judge(rhm_burn *burn, rhm_error *error) {
    rhm_burn_bench b;
    rhm_status status = rhm_burn_bench_create(&b, burn, error);
    for (int way = 0; way < RHM_BURN_TEAM && rhm_burn_turns_short(burn) == 0; way++)
        for (int isa = 0; isa < burn->isas && status == RHM_OK; isa++)
            status = judge(burn, &b, (rhm_burn_way)way, isa, error);
    rhm_burn_bench_clear(&b);
    return status;
}
