#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "burn/burn.h"
#include "core/fail.h"
#include "core/memory.h"

enum { SENTENCE_NBYTES = 480, NUMBER_NBYTES = 24 };

void rhm_burn_core_text(const rhm_burn *burn, rhm_burn_way way, int core, char *text, size_t nbytes) {
    const rhm_place *place = &burn->core[core];
    if (way == RHM_BURN_TEAM)
        snprintf(text, nbytes, "all cores");
    else if (place->package >= 0)
        snprintf(text, nbytes, "core %d (CPU %d, socket %d)", place->core, place->pu_os, place->package);
    else
        snprintf(text, nbytes, "core %d (CPU %d)", place->core, place->pu_os);
}

/* "in product, Gram matrix" or "in every kernel". */
static void kernels_text(unsigned kernels, char *text, size_t nbytes) {
    const unsigned all = (1u << RHM_BURN_OPERATIONS) - 1;
    const char *before = "in ";
    size_t used = 0;
    if (kernels == all)
        snprintf(text, nbytes, "in every kernel");
    for (int op = 0; op < RHM_BURN_OPERATIONS && kernels != all && used < nbytes; op++)
        if (kernels & (1u << op)) {
            used += (size_t)snprintf(text + used, nbytes - used, "%s%s", before,
                                     rhm_burn_operation_name((rhm_burn_operation)op));
            before = ", ";
        }
}

/* "from 60 to 90 seconds, "; nothing of a whole burn. */
static void part_text(const rhm_burn *burn, rhm_burn_part part, char *text, size_t nbytes) {
    const double begin = rhm_burn_seconds_until(burn, part.begin), end = rhm_burn_seconds_until(burn, part.end);
    const int digits = burn->seconds < 100 ? 1 : 0;
    if (part.begin > 0 && part.end == RHM_BURN_EIGHTHS)
        snprintf(text, nbytes, "from %.*f seconds to the end, ", digits, begin);
    else if (part.begin > 0 || part.end < RHM_BURN_EIGHTHS)
        snprintf(text, nbytes, "from %.*f to %.*f seconds, ", digits, begin, digits, end);
    else
        *text = 0;
}

void rhm_burn_outlier_text(const rhm_burn *burn, const rhm_burn_outlier *o, char *text, size_t nbytes) {
    char who[64], where[192], when[64];
    const char *how = o->way == RHM_BURN_ALONE ? "alone" : "with all cores at work";
    part_text(burn, o->part, when, sizeof when);
    if (o->kind == RHM_BURN_SLOW_ISA) {
        snprintf(text, nbytes, "%s %s: %sthe frequency is %.1f %% below that of %s", rhm_isa_name(o->isa), how, when,
                 100 * o->below, rhm_isa_name(burn->isa[0]));
        return;
    }
    if (o->kind == RHM_BURN_SLOW_CORE)
        rhm_burn_core_text(burn, o->way, o->core, who, sizeof who);
    else
        snprintf(who, sizeof who, "socket %d", o->core);
    if (o->kernels)
        kernels_text(o->kernels, where, sizeof where);
    else
        snprintf(where, sizeof where, "in typical runs");
    snprintf(text, nbytes, "%s in %s %s: %s%.1f %% below its siblings %s%s", who, rhm_isa_name(o->isa), how, when,
             100 * o->below, where,
             rhm_burn_is_clocked(o) ? ", and so is its frequency"
             : burn->virtual_machine
                 ? " at the same frequency: in a virtual machine a neighbour that never left would look like that"
                 : " at the same frequency");
}

/* Rates of emulated processors are far below one. */
static const char *format_of_rate(double gflops) {
    return gflops < 1 ? "%.4f" : "%.1f";
}

/* "-" for what could not be measured. */
static const char *cell_text(char text[NUMBER_NBYTES], const char *format, double value) {
    if (isnan(value))
        snprintf(text, NUMBER_NBYTES, "-");
    else
        snprintf(text, NUMBER_NBYTES, format, value);
    return text;
}

