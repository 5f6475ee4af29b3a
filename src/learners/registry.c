#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "learners/learner.h"

/* The default first. */
extern const struct rhm_learner rhm_layerwise, rhm_table_learner, rhm_one_step_learner, rhm_tensor_learner,
    rhm_latent_learner, rhm_shallow_learner, rhm_cnn_learner;
static const struct rhm_learner *const learners[] = {&rhm_layerwise,      &rhm_table_learner,  &rhm_one_step_learner,
                                                     &rhm_tensor_learner, &rhm_latent_learner, &rhm_shallow_learner,
                                                     &rhm_cnn_learner};

enum { LEARNERS = sizeof learners / sizeof learners[0] };

size_t rhm_learner_count(void) {
    return LEARNERS;
}

const rhm_learner_info *rhm_learner_at(size_t index) {
    return index < LEARNERS ? &learners[index]->info : NULL;
}

rhm_status rhm_learner_find(const struct rhm_learner **out, const char *name, rhm_error *error) {
    char names[256] = "";
    size_t used = 0;
    *out = learners[0];
    if (!name)
        return RHM_OK;
    for (size_t i = 0; i < LEARNERS; i++) {
        *out = learners[i];
        if (!strcmp(learners[i]->info.name, name))
            return RHM_OK;
        if (used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", learners[i]->info.name);
    }
    return rhm_fail(error, RHM_INVALID, "learner is '%.64s': allowed are %s", name, names);
}
