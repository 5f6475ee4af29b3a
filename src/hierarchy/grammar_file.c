#include "hierarchy/grammar_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "hierarchy/grammar.h"
#include "hierarchy/numbering.h"
#include "hierarchy/origin_file.h"
#include "hierarchy/tree_file.h"

static const char group[] = "/grammar";

/* How far a sum of probabilities in single precision may be from 1, over as many as there are. */
static const double single_tolerance = 1e-5;

enum { OBJECT_NBYTES = 48 };

/* "/grammar/rules_3" */
static const char *object_of(char text[OBJECT_NBYTES], const char *name, uint32_t level) {
    snprintf(text, OBJECT_NBYTES, "%s/%s_%u", group, name, level);
    return text;
}

static rhm_status write_attributes(rhm_h5 *file, const rhm_grammar *grammar, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    RHM_TRY(rhm_h5_write_attribute(file, group, "levels", RHM_H5_U32, 0, &shape->levels, error));
    RHM_TRY(rhm_tree_write_branching(file, group, rhm_grammar_tree(grammar), error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "vocab", RHM_H5_U32, shape->levels + 1, shape->vocab, error));
    return rhm_origin_write(file, group, grammar, error);
}

static rhm_status write_tables(rhm_h5 *file, const rhm_grammar *grammar, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    char object[OBJECT_NBYTES];
    for (uint32_t level = 1; level <= shape->levels; level++) {
        const rhm_h5_shape rules = rhm_h5_shape3(shape->vocab[level - 1], shape->rules[level], shape->branching[level]);
        const rhm_h5_shape rows = rhm_h5_shape2(shape->vocab[level - 1], shape->rules[level]);
        RHM_TRY(rhm_h5_write(file, object_of(object, "rules", level), RHM_H5_U32, &rules,
                             rhm_grammar_patches(grammar, level), error));
        RHM_TRY(rhm_h5_write(file, object_of(object, "probability", level), RHM_H5_F64, &rows,
                             rhm_grammar_probability(grammar, level), error));
    }
    const rhm_h5_shape labels = rhm_h5_shape1(shape->vocab[0]);
    return rhm_h5_write(file, "/grammar/label_probability", RHM_H5_F64, &labels, rhm_grammar_label_probability(grammar),
                        error);
}

static rhm_status write_analysis(rhm_h5 *file, const rhm_grammar *grammar, const rhm_analysis *analysis,
                                 rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const uint8_t holds = analysis->assumption_6;
    const rhm_h5_shape levels = rhm_h5_shape1(shape->levels);
    RHM_TRY(rhm_h5_write_attribute(file, group, "kappa", RHM_H5_F64, 0, &analysis->kappa, error));
    RHM_TRY(rhm_h5_write_attribute(file, group, "assumption_6", RHM_H5_U8, 0, &holds, error));
    RHM_TRY(rhm_h5_write(file, "/grammar/rho", RHM_H5_F64, &levels, analysis->rho + 1, error));
    for (uint32_t level = 1; level <= shape->levels; level++) {
        char object[OBJECT_NBYTES];
        const rhm_h5_shape posterior = rhm_h5_shape2(shape->vocab[level - 1], shape->vocab[0]);
        RHM_TRY(rhm_h5_write(file, object_of(object, "posterior", level), RHM_H5_F64, &posterior,
                             analysis->posterior[level], error));
    }
    return RHM_OK;
}

rhm_status rhm_grammar_write_group(rhm_h5 *file, const rhm_grammar *grammar, rhm_error *error) {
    rhm_analysis analysis = {0};
    rhm_status status = rhm_analyse(&analysis, grammar, error);
    if (status == RHM_OK)
        status = rhm_h5_write_group(file, group, error);
    if (status == RHM_OK)
        status = write_attributes(file, grammar, error);
    if (status == RHM_OK)
        status = write_tables(file, grammar, error);
    if (status == RHM_OK)
        status = write_analysis(file, grammar, &analysis, error);
    rhm_analysis_clear(&analysis);
    return status;
}

rhm_status rhm_grammar_save(const rhm_grammar *grammar, const char *path, rhm_error *error) {
    rhm_h5 *file = NULL;
    RHM_TRY(rhm_h5_create(&file, path, "grammar", error));
    rhm_status status = rhm_grammar_write_group(file, grammar, error);
    if (status == RHM_OK)
        return rhm_h5_commit(&file, error);
    rhm_h5_close(&file);
    return status;
}

/* Tables on their way from a file into a grammar. */
struct tables {
    rhm_shape shape;
    uint32_t first; /* number of level 1 in the names of the tables */
    uint32_t *patches[RHM_MAX_LEVELS];
    double *probability[RHM_MAX_LEVELS];
    double *label_probability;
};

