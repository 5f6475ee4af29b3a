/* Which tables the levels of a grammar file have, and how others number them. */
#ifndef RHM_HIERARCHY_NUMBERING_H
#define RHM_HIERARCHY_NUMBERING_H

#include "core/h5file.h"

typedef struct rhm_numbering {
    uint32_t levels;
    uint32_t first; /* number of level 1: 1, or 0 in files of programs that count from there */
} rhm_numbering;

/*
 * RHM_INVALID, naming it, for a level that is missing or superfluous: rules_n leave no gap and are as many as the
 * attribute `levels` says, where there is one; a probability_n belongs to each or to none of them, or is noted.
 */
rhm_status rhm_numbering_read(rhm_numbering *out, const rhm_h5 *file, const char *group, rhm_error *error);

#endif
