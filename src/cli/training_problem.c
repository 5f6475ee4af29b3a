/* What a command line of a training says of its problem and options: of a grammar, or of a file. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "cli/files.h"
#include "cli/instance.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "cli/training.h"
#include "core/fail.h"

enum shuffle { SHUFFLE_AUTO, SHUFFLE_ON, SHUFFLE_OFF };

static const rhm_word shuffles[] = {{"auto", SHUFFLE_AUTO}, {"on", SHUFFLE_ON}, {"off", SHUFFLE_OFF}, {NULL, 0}};

static const rhm_word slices[] = {
    {"auto", RHM_SLICES_AUTO}, {"disjoint", RHM_SLICES_DISJOINT}, {"shared", RHM_SLICES_SHARED}, {NULL, 0}};

static const rhm_option data[] = {
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
    {0}};
const rhm_option_group rhm_training_data_options = {"Data", data};

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
    static const char *const useless[] = {
        "grammar",     "rules",       "rule-sampling",        "rule-law", "label-law", "ambiguity",
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
    RHM_TRY(rhm_instance_analyse(&t->analysis, t->known, t->most_analysis, error));
    rhm_instance_warn(settings, &t->analysis);
    return RHM_OK;
}

/* ---- both ------------------------------------------------------------------------------------------------ */

static const char without_data[] = "has no effect without --data: the grammar knows";

rhm_status rhm_training_open(rhm_training *t, rhm_train_options *options, const rhm_settings *settings,
                             rhm_error *error) {
    if (settings->data) {
        RHM_TRY(load_data(t, settings, error));
    } else {
        RHM_TRY(rhm_option_refuse(settings, "parents", without_data, error));
        RHM_TRY(rhm_instance_build(&t->grammar, &t->analysis, settings, t->most_analysis, error));
        t->known = t->grammar;
        t->levels = rhm_grammar_shape(t->grammar)->levels;
    }
    return choose_options(options, settings, t->levels, error);
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
