/* How many samples a search begins with, goes on with and holds out. */
#ifndef RHM_LEARNERS_LAYERWISE_SAMPLE_SIZES_H
#define RHM_LEARNERS_LAYERWISE_SAMPLE_SIZES_H

#include <stdbool.h>

#include "learners/layerwise/task.h"
#include "learners/layerwise/tuning.h"
#include "rhm/learner.h"

/* Samples with which an automatic search begins. */
uint64_t rhm_first_samples(const rhm_task *task, const rhm_train_options *options, uint32_t level);

/*
 * The same once the level below is known: neighbouring outputs were `separation` apart there, and will be about sqrt(m)
 * times as far apart here. A separation that asks for many times the usual number is noise: then rhm_most_first_look.
 */
uint64_t rhm_first_look(const rhm_task *task, const rhm_train_options *options, uint32_t level, double separation);

/* As many as that can be, whatever the separation. */
uint64_t rhm_most_first_look(const rhm_task *task, const rhm_train_options *options, uint32_t level);

/* Samples to go on with after `samples` gave a gap of `gap`. `saturated`: every patch has occurred and counts are
 * drawn, so that more samples cost nothing. */
uint64_t rhm_next_samples(uint64_t samples, double gap, double target, bool saturated);

/* Validation samples that go with `samples` training samples. */
uint64_t rhm_held_out_samples(uint64_t samples, uint64_t available);

#endif
