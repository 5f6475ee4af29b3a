/* Tables as a kind of model. */
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "model/kinds.h"
#include "model/table.h"

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

static rhm_status create(rhm_model **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                         rhm_error *error) {
    struct rhm_table *table = NULL;
    RHM_TRY(rhm_table_new(&table, tree, classes, token_vocab, error));
    *out = &table->model;
    return RHM_OK;
}

static void clear(rhm_model *model) {
    struct rhm_table *table = (struct rhm_table *)model;
    for (uint32_t l = 1; l <= model->tree.levels; l++) {
        rhm_intern_destroy(&table->level[l].patch);
        rhm_free(table->level[l].id);
        rhm_id_table_clear(&table->level[l].look_up);
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
    .create = create,
    .clear = clear,
    .hash = hash_levels,
    .nbytes = nbytes,
    .describe = describe,
    .write = rhm_table_write,
    .read = rhm_table_read,
    .forward = rhm_table_forward,
    .embedding = rhm_table_embedding,
    .embed = rhm_table_embed,
};
