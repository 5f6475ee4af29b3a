#include "learner/journal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

#define AT(member) offsetof(rhm_entry, member)

static const rhm_field fields[] = {
    {"is_fit", RHM_FIELD_BOOL, AT(is_fit), .count = 0},
    {"clock", RHM_FIELD_F64, AT(clock), .count = 0},
    {"samples", RHM_FIELD_U64, AT(samples), .count = 0},
    {"held_out", RHM_FIELD_U64, AT(held_out), .count = 0},
    {"training_samples", RHM_FIELD_U64, AT(training.samples), .count = 0},
    {"training_members", RHM_FIELD_U64, AT(training.members), .count = RHM_MAX_LEVELS + 1},
    {"validation_samples", RHM_FIELD_U64, AT(validation.samples), .count = 0},
    {"validation_members", RHM_FIELD_U64, AT(validation.members), .count = RHM_MAX_LEVELS + 1},
    {"width", RHM_FIELD_U32, AT(fit.layer.width), .count = 0},
    {"bandwidth", RHM_FIELD_F64, AT(fit.layer.bandwidth), .count = 0},
    {"ridge", RHM_FIELD_F64, AT(fit.layer.ridge), .count = 0},
    {"route", RHM_FIELD_U32, AT(fit.route), .count = 0},
    {"iterations", RHM_FIELD_U32, AT(fit.solve.iterations), .count = 0},
    {"residual", RHM_FIELD_F64, AT(fit.solve.residual), .count = 0},
    {"converged", RHM_FIELD_BOOL, AT(fit.solve.converged), .count = 0},
    {"loss", RHM_FIELD_F64, AT(fit.loss), .count = 0},
    {"clusters", RHM_FIELD_U32, AT(fit.clusters.count), .count = 0},
    {"cluster_separation", RHM_FIELD_F64, AT(fit.clusters.separation), .count = 0},
    {"cluster_radius", RHM_FIELD_F64, AT(fit.clusters.radius), .count = 0},
    {"fewer_clusters", RHM_FIELD_U32, AT(fit.clusters.fewer), .count = 0},
    {"fewer_separation", RHM_FIELD_F64, AT(fit.clusters.fewer_separation), .count = 0},
    {"fewer_radius", RHM_FIELD_F64, AT(fit.clusters.fewer_radius), .count = 0},
    {"accuracy", RHM_FIELD_F64, AT(fit.accuracy), .count = 0},
    {"evidence", RHM_FIELD_F64, AT(fit.evidence), .count = 0},
    {"clamped", RHM_FIELD_U64, AT(fit.clamped), .count = 0},
    {"seconds", RHM_FIELD_F64, AT(fit.seconds), .count = 0},
    {"held", RHM_FIELD_BOOL, AT(held), .count = 0},
};
const rhm_fields rhm_entry_fields = {fields, sizeof fields / sizeof *fields, sizeof(rhm_entry)};

/* A member of a fit that has no column above would be lost by an interruption. */
_Static_assert(sizeof(rhm_fit) == 176, "rhm_fit has changed: so must the columns of a journal");

static void drop(rhm_entry *entry) {
    if (--entry->owners == 0)
        rhm_free(entry);
}

void rhm_entry_release(rhm_entry *entry) {
    entry->weights = NULL;
    drop(entry);
}

rhm_entry *rhm_journal_append(rhm_journal *journal, rhm_error *error) {
    if (journal->count == journal->capacity) {
        const size_t capacity = journal->capacity ? 2 * journal->capacity : 64;
        void *entries = journal->entry;
        if (rhm_grow(&entries, sizeof(rhm_entry *), journal->count, capacity, "journal of a stage", error) != RHM_OK)
            return NULL;
        journal->entry = entries;
        journal->capacity = capacity;
    }
    rhm_entry *entry = RHM_NEW(rhm_entry, 1, 1, 1, "journal of a stage", error);
    if (!entry)
        return NULL;
    entry->owners = 1;
    return journal->entry[journal->count++] = entry;
}

void rhm_journal_clear(rhm_journal *journal) {
    for (size_t i = 0; i < journal->count; i++) {
        rhm_free(journal->entry[i]->kept);
        drop(journal->entry[i]);
    }
    rhm_free(journal->entry);
    *journal = (rhm_journal){0};
}

static rhm_extent extent_of(const rhm_patches *patches) {
    rhm_extent extent = {.samples = patches->samples};
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++)
        extent.members[j] = rhm_patches_tuples(patches, j)->count;
    return extent;
}

/* Numbers count up in the order of samples, so that a set at an earlier time is the beginning of its lists. */
static void show_part(rhm_patches *patches, const rhm_extent *extent) {
    patches->samples = extent->samples;
    patches->cell.count = extent->members[patches->level - 1];
    for (uint32_t j = patches->level; j <= patches->tree.levels; j++)
        patches->subtree[j].count = extent->members[j];
}

rhm_status rhm_journal_drew(rhm_journal *journal, const rhm_stage *stage, uint64_t samples, uint64_t held_out,
                            rhm_error *error) {
    rhm_entry *entry = rhm_journal_append(journal, error);
    if (!entry)
        return RHM_NO_MEMORY;
    entry->clock = stage->clock;
    entry->samples = samples;
    entry->held_out = held_out;
    entry->training = extent_of(&stage->training.patches);
    entry->validation = extent_of(&stage->validation.patches);
    return RHM_OK;
}

