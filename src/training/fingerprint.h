/*
 * What a training depends on, as pairs of a name and a value: a checkpoint goes on only where all of them are the same.
 * Names are those of the command's options where there is one. Threads, placement and instruction set do not belong
 * here, because results do not depend on them.
 */
#ifndef RHM_TRAINING_FINGERPRINT_H
#define RHM_TRAINING_FINGERPRINT_H

#include "core/h5file.h"
#include "training/problem.h"

enum { RHM_FACTS = 64, RHM_FACT_NBYTES = 1024 };

typedef struct rhm_fingerprint {
    size_t count;
    struct {
        const char *name;
        char value[RHM_FACT_NBYTES];
    } fact[RHM_FACTS];
} rhm_fingerprint;

/* Versions of what decides bits in a learner; 0: it has none. */
typedef struct rhm_fingerprint_versions {
    int sums;   /* order of sums */
    int tuning; /* constants of a search */
} rhm_fingerprint_versions;

/* `options` as rhm_train_options_resolve leaves them. Data are hashed. */
void rhm_fingerprint_make(rhm_fingerprint *out, const rhm_engine *engine, const rhm_problem *problem,
                          rhm_fingerprint_versions versions, const rhm_train_options *options);

/* As attributes of a new group. */
rhm_status rhm_fingerprint_write(rhm_h5 *file, const char *group, const rhm_fingerprint *fingerprint, rhm_error *error);

/* RHM_INVALID, with every name that differs and both values, unless the group says the same. */
rhm_status rhm_fingerprint_check(const rhm_h5 *file, const char *group, const rhm_fingerprint *fingerprint,
                                 rhm_error *error);

#endif
