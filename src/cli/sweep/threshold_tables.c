/* thresholds.csv and curves.csv. */
#include <math.h>
#include <stdio.h>

#include "cli/sweep/thresholds.h"
#include "core/fail.h"

static const char *state_of(const rhm_sweep_search *search, const rhm_threshold *found) {
    static const char *const names[] = {"found", "below", "above"};
    return search->failure ? "failed" : !search->over ? "open" : names[found->state];
}

static void write_search(FILE *csv, const rhm_sweep_thresholds *t, const rhm_sweep_search *search) {
    rhm_threshold found = {.size = NAN, .low = NAN, .high = NAN};
    uint32_t trials = 0;
    for (size_t i = 0; i < search->count; i++)
        trials += search->tried[i].trials;
    if (search->over && !search->failure)
        (void)rhm_threshold_estimate(&found, &t->options, search->tried, search->count, NULL);
    fprintf(csv, "%s,%s,", rhm_sweep_size_name(t->size), state_of(search, &found));
    const double numbers[] = {found.size,
                              found.low > 0 ? found.low : (double)NAN,
                              isfinite(found.high) ? found.high : (double)NAN,
                              trials,
                              (double)search->count,
                              search->labels,
                              search->levels,
                              search->unit[search->levels],
                              search->labels * search->ways};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        rhm_csv_number(csv, numbers[i]);
        fputc(',', csv);
    }
    rhm_csv_text(csv, search->failure ? search->failure : "");
    fputc('\n', csv);
}

static void write_axes(FILE *csv, const rhm_sweep_table *table, const rhm_sweep_cell *cell) {
    char text[1024];
    for (size_t a = 0; a < table->axis_count; a++) {
        rhm_csv_text(csv, cell ? rhm_sweep_table_value(cell, table->axes[a], text, sizeof text) : table->axes[a]);
        fputc(',', csv);
    }
}

static void write_curve(FILE *csv, const rhm_sweep_thresholds *t, const rhm_sweep_table *table,
                        const rhm_sweep_search *search) {
    for (size_t i = 0; i < search->count; i++) {
        const rhm_threshold_trials *tried = &search->tried[i];
        double low, high;
        rhm_wilson_interval(&low, &high, tried->passed, tried->trials, 1.96);
        const double numbers[] = {exp2((double)tried->step / RHM_THRESHOLD_STEPS), tried->trials, tried->passed, low,
                                  high};
        write_axes(csv, table, search->cell);
        fputs(rhm_sweep_size_name(t->size), csv);
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++) {
            fputc(',', csv);
            rhm_csv_number(csv, numbers[j]);
        }
        fputc('\n', csv);
    }
}

rhm_status rhm_sweep_thresholds_write(const rhm_sweep_thresholds *thresholds, const rhm_sweep_table *table,
                                      rhm_error *error) {
    char *text = NULL;
    size_t nbytes;
    FILE *csv = open_memstream(&text, &nbytes);
    if (csv) {
        write_axes(csv, table, NULL);
        fputs("size_is,state,threshold,low,high,trials,sizes,labels,depth,V_mL,nc_mL,reason\n", csv);
        for (size_t i = 0; i < thresholds->searches; i++) {
            write_axes(csv, table, thresholds->search[i].cell);
            write_search(csv, thresholds, &thresholds->search[i]);
        }
    }
    RHM_TRY(rhm_csv_finish(csv, &text, table->store, "thresholds.csv", error));
    csv = open_memstream(&text, &nbytes);
    if (csv) {
        write_axes(csv, table, NULL);
        fputs("size_is,size,trials,passed,share_least,share_most\n", csv);
        for (size_t i = 0; i < thresholds->searches; i++)
            write_curve(csv, thresholds, table, &thresholds->search[i]);
    }
    return rhm_csv_finish(csv, &text, table->store, "curves.csv", error);
}
