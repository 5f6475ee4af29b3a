/* Options that say which grammar. */
#include <stddef.h>

#include "cli/settings.h"
#include "cli/shared_options.h"

static const rhm_word rule_samplings[] = {{"first-token-uniform", RHM_FIRST_TOKEN_UNIFORM},
                                          {"uniform", RHM_UNIFORM},
                                          {"independent", RHM_INDEPENDENT},
                                          {NULL, 0}};

static const rhm_word laws[] = {{"uniform", 0}, {"zipf:", 1}, {"dirichlet:", 2}, {NULL, 0}};

#define AT(member) offsetof(rhm_settings, member)

static const rhm_option instance[] = {
    {.name = "vocab",
     .kind = RHM_OPTION_COUNTS,
     .argument = "V|V_0,...,V_L",
     .unit = "symbols",
     .fallback = "16",
     .least = 1,
     .greatest = RHM_MAX_VOCAB,
     .place = AT(instance.vocab),
     .help = "Size of the vocabulary: of every level, or of level 0 (the labels) to level L (the tokens)."},
    {.name = "rules",
     .kind = RHM_OPTION_COUNTS,
     .argument = "m|m_1,...,m_L",
     .unit = "rules per symbol",
     .fallback = "4",
     .least = 1,
     .greatest = UINT32_MAX,
     .place = AT(instance.rules),
     .help = "Patches into which a symbol may be rewritten: at every level, or at levels 1 to L."},
    {.name = "branching",
     .kind = RHM_OPTION_COUNTS,
     .argument = "s|s_1,...,s_L",
     .unit = "symbols per patch",
     .fallback = "2",
     .least = 2,
     .greatest = RHM_MAX_BRANCHING,
     .place = AT(instance.branching),
     .help = "Length of a patch: at every level, or at levels 1 to L. A sequence has as many tokens as their product."},
    {.name = "levels",
     .kind = RHM_OPTION_COUNT,
     .argument = "L",
     .fallback = "4",
     .least = 1,
     .greatest = RHM_MAX_LEVELS,
     .place = AT(instance.levels),
     .help = "How often symbols are rewritten. A list in --vocab, --rules or --branching implies it."},
    {.name = "seed",
     .kind = RHM_OPTION_COUNT,
     .argument = "S",
     .fallback = "1",
     .least = 0,
     .greatest = RHM_MOST_SEED,
     .place = AT(instance.seed),
     .help = "Seed of the rules and, unless --data-seed is given, of everything else that is drawn."},
    {.name = "rule-sampling",
     .kind = RHM_OPTION_CHOICE,
     .argument = "HOW",
     .fallback = "first-token-uniform",
     .words = rule_samplings,
     .place = AT(instance.rule_sampling),
     .help = "How rules are drawn: every first token equally often (arXiv 2601.19756, Appendix B), or distinct patches "
             "out of all V^s (arXiv 2307.02129), or those of each symbol by itself, so that several symbols may have "
             "the same patch."},
    {.name = "rule-law",
     .kind = RHM_OPTION_TEXT,
     .argument = "LAW|LAW_1,...,LAW_L",
     .fallback = "uniform",
     .words = laws,
     .place = AT(instance.rule_law),
     .help = "How probable the rules of a symbol are, at every level or at levels 1 to L: uniform; zipf:A, the r-th in "
             "proportion to r^-A, which is the r-th being drawn for each symbol; or dirichlet:A, drawn from the "
             "symmetric Dirichlet distribution."},
    {.name = "label-law",
     .kind = RHM_OPTION_TEXT,
     .argument = "LAW",
     .fallback = "uniform",
     .words = laws,
     .place = AT(instance.label_law),
     .help = "How probable the labels are: uniform, zipf:A or dirichlet:A."},
    RHM_OPTION_SHARE("ambiguity", "F", "share of the rules", instance.ambiguity,
                     "So many rules of each level, chosen at random, take over the patch of a rule of another symbol."),
    RHM_OPTION_SHARE("token-noise", "E", "probability", instance.token_noise,
                     "Each visible token is replaced by a uniformly chosen one with this probability."),
    RHM_OPTION_SHARE("label-noise", "E", "probability", instance.label_noise,
                     "The label that is recorded is replaced by a uniformly chosen one with this probability."),
    {.name = "grammar",
     .kind = RHM_OPTION_TEXT,
     .argument = "FILE",
     .place = AT(instance.grammar),
     .file = RHM_FILE_READ,
     .help = "Read the grammar from an HDF5 file instead of drawing one."},
    {0}};

const rhm_option_group rhm_instance_options = {"Instance", instance};
