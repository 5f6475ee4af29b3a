#include <math.h>
#include <stddef.h>

#include "cli/files.h"
#include "cli/instance.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/fail.h"
#include "rhm/grammar.h"
#include "rhm/theory.h"

static const rhm_option own[] = {
    RHM_OPTION_OUTPUT("only print", "Write the grammar and its exact analysis to this HDF5 file."),
    {.name = "require-identifiable",
     .kind = RHM_OPTION_FLAG,
     .place = offsetof(rhm_settings, instance.identifiable),
     .help = "Try the seeds S, S + 1, ... until the grammar satisfies Assumption 6, and say which one does."},
    {0}};
static const rhm_option_group own_options = {"Grammar", own};

static void print_number(FILE *words, double value) {
    if (isinf(value))
        fprintf(words, " %9s", "-");
    else
        fprintf(words, " %9.4g", value);
}

/* Differences of posteriors that all levels have. */
static double differences(const rhm_shape *shape) {
    double sum = 0;
    for (uint32_t level = 2; level <= shape->levels; level++)
        sum += 0.5 * shape->vocab[level - 1] * shape->vocab[level - 1] * shape->vocab[0] * RHM_ANALYSED_POSITIONS;
    return sum;
}

static void print_row(FILE *words, uint32_t level, const rhm_position_analysis *a) {
    double worst = (double)INFINITY, best = -(double)INFINITY;
    for (uint32_t j = 0; j < a->positions; j++)
        if (!isinf(a->rho[j])) {
            worst = fmin(worst, a->rho[j]);
            best = fmax(best, a->rho[j]);
        }
    fprintf(words, "%5u %17s", level, "");
    print_number(words, a->together[0]);
    for (uint32_t k = 2; k <= RHM_ANALYSED_POSITIONS; k *= 2)
        print_number(words, k <= a->positions ? a->together[k - 1] : (double)INFINITY);
    fprintf(words, "   ");
    print_number(words, worst);
    print_number(words, best);
    fprintf(words, " %9u\n", a->nowhere[a->positions - 1]);
}

/* What the learner's automatic choice of positions goes through: 1, 2, 4, ... side by side. */
static rhm_status print_positions(FILE *words, const rhm_grammar *grammar, rhm_error *error) {
    static const double most = 2e10; /* some ten seconds */
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    if (shape->levels < 2)
        return RHM_OK;
    if (differences(shape) > most) {
        fprintf(words,
                "\nrho of several positions is left out: it has %.1e differences of posteriors, and at most %.0e are "
                "computed\n",
                differences(shape), most);
        return RHM_OK;
    }
    fprintf(words, "\nlevel   positions:%15s", "first");
    for (uint32_t k = 2; k <= RHM_ANALYSED_POSITIONS; k *= 2)
        fprintf(words, " %9u", k);
    fprintf(words, "%13s %9s %9s\n", "alone: worst", "best", "nowhere");
    for (uint32_t level = shape->levels; level >= 2; level--) {
        rhm_position_analysis a;
        RHM_TRY(rhm_analyse_positions(&a, grammar, level, error));
        print_row(words, level, &a);
    }
    fprintf(words,
            "rho where the first so many patches of a sequence are looked at side by side (--positions), and of one of "
            "them alone;\nnowhere: symbols that none of these patches shows\n");
    return RHM_OK;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    rhm_grammar *grammar;
    rhm_analysis analysis;
    RHM_TRY(rhm_instance_build(&grammar, &analysis, settings, 0, error));
    rhm_status status = RHM_OK;
    if (settings->output)
        status = rhm_grammar_save(grammar, settings->output, error);
    if (status == RHM_OK) {
        FILE *words = rhm_files_words(settings);
        rhm_instance_print(words, grammar, &analysis);
        status = print_positions(words, grammar, error);
        if (status == RHM_OK && settings->output)
            fprintf(words, "\nwritten to %s\n", settings->output);
    }
    rhm_analysis_clear(&analysis);
    rhm_grammar_destroy(grammar);
    return status;
}

const rhm_command rhm_command_grammar = {
    .name = "grammar",
    .operands = "",
    .summary = "draw a grammar, check it, write it with its exact analysis",
    .description =
        "Draw a grammar (or read one), check it, and say what can be learned from it: the exact kappa and rho of "
        "Assumption 6, and the symbols that violate it.",
    .examples = "rhm grammar --vocab 8 --levels 3 -o grammar.h5\n"
                "rhm grammar --vocab 8,16,32 --rules 4,2 --require-identifiable",
    .groups = {&rhm_instance_options, &own_options},
    .run = run,
};
