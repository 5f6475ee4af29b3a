/* All kinds of models: add one here, and files, the command and inference know it. */
#ifndef RHM_MODEL_KINDS_H
#define RHM_MODEL_KINDS_H

#include "model/model.h"

/* The kind that files without a kind hold. */
extern const struct rhm_model_kind rhm_random_features_kind;

extern const struct rhm_model_kind rhm_table_kind, rhm_shallow_kind, rhm_cnn_kind;

/* NULL where there is none of this name. */
const struct rhm_model_kind *rhm_model_kind_find(const char *name);

/* "random-features, table": what there is, for a sentence. */
void rhm_model_kind_names(char *text, size_t text_nbytes);

#endif
