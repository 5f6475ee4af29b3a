/*
 * Tables of ids: a level maps patches of ids (at level L of tokens) to ids of the level above, and level 1 to label
 * posteriors. A patch that is in no table gets the level's `other` id, at level 1 the prior.
 */
#ifndef RHM_MODEL_TABLE_H
#define RHM_MODEL_TABLE_H

#include "core/intern.h"
#include "kernels/ids.h"
#include "model/model.h"

struct rhm_table_level {
    uint32_t inputs;    /* ids of a patch are below it */
    uint32_t outputs;   /* ids of the level above are below it; |V_0| at level 1 */
    uint32_t other;     /* id of patches that are not listed */
    uint32_t positions; /* patches of a sequence from which the level was learnt; 0: not known */
    rhm_intern patch;   /* the listed patches; owned */
    uint32_t *id;       /* (patch.count); owned. At level 1 the most probable label */

    /* Made from these: where inputs^s is small, the answer for every possible patch. Above level 1 its id; at level 1
     * its number in `patch`, patch.count where it is not listed. Else without entries, and NULL. */
    rhm_id_table look_up;
    uint32_t *dense;
};

struct rhm_table {
    rhm_model model;
    struct rhm_table_level level[RHM_MAX_LEVELS + 1]; /* entries 1..levels */
    float *posterior;                                 /* (patches of level 1 + 1, |V_0|): the last row is the prior */
};

/* A model without levels yet. */
rhm_status rhm_table_new(struct rhm_table **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                         rhm_error *error);

/* After a level has been filled in (all but `look_up` and `dense`), and all below it: check that it fits and make what
 * lookups need.
 */
rhm_status rhm_table_ready_level(struct rhm_table *table, uint32_t level, rhm_error *error);

/* After all levels are ready and `posterior` has been filled in: check that. */
rhm_status rhm_table_finish(struct rhm_table *table, rhm_error *error);

const struct rhm_table *rhm_table_of(const rhm_model *model);

/* The parts of the kind that have a file of their own. */
rhm_status rhm_table_write(rhm_h5 *file, const rhm_model *model, rhm_error *error);
rhm_status rhm_table_read(rhm_model *model, const rhm_h5 *file, rhm_error *error);
rhm_status rhm_table_forward(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                             rhm_outputs *outputs, rhm_error *error);

uint32_t rhm_table_embedding(const rhm_model *model, uint32_t level);
rhm_status rhm_table_embed(const rhm_model *model, const rhm_engine *engine, uint32_t level, const uint16_t *tokens,
                           size_t count, float *out, rhm_error *error);

/* Sequences of so many tokens that a thread has at a time: of a tile of samples, which are drawn together, unless they
 * are so long that they are drawn one by one. */
size_t rhm_table_chunk(size_t tokens);

/* Ids of the level above for `patches` patches of `level` > 1 side by side; `ids` may be where `inputs` are. */
void rhm_table_apply(const struct rhm_table *table, const rhm_id_ops *ops, uint32_t level, const uint16_t *inputs,
                     size_t patches, uint16_t *ids);

/* In place, whole sequences from ids of level `from` (of tokens: L) to ids of level `to`, 1 <= to <= from: (sequences,
 * nodes of the level). Goes up through as many levels at a time as fit into a first-level cache. */
void rhm_table_rise(const struct rhm_table *table, const rhm_id_ops *ops, uint32_t from, uint32_t to, size_t sequences,
                    uint16_t *symbols);

/* The number of a patch of level 1. */
uint32_t rhm_table_row(const struct rhm_table *table, const uint16_t *patch);

#endif
