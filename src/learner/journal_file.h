/* A journal in a file: GROUP/journal, a table with a row for each entry, and GROUP/weights_i, those of held fits. */
#ifndef RHM_LEARNER_JOURNAL_FILE_H
#define RHM_LEARNER_JOURNAL_FILE_H

#include "learner/journal.h"

rhm_status rhm_journal_write(rhm_h5 *file, const char *group, const rhm_journal *journal, const rhm_task *task,
                             rhm_error *error);

/* Into an empty journal. */
rhm_status rhm_journal_read(rhm_journal *journal, const rhm_h5 *file, const char *group, const rhm_task *task,
                            rhm_error *error);

/* Bytes of the weights that would be written. */
uint64_t rhm_journal_nbytes(const rhm_journal *journal, const rhm_task *task);

#endif
