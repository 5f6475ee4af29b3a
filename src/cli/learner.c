/* Which learner, and what it takes. */
#include <stddef.h>
#include <string.h>

#include "cli/settings.h"
#include "core/fail.h"
#include "rhm/learner.h"

static const rhm_word automatic[] = {{"auto", 0}, {NULL, 0}};

static const rhm_word between[] = {{"embeddings", RHM_BETWEEN_EMBEDDINGS}, {"ids", RHM_BETWEEN_IDS}, {NULL, 0}};

static const rhm_word protocols[] = {{"general", 0}, {"published", 0}, {"prx", 0}, {"2025", 0}, {NULL, 0}};

static const char *learner_name(int index) {
    const rhm_learner_info *learner = rhm_learner_at((size_t)index);
    return learner ? learner->name : NULL;
}

static void about_learner(int index, char *text, size_t text_nbytes) {
    const rhm_learner_info *learner = rhm_learner_at((size_t)index);
    snprintf(text, text_nbytes, "%s\n(%s); needs %s", learner->summary, learner->source, learner->needs);
}

static const rhm_option own[] = {
    {.name = "learner",
     .kind = RHM_OPTION_TEXT,
     .argument = "NAME",
     .otherwise = "layerwise",
     .place = offsetof(rhm_settings, training.learner),
     .name_of = learner_name,
     .about = about_learner,
     .help = "Who learns. An option that the learner does not take is refused."},
    {.name = "positions",
     .kind = RHM_OPTION_COUNTS,
     .argument = "auto|K|K_L,...,K_1",
     .unit = "patches of a sequence",
     .fallback = "auto",
     .of_training = true,
     .words = automatic,
     .place = offsetof(rhm_settings, training.positions),
     .help = "How many patches of a sequence each level looks at, level L first: the first K, and all where there are "
             "fewer. auto: as many as it takes to tell symbols apart; of cnn, with --schedule layerwise: all."},
    {.name = "between",
     .kind = RHM_OPTION_CHOICE,
     .argument = "embeddings|ids",
     .fallback = "embeddings",
     .words = between,
     .place = offsetof(rhm_settings, training.between),
     .help =
         "Of layerwise: what goes from a level to the one above. embeddings: its outputs, as in the paper. ids: its "
         "outputs are grouped, and the groups' numbers come one-hot; then --width is 512 or the number of patches, "
         "--bandwidth 0.35 and "
         "--ridge 0.001/|P_l| unless given."},
    {.name = "protocol",
     .kind = RHM_OPTION_TEXT,
     .argument = "NAME",
     .otherwise = "general; of cnn: prx",
     .words = protocols,
     .place = offsetof(rhm_settings, own.protocol),
     .help = "Of cnn: prx (Phys. Rev. X 14, 031001) or 2025, which set every number of the options below. Of one-step: "
             "general: any number of positions, the patches that occur, any --width (auto: 256) and "
             "--learning-rate. published: as in the appendix of Phys. Rev. X 14, 031001: the first patch, all V^s "
             "patches grouped whether they occur or not, width 256, learning rate 1000."},
    {0}};
const rhm_option_group rhm_learner_options = {"Learner", own};

/* Options that not every learner takes. */
static const rhm_option_group *const particular[] = {&rhm_learner_options, &rhm_network_options,
                                                     &rhm_budget_options,  &rhm_draw_options,
                                                     &rhm_method_options,  &rhm_interruption_options};
static const char *const universal[] = {"learner", "test-samples", "data-seed"};

static bool is_universal(const char *name) {
    for (size_t i = 0; i < sizeof universal / sizeof *universal; i++)
        if (!strcmp(name, universal[i]))
            return true;
    return false;
}

static rhm_status refuse_others(const rhm_learner_info *learner, const rhm_settings *settings, rhm_error *error) {
    char why[128];
    snprintf(why, sizeof why, "has no effect on --learner %s: leave it out", learner->name);
    for (size_t g = 0; g < sizeof particular / sizeof *particular; g++)
        for (const rhm_option *option = particular[g]->options; option->name; option++)
            if (!is_universal(option->name) && !rhm_learner_takes(learner, option->name))
                RHM_TRY(rhm_option_refuse(settings, option->name, why, error));
    return rhm_learner_takes(learner, "backend") ? RHM_OK : rhm_option_refuse(settings, "backend", why, error);
}

static rhm_status find(const rhm_learner_info **learner, const char *name, rhm_error *error) {
    char names[RHM_ERROR_TEXT_NBYTES / 2] = "";
    for (size_t i = 0; (*learner = rhm_learner_at(i)); i++) {
        if (!strcmp((*learner)->name, name))
            return RHM_OK;
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", (*learner)->name);
    }
    return rhm_fail(error, RHM_INVALID, "--learner %.64s is unknown: allowed are %s", name, names);
}

rhm_status rhm_settings_learner_info(const rhm_learner_info **out, const rhm_settings *settings, rhm_error *error) {
    *out = rhm_learner_at(0);
    return settings->training.learner ? find(out, settings->training.learner, error) : RHM_OK;
}

rhm_status rhm_settings_learner(rhm_train_options *options, const rhm_settings *settings, uint32_t levels,
                                rhm_error *error) {
    const rhm_learner_info *learner;
    double positions[RHM_MAX_LEVELS + 1];
    RHM_TRY(rhm_settings_learner_info(&learner, settings, error));
    RHM_TRY(refuse_others(learner, settings, error));
    options->learner = learner->name;
    options->between = (rhm_between)settings->training.between;
    RHM_TRY(rhm_settings_by_level(positions, settings, "positions", &settings->training.positions, levels, error));
    for (uint32_t level = 1; level <= levels; level++)
        options->positions[level] = (uint32_t)positions[level];
    return RHM_OK;
}