static void clear_tables(struct tables *tables) {
    for (uint32_t i = 0; i < RHM_MAX_LEVELS; i++) {
        rhm_free(tables->patches[i]);
        rhm_free(tables->probability[i]);
    }
    rhm_free(tables->label_probability);
}

/* The table of a level as the file numbers it. */
static const char *table_of(char text[OBJECT_NBYTES], const char *name, const struct tables *tables, uint32_t level) {
    return object_of(text, name, level + tables->first - 1);
}

/* L, s_l and every extent, V_L excepted, which only the attribute or the rules themselves can tell. */
static rhm_status read_shape(const rhm_h5 *file, struct tables *tables, rhm_error *error) {
    char object[OBJECT_NBYTES];
    rhm_shape *shape = &tables->shape;
    rhm_numbering numbering;
    RHM_TRY(rhm_numbering_read(&numbering, file, group, error));
    tables->first = numbering.first;
    shape->levels = numbering.levels;
    rhm_branching said = {0};
    if (rhm_h5_has_attribute(file, group, "branching"))
        RHM_TRY(rhm_tree_read_branching(&said, file, group, error));
    if (said.count > 1 && said.count != shape->levels)
        return rhm_h5_refuse(file, group, error, "has %u values in its attribute branching and %u levels", said.count,
                             shape->levels);
    for (uint32_t level = 1; level <= shape->levels; level++) {
        rhm_h5_shape found;
        RHM_TRY(rhm_h5_read_shape(file, table_of(object, "rules", tables, level), RHM_H5_INTEGERS, &found, error));
        if (found.rank != 3)
            return rhm_h5_refuse(file, object, error,
                                 "has %u dimensions; 3 expected: parents, rules, symbols of a patch", found.rank);
        if (found.extent[2] < 2 || found.extent[2] > RHM_MAX_BRANCHING)
            return rhm_h5_refuse(file, object, error, "has patches of %llu symbols; allowed are 2 to %d",
                                 (unsigned long long)found.extent[2], RHM_MAX_BRANCHING);
        const uint32_t branching = said.count ? said.of[said.count > 1 ? level - 1 : 0] : (uint32_t)found.extent[2];
        if (found.extent[2] != branching)
            return rhm_h5_refuse(file, object, error, "has patches of %llu symbols where the branching is %u",
                                 (unsigned long long)found.extent[2], branching);
        if (found.extent[0] > RHM_MAX_VOCAB || found.extent[1] > UINT32_MAX)
            return rhm_h5_refuse(
                file, object, error, "has %llu rules for each of %llu parents; at most %u parents are allowed",
                (unsigned long long)found.extent[1], (unsigned long long)found.extent[0], (unsigned)RHM_MAX_VOCAB);
        shape->vocab[level - 1] = (uint32_t)found.extent[0];
        shape->rules[level] = (uint32_t)found.extent[1];
        shape->branching[level] = branching;
    }
    return RHM_OK;
}

/* The attribute vocab must agree with the extents; without it V_L is left 0. */
static rhm_status read_vocab(const rhm_h5 *file, struct tables *tables, rhm_error *error) {
    rhm_shape *shape = &tables->shape;
    if (!rhm_h5_has_attribute(file, group, "vocab"))
        return RHM_OK;
    uint64_t vocab[RHM_MAX_LEVELS + 1];
    RHM_TRY(rhm_h5_read_integer_attribute(file, group, "vocab", shape->levels + 1, 1, RHM_MAX_VOCAB, vocab, error));
    for (uint32_t level = 0; level < shape->levels; level++) {
        char object[OBJECT_NBYTES];
        if (vocab[level] != shape->vocab[level])
            return rhm_h5_refuse(file, table_of(object, "rules", tables, level + 1), error,
                                 "has %u parents where the attribute vocab says %u", shape->vocab[level],
                                 (uint32_t)vocab[level]);
    }
    shape->vocab[shape->levels] = (uint32_t)vocab[shape->levels];
    return RHM_OK;
}

/*
 * Distributions in the last dimension. Those that single precision kept from summing to 1 are made to; what is further
 * from it is left for the grammar to refuse.
 */
