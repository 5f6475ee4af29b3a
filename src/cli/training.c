#include "cli/training.h"

#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#include "cli/epochs.h"
#include "cli/files.h"
#include "cli/instance.h"
#include "cli/results.h"
#include "cli/table.h"
#include "rhm/machine.h"

static void print_checkpoints(FILE *words, const rhm_checkpoint_report *done, const char *directory) {
    fprintf(words, "checkpoints %" PRIu32 " in %s, %.2f seconds", done->written, directory, done->seconds);
    if (done->failed)
        fprintf(words, "; %" PRIu32 " failed, the last because of %s", done->failed, done->failure);
    if (done->resumed)
        fprintf(words, "; resumed after %.1f seconds", done->resumed_seconds);
    fprintf(words, "\n");
}

static void print_data(FILE *words, const rhm_training *t, const rhm_settings *settings) {
    fprintf(words, "data        %zu sequences of %s%s: |V_0| = %u, |V_L| = %u, s = ", t->data.count, settings->data,
            t->data.shuffled ? ", shuffled" : "", t->data.label_vocab, t->data.token_vocab);
    rhm_instance_print_sizes(words, t->data.tree.branching, 1, t->levels);
    fprintf(words, ", L = %u\n", t->levels);
}

static void print_slices(FILE *words, const rhm_train_report *report) {
    if (report->slices == RHM_SLICES_SHARED)
        fprintf(words, "slices      all levels share the sequences that are not for the test\n");
    else if (report->slices == RHM_SLICES_DISJOINT)
        fprintf(words, "slices      each level has sequences of its own\n");
}

void rhm_training_print_instance(FILE *words, const rhm_training *t) {
    if (t->known)
        rhm_instance_print(words, t->known, &t->analysis);
    else
        print_data(words, t, t->settings);
}

static void print_instance(FILE *words, const rhm_training *t) {
    rhm_training_print_instance(words, t);
    print_slices(words, &t->report);
    fprintf(words, "\n");
    if (!t->report.descent.protocol)
        rhm_table_head(words, &t->report);
}

/* Rows of the levels down to `last` that are not there yet, below what says whose they are. */
static void print_rows(FILE *words, rhm_training *t, uint32_t last) {
    if (!t->shown)
        print_instance(words, t);
    const uint32_t first = t->shown ? t->shown - 1 : t->report.levels;
    if (t->report.descent.protocol)
        rhm_epochs_print(words, &t->report);
    else if (first >= last)
        rhm_table_rows(words, &t->report, t->known ? &t->analysis : NULL, first, last);
    t->shown = last;
    fflush(words);
}

void rhm_training_watch(void *user, const rhm_train_state *state) {
    rhm_training *t = user;
    double done = 0, expected = 0;
    for (uint32_t level = 1; level <= t->report.levels; level++) {
        done += state->done[level];
        expected += state->expected[level];
    }
    rhm_progress_overall(&t->bar, done, state->level > 0 ? expected : 0);
    FILE *words = rhm_files_words(t->settings), *live = isatty(fileno(words)) ? words : t->bar.on ? stderr : NULL;
    if (!live || state->finished > t->report.levels || state->finished == t->shown)
        return;
    rhm_progress_clear(&t->bar);
    print_rows(live, t, state->finished);
}

/* Where the table goes on, or begins if its rows were shown elsewhere. */
static FILE *begin_words(rhm_training *t) {
    FILE *words = rhm_files_words(t->settings);
    if (!isatty(fileno(words)))
        t->shown = 0;
    return words;
}

/* Of an interrupted descent, whose levels have no reports yet. */
static void print_epochs(rhm_training *t) {
    FILE *words = begin_words(t);
    if (t->report.descent.epochs == 0)
        return;
    print_rows(words, t, 1);
    rhm_epochs_notes(words, &t->report, false);
}

void rhm_training_print_finished(rhm_training *t) {
    if (t->report.descent.protocol) {
        print_epochs(t);
        return;
    }
    uint32_t last = t->report.levels + 1;
    while (last > 1 && t->report.level[last - 1].level == last - 1)
        last--;
    if (last > t->report.levels)
        return;
    FILE *words = begin_words(t);
    if (t->shown != last)
        print_rows(words, t, last);
    rhm_table_notes(words, &t->report, last, (double)NAN, (double)NAN);
}

void rhm_training_print_results(rhm_training *t) {
    const rhm_settings *settings = t->settings;
    FILE *words = begin_words(t);
    char hash[RHM_HASH_TEXT_NBYTES];
    const rhm_engine_info info = rhm_engine_describe(t->engine);
    char backend[RHM_MACHINE_BACKEND_NBYTES];
    rhm_machine_backend(t->engine, backend);
    if (t->shown != 1)
        print_rows(words, t, 1);
    const bool descent = t->report.descent.protocol != NULL;
    if (descent)
        rhm_epochs_notes(words, &t->report, true);
    else
        rhm_table_notes(words, &t->report, 1, t->report.test_accuracy, t->bayes);
    fprintf(words, "\ntest accuracy %.4f on %" PRIu64 " %s sequences\n", t->report.test_accuracy,
            t->report.test_samples,
            settings->data                                              ? "held-out"
            : t->report.descent.used.sampling == RHM_SEQUENCES_DISTINCT ? "other"
                                                                        : "fresh");
    if (t->report.shown_latents)
        fprintf(words, "              by a learner that was shown the hidden symbols: for comparison only\n");
    rhm_results_bayes(words, t->bayes);
    (descent ? rhm_epochs_seconds : rhm_table_seconds)(words, &t->report);
    if (settings->checkpoint.directory)
        print_checkpoints(words, &t->report.checkpoint, settings->checkpoint.directory);
    rhm_model_hash(t->model, hash);
    fprintf(words, "machine     %s, %d thread%s, %s kernels (%s)\n", info.cpu, info.threads,
            info.threads == 1 ? "" : "s", info.isa, backend);
    if (settings->running.ranks)
        fprintf(words, "ranks       %d (%s)\n", rhm_ranks_size(settings->running.ranks),
                rhm_ranks_library(settings->running.ranks));
    fprintf(words, "model hash  %s\n", hash);
    if (settings->output)
        fprintf(words, "model       %s\n", settings->output);
    if (settings->report)
        fprintf(words, "report      %s\n", settings->report);
    if (settings->trace)
        fprintf(words, "trace       %s\n", settings->trace);
}
