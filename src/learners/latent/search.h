/* How many sequences a level takes; the rule is in search.c. */
#ifndef RHM_LEARNERS_LATENT_SEARCH_H
#define RHM_LEARNERS_LATENT_SEARCH_H

#include "counts/levels.h"
#include "learners/latent/sequences.h"

/* Standard errors that the dependence of siblings must reach before groups mean anything. */
#define RHM_LATENT_DEPENDENCE 3.0

/* Expected patches of a sequence that are in doubt (counts/group.h), beyond which a level goes on. */
#define RHM_LATENT_DOUBT 1e-3

typedef struct rhm_latent {
    rhm_table_method method; /* rhm_table_learning.method points to it */
    rhm_sequences sequences;
    rhm_grammar_source fresh;
    rhm_data_source rows;
    uint64_t used;   /* sequences that some level has counted */
    bool unresolved; /* a level below has come out wrong or incomplete */
} rhm_latent;

/* With how many sequences a level begins, and the most that it takes where no number is given. */
double rhm_latent_first(const rhm_tree *tree, uint32_t level);
double rhm_latent_most(const rhm_tree *tree, uint32_t level, double patches);

/* rhm_table_method.share: sequences that are new at a level, and one for what does not depend on their number. */
double rhm_latent_share(const rhm_table_learning *l, uint32_t level);

/* rhm_table_method.search. */
rhm_status rhm_latent_search(rhm_table_learning *l, rhm_table_stage *stage, rhm_error *error);

#endif
