#include "cli/plan_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { NUMBER_NBYTES = 32 };

/* "-" for what is not known. */
static const char *shown(char text[NUMBER_NBYTES], const char *format, double value) {
    if (isnan(value))
        return "-";
    snprintf(text, NUMBER_NBYTES, format, value);
    return text;
}

static void print_total(FILE *out, const rhm_training_plan *plan) {
    const int threads = plan->threads;
    if (plan->cluster.ranks > 0)
        return;
    const double seconds = rhm_plan_seconds(plan);
    char time[NUMBER_NBYTES] = "for an unknown time";
    if (!isnan(seconds))
        snprintf(time, sizeof time, "about %.3g s", seconds);
    fprintf(out, "  sum %43.4g samples; memory at most %.0f MiB; %s on %d thread%s, test included\n",
            rhm_plan_samples(plan), rhm_plan_nbytes(plan) / 0x1p20, time, threads, threads == 1 ? "" : "s");
}

/* Of a learner that fits no regressions. */
static void print_counting(FILE *out, const rhm_training_plan *plan) {
    fprintf(out, "%5s %7s %11s %11s %9s %6s %9s %9s %8s\n", "level", "draw", "N", "patches", "positions", "tries",
            "gap", "MiB", "seconds");
    for (uint32_t level = plan->levels; level >= 1; level--) {
        const rhm_plan_level s = plan->level[level];
        if (s.level == 0)
            continue;
        char gap[NUMBER_NBYTES], time[NUMBER_NBYTES];
        fprintf(out, "%5u %7s %11.4g %11.4g %9u %6.0f %9s %9.1f %8s\n", level,
                s.draw == RHM_DRAW_COUNTS ? "counts" : "samples", s.samples, s.distinct, s.positions, s.fits,
                shown(gap, "%.3g", s.gap), s.nbytes / 0x1p20, shown(time, "%.2g", rhm_plan_level_seconds(plan, level)));
    }
    print_total(out, plan);
    fprintf(out,
            "  positions: patches of a sequence that the search will need; gap: separation over radius of groups that "
            "exact\n"
            "  posteriors let one expect there\n");
}

/* Of a learner that descends gradients. */
static void print_epochs(FILE *out, const rhm_training_plan *plan) {
    double epoch = 0;
    fprintf(out, "%5s %11s %9s %8s %8s %9s %9s %9s\n", "level", "sequences", "positions", "width", "epochs", "MiB",
            "s/epoch", "seconds");
    for (uint32_t level = plan->levels; level >= 1; level--) {
        const rhm_plan_level s = plan->level[level];
        epoch += s.epoch_seconds;
        fprintf(out, "%5u %11.4g %9u %8u %8.0f %9.1f %9.3g %9.3g\n", level, s.samples, s.positions, s.width, s.epochs,
                s.nbytes / 0x1p20, s.epoch_seconds, rhm_plan_level_seconds(plan, level));
    }
    fprintf(out, "  sum %58.3g %9.3g; memory at most %.0f MiB", epoch, rhm_plan_seconds(plan),
            rhm_plan_nbytes(plan) / 0x1p20);
    if (plan->cluster.ranks == 0)
        fprintf(out, ", on %d thread%s", plan->threads, plan->threads == 1 ? "" : "s");
    fprintf(out, ", test included\n"
                 "  s/epoch: end to end, a level's share of an epoch; seconds: if all epochs are needed, which a loss "
                 "below the threshold ends\n");
}

void rhm_plan_print(FILE *out, const rhm_training_plan *plan) {
    fprintf(out, "\nWhat `rhm train` would do: automatic sizes depend on the data, so these are estimates\n");
    if (plan->sequences > 0)
        fprintf(out, "of the %" PRIu64 " sequences %" PRIu64 " are for the test%s\n", plan->sequences,
                plan->test_samples,
                plan->stand_in ? "; how far symbols are apart is told from a random grammar like the data" : "");
    fprintf(out, "\n");
    if (plan->level[1].epochs > 0) {
        print_epochs(out, plan);
        return;
    }
    if (plan->level[1].width == 0) {
        print_counting(out, plan);
        return;
    }
    fprintf(out, "%5s %10s %11s %11s %11s %11s %11s %6s %5s %6s %6s %9s %8s %8s %8s\n", "level", "draw", "first N",
            "wanted N", "N", "possible", "distinct", "width", "fits", "fit", "ridges", "MiB", "seconds", "budget",
            "at most");
    for (uint32_t level = plan->levels; level >= 1; level--) {
        const rhm_plan_level s = plan->level[level];
        if (s.level == 0)
            continue;
        char ends[2][16] = {"-", "-"};
        if (s.allowed_searches > 0) {
            snprintf(ends[0], sizeof *ends, "%.3g", s.budget_seconds);
            snprintf(ends[1], sizeof *ends, "%.3g", s.allowed_seconds);
        }
        fprintf(out, "%5u %10s %11.4g %11.4g %11.4g %11.4g %11.4g %6u %5.0f %6s %6s %9.1f %8.2f %8s %8s%s\n", level,
                s.draw != RHM_DRAW_COUNTS ? "samples"
                : s.kept_share < 1        ? "restricted"
                                          : "counts",
                s.first_samples, s.wanted_samples, s.samples, s.possible, s.distinct, s.width, s.fits,
                rhm_route_name(s.route), rhm_route_name(s.ridge_route), s.nbytes / 0x1p20,
                rhm_plan_level_seconds(plan, level), ends[0], ends[1], s.capped ? "  fewer than wanted" : "");
    }
    print_total(out, plan);
    fprintf(out, "  positions (patches of a sequence that are looked at), level L first:");
    for (uint32_t level = plan->levels; level >= 1; level--)
        fprintf(out, " %u", plan->level[level].positions);
    fprintf(
        out,
        "\n  restricted: N counts the samples that are kept, those with one of the distinct first patches (see rhm "
        "train "
        "--help)\n"
        "  fit, ridges: how one fit at a bandwidth, and fits at successive ridges, multiply with the normal matrix:\n"
        "  by passes over the patches, or by forming it once (gram)\n"
        "  budget: about how long the searches of a level take at most, with all numbers of positions that they may "
        "try,\n"
        "  if the levels below come out as foreseen; at most: the same in the worst case, whatever comes out of any "
        "level\n"
        "  (JSON has the multiply-adds, which no search exceeds); searches of a level, at most, level L first:");
    for (uint32_t level = plan->levels; level >= 1; level--)
        fprintf(out, " %u", plan->level[level].allowed_searches);
    fprintf(out, "\n");
}

