#include "counts/parser.h"

#include "core/fail.h"
#include "core/memory.h"

static rhm_status fill_level(struct rhm_table *table, const rhm_grammar *grammar, uint32_t l, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    struct rhm_table_level *level = &table->level[l];
    const size_t rules = (size_t)shape->vocab[l - 1] * shape->rules[l], s = shape->branching[l];
    level->inputs = shape->vocab[l];
    level->outputs = shape->vocab[l - 1];
    RHM_TRY(rhm_intern_init(&level->patch, s, rules, error));
    if (!(level->id = RHM_NEW(uint32_t, rules, 1, 1, "parents of patches", error)))
        return RHM_NO_MEMORY;
    for (size_t r = 0; r < rules; r++) {
        uint32_t row;
        if (!(rhm_grammar_probability(grammar, l)[r] > 0))
            continue;
        RHM_TRY(rhm_intern_add(&level->patch, rhm_grammar_patches(grammar, l) + r * s, &row, NULL, error));
        level->id[row] = (uint32_t)(r / shape->rules[l]);
    }
    return rhm_table_ready_level(table, l, error);
}

rhm_status rhm_table_parser(struct rhm_table **out, const rhm_grammar *grammar, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t classes = shape->vocab[0];
    struct rhm_table *table = NULL;
    RHM_TRY(rhm_table_new(&table, rhm_grammar_tree(grammar), shape->vocab[0], shape->vocab[shape->levels], error));
    rhm_status status = RHM_OK;
    for (uint32_t l = shape->levels; l >= 1 && status == RHM_OK; l--)
        status = fill_level(table, grammar, l, error);
    const size_t patches = table->level[1].patch.count;
    if (status == RHM_OK && !(table->posterior = RHM_NEW(float, patches + 1, classes, 1, "posteriors", error)))
        status = RHM_NO_MEMORY;
    if (status != RHM_OK) {
        rhm_model_destroy(&table->model);
        return status;
    }
    for (size_t i = 0; i < patches; i++)
        table->posterior[i * classes + table->level[1].id[i]] = 1;
    for (size_t z = 0; z < classes; z++)
        table->posterior[patches * classes + z] = (float)rhm_grammar_label_probability(grammar)[z];
    *out = table;
    return RHM_OK;
}
