#include "model/table.h"

#include "core/fail.h"
#include "core/memory.h"

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

static size_t code_of(const struct rhm_table_level *level, size_t row) {
    size_t code = 0;
    for (size_t t = 0; t < level->patch.words; t++)
        code = code * level->inputs + rhm_intern_tuple(&level->patch, row)[t];
    return code;
}

static rhm_status make_look_up(struct rhm_table_level *level, rhm_error *error) {
    RHM_TRY(rhm_id_table_init(&level->look_up, level->patch.words, level->inputs, error));
    for (size_t i = 0; i < level->look_up.possible; i++)
        level->look_up.entry[i] = (uint16_t)level->other;
    for (size_t i = 0; i < level->patch.count; i++)
        level->look_up.entry[code_of(level, i)] = (uint16_t)level->id[i];
    rhm_id_table_seal(&level->look_up);
    return RHM_OK;
}

static rhm_status make_dense(struct rhm_table_level *level, size_t possible, rhm_error *error) {
    if (!(level->dense = RHM_NEW(uint32_t, possible, 1, 1, "lookup table of a model", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < possible; i++)
        level->dense[i] = (uint32_t)level->patch.count;
    for (size_t i = 0; i < level->patch.count; i++)
        level->dense[code_of(level, i)] = (uint32_t)i;
    return RHM_OK;
}

rhm_status rhm_table_ready_level(struct rhm_table *table, uint32_t l, rhm_error *error) {
    struct rhm_table_level *level = &table->level[l];
    RHM_TRY(check_level(table, l, error));
    const size_t possible = rhm_id_possible(level->patch.words, level->inputs);
    return possible == 0 ? RHM_OK : l == 1 ? make_dense(level, possible, error) : make_look_up(level, error);
}

rhm_status rhm_table_finish(struct rhm_table *table, rhm_error *error) {
    const size_t classes = table->model.classes, numbers = (table->level[1].patch.count + 1) * classes;
    for (size_t i = 0; i < numbers; i++)
        if (!(table->posterior[i] >= 0 && table->posterior[i] <= 1))
            return rhm_fail(error, RHM_INVALID, "posterior %zu of patch %zu is %g: allowed are 0 to 1", i % classes,
                            i / classes, (double)table->posterior[i]);
    return RHM_OK;
}
