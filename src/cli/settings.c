#include "cli/settings.h"
#include "cli/shared_options.h"

#include <float.h>
#include <stddef.h>

#include "core/fail.h"

static const rhm_word automatic[] = {{"auto", 0}, {NULL, 0}};
static const rhm_word ridges[] = {{"auto", 0}, {"paper", RHM_RIDGE_PAPER}, {NULL, 0}};
static const rhm_word draws[] = {
    {"auto", RHM_DRAW_AUTO}, {"samples", RHM_DRAW_SAMPLES}, {"counts", RHM_DRAW_COUNTS}, {NULL, 0}};
static const rhm_word on_off[] = {{"on", 0}, {"off", 1}, {NULL, 0}};
const rhm_word rhm_progress_words[] = {{"auto", 0}, {"on", 1}, {"off", 2}, {NULL, 0}};

static const rhm_word placements[] = {{"compact", 0}, {"scatter", 1}, {"none", 2}, {NULL, 0}};
static const rhm_word instruction_sets[] = {{"auto", 0}, {"scalar", 1}, {"avx2", 2}, {"avx512", 3}, {NULL, 0}};
static const rhm_word backends[] = {{"native", 0}, {"onednn", 1}, {"auto", 2}, {NULL, 0}};

static const char *solver_name(int solver) {
    return solver < RHM_SOLVERS ? rhm_solver_name((rhm_solver)solver) : NULL;
}

#define AT(member) offsetof(rhm_settings, member)

static const rhm_option budget[] = {
    {.name = "samples",
     .kind = RHM_OPTION_COUNTS,
     .argument = "auto|N|N_L,...,N_1",
     .unit = "samples per level",
     .fallback = "auto",
     .of_training = true,
     .words = automatic,
     .place = AT(training.samples),
     .help = "Fresh samples of each level, level L first. auto: until gap / spread reaches its target "
             "(docs/training.md). --learner latent: whole sequences, the same for all levels, so one number."},
    {.name = "width",
     .kind = RHM_OPTION_COUNTS,
     .argument = "auto|M",
     .unit = "random frequencies; of cnn: channels",
     .fallback = "auto",
     .of_training = true,
     .words = automatic,
     .place = AT(training.width),
     .help = "Width M of every level, which has 2M features. auto: chosen per level. --learner cnn: channels out of "
             "every convolution, h or h_L,...,h_1; auto: the protocol's."},
    {.name = "max-samples",
     .kind = RHM_OPTION_COUNT,
     .argument = "N",
     .unit = "samples per level",
     .fallback = "1e15",
     .of_training = true,
     .place = AT(training.max_samples),
     .help = "Most samples that --samples auto may choose for a level."},
    {.name = "max-width",
     .kind = RHM_OPTION_COUNT,
     .argument = "M",
     .unit = "random frequencies",
     .fallback = "4096",
     .of_training = true,
     .place = AT(training.max_width),
     .help = "Largest width that --width auto may choose."},
    {0}};

static const rhm_option draw[] = {
    {.name = "draw",
     .kind = RHM_OPTION_CHOICE,
     .argument = "samples|counts|auto",
     .fallback = "auto",
     .words = draws,
     .place = AT(training.draw),
     .help =
         "How the counts of (first patch, label) are made. samples: every sample is drawn and counted. counts: they "
         "are drawn from their multinomial distribution, at a cost that does not depend on the number of samples. "
         "auto: counts where the table of probabilities is small enough (the lowest levels), else samples. Where "
         "--samples is auto too, the level above these keeps only samples whose first patch is one of 65536, chosen "
         "at random before labels are seen, and draws their counts, if it takes many samples and --max-samples allows "
         "enough."},
    {.name = "distinct",
     .kind = RHM_OPTION_CHOICE,
     .argument = "on|off",
     .fallback = "on",
     .words = on_off,
     .place = AT(training.distinct),
     .help = "off: compute on every sample, without recognising equal patches. The same regression at the cost that "
             "others pay for it, for comparison."},
    {0}};

