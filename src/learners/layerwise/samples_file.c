#include "learners/layerwise/samples_file.h"

#include "core/fail.h"
#include "patches/patches_file.h"

/* Counts that are drawn, and raw samples, are sooner drawn again than read; of divided ones no rank has all. */
bool rhm_samples_kept(const rhm_sample_set *set) {
    return !set->draw.counted && !set->patches.raw && !set->patches.division;
}

typedef struct samples_group {
    const char *name;
    size_t place; /* in rhm_stage */
} samples_group;

static const samples_group samples_groups[] = {{"/training", offsetof(rhm_stage, training)},
                                               {"/validation", offsetof(rhm_stage, validation)}};

enum { SAMPLES_GROUPS = sizeof samples_groups / sizeof *samples_groups };

rhm_status rhm_samples_write(const rhm_stage *stage, const char *path, rhm_error *error) {
    rhm_h5 *file = NULL;
    RHM_TRY(rhm_h5_create(&file, path, "samples", error));
    rhm_status status = RHM_OK;
    for (size_t g = 0; g < SAMPLES_GROUPS && status == RHM_OK; g++) {
        const rhm_sample_set *set = (const void *)((const char *)stage + samples_groups[g].place);
        if (rhm_samples_kept(set))
            status = rhm_patches_write(file, samples_groups[g].name, &set->patches, error);
    }
    if (status == RHM_OK)
        return rhm_h5_commit(&file, error);
    rhm_h5_close(&file);
    return status;
}

typedef struct reading_samples {
    const rhm_kept *kept;
    rhm_stage *stage;
} reading_samples;

static rhm_status read_samples(void *context, const rhm_h5 *file, rhm_error *error) {
    const reading_samples *r = context;
    const rhm_task *task = r->kept->task;
    RHM_TRY(rhm_kept_check_kind(file, "samples", error));
    for (size_t g = 0; g < SAMPLES_GROUPS; g++) {
        rhm_sample_set *set = (void *)((char *)r->stage + samples_groups[g].place);
        if (!rhm_h5_has(file, samples_groups[g].name))
            continue;
        RHM_TRY(rhm_patches_init(&set->patches, r->kept->level, &task->tree, task->classes, error));
        set->patches.positions = rhm_task_positions(task, r->kept->level);
        RHM_TRY(rhm_patches_read(&set->patches, r->kept->engine, file, samples_groups[g].name, error));
    }
    return RHM_OK;
}

rhm_status rhm_samples_read(rhm_stage *stage, const rhm_kept *kept, const char *path, rhm_error *error) {
    reading_samples r = {kept, stage};
    return rhm_h5_load(path, read_samples, &r, error);
}
