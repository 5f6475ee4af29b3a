#include "cli/table.h"

#include <inttypes.h>
#include <math.h>

enum { CELL_NBYTES = 32 };

/* Of the best accuracy: below this share, what levels missed has cost something. */
#define ENOUGH 0.95

/* `value` with four digits, or "-" where it does not exist. */
static const char *cell(double value, char text[CELL_NBYTES]) {
    if (isnan(value))
        snprintf(text, CELL_NBYTES, "-");
    else
        snprintf(text, CELL_NBYTES, "%.4g", value);
    return text;
}

static void row(FILE *stream, const rhm_level_report *level, const rhm_analysis *analysis) {
    char rho[CELL_NBYTES], separation[CELL_NBYTES], radius[CELL_NBYTES], error[CELL_NBYTES], synonyms[CELL_NBYTES];
    if (level->width == 0) {
        fprintf(stream, "%5u %11.10g %9u %10" PRIu64 " %8u %9s %9s %9s %9s %8.2f\n", level->level,
                (double)level->samples, level->positions, level->distinct_patches, level->clusters,
                cell(analysis ? analysis->rho[level->level] : (double)NAN, rho),
                cell(level->cluster_separation, separation), cell(level->cluster_radius, radius),
                cell(level->synonym_accuracy, synonyms), level->total_seconds);
        return;
    }
    fprintf(stream, "%5u %11.10g %10" PRIu64 " %6u %9.4g %9.3g %5u %9.2g %9s %9s %9s %9s %9s %8.2f\n", level->level,
            (double)level->samples, level->distinct_patches, level->width, level->bandwidth, level->ridge,
            level->iterations, level->residual, cell(analysis ? analysis->rho[level->level] : (double)NAN, rho),
            cell(level->cluster_separation, separation), cell(level->cluster_radius, radius),
            cell(level->posterior_error_mean, error), cell(level->synonym_accuracy, synonyms), level->total_seconds);
}

void rhm_table_head(FILE *stream, const rhm_train_report *report) {
    if (report->level[report->levels].width == 0)
        fprintf(stream, "%5s %11s %9s %10s %8s %9s %9s %9s %9s %8s\n", "level", "samples", "positions", "distinct",
                "groups", "rho", "gap", "spread", "synonyms", "seconds");
    else
        fprintf(stream, "%5s %11s %10s %6s %9s %9s %5s %9s %9s %9s %9s %9s %9s %8s\n", "level", "samples", "distinct",
                "width", "bandwidth", "ridge", "iter", "residual", "rho", "gap", "spread", "error", "synonyms",
                "seconds");
}

void rhm_table_rows(FILE *stream, const rhm_train_report *report, const rhm_analysis *analysis, uint32_t first,
                    uint32_t last) {
    for (uint32_t level = first; level >= last; level--)
        row(stream, &report->level[level], analysis);
}

static void legend(FILE *stream, const rhm_train_report *report) {
    fprintf(
        stream,
        "gap, spread: smallest distance between groups of outputs, 99th percentile within one; %ssynonyms: share of "
        "patches nearest to their own parent's mean\n",
        report->level[report->levels].width == 0 ? "" : "error: mean distance to the exact posterior; ");
}

/* What kept a level from its target: a warning where the level or, in the end, the accuracy suffers from it. */
static void shortfall(FILE *stream, const rhm_level_report *one, double accuracy, double possible) {
    if (!one->resolved) {
        fprintf(stream, "WARNING: level %u is not resolved%s: %s\n", one->level,
                one->level > 1 ? ", so the levels above it may fail" : "",
                *one->limit ? one->limit : "the groups of its outputs overlap");
    } else if (*one->limit && accuracy < ENOUGH * (isnan(possible) ? 1 : possible)) {
        fprintf(stream, "WARNING: level %u: %s, and the accuracy is %.4f", one->level, one->limit, accuracy);
        fprintf(stream, isnan(possible) ? "\n" : " where %.4f is possible\n", possible);
    } else if (*one->limit) {
        fprintf(stream, "note: level %u: %s\n", one->level, one->limit);
    }
}

void rhm_table_notes(FILE *stream, const rhm_train_report *report, uint32_t last, double accuracy, double possible) {
    legend(stream, report);
    for (uint32_t level = report->levels; level >= last; level--) {
        const rhm_level_report *one = &report->level[level];
        shortfall(stream, one, accuracy, possible);
        if (one->positions > 1 && one->width > 0)
            fprintf(stream, "note: level %u: the first %u patches of a sequence were looked at\n", level,
                    one->positions);
        if (!one->converged)
            fprintf(stream, "note: level %u: the solver ended at a residual of %.1e, which is above --tolerance\n",
                    level, one->residual);
        if (one->kept_share < 1)
            fprintf(stream,
                    "note: level %u: of %.3g samples those are kept whose first patch is one of %" PRIu64
                    " that were chosen at random\n",
                    level, (double)one->samples / one->kept_share, one->distinct_patches);
        if (one->unseen_mass > 0)
            fprintf(stream, "note: level %u: training never saw some of its patches, which are %.3g of all\n", level,
                    one->unseen_mass);
        if (one->clamped)
            fprintf(stream,
                    "note: level %u: %" PRIu64 " outputs summed to less than %g and were normalised by that floor\n",
                    level, one->clamped, (double)RHM_NORMALIZATION_FLOOR);
    }
}

void rhm_table_seconds(FILE *stream, const rhm_train_report *report) {
    double sample = 0, embed = 0, bandwidth = 0, solve = 0, total = 0;
    for (uint32_t level = 1; level <= report->levels; level++) {
        const rhm_level_report *one = &report->level[level];
        sample += one->sample_seconds;
        embed += one->embed_seconds;
        bandwidth += one->bandwidth_seconds;
        solve += one->solve_seconds;
        total += one->total_seconds;
    }
    const double other = report->seconds - total - report->test_seconds;
    fprintf(stream,
            "seconds     %.2f: sampling %.2f, embedding %.2f, choosing bandwidths %.2f, solving %.2f, rest of the "
            "levels %.2f, "
            "test %.2f, other %.2f\n",
            report->seconds, sample, embed, bandwidth, solve, fmax(0, total - sample - embed - bandwidth - solve),
            report->test_seconds, fmax(0, other));
}