rhm_status rhm_journal_fitted(rhm_journal *journal, const rhm_stage *stage, rhm_fit *fit, rhm_error *error) {
    rhm_entry *entry = rhm_journal_append(journal, error);
    if (!entry)
        return RHM_NO_MEMORY;
    entry->is_fit = true;
    entry->clock = stage->clock;
    entry->samples = stage->training.patches.samples;
    entry->held_out = stage->validation.patches.samples;
    entry->fit = *fit;
    entry->fit.layer.frequencies = entry->fit.layer.weights = NULL;
    entry->weights = fit->layer.weights;
    entry->owners = 2;
    fit->entry = entry;
    return RHM_OK;
}

/* ---- replay ---------------------------------------------------------------------------------------------- */

void rhm_journal_rewind(rhm_journal *journal, rhm_stage *stage) {
    static const rhm_extent nothing = {0};
    journal->training = extent_of(&stage->training.patches);
    journal->validation = extent_of(&stage->validation.patches);
    show_part(&stage->training.patches, &nothing);
    show_part(&stage->validation.patches, &nothing);
    journal->next = 0;
    journal->replaying = true;
}

static rhm_status refuse(const rhm_journal *journal, rhm_error *error) {
    const rhm_entry *entry = journal->entry[journal->next];
    if (entry->is_fit)
        return rhm_fail(error, RHM_INVALID,
                        "the checkpoint does not fit this build, which would not have taken its step %zu, a fit of "
                        "width %u, bandwidth %g and ridge %g: resume it with the build that wrote it, or start anew",
                        journal->next + 1, entry->fit.layer.width, entry->fit.layer.bandwidth, entry->fit.layer.ridge);
    return rhm_fail(error, RHM_INVALID,
                    "the checkpoint does not fit this build, which would not have taken its step %zu, drawing %" PRIu64
                    " and %" PRIu64 " samples: resume it with the build that wrote it, or start anew",
                    journal->next + 1, entry->samples, entry->held_out);
}

rhm_status rhm_journal_wake(rhm_journal *journal, rhm_stage *stage, rhm_error *error) {
    if (!journal->replaying)
        return RHM_OK;
    if (journal->next < journal->count)
        return refuse(journal, error);
    show_part(&stage->training.patches, &journal->training);
    show_part(&stage->validation.patches, &journal->validation);
    stage->training.stale = stage->validation.stale = true;
    for (size_t i = 0; i < journal->count; i++)
        if (!journal->entry[i]->is_fit)
            RHM_TRY(rhm_stage_refill(stage, journal->entry[i]->training.samples, journal->entry[i]->validation.samples,
                                     error));
    journal->replaying = false;
    return RHM_OK;
}

rhm_status rhm_journal_draw(rhm_journal *journal, rhm_stage *stage, uint64_t samples, uint64_t held_out, bool *done,
                            rhm_error *error) {
    *done = journal->replaying && journal->next < journal->count;
    if (!*done)
        return rhm_journal_wake(journal, stage, error);
    const rhm_entry *entry = journal->entry[journal->next];
    if (entry->is_fit || entry->samples != samples || entry->held_out != held_out)
        return refuse(journal, error);
    show_part(&stage->training.patches, &entry->training);
    show_part(&stage->validation.patches, &entry->validation);
    stage->clock = entry->clock;
    journal->next++;
    return RHM_OK;
}

static bool same_fit(const rhm_entry *entry, const rhm_stage *stage, const struct rhm_layer *layer) {
    return entry->is_fit && entry->samples == stage->training.patches.samples &&
           entry->held_out == stage->validation.patches.samples && entry->fit.layer.width == layer->width &&
           entry->fit.layer.bandwidth == layer->bandwidth && entry->fit.layer.ridge == layer->ridge;
}

rhm_status rhm_journal_fit(rhm_journal *journal, rhm_stage *stage, rhm_fit *fit, bool *done, rhm_error *error) {
    *done = journal->replaying && journal->next < journal->count;
    if (!*done)
        return rhm_journal_wake(journal, stage, error);
    rhm_entry *entry = journal->entry[journal->next];
    if (!same_fit(entry, stage, &fit->layer))
        return refuse(journal, error);
    struct rhm_layer layer = fit->layer;
    RHM_TRY(rhm_layer_alloc(&layer, error));
    *fit = entry->fit;
    fit->layer = layer;
    if (entry->kept) {
        rhm_design_frequencies(&fit->layer, stage->options->seed, stage->level);
        rhm_free(fit->layer.weights);
        fit->layer.weights = entry->kept;
        entry->kept = NULL;
    } else {
        /* Let go of before the checkpoint was written. Should it be used all the same, the model is refused. */
        for (size_t i = 0; i < (size_t)layer.classes * 2 * layer.width; i++)
            layer.weights[i] = NAN;
    }
    entry->weights = entry->held ? fit->layer.weights : NULL;
    entry->owners = 2;
    fit->entry = entry;
    stage->clock = entry->clock;
    journal->next++;
    return RHM_OK;
}
