#include "learners/layerwise/checkpoint.h"

#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "kernels/operator.h"
#include "learners/layerwise/checkpoint_file.h"
#include "learners/layerwise/samples_file.h"
#include "learners/layerwise/stage_file.h"
#include "patches/patches_file.h"
#include "training/checkpoints.h"

struct rhm_checkpoint {
    rhm_checkpoints files;
    rhm_kept kept;
    double fit_begin; /* of the fit in hand */
    rhm_stage *stage; /* in hand, or NULL */
    uint32_t entered; /* level of the last one */
    rhm_stage *read;  /* owned: what was read of the stage in hand, until it is entered; or NULL */

    /* The sets in the samples file kept.samples. */
    uint64_t training, validation;
};

/* ---- writing --------------------------------------------------------------------------------------------- */

static uint64_t nbytes_of(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static bool changed(const rhm_checkpoint *cp, const rhm_sample_set *set, uint64_t kept) {
    return rhm_samples_kept(set) && (cp->kept.samples == 0 || set->patches.samples != kept);
}

static bool samples_changed(const rhm_checkpoint *cp) {
    return cp->stage &&
           (changed(cp, &cp->stage->training, cp->training) || changed(cp, &cp->stage->validation, cp->validation));
}

static uint64_t set_nbytes(const rhm_sample_set *set) {
    return rhm_samples_kept(set) ? rhm_patches_file_nbytes(&set->patches) : 0;
}

static uint64_t samples_nbytes(const rhm_stage *stage) {
    return set_nbytes(&stage->training) + set_nbytes(&stage->validation);
}

/* Samples first: a checkpoint names them. */
static rhm_status write_newest(void *context, rhm_rotation *g, double seconds, uint64_t *nbytes, rhm_error *error) {
    rhm_checkpoint *cp = context;
    char path[RHM_CHECKPOINT_PATH_NBYTES], samples[RHM_CHECKPOINT_PATH_NBYTES];
    const bool fresh = samples_changed(cp);
    const uint64_t before = cp->kept.samples;
    RHM_TRY(
        rhm_rotation_room(g, rhm_kept_nbytes(&cp->kept, cp->stage) + (fresh ? samples_nbytes(cp->stage) : 0), error));
    cp->kept.seconds = seconds;
    if (fresh) {
        cp->kept.samples = g->next++;
        rhm_samples_path(g, cp->kept.samples, samples);
        const rhm_status status = rhm_samples_write(cp->stage, samples, error);
        if (status != RHM_OK) {
            cp->kept.samples = before;
            return status;
        }
        *nbytes = nbytes_of(samples);
    }
    const rhm_kept_files files = {g->next++, cp->kept.samples};
    rhm_checkpoint_path(g, files.number, path);
    const rhm_status status = rhm_kept_write(&cp->kept, cp->stage, path, error);
    if (status != RHM_OK && fresh) {
        unlink(samples);
        cp->kept.samples = before;
    }
    RHM_TRY(status);
    if (fresh) {
        cp->training = cp->stage->training.patches.samples;
        cp->validation = cp->stage->validation.patches.samples;
    }
    *nbytes += nbytes_of(path);
    return rhm_rotation_add(g, files, error);
}

/* Before its search has begun a stage has nothing that one could go on from. */
void rhm_checkpoint_offer(rhm_checkpoint *cp) {
    if (cp && (!cp->stage || cp->stage->searching))
        rhm_checkpoints_offer(&cp->files);
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static void drop_read(rhm_checkpoint *cp) {
    if (cp->read) {
        rhm_fit_clear(&cp->read->best);
        rhm_patches_destroy(&cp->read->training.patches);
        rhm_patches_destroy(&cp->read->validation.patches);
    }
    rhm_free(cp->read);
    cp->read = NULL;
}

static rhm_status read_newest(void *context, rhm_rotation *g, double *seconds, rhm_error *error) {
    rhm_checkpoint *cp = context;
    char path[RHM_CHECKPOINT_PATH_NBYTES];
    rhm_kept_files *newest = &g->found[0];
    if (!(cp->read = RHM_NEW(rhm_stage, 1, 1, 1, "stage of a checkpoint", error)))
        return RHM_NO_MEMORY;
    rhm_checkpoint_path(g, newest->number, path);
    rhm_status status = rhm_kept_read(&cp->kept, cp->read, path, error);
    if (status == RHM_OK && cp->kept.samples) {
        rhm_samples_path(g, cp->kept.samples, path);
        status = rhm_samples_read(cp->read, &cp->kept, path, error);
    }
    if (status == RHM_OK && cp->kept.samples) {
        newest->samples = cp->kept.samples;
        cp->training = cp->read->training.patches.samples;
        cp->validation = cp->read->validation.patches.samples;
    }
    if (status != RHM_OK || !cp->kept.in_stage)
        drop_read(cp);
    if (status != RHM_OK)
        rhm_kept_clear(&cp->kept);
    *seconds = cp->kept.seconds;
    return status;
}

static void note_resumed(const rhm_checkpoint *cp) {
    const uint32_t levels = cp->kept.task->tree.levels;
    const char *directory = cp->files.options.directory;
    if (!cp->files.report->resumed)
        return;
    if (cp->kept.level)
        rhm_checkpoints_note(&cp->files, "resumed from %s at level %u of %u, after %.1f seconds of training", directory,
                             cp->kept.level, levels, cp->kept.seconds);
    else
        rhm_checkpoints_note(&cp->files, "resumed from %s with all %u levels trained, after %.1f seconds", directory,
                             levels, cp->kept.seconds);
}

rhm_status rhm_checkpoint_open(rhm_checkpoint **out, const rhm_engine *engine, rhm_training_setup *setup,
                               const rhm_train_options *options, rhm_model *model, rhm_train_report *report,
                               rhm_error *error) {
    *out = NULL;
    if (!options->checkpoint.directory)
        return RHM_OK;
    rhm_checkpoint *cp = RHM_NEW(rhm_checkpoint, 1, 1, 1, "checkpoint", error);
    if (!cp)
        return RHM_NO_MEMORY;
    cp->kept.engine = engine;
    cp->kept.task = &setup->task;
    cp->kept.seed = options->seed;
    cp->kept.level = setup->task.tree.levels;
    cp->kept.model = model;
    cp->kept.report = report;
    rhm_fingerprint_make(&cp->kept.fingerprint, engine, setup->problem,
                         (rhm_fingerprint_versions){RHM_ORDER_VERSION, RHM_TUNING_VERSION}, options);
    const rhm_checkpoint_content content = {write_newest, read_newest, cp};
    const rhm_status status =
        rhm_checkpoints_open(&cp->files, engine, &options->checkpoint, &report->checkpoint, content, error);
    if (status != RHM_OK) {
        rhm_checkpoint_close(cp);
        return status;
    }
    note_resumed(cp);
    *out = cp;
    return RHM_OK;
}

void rhm_checkpoint_close(rhm_checkpoint *cp) {
    if (!cp)
        return;
    drop_read(cp);
    rhm_kept_clear(&cp->kept);
    rhm_checkpoints_close(&cp->files);
    rhm_free(cp);
}

double rhm_checkpoint_begin(const rhm_checkpoint *cp) {
    return cp ? cp->files.begin : rhm_seconds();
}

bool rhm_checkpoint_has(const rhm_checkpoint *cp, uint32_t level) {
    return cp && level > cp->kept.level;
}

bool rhm_checkpoint_begun(const rhm_checkpoint *cp) {
    return cp && cp->read;
}

/* ---- the stage in hand ----------------------------------------------------------------------------------- */

static void take_patches(rhm_patches *to, rhm_patches *from) {
    if (from->level == 0)
        return;
    rhm_patches_destroy(to);
    *to = *from;
    *from = (rhm_patches){0};
}

static void offer(void *context) {
    rhm_checkpoint_offer(context);
}

static void show(void *context, const rhm_solve_state *state) {
    rhm_checkpoint *cp = context;
    cp->kept.shown = state;
    cp->kept.fit_seconds = rhm_seconds() - cp->fit_begin;
    rhm_checkpoint_offer(cp);
    cp->kept.shown = NULL;
}

static rhm_solve_watch fitting(void *context) {
    rhm_checkpoint *cp = context;
    const rhm_kept *kept = &cp->kept;
    const bool begun = kept->solve.phase != RHM_PHASE_START;
    cp->fit_begin = rhm_seconds() - kept->fit_seconds;
    return (rhm_solve_watch){show, cp, begun ? &kept->solve : NULL, begun ? kept->fit_seconds : 0};
}

static void fitted(void *context) {
    rhm_checkpoint *cp = context;
    rhm_kept_clear(&cp->kept);
}

void rhm_checkpoint_enter(rhm_checkpoint *cp, rhm_stage *stage) {
    if (!cp)
        return;
    cp->stage = stage;
    stage->keeper = (rhm_keeper){cp, offer, fitting, fitted};
    stage->begin = cp->files.begin;
    const bool anew = cp->entered == stage->level; /* with more positions */
    cp->entered = stage->level;
    if (!cp->read) {
        stage->clock = rhm_seconds() - cp->files.begin;
        if (!anew)
            cp->kept.level_begin = stage->clock;
        return;
    }
    stage->clock = cp->kept.level_begin;
    rhm_stage_take(stage, cp->read);
    take_patches(&stage->training.patches, &cp->read->training.patches);
    take_patches(&stage->validation.patches, &cp->read->validation.patches);
    drop_read(cp);
}

void rhm_checkpoint_leave(rhm_checkpoint *cp, bool finished) {
    if (!cp)
        return;
    if (cp->stage)
        cp->stage->keeper = (rhm_keeper){0};
    cp->stage = NULL;
    rhm_kept_clear(&cp->kept);
    cp->kept.samples = 0;
    if (!finished)
        return;
    cp->kept.level--;
    rhm_checkpoints_write(&cp->files);
}
