#include "hierarchy/bp.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

static bool all_equal(const double *values, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (values[i] != values[0])
            return false;
    return true;
}

static rhm_status make_rules(rhm_bp_rules *out, const rhm_grammar *grammar, uint32_t level, rhm_error *error) {
    static const char what[] = "rules for inference";
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const double *probability = rhm_grammar_probability(grammar, level);
    const uint32_t *patches = rhm_grammar_patches(grammar, level);
    const size_t parents = shape->vocab[level - 1], rules = shape->rules[level], s = shape->branching[level];
    *out = (rhm_bp_rules){.parents = parents, .symbols = shape->vocab[level], .branching = s};
    const bool equal = all_equal(probability, parents * rules);
    if (!(out->first = RHM_NEW(uint32_t, parents + 1, 1, 1, what, error)) ||
        !(out->patch = RHM_NEW(uint32_t, parents, rules, s, what, error)) ||
        (!equal && (!(out->weight_float = RHM_NEW(float, parents, rules, 1, what, error)) ||
                    !(out->weight_double = RHM_NEW(double, parents, rules, 1, what, error)))))
        return RHM_NO_MEMORY;
    if (equal)
        out->log_weight = log(probability[0]);
    uint32_t row = 0;
    for (size_t parent = 0; parent < parents; parent++) {
        for (size_t i = parent * rules; i < (parent + 1) * rules; i++) {
            if (!(probability[i] > 0))
                continue;
            memcpy(out->patch + row * s, patches + i * s, sizeof *patches * s);
            if (!equal) {
                out->weight_float[row] = (float)probability[i];
                out->weight_double[row] = probability[i];
            }
            row++;
        }
        out->first[parent + 1] = row;
    }
    return RHM_OK;
}

rhm_status rhm_bp_make(rhm_bp *out, const rhm_grammar *grammar, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    *out = (rhm_bp){.tree = *rhm_grammar_tree(grammar), .classes = shape->vocab[0]};
    const double noise = rhm_grammar_origin(grammar)->token_noise;
    out->miss = noise / shape->vocab[shape->levels];
    out->hit = 1 - noise + out->miss;
    out->label_noise = rhm_grammar_origin(grammar)->label_noise;
    for (uint32_t level = 0; level <= shape->levels; level++)
        out->vocab[level] = shape->vocab[level];
    rhm_status status = RHM_NO_MEMORY;
    if ((out->label = RHM_NEW(double, out->classes, 1, 1, "labels for inference", error))) {
        memcpy(out->label, rhm_grammar_label_probability(grammar), sizeof *out->label * out->classes);
        status = RHM_OK;
    }
    for (uint32_t level = 1; level <= shape->levels && status == RHM_OK; level++)
        status = make_rules(&out->rules[level], grammar, level, error);
    if (status != RHM_OK)
        rhm_bp_clear(out);
    return status;
}

void rhm_bp_clear(rhm_bp *bp) {
    for (uint32_t level = 0; level <= RHM_MAX_LEVELS; level++) {
        rhm_free(bp->rules[level].first);
        rhm_free(bp->rules[level].patch);
        rhm_free(bp->rules[level].weight_float);
        rhm_free(bp->rules[level].weight_double);
    }
    rhm_free(bp->label);
    *bp = (rhm_bp){0};
}

size_t rhm_bp_workspace_nbytes(const rhm_bp *bp, size_t real_nbytes, bool masked, bool marginals) {
    double reals = 0;
    for (uint32_t level = 0; level <= bp->tree.levels; level++) {
        const size_t nodes = marginals || level == 0 ? bp->tree.nodes[level] : bp->tree.branching[level];
        if (level < bp->tree.levels || masked || marginals)
            reals += (marginals ? 2 : 1) * (double)nodes * (double)bp->vocab[level] * RHM_BP_LANES;
    }
    const double nbytes = reals * (double)real_nbytes;
    return nbytes < (double)(PTRDIFF_MAX / 2) ? (size_t)nbytes : SIZE_MAX;
}

rhm_bp_ops rhm_bp_ops_at(rhm_isa isa) {
    static const rhm_tables tables = {
        .nbytes = sizeof(rhm_bp_ops),
        .first = offsetof(rhm_bp_ops, group_float),
        .of = {[RHM_ISA_SCALAR] = &rhm_bp_ops_portable,
#if defined(__x86_64__)
               [RHM_ISA_AVX2] = &rhm_bp_ops_avx2,
               [RHM_ISA_AVX512] = &rhm_bp_ops_avx512
#endif
        },
    };
    rhm_bp_ops out;
    rhm_tables_resolve(&out, &tables, isa);
    return out;
}
