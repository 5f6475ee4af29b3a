#include "model/table.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "model/kinds.h"

/* Possible patches of a level up to which all have an entry: tables that stay in a cache. */
enum { DENSE = 1 << 20 };

static struct rhm_table *mutable_of(const rhm_model *model) {
    return (struct rhm_table *)(uintptr_t)model;
}

const struct rhm_table *rhm_table_of(const rhm_model *model) {
    return mutable_of(model);
}

rhm_status rhm_table_new(struct rhm_table **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                         rhm_error *error) {
    struct rhm_table *table = RHM_NEW(struct rhm_table, 1, 1, 1, "model", error);
    if (!table)
        return RHM_NO_MEMORY;
    const rhm_status status = rhm_model_init(&table->model, &rhm_table_kind, tree, classes, token_vocab, error);
    if (status == RHM_OK)
        *out = table;
    else
        rhm_free(table);
    return status;
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

static void clear(rhm_model *model) {
    struct rhm_table *table = mutable_of(model);
    for (uint32_t l = 1; l <= model->tree.levels; l++) {
        rhm_intern_destroy(&table->level[l].patch);
        rhm_free(table->level[l].id);
        rhm_free(table->level[l].dense);
    }
    rhm_free(table->posterior);
}

static void hash_words(struct sha256_ctx *hash, const uint32_t *words, size_t count) {
    sha256_update(hash, sizeof *words * count, (const uint8_t *)words);
}

static void hash_levels(const rhm_model *model, struct sha256_ctx *hash) {
    const struct rhm_table *table = rhm_table_of(model);
    sha256_update(hash, strlen(model->kind->name), (const uint8_t *)model->kind->name);
    for (uint32_t l = model->tree.levels; l >= 1; l--) {
        const struct rhm_table_level *level = &table->level[l];
        const uint32_t shape[6] = {
            l, (uint32_t)level->patch.words, level->inputs, level->outputs, level->other, (uint32_t)level->patch.count};
        hash_words(hash, shape, sizeof shape / sizeof *shape);
        hash_words(hash, level->patch.tuples, level->patch.count * level->patch.words);
        hash_words(hash, level->id, level->patch.count);
    }
    sha256_update(hash, sizeof(float) * (table->level[1].patch.count + 1) * model->classes,
                  (const uint8_t *)table->posterior);
}

static size_t nbytes(const rhm_model *model) {
    const struct rhm_table *table = rhm_table_of(model);
    size_t sum = sizeof(float) * (table->level[1].patch.count + 1) * model->classes;
    for (uint32_t l = 1; l <= model->tree.levels; l++)
        sum += sizeof(uint32_t) * table->level[l].patch.count * (table->level[l].patch.words + 1);
    return sum;
}

static json_t *describe(const rhm_model *model, uint32_t l) {
    const struct rhm_table_level *level = &rhm_table_of(model)->level[l];
    return json_pack("{s:i, s:i, s:i, s:i, s:o, s:o}", "level", (int)l, "tokens", (int)level->patch.words, "inputs",
                     (int)level->inputs, "outputs", (int)level->outputs, "patches",
                     json_integer((json_int_t)level->patch.count), "positions",
                     level->positions ? json_integer(level->positions) : json_null());
}

const struct rhm_model_kind rhm_table_kind = {
    .name = "table",
    .clear = clear,
    .hash = hash_levels,
    .nbytes = nbytes,
    .describe = describe,
    .write = rhm_table_write,
    .read = rhm_table_read,
    .forward = rhm_table_forward,
};
