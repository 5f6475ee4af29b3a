/* How often each level-1 patch of ids occurs with each label. */
#ifndef RHM_LEARNERS_LATENT_LABELS_H
#define RHM_LEARNERS_LATENT_LABELS_H

#include "counts/counts.h"
#include "learners/latent/sequences.h"

/* Of sequences 0..count-1, which must be at level 1; counts have one position. */
rhm_status rhm_labels_count(rhm_table_counts *out, rhm_sequences *sequences, uint64_t count, rhm_error *error);

/* The share of the samples whose patch has a label that leads by fewer than `lead` over the next. */
double rhm_labels_doubt(const rhm_table_counts *counts, uint64_t lead);

#endif
