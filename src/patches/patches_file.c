#include "patches/patches_file.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/fail.h"
#include "core/memory.h"
#include "patches/draw.h"

enum { OBJECT_NBYTES = 80, MOST_TUPLES = UINT32_MAX / 2 };

/* "/training/tuples_3", "/training/cells" */
static const char *object_of(char text[OBJECT_NBYTES], const char *group, const rhm_patches *patches, uint32_t level) {
    if (level < patches->level)
        snprintf(text, OBJECT_NBYTES, "%s/cells", group);
    else
        snprintf(text, OBJECT_NBYTES, "%s/tuples_%u", group, level);
    return text;
}

static const char *counts_of(char text[OBJECT_NBYTES], const char *group) {
    snprintf(text, OBJECT_NBYTES, "%s/counts", group);
    return text;
}

rhm_status rhm_patches_write(rhm_h5 *file, const char *group, const rhm_patches *patches, rhm_error *error) {
    char object[OBJECT_NBYTES];
    uint8_t blind[RHM_MAX_LEVELS + 1];
    for (size_t j = 0; j <= RHM_MAX_LEVELS; j++)
        blind[j] = patches->blind[j];
    RHM_TRY(rhm_h5_write_group(file, group, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "samples", RHM_H5_U64, 0, &patches->samples, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "blind", RHM_H5_U8, RHM_MAX_LEVELS + 1, blind, error));
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++) {
        const rhm_intern *list = rhm_patches_tuples(patches, j);
        const rhm_h5_shape shape = rhm_h5_shape2(list->count, list->words);
        RHM_TRY(rhm_h5_write(file, object_of(object, group, patches, j), RHM_H5_U32, &shape, list->tuples, error));
    }
    const rhm_h5_shape shape = rhm_h5_shape1(patches->cell.count);
    return rhm_h5_write(file, counts_of(object, group), RHM_H5_U64, &shape, patches->count, error);
}

uint64_t rhm_patches_file_nbytes(const rhm_patches *patches) {
    uint64_t nbytes = sizeof *patches->count * patches->cell.count;
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++) {
        const rhm_intern *list = rhm_patches_tuples(patches, j);
        nbytes += sizeof *list->tuples * list->words * list->count;
    }
    return nbytes;
}

/* The list of one level, whose words are below `limit`. */
static rhm_status read_list(rhm_intern *list, uint32_t limit, const rhm_h5 *file, const char *object,
                            rhm_error *error) {
    rhm_h5_shape shape;
    RHM_TRY(rhm_h5_read_shape(file, object, RHM_H5_INTEGERS, &shape, error));
    if (shape.rank != 2 || shape.extent[1] != list->words || shape.extent[0] > MOST_TUPLES)
        return rhm_h5_refuse(file, object, error, "is not a list of tuples of %zu words", list->words);
    const size_t count = (size_t)shape.extent[0];
    if (count > list->capacity) {
        rhm_free(list->tuples);
        list->tuples = RHM_NEW(uint32_t, count, list->words, 1, "distinct patches", error);
        list->capacity = count;
        if (!list->tuples)
            return RHM_NO_MEMORY;
    }
    list->count = count;
    return rhm_h5_read_symbols(file, object, &shape, limit, RHM_H5_U32, list->tuples, error);
}

/* Cells and how many samples each has; together they are all samples. */
static rhm_status read_cells(rhm_patches *patches, const rhm_h5 *file, const char *group, rhm_error *error) {
    char object[OBJECT_NBYTES];
    const size_t distinct = rhm_patches_distinct(patches);
    const uint32_t limit = distinct > rhm_patches_labels(patches) ? (uint32_t)distinct : rhm_patches_labels(patches);
    RHM_TRY(read_list(&patches->cell, limit, file, object_of(object, group, patches, patches->level - 1), error));
    for (size_t i = 0; i < patches->cell.count; i++) {
        const uint32_t *pair = rhm_intern_tuple(&patches->cell, i);
        if (pair[0] >= distinct || pair[1] >= rhm_patches_labels(patches))
            return rhm_h5_refuse(file, object, error, "names patch %u and label %u, of %zu and %u", pair[0], pair[1],
                                 distinct, rhm_patches_labels(patches));
    }
    rhm_free(patches->count);
    patches->count = RHM_NEW(uint64_t, patches->cell.capacity, 1, 1, "counts of patches", error);
    if (!patches->count)
        return RHM_NO_MEMORY;
    const rhm_h5_shape shape = rhm_h5_shape1(patches->cell.count);
    RHM_TRY(rhm_h5_read_counts(file, counts_of(object, group), &shape, patches->count, error));
    uint64_t sum = 0;
    for (size_t i = 0; i < patches->cell.count; i++)
        sum += patches->count[i];
    if (sum / patches->positions != patches->samples || sum % patches->positions)
        return rhm_h5_refuse(file, object, error,
                             "add up to %" PRIu64 " patches, not to %" PRIu32 " of %" PRIu64 " samples", sum,
                             patches->positions, patches->samples);
    return RHM_OK;
}

/*
 * Adding samples makes indexes where there are none, wide enough for the children that are known; but of tokens it only
 * knows those that it adds.
 */
static rhm_status index_tokens(rhm_patches *patches, rhm_error *error) {
    const rhm_intern *list = &patches->subtree[patches->tree.levels];
    uint32_t any = 0;
    for (size_t i = 0; i < list->count * list->words; i++)
        any |= list->tuples[i];
    const uint32_t bits = rhm_index_bits((size_t)any + 1);
    return list->count ? rhm_index_widen(&patches->index[patches->tree.levels], list, bits, bits, error) : RHM_OK;
}

rhm_status rhm_patches_read(rhm_patches *patches, const rhm_engine *engine, const rhm_h5 *file, const char *group,
                            rhm_error *error) {
    char object[OBJECT_NBYTES];
    uint64_t blind[RHM_MAX_LEVELS + 1];
    RHM_TRY(rhm_h5_read_integer_attribute(file, group, "samples", 1, 0, UINT64_MAX, &patches->samples, error));
    RHM_TRY(rhm_h5_read_integer_attribute(file, group, "blind", RHM_MAX_LEVELS + 1, 0, 1, blind, error));
    for (size_t j = 0; j <= RHM_MAX_LEVELS; j++)
        patches->blind[j] = blind[j] != 0;
    for (uint32_t j = patches->tree.levels; j >= patches->level; j--) {
        const uint32_t limit =
            j == patches->tree.levels ? RHM_MAX_VOCAB : (uint32_t)rhm_patches_tuples(patches, j + 1)->count;
        RHM_TRY(read_list(&patches->subtree[j], limit, file, object_of(object, group, patches, j), error));
    }
    RHM_TRY(index_tokens(patches, error));
    RHM_TRY(read_cells(patches, file, group, error));
    return rhm_patches_account(patches, engine, error);
}
