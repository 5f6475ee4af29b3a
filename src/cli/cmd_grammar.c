#include <stddef.h>

#include "cli/files.h"
#include "cli/instance.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/fail.h"
#include "rhm/grammar.h"

static const rhm_option own[] = {
    RHM_OPTION_OUTPUT("only print", "Write the grammar and its exact analysis to this HDF5 file."),
    {.name = "require-identifiable",
     .kind = RHM_OPTION_FLAG,
     .place = offsetof(rhm_settings, instance.identifiable),
     .help = "Try the seeds S, S + 1, ... until the grammar satisfies Assumption 6, and say which one does."},
    {0}};
static const rhm_option_group own_options = {"Grammar", own};

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    rhm_grammar *grammar;
    rhm_analysis analysis;
    RHM_TRY(rhm_instance_build(&grammar, &analysis, settings, error));
    rhm_status status = RHM_OK;
    if (settings->output)
        status = rhm_grammar_save(grammar, settings->output, error);
    if (status == RHM_OK) {
        FILE *words = rhm_files_words(settings);
        rhm_instance_print(words, grammar, &analysis);
        if (settings->output)
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
