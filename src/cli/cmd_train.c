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

enum shuffle { SHUFFLE_AUTO, SHUFFLE_ON, SHUFFLE_OFF };

static const rhm_word shuffles[] = {{"auto", SHUFFLE_AUTO}, {"on", SHUFFLE_ON}, {"off", SHUFFLE_OFF}, {NULL, 0}};

static const rhm_word slices[] = {
    {"auto", RHM_SLICES_AUTO}, {"disjoint", RHM_SLICES_DISJOINT}, {"shared", RHM_SLICES_SHARED}, {NULL, 0}};

static const rhm_option own[] = {
    RHM_OPTION_DATA("draw samples from the grammar",
                    "Train and test on the sequences of this HDF5 file; the last ones are the test set. "
                    "--vocab, --branching and --levels then say what the file itself leaves open."),
    {.name = "parents",
     .kind = RHM_OPTION_COUNTS,
     .argument = "V|V_{L-1},...,V_0",
     .unit = "symbols",
     .otherwise = "from the file's grammar or --vocab; else |V_0| for level 1 and |V_L| for the others",
     .least = 1,
     .greatest = RHM_MAX_VOCAB,
     .place = offsetof(rhm_settings, training.parents),
     .help = "With --data: number of different symbols above the patches of each level, level L first."},
    {.name = "shuffle",
     .kind = RHM_OPTION_CHOICE,
     .argument = "auto|on|off",
     .fallback = "auto",
     .words = shuffles,
     .place = offsetof(rhm_settings, training.shuffle),
     .help = "With --data: put the sequences into an order that --data-seed decides, before the last ones become the "
             "test set. off: take them in the order of the file. auto: on where that is no random order, because "
             "labels or first tokens change from part to part, as in a file that is sorted by class."},
    {.name = "slices",
     .kind = RHM_OPTION_CHOICE,
     .argument = "auto|disjoint|shared",
     .fallback = "auto",
     .words = slices,
     .place = offsetof(rhm_settings, training.slices),
     .help =
         "Of layerwise with --data: what its stages have of the sequences that are not for the test. disjoint: each "
         "a slice that no other stage has seen, as in the paper. shared: all of them. auto: shared where slices "
         "would be small."},
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
static const rhm_option_group own_options = {"Data and results", own};

static rhm_status check_data_options(const rhm_settings *settings, const rhm_train_options *options, rhm_error *error) {
    const rhm_learner_info *learner;
    RHM_TRY(rhm_settings_learner_info(&learner, settings, error));
    if (!settings->data)
        RHM_TRY(rhm_option_refuse(settings, "shuffle", "has no effect without --data, whose order it changes", error));
    if (!settings->data)
        return rhm_option_refuse(settings, "slices", "has no effect without --data: each stage draws its own samples",
                                 error);
    if (!rhm_learner_takes(learner, "slices") || options->between == RHM_BETWEEN_IDS)
        return rhm_option_refuse(settings, "slices",
                                 "has no effect where ids go from level to level, or all is learnt at once: leave it "
                                 "out",
                                 error);
    return RHM_OK;
}

static rhm_status choose_options(rhm_train_options *out, const rhm_settings *settings, uint32_t levels,
                                 rhm_error *error) {
    *out = settings->own;
    out->solver = (rhm_solver)settings->training.solver;
    out->draw = (rhm_draw)settings->training.draw;
    out->raw = settings->training.distinct != 0;
    out->tolerance = settings->training.tolerance;
    out->max_seconds = settings->training.max_seconds;
    out->seed = rhm_settings_data_seed(settings);
    out->test_samples = rhm_option_given(settings, "test-samples") ? settings->test_samples : 0;
    if (out->raw && out->draw == RHM_DRAW_COUNTS)
        return rhm_option_refuse(settings, "distinct", "has nothing to compute on with --draw counts: leave one out",
                                 error);
    out->slices = (rhm_slices)settings->training.slices;
    RHM_TRY(rhm_settings_learner(out, settings, levels, error));
    RHM_TRY(check_data_options(settings, out, error));
    RHM_TRY(rhm_settings_budget(out, settings, levels, error));
    RHM_TRY(rhm_settings_by_level(out->bandwidth, settings, "bandwidth", &settings->training.bandwidth, levels, error));
    return rhm_settings_by_level(out->ridge, settings, "ridge", &settings->training.ridge, levels, error);
}

/* ---- training on a file ---------------------------------------------------------------------------------- */

static rhm_status refuse_beside_data(const rhm_settings *settings, rhm_error *error) {
    static const char *const useless[] = {"grammar",     "rules",       "rule-sampling",        "rule-law", "label-law",
                                          "token-noise", "label-noise", "require-identifiable", "draw",     "sampling"};
    for (size_t i = 0; i < sizeof useless / sizeof *useless; i++)
        RHM_TRY(rhm_option_refuse(settings, useless[i],
                                  "has no effect with --data, whose sequences are not drawn: leave it out", error));
    return RHM_OK;
}

static rhm_status choose_parents(rhm_training *t, const rhm_settings *settings, rhm_error *error) {
    uint32_t vocab[RHM_MAX_LEVELS + 1];
    const bool vocab_list = rhm_option_given(settings, "vocab") && settings->instance.vocab.count > 1;
    for (uint32_t level = 0; level <= t->levels; level++)
        vocab[level] = level == 0               ? t->data.label_vocab
                       : t->data.latents[level] ? t->data.latent_vocab[level]
                                                : t->data.token_vocab;
    if (t->known)
        memcpy(vocab, rhm_grammar_shape(t->known)->vocab, sizeof vocab);
    if (vocab_list)
        RHM_TRY(rhm_instance_vocab(vocab, settings, t->levels, error));
    if (rhm_option_given(settings, "parents")) {
        if (vocab_list)
            return rhm_option_refuse(settings, "parents", "repeats what a list in --vocab says: give one of them",
                                     error);
        double typed[RHM_MAX_LEVELS + 1];
        RHM_TRY(rhm_settings_by_level(typed, settings, "parents", &settings->training.parents, t->levels, error));
        for (uint32_t level = 1; level <= t->levels; level++)
            vocab[level - 1] = (uint32_t)typed[level];
        if (vocab[0] != t->data.label_vocab)
            return rhm_fail(error, RHM_INVALID,
                            "--parents %s says that there are %u labels at level 0, but there are %u",
                            rhm_option_given(settings, "parents"), vocab[0], t->data.label_vocab);
    }
    for (uint32_t level = 1; level <= t->levels; level++)
        t->parents[level] = vocab[level - 1];
    return RHM_OK;
}

/* The last sequences become the test set, and levels have slices one after the other. */
static rhm_status choose_order(rhm_training *t, const rhm_settings *settings, rhm_error *error) {
    bool mixed;
    RHM_TRY(rhm_data_is_mixed(&mixed, &t->data, error));
    const int shuffle = settings->training.shuffle;
    if (shuffle == SHUFFLE_ON || (shuffle == SHUFFLE_AUTO && !mixed))
        rhm_data_shuffle(&t->data, rhm_settings_data_seed(settings));
    if (mixed)
        return RHM_OK;
    char text[RHM_ERROR_TEXT_NBYTES];
    snprintf(text, sizeof text,
             "the sequences of %.200s are in no random order, labels or first tokens change from part to part: %s",
             rhm_path_shown(settings->data),
             t->data.shuffled ? "they are shuffled before a part of them becomes the test set"
                              : "as --shuffle off says, the last ones are the test set all the same");
    rhm_running_note(&(rhm_listener){settings->command->name}, text);
    return RHM_OK;
}

static rhm_status load_data(rhm_training *t, const rhm_settings *settings, rhm_error *error) {
    RHM_TRY(refuse_beside_data(settings, error));
    rhm_listener listener = {settings->command->name};
    rhm_data_hints hints = {.note = rhm_running_note, .user = &listener};
    const rhm_learner_info *learner;
    RHM_TRY(rhm_settings_learner_info(&learner, settings, error));
    hints.latents = learner->latents;
    const rhm_list *vocab = &settings->instance.vocab;
    if (rhm_option_given(settings, "vocab")) {
        hints.label_vocab = (uint32_t)vocab->value[0];
        hints.token_vocab = (uint32_t)vocab->value[vocab->count - 1];
        hints.levels = vocab->count > 1 ? vocab->count - 1 : 0;
    }
    if (rhm_option_given(settings, "levels"))
        hints.levels = (uint32_t)settings->instance.levels;
    if (rhm_option_given(settings, "branching"))
        rhm_instance_branching(hints.branching, settings);
    RHM_TRY(rhm_running_input(rhm_data_load(&t->data, settings->data, &hints, error)));
    if (rhm_option_given(settings, "test-samples") && settings->test_samples > t->data.count / RHM_HELD_OUT)
        return rhm_fail(error, RHM_INVALID,
                        "--test-samples %" PRIu64 " is more than a fifth of the %zu sequences of %s",
                        settings->test_samples, t->data.count, rhm_path_shown(settings->data));
    RHM_TRY(choose_order(t, settings, error));
    t->known = t->data.grammar;
    t->levels = t->data.tree.levels;
    RHM_TRY(choose_parents(t, settings, error));
    if (!t->known)
        return RHM_OK;
    RHM_TRY(rhm_analyse(&t->analysis, t->known, error));
    rhm_instance_warn(settings, &t->analysis);
    return RHM_OK;
}

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

static const char without_data[] = "has no effect without --data: the grammar knows";

static rhm_status prepare(rhm_training *t, rhm_train_options *options, notes *to, const rhm_settings *settings,
                          rhm_error *error) {
    if (settings->data) {
        RHM_TRY(load_data(t, settings, error));
    } else {
        RHM_TRY(rhm_option_refuse(settings, "parents", without_data, error));
        RHM_TRY(rhm_instance_build(&t->grammar, &t->analysis, settings, error));
        t->known = t->grammar;
        t->levels = rhm_grammar_shape(t->grammar)->levels;
    }
    RHM_TRY(choose_options(options, settings, t->levels, error));
    if (!settings->report)
        RHM_TRY(rhm_option_refuse(settings, "ceilings", "has no effect without --report FILE", error));
    RHM_TRY(choose_checkpoints(options, settings, to, error));
    return rhm_running_engine(&t->engine, &t->bar, settings, error);
}

rhm_status rhm_training_check(rhm_grammar **grammar, rhm_train_options *options, const rhm_settings *settings,
                              rhm_error *error) {
    rhm_training t = {0};
    rhm_train_options chosen;
    rhm_status status =
        settings->data ? load_data(&t, settings, error) : rhm_instance_grammar(&t.grammar, settings, error);
    if (status == RHM_OK && !settings->data)
        status = rhm_option_refuse(settings, "parents", without_data, error);
    if (status == RHM_OK)
        status = choose_options(&chosen, settings,
                                t.grammar ? rhm_grammar_shape(t.grammar)->levels : t.data.tree.levels, error);
    if (status == RHM_OK && grammar) {
        *grammar = t.grammar;
        t.grammar = NULL;
    }
    if (status == RHM_OK && options)
        *options = chosen;
    rhm_grammar_destroy(t.grammar);
    rhm_analysis_clear(&t.analysis);
    rhm_data_clear(&t.data);
    return status;
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
    .groups = {&rhm_instance_options, &own_options, &rhm_learner_options, &rhm_network_options, &rhm_budget_options,
               &rhm_draw_options, &rhm_method_options, &rhm_thread_options, &rhm_kernel_options, &rhm_rank_options,
               &rhm_interruption_options},
    .on_ranks = true,
    .run = run,
};
