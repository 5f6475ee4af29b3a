/* The table that a learner would find with infinitely many samples: the rules themselves, read backwards. */
#ifndef RHM_COUNTS_PARSER_H
#define RHM_COUNTS_PARSER_H

#include "model/table.h"

rhm_status rhm_table_parser(struct rhm_table **out, const rhm_grammar *grammar, rhm_error *error);

#endif