static void print_cell(FILE *file, const rhm_burn_cell *cell, rhm_burn_way way) {
    char best[NUMBER_NBYTES], rate[NUMBER_NBYTES], spread[NUMBER_NBYTES], share[NUMBER_NBYTES], training[NUMBER_NBYTES],
        hertz[NUMBER_NBYTES];
    const double gflops = rhm_burn_median(cell, offsetof(rhm_burn_rates, gflops));
    cell_text(training, "%.1f", rhm_burn_median(cell, offsetof(rhm_burn_rates, training)));
    cell_text(hertz, "%.2f", 1e-9 * rhm_burn_median(cell, offsetof(rhm_burn_rates, hertz)));
    if (way == RHM_BURN_TEAM) {
        fprintf(file, " |%7" PRIu64 " %6" PRIu64 " %9s %5s", cell->runs, cell->mismatches, training, hertz);
        return;
    }
    const double best_gflops = rhm_burn_median(cell, offsetof(rhm_burn_rates, best_gflops));
    cell_text(best, format_of_rate(best_gflops), best_gflops);
    cell_text(rate, format_of_rate(gflops), gflops);
    cell_text(spread, "%.1f", 100 * rhm_burn_spread(cell, offsetof(rhm_burn_rates, gflops)) / gflops);
    cell_text(share, "%.0f", 100 * rhm_burn_median(cell, offsetof(rhm_burn_rates, share)));
    fprintf(file, " |%7" PRIu64 " %6" PRIu64 " %7s %7s %4s %5s %9s %5s%c", cell->runs, cell->mismatches, best, rate,
            spread, share, training, hertz, rhm_burn_excuse(cell) ? '*' : ' ');
}

static void print_way(FILE *file, const rhm_burn *burn, rhm_burn_way way) {
    static const char *const titles[] = {"each core alone", "all cores at once, each with work of its own",
                                         "one training of all cores"};
    const bool team = way == RHM_BURN_TEAM;
    fprintf(file, "\n%s\n%5s %5s %6s", titles[way], team ? "" : "core", team ? "" : "CPU", team ? "" : "socket");
    for (int isa = 0; isa < burn->isas; isa++)
        fprintf(file, team ? " |%-30s" : " |%-59s", rhm_isa_name(burn->isa[isa]));
    fprintf(file, "\n%18s", "");
    for (int isa = 0; isa < burn->isas; isa++)
        if (team)
            fprintf(file, " |%7s %6s %9s %5s", "runs", "wrong", "trainings", "GHz");
        else
            fprintf(file, " |%7s %6s %7s %7s %4s %5s %9s %5s ", "runs", "wrong", "best", "GFLOP/s", "+-%", "peak%",
                    "trainings", "GHz");
    fputc('\n', file);
    for (int core = 0; core < rhm_burn_cells(burn, way); core++) {
        if (team)
            fprintf(file, "%18s", "all");
        else
            fprintf(file, "%5d %5d %6d", burn->core[core].core, burn->core[core].pu_os, burn->core[core].package);
        for (int isa = 0; isa < burn->isas; isa++)
            print_cell(file, rhm_burn_cell_at(burn, way, core, isa), way);
        fputc('\n', file);
    }
}

/* What went wrong on a core, by operation. */
static void print_wrong(FILE *file, const rhm_burn *burn, rhm_burn_way way, int core, int isa) {
    const rhm_burn_cell *cell = rhm_burn_cell_at(burn, way, core, isa);
    char who[64];
    if (cell->mismatches == 0)
        return;
    rhm_burn_core_text(burn, way, core, who, sizeof who);
    fprintf(file, "WRONG: %s in %s, %s: %" PRIu64 " of %" PRIu64 " results", who, rhm_isa_name(burn->isa[isa]),
            rhm_burn_way_name(way), cell->mismatches, cell->runs);
    const char *before = " (";
    for (int op = 0; op <= RHM_BURN_OPERATIONS; op++)
        if (cell->wrong[op]) {
            fprintf(file, "%s%s %" PRIu64, before,
                    op < RHM_BURN_OPERATIONS ? rhm_burn_operation_name((rhm_burn_operation)op) : "training",
                    cell->wrong[op]);
            before = ", ";
        }
    fprintf(file, ")\n");
}

