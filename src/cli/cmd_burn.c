#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "core/atomic_file.h"
#include "core/fail.h"
#include "rhm/burn.h"

enum { SECONDS_A_MINUTE = 60, PERCENT = 100 };

#define AT(member) offsetof(rhm_settings, member)

static const rhm_word progress_modes[] = {{"auto", 0}, {"on", 1}, {"off", 2}, {NULL, 0}};

static const rhm_option own[] = {
    {.name = "minutes",
     .kind = RHM_OPTION_REAL,
     .argument = "N",
     .unit = "minutes",
     .fallback = "1",
     .least = 0.001,
     .greatest = 1e6,
     .place = AT(burn.minutes),
     .help = "How long to go on. Every core has its turn at least once, which takes about 0.3 s a core for all "
             "instruction sets together. What is slow is told after some dozen rounds, in a virtual machine not before "
             "0.4 minutes."},
    {.name = "cores",
     .kind = RHM_OPTION_TEXT,
     .argument = "LIST",
     .otherwise = "one processor of every allowed core",
     .place = AT(burn.cores),
     .help = "Processors to look at, such as 0,2,4-7, counted as --placement of other commands counts them."},
    {.name = "isa",
     .kind = RHM_OPTION_TEXT,
     .argument = "auto|scalar|avx2|avx512",
     .otherwise = "auto",
     .place = AT(running.isa),
     .help = "The only instruction set to run in. auto: each that this processor has."},
    {.name = "tolerance",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "percent",
     .fallback = "5",
     .least = 0.1,
     .greatest = 99,
     .place = AT(burn.tolerance),
     .help = "By how much a core may be slower than its siblings, or a socket than the others, before that is an "
             "outlier and the exit status 1."},
    {.name = "frequency-tolerance",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "percent",
     .otherwise = "that of --tolerance",
     .least = 0.1,
     .greatest = 99,
     .place = AT(burn.frequency_tolerance),
     .help = "By how much the frequency in a wider instruction set may be below that in the first, before that is an "
             "outlier. Some processors are built to run slower under AVX-512: give what is normal for yours."},
    {.name = "json",
     .kind = RHM_OPTION_TEXT,
     .argument = "FILE",
     .place = AT(burn.json),
     .file = RHM_FILE_TEXT,
     .help = "Write everything that was found to this file, as JSON."},
    {.name = "csv",
     .kind = RHM_OPTION_TEXT,
     .argument = "FILE",
     .place = AT(burn.csv),
     .file = RHM_FILE_TEXT,
     .help = "Write the table to this file, a line for each core, way of running and instruction set."},
    {.name = "openmetrics",
     .kind = RHM_OPTION_TEXT,
     .argument = "FILE",
     .place = AT(burn.openmetrics),
     .file = RHM_FILE_TEXT,
     .help = "Write gauges to this file for the text file collector of Prometheus' node_exporter, which reads files "
             "named *.prom. The file is replaced as a whole."},
    {.name = "progress",
     .kind = RHM_OPTION_CHOICE,
     .argument = "WHEN",
     .fallback = "auto",
     .words = progress_modes,
     .place = AT(running.progress),
     .help = "Show a progress bar on standard error. auto: when that is a terminal."},
    {0}};
static const rhm_option_group own_options = {"Options", own};

typedef rhm_status to_text(char **text, const rhm_burn *burn, rhm_error *error);

static rhm_status write_form(const char *path, to_text *form, const rhm_burn *burn, rhm_error *error) {
    char *text;
    if (!path)
        return RHM_OK;
    RHM_TRY(form(&text, burn, error));
    fflush(stdout);
    const rhm_status status = rhm_atomic_write_text(path, text, strlen(text), error);
    free(text);
    return status;
}

static rhm_status show(const rhm_burn *burn, const rhm_settings *settings, rhm_error *error) {
    char *text;
    RHM_TRY(rhm_burn_text(&text, burn, error));
    fputs(text, rhm_files_words(settings));
    free(text);
    RHM_TRY(write_form(settings->burn.json, rhm_burn_json, burn, error));
    RHM_TRY(write_form(settings->burn.csv, rhm_burn_csv, burn, error));
    return write_form(settings->burn.openmetrics, rhm_burn_openmetrics, burn, error);
}

static rhm_status verdict(const rhm_burn *burn, rhm_error *error) {
    const rhm_burn_summary all = rhm_burn_summarise(burn);
    if (all.mismatches)
        return rhm_fail(error, RHM_FAILED, "%llu of %llu results are wrong, on %llu core%s: see the table",
                        (unsigned long long)all.mismatches, (unsigned long long)all.runs,
                        (unsigned long long)all.wrong_cores, all.wrong_cores == 1 ? "" : "s");
    if (all.outliers)
        return rhm_fail(error, RHM_FAILED, "%llu slow beyond the tolerance: see the table",
                        (unsigned long long)all.outliers);
    return RHM_OK;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    rhm_progress_bar bar = rhm_progress_open((rhm_progress_mode)settings->running.progress);
    rhm_burn *burn;
    const rhm_burn_options options = {
        .seconds = settings->burn.minutes * SECONDS_A_MINUTE,
        .cores = settings->burn.cores,
        .isa = settings->running.isa,
        .tolerance = settings->burn.tolerance / PERCENT,
        .frequency_tolerance = settings->burn.frequency_tolerance / PERCENT,
        .interrupt = &rhm_interrupt,
        .progress = bar.on ? rhm_progress_show : NULL,
        .user = &bar,
    };
    rhm_status status = rhm_burn_run(&burn, &options, error);
    rhm_progress_clear(&bar);
    if (burn) {
        /* Of an interrupted burn the interruption is what is reported. */
        const rhm_status shown = show(burn, settings, status == RHM_OK ? error : NULL);
        if (status == RHM_OK)
            status = shown == RHM_OK ? verdict(burn, error) : shown;
    }
    rhm_burn_destroy(burn);
    return status;
}

const rhm_command rhm_command_burn = {
    .name = "burn",
    .operands = "",
    .summary = "find cores that compute wrongly, and machines that are slow",
    .description =
        "Run a small training and every compute kernel on one core after the other, on all cores at once, and as one "
        "training of all cores, in every instruction set. Results are the same bits on every processor, so each is "
        "compared with the known one. Of rates, the shortest runs are compared between cores, which a busy machine or "
        "host leaves alone; without a host typical ones too; of the whole burn, and of halves and quarters of it for "
        "what becomes slow. Exit status 1: a wrong result, or something slow beyond the tolerance. Interrupted, it "
        "shows what was found until then.",
    .examples = "rhm burn --minutes 2\n"
                "rhm burn --minutes 30 --json burn.json --openmetrics rhm_burn.prom",
    .groups = {&own_options},
    .run = run,
};
