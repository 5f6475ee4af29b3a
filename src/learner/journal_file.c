#include "learner/journal_file.h"

#include <stdio.h>

#include "core/fail.h"
#include "core/memory.h"

enum { OBJECT_NBYTES = 64, MOST_ENTRIES = 1 << 20 };

static const char *table_of(char text[OBJECT_NBYTES], const char *group) {
    snprintf(text, OBJECT_NBYTES, "%s/journal", group);
    return text;
}

static const char *weights_of(char text[OBJECT_NBYTES], const char *group, size_t entry) {
    snprintf(text, OBJECT_NBYTES, "%s/weights_%zu", group, entry);
    return text;
}

static const float *weights_at(const rhm_entry *entry) {
    return entry->weights ? entry->weights : entry->kept;
}

static rhm_h5_shape weights_shape(const rhm_entry *entry, const rhm_task *task) {
    return rhm_h5_shape2(task->classes, 2 * (uint64_t)entry->fit.layer.width);
}

rhm_status rhm_journal_write(rhm_h5 *file, const char *group, const rhm_journal *journal, const rhm_task *task,
                             rhm_error *error) {
    char object[OBJECT_NBYTES];
    rhm_entry *rows = RHM_NEW(rhm_entry, journal->count, 1, 1, "journal of a stage", error);
    if (!rows)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < journal->count; i++) {
        rows[i] = *journal->entry[i];
        rows[i].held = weights_at(&rows[i]) != NULL;
    }
    rhm_status status = rhm_fields_write(file, table_of(object, group), &rhm_entry_fields, rows, journal->count, error);
    for (size_t i = 0; i < journal->count && status == RHM_OK; i++) {
        const rhm_h5_shape shape = weights_shape(&rows[i], task);
        if (rows[i].held)
            status = rhm_h5_write(file, weights_of(object, group, i), RHM_H5_F32, &shape, weights_at(&rows[i]), error);
    }
    rhm_free(rows);
    return status;
}

uint64_t rhm_journal_nbytes(const rhm_journal *journal, const rhm_task *task) {
    uint64_t nbytes = 0;
    for (size_t i = 0; i < journal->count; i++)
        if (weights_at(journal->entry[i]))
            nbytes += sizeof(float) * task->classes * 2 * journal->entry[i]->fit.layer.width;
    return nbytes;
}

static rhm_status read_weights(rhm_entry *entry, const rhm_h5 *file, const char *object, const rhm_task *task,
                               rhm_error *error) {
    if (entry->fit.layer.width < 1 || entry->fit.layer.width > RHM_MAX_WIDTH)
        return rhm_h5_refuse(file, object, error, "are of width %u", entry->fit.layer.width);
    const rhm_h5_shape shape = weights_shape(entry, task);
    entry->kept = RHM_NEW(float, shape.extent[0], shape.extent[1], 1, "weights of a fit", error);
    if (!entry->kept)
        return RHM_NO_MEMORY;
    return rhm_h5_read_floats(file, object, &shape, RHM_H5_F32, entry->kept, error);
}

rhm_status rhm_journal_read(rhm_journal *journal, const rhm_h5 *file, const char *group, const rhm_task *task,
                            rhm_error *error) {
    char object[OBJECT_NBYTES];
    size_t count;
    RHM_TRY(rhm_fields_rows(file, table_of(object, group), &rhm_entry_fields, &count, error));
    if (count > MOST_ENTRIES)
        return rhm_h5_refuse(file, object, error, "has %zu rows; at most %d are expected", count, MOST_ENTRIES);
    rhm_entry *rows = RHM_NEW(rhm_entry, count, 1, 1, "journal of a stage", error);
    if (!rows)
        return RHM_NO_MEMORY;
    rhm_status status = rhm_fields_read(file, object, &rhm_entry_fields, rows, count, error);
    for (size_t i = 0; i < count && status == RHM_OK; i++) {
        rhm_entry *entry = rhm_journal_append(journal, error);
        if (!entry) {
            status = RHM_NO_MEMORY;
            break;
        }
        *entry = rows[i];
        entry->owners = 1;
        if (entry->held)
            status = read_weights(entry, file, weights_of(object, group, i), task, error);
    }
    rhm_free(rows);
    return status;
}
