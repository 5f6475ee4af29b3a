/*
 * What a checkpoint holds, and where in the file:
 *
 *     checkpoint-N.h5
 *       /run        attributes: the fingerprint of the training; level (in hand, or 0), seconds, level_begin,
 *                   samples_file (its number)
 *       /levels     rows: a table of the finished levels' reports; weights_l with the attribute limit
 *       /stage      of the level in hand (stage_file.h)
 *       /solver     attributes phase, iterations, seconds; numbers, vector_i: of the fit in hand
 *       /backend    choices: a table of what --backend auto has chosen
 *     samples-N.h5  (samples_file.h)
 *       /training, /validation (patches/patches_file.h)
 *
 * Frequencies, indexes, counts by patch and embeddings follow from these and are computed again.
 */
#ifndef RHM_LEARNERS_LAYERWISE_CHECKPOINT_FILE_H
#define RHM_LEARNERS_LAYERWISE_CHECKPOINT_FILE_H

#include "learners/layerwise/trainer.h"
#include "training/fingerprint.h"

typedef struct rhm_kept {
    const rhm_engine *engine;
    rhm_task *task; /* whose positions are those of finished levels and of the one in hand */
    uint64_t seed;  /* of the frequencies */
    rhm_fingerprint fingerprint;

    uint32_t level;     /* in hand; 0: all are finished */
    double seconds;     /* of training so far */
    double level_begin; /* of them had passed when the level in hand was begun */
    uint64_t samples;   /* number of the samples file, or 0 */

    rhm_model *model; /* the finished levels; borrowed */
    rhm_train_report *report;

    bool in_stage; /* read: the level in hand had been begun */

    /* A fit that an interruption cut short, until it is done. */
    double fit_seconds;           /* so far */
    rhm_solve_state solve;        /* as it was read; vectors owned */
    const rhm_solve_state *shown; /* as the solver shows it at this moment, or NULL */
} rhm_kept;

/* `stage` is the one in hand, or NULL between levels. */
rhm_status rhm_kept_write(const rhm_kept *kept, const rhm_stage *stage, const char *path, rhm_error *error);
uint64_t rhm_kept_nbytes(const rhm_kept *kept, const rhm_stage *stage);

/*
 * Into a `kept` with engine, task, seed, fingerprint, an empty model and report; `stage` receives the kept members.
 * RHM_INVALID where the fingerprint differs. Finally, and on failure: rhm_kept_clear; the model may then have some
 * levels.
 */
rhm_status rhm_kept_read(rhm_kept *kept, rhm_stage *stage, const char *path, rhm_error *error);

/* Of the fit in hand, once it is done. */
void rhm_kept_clear(rhm_kept *kept);

/* RHM_INVALID unless the file was written as one of this kind. */
rhm_status rhm_kept_check_kind(const rhm_h5 *file, const char *kind, rhm_error *error);

#endif
