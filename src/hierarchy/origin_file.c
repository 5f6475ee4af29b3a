#include "hierarchy/origin_file.h"

#include <string.h>

#include "core/fail.h"
#include "hierarchy/rule_law.h"

/* Nothing is written where no law is drawn. */
static rhm_status write_laws(rhm_h5 *file, const char *group, const char *name, const rhm_rule_law *laws,
                             uint32_t count, rhm_error *error) {
    char text[RHM_RULE_LAWS_TEXT_NBYTES];
    bool any = false;
    for (uint32_t i = 0; i < count; i++)
        any = any || rhm_rule_law_is_particular(&laws[i]);
    return any ? rhm_h5_write_text_attribute(file, group, name, rhm_rule_laws_text(text, laws, count), error) : RHM_OK;
}

rhm_status rhm_origin_write(rhm_h5 *file, const char *group, const rhm_grammar *grammar, rhm_error *error) {
    const rhm_grammar_options *origin = rhm_grammar_origin(grammar);
    RHM_TRY(rhm_h5_write_attribute(file, group, "seed", RHM_H5_U64, 0, &origin->seed, error));
    RHM_TRY(rhm_h5_write_text_attribute(file, group, "rule_sampling", rhm_rule_sampling_name(origin->sampling), error));
    RHM_TRY(write_laws(file, group, "rule_law", origin->rule_law + 1, rhm_grammar_shape(grammar)->levels, error));
    RHM_TRY(write_laws(file, group, "label_law", &origin->label_law, 1, error));
    if (origin->ambiguity > 0)
        RHM_TRY(rhm_h5_write_attribute(file, group, "ambiguity", RHM_H5_F64, 0, &origin->ambiguity, error));
    if (origin->token_noise > 0)
        RHM_TRY(rhm_h5_write_attribute(file, group, "token_noise", RHM_H5_F64, 0, &origin->token_noise, error));
    if (origin->label_noise > 0)
        RHM_TRY(rhm_h5_write_attribute(file, group, "label_noise", RHM_H5_F64, 0, &origin->label_noise, error));
    return RHM_OK;
}

/* The laws of an attribute that may be missing or say what this library does not know: they are given then. */
static rhm_status read_laws(rhm_rule_law *laws, const rhm_h5 *file, const char *group, const char *name, uint32_t count,
                            rhm_error *error) {
    char text[RHM_RULE_LAWS_TEXT_NBYTES];
    bool known = rhm_h5_has_attribute(file, group, name);
    if (known) {
        RHM_TRY(rhm_h5_read_text_attribute(file, group, name, text, sizeof text, error));
        known = rhm_rule_laws_parse(laws, count, text, NULL) == RHM_OK;
    }
    for (uint32_t i = 0; !known && i < count; i++)
        laws[i] = (rhm_rule_law){.kind = RHM_LAW_GIVEN};
    return RHM_OK;
}

rhm_status rhm_origin_read(rhm_grammar_options *out, const rhm_h5 *file, const char *group, uint32_t levels,
                           rhm_error *error) {
    *out = (rhm_grammar_options){.sampling = RHM_GIVEN};
    if (rhm_h5_has_attribute(file, group, "rule_sampling")) {
        char name[256];
        RHM_TRY(rhm_h5_read_text_attribute(file, group, "rule_sampling", name, sizeof name, error));
        for (int known = RHM_FIRST_TOKEN_UNIFORM; known <= RHM_GIVEN; known++)
            if (strcmp(name, rhm_rule_sampling_name((rhm_rule_sampling)known)) == 0)
                out->sampling = (rhm_rule_sampling)known;
    }
    if (rhm_h5_has_attribute(file, group, "seed"))
        RHM_TRY(rhm_h5_read_integer_attribute(file, group, "seed", 1, 0, UINT64_MAX, &out->seed, error));
    RHM_TRY(read_laws(out->rule_law + 1, file, group, "rule_law", levels, error));
    RHM_TRY(read_laws(&out->label_law, file, group, "label_law", 1, error));
    if (rhm_h5_has_attribute(file, group, "ambiguity"))
        RHM_TRY(rhm_h5_read_float_attribute(file, group, "ambiguity", &out->ambiguity, error));
    if (rhm_h5_has_attribute(file, group, "token_noise"))
        RHM_TRY(rhm_h5_read_float_attribute(file, group, "token_noise", &out->token_noise, error));
    if (rhm_h5_has_attribute(file, group, "label_noise"))
        RHM_TRY(rhm_h5_read_float_attribute(file, group, "label_noise", &out->label_noise, error));
    return RHM_OK;
}
