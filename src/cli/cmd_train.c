#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/files.h"
#include "cli/instance.h"
#include "cli/results.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "cli/training.h"
#include "core/atomic_file.h"
#include "core/fail.h"
#include "rhm/data.h"
#include "rhm/learner.h"
#include "rhm/machine.h"
#include "rhm/report.h"
#include "rhm/sampling.h"

static const rhm_word on_off[] = {{"on", 1}, {"off", 0}, {NULL, 0}};

static const rhm_option own[] = {
    {.name = "require-identifiable",
     .kind = RHM_OPTION_FLAG,
     .place = offsetof(rhm_settings, instance.identifiable),
     .help = "Try the seeds S, S + 1, ... until the grammar satisfies Assumption 6, and say which one does."},
    RHM_OPTION_OUTPUT("only print", "Write the model to this HDF5 file."),
    RHM_OPTION_REPORT("Write a JSON report to this file."),
    {.name = "ceilings",
     .kind = RHM_OPTION_CHOICE,
     .argument = "on|off",
     .fallback = "on",
     .words = on_off,
     .place = offsetof(rhm_settings, ceilings),
     .help = "Measure for --report what this machine can do at most, and what rhm plan would have said, which takes a "
             "second or more. off: those keys are null."},
    {.name = "trace",
     .kind = RHM_OPTION_TEXT,
     .argument = "FILE",
     .place = offsetof(rhm_settings, trace),
     .file = RHM_FILE_TEXT,
     .help = "Write what was done when, and by which thread, as trace-event JSON for ui.perfetto.dev or "
             "chrome://tracing; also when the run fails or is interrupted."},
    {0}};
static const rhm_option_group own_options = {"Results", own};

/* ---- checkpoints ----------------------------------------------------------------------------------------- */

typedef struct notes {
    rhm_progress_bar *bar;
    const rhm_settings *settings;
} notes;

static void show_note(void *user, const char *sentence) {
    const notes *to = user;
    rhm_progress_clear(to->bar);
    fprintf(stderr, "rhm %s: %s\n", to->settings->command->name, sentence);
}

static rhm_status choose_checkpoints(rhm_train_options *options, const rhm_settings *settings, notes *to,
                                     rhm_error *error) {
    if (!settings->checkpoint.directory) {
        RHM_TRY(rhm_option_refuse(settings, "resume", "has no effect without --checkpoint DIR", error));
        return rhm_option_refuse(settings, "checkpoint-seconds", "has no effect without --checkpoint DIR", error);
    }
    options->checkpoint = (rhm_checkpoint_options){
        .directory = settings->checkpoint.directory,
        .seconds = settings->checkpoint.seconds,
        .resume = settings->checkpoint.resume,
        .note = show_note,
        .user = to,
    };
    return RHM_OK;
}

/* What a user who pressed Ctrl-C wants to know next. */
static rhm_status explain_interrupt(const rhm_training *t, const rhm_settings *settings, rhm_status status,
                                    rhm_error *error) {
    const rhm_checkpoint_report *done = &t->report.checkpoint;
    if (status != RHM_INTERRUPTED || !settings->checkpoint.directory || (!done->written && !done->resumed))
        return status;
    char words[RHM_ERROR_TEXT_NBYTES];
    memcpy(words, error->text, sizeof words);
    return rhm_fail(error, status, "%.200s; the same command with --resume goes on from %s", words,
                    rhm_path_shown(settings->checkpoint.directory));
}

/* ---- the run --------------------------------------------------------------------------------------------- */

static rhm_status prepare(rhm_training *t, rhm_train_options *options, notes *to, const rhm_settings *settings,
                          rhm_error *error) {
    RHM_TRY(rhm_training_open(t, options, settings, error));
    if (!settings->report)
        RHM_TRY(rhm_option_refuse(settings, "ceilings", "has no effect without --report FILE", error));
    RHM_TRY(choose_checkpoints(options, settings, to, error));
    return rhm_running_engine(&t->engine, &t->bar, settings, error);
}

