#include "hierarchy/tree_file.h"

#include <stdio.h>

#include "core/fail.h"

rhm_branching rhm_branching_of(const rhm_tree *tree) {
    const uint32_t common = rhm_tree_common_branching(tree);
    rhm_branching branching = {.count = common ? 1 : tree->levels};
    for (uint32_t i = 0; i < branching.count; i++)
        branching.of[i] = tree->branching[i + 1];
    return branching;
}

rhm_status rhm_branching_tree(rhm_tree *out, const rhm_branching *branching, uint32_t levels, rhm_error *error) {
    uint32_t list[RHM_MAX_LEVELS + 1] = {0};
    if (branching->count > 1 && branching->count != levels)
        return rhm_fail(error, RHM_INVALID, "branching has %u values: with %u levels allowed are one, or %u",
                        branching->count, levels, levels);
    for (uint32_t level = 1; level <= levels && level <= RHM_MAX_LEVELS; level++)
        list[level] = branching->of[branching->count > 1 ? level - 1 : 0];
    return rhm_tree_make(out, levels, list, error);
}

bool rhm_branching_agree(const rhm_branching *a, const rhm_branching *b) {
    const uint32_t most = a->count > b->count ? a->count : b->count;
    if (a->count > 1 && b->count > 1 && a->count != b->count)
        return false;
    for (uint32_t i = 0; i < most && a->count && b->count; i++)
        if (a->of[a->count > 1 ? i : 0] != b->of[b->count > 1 ? i : 0])
            return false;
    return true;
}

const char *rhm_branching_text(char text[RHM_BRANCHING_TEXT_NBYTES], const rhm_branching *branching) {
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < branching->count && used < RHM_BRANCHING_TEXT_NBYTES; i++)
        used += (size_t)snprintf(text + used, RHM_BRANCHING_TEXT_NBYTES - used, "%s%u", i ? "," : "", branching->of[i]);
    return text;
}

rhm_status rhm_tree_write_branching(rhm_h5 *file, const char *group, const rhm_tree *tree, rhm_error *error) {
    const rhm_branching branching = rhm_branching_of(tree);
    return rhm_h5_write_attribute(file, group, "branching", RHM_H5_U32, branching.count > 1 ? branching.count : 0,
                                  branching.of, error);
}

rhm_status rhm_tree_read_branching(rhm_branching *out, const rhm_h5 *file, const char *group, rhm_error *error) {
    uint64_t values[RHM_MAX_LEVELS];
    size_t count;
    RHM_TRY(rhm_h5_count_attribute(file, group, "branching", &count, error));
    if (count < 1 || count > RHM_MAX_LEVELS)
        return rhm_h5_refuse(file, group, error, "has %zu values in its attribute branching; allowed are 1 to %d",
                             count, RHM_MAX_LEVELS);
    RHM_TRY(rhm_h5_read_integer_attribute(file, group, "branching", count, 2, RHM_MAX_BRANCHING, values, error));
    *out = (rhm_branching){.count = (uint32_t)count};
    for (size_t i = 0; i < count; i++)
        out->of[i] = (uint32_t)values[i];
    return RHM_OK;
}

rhm_status rhm_tree_read(rhm_tree *out, const rhm_h5 *file, const char *group, uint32_t levels, rhm_error *error) {
    rhm_branching branching = {0};
    RHM_TRY(rhm_tree_read_branching(&branching, file, group, error));
    return rhm_h5_blame(file, rhm_branching_tree(out, &branching, levels, error), error);
}
