/* A grammar as a group of an HDF5 file: files of grammars, data sets and models all hold one where it is known. */
#ifndef RHM_HIERARCHY_GRAMMAR_FILE_H
#define RHM_HIERARCHY_GRAMMAR_FILE_H

#include "core/h5file.h"
#include "rhm/grammar.h"

/* Write /grammar with the exact analysis. */
rhm_status rhm_grammar_write_group(rhm_h5 *file, const rhm_grammar *grammar, rhm_error *error);

/* Read /grammar; RHM_INVALID, naming file and object, where it is malformed. */
rhm_status rhm_grammar_read_group(rhm_grammar **out, const rhm_h5 *file, rhm_error *error);

#endif