/* Train, test and report: everything but the files and what is printed. */
static rhm_status train(char **report, rhm_training *t, const rhm_train_options *options, double start,
                        rhm_error *error) {
    char command[RHM_COMMAND_LINE_NBYTES];
    const rhm_settings *settings = t->settings;
    const rhm_train_job job = {
        .grammar = t->grammar,
        .data = settings->data ? &t->data : NULL,
        .parents = t->parents,
        .options = options,
        .command = command,
        .data_name = settings->data,
        .analysis = &t->analysis,
        .earlier_seconds = rhm_progress_seconds() - start,
        .ceilings = settings->report && settings->ceilings,
        .outcome = &t->report,
        .bayes_accuracy = &t->bayes,
    };
    rhm_results_command(command, settings);
    const rhm_status status = rhm_train_reported(&t->model, report, t->engine, &job, error);
    rhm_progress_clear(&t->bar);
    if (status == RHM_INTERRUPTED)
        rhm_training_print_finished(t);
    return explain_interrupt(t, settings, status, error);
}

static rhm_status write_results(const rhm_training *t, const char *report, const rhm_settings *settings,
                                rhm_error *error) {
    if (!rhm_running_writes(settings))
        return RHM_OK;
    if (settings->output)
        RHM_TRY(rhm_model_save(t->model, settings->output, error));
    return rhm_results_write(settings, report, error);
}

static rhm_status work(rhm_training *t, const rhm_settings *settings, rhm_error *error) {
    const double start = rhm_progress_seconds();
    rhm_train_options options;
    notes to = {&t->bar, settings};
    char *report;
    t->settings = settings;
    RHM_TRY(prepare(t, &options, &to, settings, error));
    options.watch = rhm_training_watch;
    options.watcher = t;
    RHM_TRY(train(&report, t, &options, start, error));
    const rhm_status status = write_results(t, report, settings, error);
    free(report);
    RHM_TRY(status);
    rhm_training_print_results(t);
    return RHM_OK;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    rhm_training t = {0};
    rhm_status status = work(&t, settings, error);
    rhm_progress_clear(&t.bar);
    /* After a failure others may not be there to tell. Rank 0 has measured and written meanwhile, however long. */
    if (settings->trace && status == RHM_OK) {
        rhm_ranks_limit_silence(settings->running.ranks, 0);
        status = rhm_engine_gather_trace(t.engine, error);
    }
    if (settings->trace && t.engine && rhm_running_writes(settings)) {
        /* Of a failed run the failure is what is reported. */
        char command[RHM_COMMAND_LINE_NBYTES];
        rhm_results_command(command, settings);
        const rhm_status traced =
            rhm_engine_write_trace(t.engine, settings->trace, command, status == RHM_OK ? error : NULL);
        status = status == RHM_OK ? traced : status;
    }
    rhm_train_report_clear(&t.report);
    rhm_model_destroy(t.model);
    rhm_engine_destroy(t.engine);
    rhm_analysis_clear(&t.analysis);
    rhm_data_clear(&t.data);
    rhm_grammar_destroy(t.grammar);
    return status;
}

const rhm_command rhm_command_train = {
    .name = "train",
    .operands = "",
    .summary = "train level by level and test on fresh sequences",
    .description =
        "Train the layerwise learner of arXiv 2601.19756, level L first, on fresh samples of a grammar or on the "
        "sequences of a file, and measure its accuracy on sequences it has not seen.",
    .examples = "rhm train\n"
                "rhm train --vocab 8 --levels 3 -o model.h5 --report report.json\n"
                "rhm train --data data.h5 -o model.h5\n"
                "rhm train --learner table --vocab 8 --levels 16 --test-samples 1000",
    .groups = {&rhm_instance_options, &rhm_training_data_options, &own_options, &rhm_learner_options,
               &rhm_network_options, &rhm_budget_options, &rhm_draw_options, &rhm_method_options, &rhm_thread_options,
               &rhm_kernel_options, &rhm_rank_options, &rhm_interruption_options},
    .on_ranks = true,
    .run = run,
};