static const rhm_option method[] = {
    {.name = "bandwidth",
     .kind = RHM_OPTION_REALS,
     .argument = "auto|x|x_L,...,x_1",
     .unit = "distance between embeddings",
     .fallback = "auto",
     .of_training = true,
     .words = automatic,
     .place = AT(training.bandwidth),
     .help = "Kernel bandwidth sigma of each level, level L first. auto: chosen from the data."},
    {.name = "ridge",
     .kind = RHM_OPTION_REALS,
     .argument = "auto|paper|x|x_L,...,x_1",
     .fallback = "auto",
     .of_training = true,
     .words = ridges,
     .place = AT(training.ridge),
     .help =
         "Ridge parameter lambda of each level, level L first. paper: 1/|P_l|, with |P_l| the number of patches that "
         "the rules of the level produce. auto: chosen from the data."},
    {.name = "solver",
     .kind = RHM_OPTION_CHOICE,
     .argument = "NAME",
     .fallback = "cg",
     .name_of = solver_name,
     .place = AT(training.solver),
     .help = "Conjugate gradients, gradient descent (step from the top eigenvalue, or the paper's), or LAPACK."},
    {.name = "tolerance",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "relative residual",
     .fallback = "1e-4",
     .of_training = true,
     .place = AT(training.tolerance),
     .help = "Residual at which the solver stops."},
    {.name = "learning-rate",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "per unit of the width",
     .otherwise = "the protocol's; one-step general: V^s times the number of patches, at least 1000",
     .of_training = true,
     .place = AT(own.learning_rate),
     .help = "Size of a gradient step; of cnn per unit of the width of level 1."},
    {.name = "test-samples",
     .kind = RHM_OPTION_COUNT,
     .argument = "N",
     .unit = "sequences",
     .otherwise = "10000",
     .of_training = true,
     .place = AT(test_samples),
     .help = "Fresh sequences (with --data: held-out ones) on which the accuracy is measured."},
    RHM_OPTION_DATA_SEED("Seed of the samples and of the random frequencies."),
    {.name = "max-seconds",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "seconds",
     .otherwise = "no limit",
     .of_training = true,
     .place = AT(training.max_seconds),
     .help =
         "Time after which --samples auto asks for no more samples. The model then depends on the machine's speed."},
    {0}};

static const rhm_option threads[] = {
    {.name = "threads",
     .kind = RHM_OPTION_COUNT,
     .argument = "N",
     .otherwise = "one per allowed core",
     .least = 1,
     .greatest = 4096,
     .place = AT(running.threads),
     .help = "Threads to use; results do not depend on it."},
    {.name = "placement",
     .kind = RHM_OPTION_TEXT,
     .argument = "compact|scatter|none|LIST",
     .otherwise = "compact, off cores in use",
     .words = placements,
     .place = AT(running.placement),
     .help =
         "Where threads run: close together, spread out, wherever the system puts them, or on the listed processors, "
         "such as 0,2,4-7. These count from 0 among those that this process may use, in hwloc's order (0 is CPU 1 "
         "under taskset -c 1; `rhm machine` shows both numbers). Without this option, a run with fewer threads than "
         "cores keeps off those that other such runs have taken or that are busy."},
    RHM_OPTION_PROGRESS,
    {0}};

static const rhm_option kernels[] = {
    {.name = "isa",
     .kind = RHM_OPTION_TEXT,
     .argument = "auto|scalar|avx2|avx512",
     .otherwise = "auto",
     .words = instruction_sets,
     .place = AT(running.isa),
     .help = "Instruction set of the kernels; results do not depend on it."},
    {.name = "backend",
     .kind = RHM_OPTION_TEXT,
     .argument = "native|onednn|auto",
     .otherwise = "native",
     .words = backends,
     .place = AT(running.backend),
     .help = "Who computes the products of a level: the project's own kernels, whose "
             "results are the same everywhere; oneDNN, equal within rounding; or, "
             "shape by shape, whichever a measurement on this machine finds faster (one process only)."},
    RHM_OPTION_MEMORY_LIMIT(
        "Memory that large arrays may take together; features are then recomputed where they cannot be kept, and "
        "a level that needs more is refused with the numbers."),
    {0}};

static const rhm_option checkpoints[] = {
    {.name = "checkpoint",
     .kind = RHM_OPTION_TEXT,
     .argument = "DIR",
     .otherwise = "an interrupted training is lost",
     .place = AT(checkpoint.directory),
     .file = RHM_FILE_DIRECTORY,
     .help = "Keep the state of the training in this directory, which is made unless it is there: after every level, "
             "inside one every --checkpoint-seconds, and when SIGINT, SIGTERM or SIGHUP end the run. A directory that "
             "holds a "
             "checkpoint is refused without --resume."},
    {.name = "resume",
     .kind = RHM_OPTION_FLAG,
     .place = AT(checkpoint.resume),
     .help = "Go on from what --checkpoint DIR holds, to the same bits; instance, training options and --data must be "
             "the same, threads and instruction set need not. Without a checkpoint in DIR training starts from the "
             "beginning, and says so."},
    {.name = "checkpoint-seconds",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "seconds",
     .fallback = "60",
     .of_training = true,
     .place = AT(checkpoint.seconds),
     .help = "Time between checkpoints inside a level: what a crash can cost. Where writing one takes long, they are "
             "written less often, for at most a fifth of the time."},
    {0}};

