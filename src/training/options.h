/* The options of training, checked once for all learners. */
#ifndef RHM_TRAINING_OPTIONS_H
#define RHM_TRAINING_OPTIONS_H

#include "rhm/learner.h"

/* Defaults filled in, ranges checked. */
rhm_status rhm_train_options_resolve(rhm_train_options *out, const rhm_train_options *options, uint32_t levels,
                                     rhm_error *error);

/*
 * RHM_INVALID where an option has a value other than its default although the learner takes no such option; names are
 * those of the command.
 */
rhm_status rhm_train_options_check(const rhm_train_options *options, const rhm_learner_info *learner, uint32_t levels,
                                   rhm_error *error);

#endif