/* Where more ranks no longer help. */
static void print_idle(FILE *out, const rhm_training_plan *plan) {
    for (uint32_t level = plan->levels; level >= 1; level--) {
        const rhm_plan_level *s = &plan->level[level];
        if (plan->cluster.ranks > 1 && s->shared_if_faster && s->shared_parts == 0)
            fprintf(out,
                    "  level %u: every rank takes all steps alone, since messages would take longer than they save\n",
                    level);
        const double most = rhm_plan_useful_cores(plan, level);
        const double cores = plan->cluster.ranks * fmax(1, rhm_plan_rank_cores(&plan->cluster));
        if (most < cores)
            fprintf(out, "  level %u: %.0f of %.0f cores are idle in passes, which fall into %.0f partial sums\n",
                    level, cores - most, cores, s->shared_parts);
    }
}

void rhm_plan_print_ranks(FILE *out, const rhm_training_plan *plan, double seconds_alone) {
    const rhm_plan_cluster *c = &plan->cluster;
    double sum = 0;
    if (c->ranks == 0)
        return;
    const double cores = rhm_plan_rank_cores(c);
    fprintf(out, "\n%d rank%s on %d node%s of %d core%s; a rank has ", c->ranks, c->ranks == 1 ? "" : "s", c->nodes,
            c->nodes == 1 ? "" : "s", c->cores, c->cores == 1 ? "" : "s");
    if (cores < 1)
        fprintf(out, "a core together with %.0f others", 1 / cores - 1);
    else
        fprintf(out, "%.0f core%s", cores, cores == 1 ? "" : "s");
    fprintf(out,
            "\na message takes %.3g us and a second for %.3g GB on a node, %.3g us and a second for %.3g GB between "
            "nodes\n\n",
            1e6 * c->within.latency, 1e-9 * c->within.rate, 1e6 * c->between.latency, 1e-9 * c->between.rate);
    fprintf(out, "%5s %9s %9s %9s %10s %9s %12s %9s\n", "level", "s draw", "s embed", "s fit", "s messages", "s",
            "messages", "GB");
    for (uint32_t level = plan->levels; level >= 1; level--) {
        const rhm_plan_level *s = &plan->level[level];
        if (s->level == 0)
            continue;
        char draw[NUMBER_NBYTES], embed[NUMBER_NBYTES], fit[NUMBER_NBYTES], all[NUMBER_NBYTES];
        fprintf(out, "%5u %9s %9s %9s %10.3g %9s %12.4g %9.3g\n", level, shown(draw, "%.3g", s->draw_seconds),
                shown(embed, "%.3g", s->embed_seconds), shown(fit, "%.3g", s->fit_seconds), s->messages.seconds,
                shown(all, "%.3g", rhm_plan_level_seconds(plan, level)), s->messages.count, 1e-9 * s->messages.nbytes);
        sum += s->messages.seconds;
    }
    const double seconds = rhm_plan_seconds(plan);
    fprintf(out, "  memory at most %.0f MiB a rank; ", rhm_plan_nbytes(plan) / 0x1p20);
    if (isnan(seconds))
        fprintf(out, "for an unknown time\n");
    else
        fprintf(out, "about %.3g s, test included (%.3g s), messages %.1f %%; one process on one such node: %.3g s\n",
                seconds, plan->test_seconds, 100 * sum / seconds, seconds_alone);
    fprintf(out, "  every rank does for itself:%s%s%s%s merging patches, the features of Gram matrices\n",
            plan->spread & RHM_SPREAD_DRAW ? "" : " drawing,", plan->spread & RHM_SPREAD_EMBED ? "" : " embedding,",
            plan->spread & RHM_SPREAD_FIT ? "" : " fits,", plan->spread & RHM_SPREAD_TEST ? "" : " the test,");
    print_idle(out, plan);
}
