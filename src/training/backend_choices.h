/* What --backend auto has chosen, as a part of checkpoints: a training goes on with it. The group /backend. */
#ifndef RHM_TRAINING_BACKEND_CHOICES_H
#define RHM_TRAINING_BACKEND_CHOICES_H

#include "core/fields.h"
#include "rhm/engine.h"

extern const rhm_fields rhm_backend_choice_fields; /* rhm_backend_choice */

/* Nothing with another backend. RHM_INVALID for a choice that this machine does not have. */
rhm_status rhm_backend_choices_write(rhm_h5 *file, const rhm_engine *engine, rhm_error *error);
rhm_status rhm_backend_choices_read(const rhm_h5 *file, const rhm_engine *engine, rhm_error *error);

#endif
