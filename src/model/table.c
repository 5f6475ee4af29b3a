#include "model/table.h"

#include "core/fail.h"
#include "core/memory.h"

/* Possible patches of a level up to which all have an entry: tables that stay in a cache. */
enum { DENSE = 1 << 20 };

const struct rhm_table *rhm_table_of(const rhm_model *model) {
    return (const struct rhm_table *)model;
}

static rhm_status check_level(const struct rhm_table *table, uint32_t l, rhm_error *error) {
    const struct rhm_table_level *level = &table->level[l];
    const uint32_t inputs = l == table->model.tree.levels ? table->model.token_vocab : table->level[l + 1].outputs;
    if (level->inputs != inputs)
        return rhm_fail(error, RHM_INVALID, "level %u reads ids below %u, but the level below writes ids below %u", l,
                        level->inputs, inputs);
    if (level->outputs < 1 || level->outputs > RHM_MAX_VOCAB || (l == 1 && level->outputs != table->model.classes))
        return rhm_fail(error, RHM_INVALID, "level %u writes ids below %u: allowed are 1 to %u", l, level->outputs,
                        l == 1 ? table->model.classes : RHM_MAX_VOCAB);
    if (level->other >= level->outputs)
        return rhm_fail(error, RHM_INVALID, "level %u has %u as id of other patches: allowed are 0 to %u", l,
                        level->other, level->outputs - 1);
    if (level->patch.words != table->model.tree.branching[l])
        return rhm_fail(error, RHM_INVALID, "level %u has patches of %zu ids: the tree has %u", l, level->patch.words,
                        table->model.tree.branching[l]);
    for (size_t i = 0; i < level->patch.count; i++) {
        if (level->id[i] >= level->outputs)
            return rhm_fail(error, RHM_INVALID, "patch %zu of level %u has the id %u: allowed are 0 to %u", i, l,
                            level->id[i], level->outputs - 1);
        for (size_t t = 0; t < level->patch.words; t++)
            if (rhm_intern_tuple(&level->patch, i)[t] >= inputs)
                return rhm_fail(error, RHM_INVALID, "patch %zu of level %u holds %u: allowed are 0 to %u", i, l,
                                rhm_intern_tuple(&level->patch, i)[t], inputs - 1);
    }
    return RHM_OK;
}

static rhm_status make_dense(struct rhm_table_level *level, bool top, rhm_error *error) {
    size_t possible = 1;
    for (size_t t = 0; t < level->patch.words; t++)
        if (!rhm_size_mul(&possible, level->inputs) || possible > DENSE)
            return RHM_OK;
    if (!(level->dense = RHM_NEW(uint32_t, possible, 1, 1, "lookup table of a model", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < possible; i++)
        level->dense[i] = top ? (uint32_t)level->patch.count : level->other;
    for (size_t i = 0; i < level->patch.count; i++) {
        size_t code = 0;
        for (size_t t = 0; t < level->patch.words; t++)
            code = code * level->inputs + rhm_intern_tuple(&level->patch, i)[t];
        level->dense[code] = top ? (uint32_t)i : level->id[i];
    }
    return RHM_OK;
}

rhm_status rhm_table_ready_level(struct rhm_table *table, uint32_t l, rhm_error *error) {
    RHM_TRY(check_level(table, l, error));
    return make_dense(&table->level[l], l == 1, error);
}

rhm_status rhm_table_finish(struct rhm_table *table, rhm_error *error) {
    const size_t classes = table->model.classes, numbers = (table->level[1].patch.count + 1) * classes;
    for (size_t i = 0; i < numbers; i++)
        if (!(table->posterior[i] >= 0 && table->posterior[i] <= 1))
            return rhm_fail(error, RHM_INVALID, "posterior %zu of patch %zu is %g: allowed are 0 to 1", i % classes,
                            i / classes, (double)table->posterior[i]);
    return RHM_OK;
}
