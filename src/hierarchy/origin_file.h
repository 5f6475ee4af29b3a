/*
 * How a grammar was drawn, as attributes of its group: rule_sampling and seed; rule_law and label_law where they are
 * drawn and not uniform, as "zipf:1" or, one for each level, "zipf:1,uniform";
 * ambiguity, token_noise and label_noise where they are not 0.
 */
#ifndef RHM_HIERARCHY_ORIGIN_FILE_H
#define RHM_HIERARCHY_ORIGIN_FILE_H

#include "core/h5file.h"
#include "rhm/grammar.h"

rhm_status rhm_origin_write(rhm_h5 *file, const char *group, const rhm_grammar *grammar, rhm_error *error);

/* Every attribute may be missing; a way of drawing that this library does not know makes rules and laws given. */
rhm_status rhm_origin_read(rhm_grammar_options *out, const rhm_h5 *file, const char *group, uint32_t levels,
                           rhm_error *error);

#endif
