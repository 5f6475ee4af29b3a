#include "model/kinds.h"

#include <stdio.h>
#include <string.h>

static const struct rhm_model_kind *const kinds[] = {&rhm_random_features_kind, &rhm_table_kind, &rhm_shallow_kind, &rhm_cnn_kind};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

const struct rhm_model_kind *rhm_model_kind_find(const char *name) {
    for (size_t i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i]->name, name))
            return kinds[i];
    return NULL;
}

void rhm_model_kind_names(char *text, size_t text_nbytes) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < KINDS && used < text_nbytes; i++)
        used += (size_t)snprintf(text + used, text_nbytes - used, "%s%s", i ? ", " : "", kinds[i]->name);
}