static const rhm_option ranks[] = {
    {.name = "rank-timeout",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "seconds",
     .otherwise = "wait for ever",
     .least = DBL_MIN,
     .greatest = 1e9,
     .place = AT(running.rank_timeout),
     .help = "Under mpirun: end the job, naming the rank, when one has been waited for so long; ten times as long until "
             "all have started."},
    {0}};

const rhm_option_group rhm_budget_options = {"Size of the training", budget};
const rhm_option_group rhm_draw_options = {"Samples", draw};
const rhm_option_group rhm_method_options = {"Method of the training", method};
const rhm_option_group rhm_thread_options = {"Running", threads};
const rhm_option_group rhm_kernel_options = {"Kernels and memory", kernels};
const rhm_option_group rhm_rank_options = {"Several processes", ranks};
const rhm_option_group rhm_interruption_options = {"Interruption", checkpoints};

uint64_t rhm_settings_data_seed(const rhm_settings *settings) {
    return rhm_option_given(settings, "data-seed") ? settings->data_seed : settings->instance.seed;
}

rhm_status rhm_settings_by_level(double *by_level, const rhm_settings *settings, const char *name, const rhm_list *list,
                                 uint32_t levels, rhm_error *error) {
    if (list->count > 1 && list->count != levels)
        return rhm_fail(error, RHM_INVALID,
                        "--%s %s has %u values: with %u levels allowed are one, or %u for levels %u to 1", name,
                        rhm_option_given(settings, name), list->count, levels, levels, levels);
    for (uint32_t level = 1; level <= levels; level++)
        by_level[level] = list->value[list->count > 1 ? levels - level : 0];
    return RHM_OK;
}

static bool all_chosen(const rhm_train_options *options, uint32_t levels) {
    for (uint32_t level = 1; level <= levels; level++)
        if (options->samples[level] == 0)
            return false;
    return true;
}

/* One for all levels; only the cnn has one for each. */
static rhm_status choose_width(rhm_train_options *options, const rhm_settings *settings, uint32_t levels,
                               rhm_error *error) {
    const rhm_list *list = &settings->training.width;
    const rhm_learner_info *learner;
    double widths[RHM_MAX_LEVELS + 1];
    RHM_TRY(rhm_settings_learner_info(&learner, settings, error));
    options->width = list->count == 1 ? (uint32_t)list->value[0] : 0;
    if (list->count == 1)
        return RHM_OK;
    if (!rhm_learner_takes(learner, "widths"))
        return rhm_fail(error, RHM_INVALID, "--width %.64s has %u values: the learner %s takes one for all levels",
                        rhm_option_given(settings, "width"), list->count, learner->name);
    RHM_TRY(rhm_settings_by_level(widths, settings, "width", list, levels, error));
    for (uint32_t level = 1; level <= levels; level++)
        options->cnn.width[level] = (uint32_t)widths[level];
    return RHM_OK;
}

rhm_status rhm_settings_budget(rhm_train_options *options, const rhm_settings *settings, uint32_t levels,
                               rhm_error *error) {
    double samples[RHM_MAX_LEVELS + 1];
    RHM_TRY(rhm_settings_by_level(samples, settings, "samples", &settings->training.samples, levels, error));
    for (uint32_t level = 1; level <= levels; level++)
        options->samples[level] = (uint64_t)samples[level];
    RHM_TRY(choose_width(options, settings, levels, error));
    options->max_samples = settings->training.max_samples;
    options->max_width = (uint32_t)settings->training.max_width;
    static const char *const limits[] = {"max-samples", "max-seconds"};
    for (size_t i = 0; all_chosen(options, levels) && i < sizeof limits / sizeof *limits; i++)
        RHM_TRY(rhm_option_refuse(settings, limits[i],
                                  "has no effect where --samples gives every number: leave one out", error));
    if (options->width)
        return rhm_option_refuse(settings, "max-width", "has no effect where --width gives the number: leave one out",
                                 error);
    return RHM_OK;
}
