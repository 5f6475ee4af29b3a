#include "instance.h"

#include <stdlib.h>

enum { SEED = 1 };

rhm_status instance_make(instance *out, const shapes *all, const shape *source, rhm_error *error) {
    struct {
        const char *key;
        int64_t low, high, value;
    } keys[] = {{"vocab", 1, RHM_MAX_VOCAB, 0},
                {"rules", 1, RHM_MAX_VOCAB, 0},
                {"branching", 2, RHM_MAX_BRANCHING, 0},
                {"levels", 1, RHM_MAX_LEVELS, 0}};
    *out = (instance){.source = source};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const rhm_status status =
            shape_value(all, source, keys[i].key, keys[i].low, keys[i].high, &keys[i].value, error);
        if (status != RHM_OK)
            return status;
    }
    out->vocab = (uint32_t)keys[0].value;
    out->rules = (uint32_t)keys[1].value;
    out->branching = (uint32_t)keys[2].value;
    out->levels = (uint32_t)keys[3].value;
    const rhm_shape uniform = rhm_shape_uniform(out->vocab, out->rules, out->branching, out->levels);
    rhm_status status = rhm_grammar_draw(&out->grammar, &uniform, RHM_FIRST_TOKEN_UNIFORM, SEED, error);
    if (status == RHM_OK)
        status = rhm_sampler_create(&out->sampler, out->grammar, SEED, error);
    return status;
}

void instance_clear(instance *of) {
    rhm_sampler_destroy(of->sampler);
    rhm_grammar_destroy(of->grammar);
    *of = (instance){0};
}

rhm_grammar_source instance_stream(const instance *of, uint32_t level) {
    const uint32_t stream = level ? rhm_stream(RHM_TRAINING, level) : rhm_stream(RHM_TEST, 0);
    return (rhm_grammar_source){of->grammar, SEED, of->sampler, stream};
}

rhm_isa instance_isa(void) {
    const rhm_isa widest = rhm_isa_here();
    rhm_isa isa;
    return rhm_isa_choose(&isa, NULL, getenv("RHM_ISA"), widest, NULL) == RHM_OK ? isa : widest;
}