static rhm_status read_distributions(const rhm_h5 *file, const char *object, const rhm_h5_shape *shape,
                                     double *probability, rhm_error *error) {
    const size_t columns = shape->extent[shape->rank - 1], rows = shape->rank == 2 ? shape->extent[0] : 1;
    double furthest = 0;
    RHM_TRY(rhm_h5_read_floats(file, object, shape, RHM_H5_F64, probability, error));
    for (double *row = probability; row < probability + rows * columns; row += columns) {
        double sum = 0;
        for (size_t i = 0; i < columns; i++)
            sum += row[i];
        const double off = fabs(sum - 1);
        if (!(off > RHM_SUM_TOLERANCE && off <= single_tolerance))
            continue;
        for (size_t i = 0; i < columns; i++)
            row[i] /= sum;
        furthest = fmax(furthest, off);
    }
    if (furthest > 0)
        rhm_h5_note(file,
                    "%s has rows whose sums are off 1 by up to %.2g, as in single precision: they were divided by "
                    "their sums",
                    object, furthest);
    return RHM_OK;
}

static rhm_status read_level(const rhm_h5 *file, struct tables *tables, uint32_t level, rhm_error *error) {
    char object[OBJECT_NBYTES];
    rhm_shape *shape = &tables->shape;
    const size_t parents = shape->vocab[level - 1], rules = shape->rules[level], symbols = shape->branching[level];
    const rhm_h5_shape expected = rhm_h5_shape3(parents, rules, symbols);
    uint32_t *patches = RHM_NEW(uint32_t, parents, rules, symbols, "rules of a grammar", error);
    tables->patches[level - 1] = patches;
    if (!patches)
        return RHM_NO_MEMORY;
    const bool infer = shape->vocab[level] == 0;
    RHM_TRY(rhm_h5_read_symbols(file, table_of(object, "rules", tables, level), &expected,
                                infer ? RHM_MAX_VOCAB : shape->vocab[level], RHM_H5_U32, patches, error));
    for (size_t i = 0; infer && i < parents * rules * symbols; i++)
        if (patches[i] >= shape->vocab[level])
            shape->vocab[level] = patches[i] + 1;
    if (!rhm_h5_has(file, table_of(object, "probability", tables, level)))
        return RHM_OK;
    const rhm_h5_shape rows = rhm_h5_shape2(parents, rules);
    double *probability = RHM_NEW(double, parents, rules, 1, "probabilities of rules", error);
    tables->probability[level - 1] = probability;
    return probability ? read_distributions(file, object, &rows, probability, error) : RHM_NO_MEMORY;
}

static rhm_status read_label_probability(const rhm_h5 *file, struct tables *tables, rhm_error *error) {
    static const char object[] = "/grammar/label_probability";
    if (!rhm_h5_has(file, object))
        return RHM_OK;
    const rhm_h5_shape labels = rhm_h5_shape1(tables->shape.vocab[0]);
    tables->label_probability = RHM_NEW(double, tables->shape.vocab[0], 1, 1, "probabilities of labels", error);
    if (!tables->label_probability)
        return RHM_NO_MEMORY;
    return read_distributions(file, object, &labels, tables->label_probability, error);
}

static rhm_status read_tables(const rhm_h5 *file, struct tables *tables, rhm_error *error) {
    if (!rhm_h5_has(file, group))
        return rhm_h5_refuse(file, group, error, "is missing: the file holds no grammar");
    RHM_TRY(read_shape(file, tables, error));
    RHM_TRY(read_vocab(file, tables, error));
    for (uint32_t level = 1; level <= tables->shape.levels; level++)
        RHM_TRY(read_level(file, tables, level, error));
    return read_label_probability(file, tables, error);
}

rhm_status rhm_grammar_read_group(rhm_grammar **out, const rhm_h5 *file, rhm_error *error) {
    struct tables tables = {0};
    rhm_grammar_options origin;
    rhm_status status = read_tables(file, &tables, error);
    if (status == RHM_OK)
        status = rhm_origin_read(&origin, file, group, tables.shape.levels, error);
    if (status == RHM_OK)
        status = rhm_h5_blame(file,
                              rhm_grammar_create_with(out, &tables.shape, (const uint32_t *const *)tables.patches,
                                                      (const double *const *)tables.probability,
                                                      tables.label_probability, &origin, error),
                              error);
    clear_tables(&tables);
    return status;
}

static rhm_status read_file(void *context, const rhm_h5 *file, rhm_error *error) {
    rhm_grammar **grammar = context;
    RHM_TRY(rhm_grammar_read_group(grammar, file, error));
    return rhm_h5_notes(file, &(*grammar)->notes, error);
}

rhm_status rhm_grammar_load(rhm_grammar **out, const char *path, rhm_error *error) {
    rhm_grammar *grammar = NULL;
    *out = NULL;
    const rhm_status status = rhm_h5_load(path, read_file, &grammar, error);
    if (status == RHM_OK)
        *out = grammar;
    else
        rhm_grammar_destroy(grammar);
    return status;
}