/* What hides in the medians of a core, and what could not be judged: the first reason, and for how many it holds. */
static void print_excuses(FILE *file, const rhm_burn *burn, int core) {
    const char *excuse = NULL, *reason = NULL;
    int excused = 0, unjudged = 0;
    char who[64];
    for (int way = 0; way < RHM_BURN_TEAM; way++)
        for (int isa = 0; isa < burn->isas; isa++) {
            const rhm_burn_cell *cell = rhm_burn_cell_at(burn, (rhm_burn_way)way, core, isa);
            const char *here = rhm_burn_excuse(cell), *not_judged = rhm_burn_unjudged(burn, cell);
            excused += here != NULL;
            excuse = excuse ? excuse : here;
            unjudged += not_judged != NULL;
            reason = reason ? reason : not_judged;
        }
    rhm_burn_core_text(burn, RHM_BURN_ALONE, core, who, sizeof who);
    if (excuse)
        fprintf(file, "* %s: %s; %d of its %d lines of rates show that\n", who, excuse, excused,
                RHM_BURN_TEAM * burn->isas);
    if (reason)
        fprintf(file, "not judged: %s, %d of %d times: %s\n", who, unjudged, RHM_BURN_TEAM * burn->isas, reason);
}

/* How much of what was measured the judgement rests on. */
static void print_set_aside(FILE *file, const rhm_burn *burn) {
    size_t turns = 0, compared = 0;
    int cells = 0, judged = 0;
    for (int way = 0; way < RHM_BURN_TEAM; way++)
        for (int core = 0; core < burn->cores; core++)
            for (int isa = 0; isa < burn->isas; isa++) {
                const rhm_burn_cell *cell = rhm_burn_cell_at(burn, (rhm_burn_way)way, core, isa);
                turns += cell->turns;
                compared += cell->compared;
                judged += cell->kernels_judged;
                cells++;
            }
    if (turns > 0 && burn->cores > 1)
        fprintf(
            file,
            "best runs: %d of %d comparisons of a kernel on a core with its siblings; %.0f %% of the turns were set "
            "aside as disturbed\n",
            judged, cells * RHM_BURN_OPERATIONS, 100 * (double)(turns - compared) / (double)turns);
}

static void print_findings(FILE *file, const rhm_burn *burn) {
    const rhm_burn_summary all = rhm_burn_summarise(burn);
    char sentence[SENTENCE_NBYTES];
    for (int way = 0; way < RHM_BURN_WAYS; way++)
        for (int core = 0; core < rhm_burn_cells(burn, (rhm_burn_way)way); core++)
            for (int isa = 0; isa < burn->isas; isa++)
                print_wrong(file, burn, (rhm_burn_way)way, core, isa);
    for (size_t i = 0; i < burn->outliers; i++) {
        rhm_burn_outlier_text(burn, &burn->outlier[i], sentence, sizeof sentence);
        fprintf(file, "SLOW: %s\n", sentence);
    }
    for (int core = 0; core < burn->cores; core++)
        print_excuses(file, burn, core);
    print_set_aside(file, burn);
    fprintf(file, "%" PRIu64 " results, %" PRIu64 " wrong; %" PRIu64 " slow beyond %.3g %%\n", all.runs, all.mismatches,
            all.outliers, 100 * burn->tolerance);
}

rhm_status rhm_burn_text(char **text, const rhm_burn *burn, rhm_error *error) {
    size_t nbytes;
    *text = NULL;
    FILE *file = open_memstream(text, &nbytes);
    if (!file)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the table of cores");
    fprintf(file, "%s%s: %d core%s, %.1f seconds, %" PRIu64 " round%s%s\n", burn->cpu,
            burn->virtual_machine ? " (virtual machine)" : "", burn->cores, burn->cores == 1 ? "" : "s", burn->seconds,
            burn->rounds, burn->rounds == 1 ? "" : "s", burn->interrupted ? ", interrupted" : "");
    if (burn->other_seconds > RHM_BURN_FOREIGN_MOST * burn->seconds)
        fprintf(file, "not quiet: other programs used %.2f processors meanwhile\n",
                burn->other_seconds / burn->seconds);
    for (int way = 0; way < RHM_BURN_WAYS; way++)
        print_way(file, burn, (rhm_burn_way)way);
    fputc('\n', file);
    print_findings(file, burn);
    if (burn->cores == 1)
        fprintf(file, "one core: there is no sibling to compare it with\n");
    else if (rhm_burn_turns_short(burn) > 0)
        fprintf(file, "too few rounds to tell slow cores: %zu more are needed\n", rhm_burn_turns_short(burn));
    if (fclose(file) == 0)
        return RHM_OK;
    rhm_free(*text);
    *text = NULL;
    return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the table of cores");
}
