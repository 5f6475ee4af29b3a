#include "rhm/probe.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "model/model.h"
#include "probes/derivation.h"
#include "probes/groups.h"
#include "rhm/inference.h"

enum {
    SEQUENCES = 1000,
    MOST_POINTS = 4096,
    BLOCK_NUMBERS = 1 << 23, /* outputs of a block of sequences that are in memory */
    PROBE_STREAM = 1 << 19,  /* of random words; the kind of change is added */
};

/* What is done to the sequences of a block. */
typedef enum change { NOTHING, SYNONYMS, REDRAWN, CHANGES } change;

/* Sums over the outputs of a level. */
typedef struct sums {
    double apart, pairs;                                                          /* squared distances of sequences */
    double moved[CHANGES][RHM_MAX_LEVELS + 1], seen[CHANGES][RHM_MAX_LEVELS + 1]; /* by changes */
} sums;

typedef struct probing {
    const rhm_engine *engine;
    const rhm_model *model;
    const rhm_grammar *grammar;
    rhm_probe_options options;
    const rhm_tree *tree;
    size_t sequences, block;

    uint16_t *base[RHM_MAX_LEVELS + 1], *other[RHM_MAX_LEVELS + 1]; /* (block, nodes of the level); owned */
    bool *changed;                                                  /* (block, nodes of level L - 1): of the level above
                                                                       the change; owned */
    float *output[RHM_MAX_LEVELS + 1]; /* (block, nodes, width) of the base; NULL: none; owned */
    float *moved;                      /* the largest of these; owned */
    sums sum[RHM_MAX_LEVELS + 1];
    rhm_probe_points points[RHM_MAX_LEVELS + 1];
} probing;

static size_t width_of(const probing *p, uint32_t level) {
    return rhm_model_embedding(p->model, level);
}

/* Level-1 models without levels between have the outputs of level 1 alone. */
static size_t outputs_of(const probing *p, uint32_t level) {
    return p->tree->nodes[level - 1] * width_of(p, level);
}

/* ---- sequences ------------------------------------------------------------------------------------------- */

static rhm_derivation derivation_at(const probing *p, uint16_t *const *symbols, size_t i) {
    rhm_derivation d = {.grammar = p->grammar};
    for (uint32_t level = 0; level <= p->tree->levels; level++)
        d.symbol[level] = symbols[level] + i * p->tree->nodes[level];
    return d;
}

/* Words of their own for every sequence and change. */
static rhm_random words_of(const probing *p, size_t sequence, change what, uint32_t level) {
    const uint64_t mixed = p->options.seed + UINT64_C(0x9e3779b97f4a7c15) * (sequence + 1);
    return (rhm_random){.seed = mixed, .stream = PROBE_STREAM + (uint32_t)what * (RHM_MAX_LEVELS + 1) + level};
}

static void draw_block(probing *p, size_t first, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const rhm_derivation d = derivation_at(p, p->base, i);
        rhm_random random = words_of(p, first + i, NOTHING, 0);
        rhm_derivation_draw(&d, &random);
    }
}

/* `level` is the one above what changes: its symbols stay. */
static void change_block(probing *p, size_t first, size_t count, change what, uint32_t level) {
    const size_t nodes = p->tree->nodes[level];
    for (size_t i = 0; i < count; i++) {
        const rhm_derivation from = derivation_at(p, p->base, i), d = derivation_at(p, p->other, i);
        rhm_random random = words_of(p, first + i, what, level);
        for (uint32_t l = 0; l <= p->tree->levels; l++)
            memcpy(d.symbol[l], from.symbol[l], sizeof *d.symbol[l] * p->tree->nodes[l]);
        for (size_t node = 0; node < nodes; node++) {
            bool *changed = &p->changed[i * nodes + node];
            *changed = p->options.position == 0 || node + 1 == p->options.position;
            if (*changed && what == SYNONYMS)
                *changed = rhm_derivation_exchange(&d, level + 1, node, &random);
            else if (*changed)
                rhm_derivation_redraw(&d, level, node, &random);
        }
    }
}

/* ---- sums ------------------------------------------------------------------------------------------------ */

static double squared(const float *a, const float *b, size_t width) {
    double sum = 0;
    for (size_t i = 0; i < width; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

static void add_pairs(probing *p, uint32_t level, size_t count) {
    const size_t numbers = outputs_of(p, level);
    for (size_t i = 0; i + 1 < count; i++) {
        p->sum[level].apart += squared(p->output[level] + i * numbers, p->output[level] + (i + 1) * numbers, numbers);
        p->sum[level].pairs += (double)p->tree->nodes[level - 1];
    }
}

/* Whether a changed patch is below the output `node` of `level`, or above it. */
static bool concerned(const probing *p, size_t i, uint32_t level, size_t node, uint32_t above) {
    const size_t nodes = p->tree->nodes[above], here = p->tree->nodes[level - 1];
    if (above + 1 <= level)
        return p->changed[i * nodes + node / (here / nodes)];
    const size_t below = nodes / here;
    for (size_t j = node * below; j < (node + 1) * below; j++)
        if (p->changed[i * nodes + j])
            return true;
    return false;
}

static void add_moved(probing *p, uint32_t level, size_t count, change what, uint32_t above) {
    const size_t width = width_of(p, level), nodes = p->tree->nodes[level - 1];
    const uint32_t index = what == SYNONYMS ? above + 1 : above;
    for (size_t i = 0; i < count; i++)
        for (size_t node = 0; node < nodes; node++) {
            const size_t at = (i * nodes + node) * width;
            if (!concerned(p, i, level, node, above))
                continue;
            p->sum[level].moved[what][index] += squared(p->output[level] + at, p->moved + at, width);
            p->sum[level].seen[what][index]++;
        }
}

/* Patches of the block, spread over positions, for groups and linear maps. */
static void keep_points(probing *p, uint32_t level, size_t first, size_t count) {
    rhm_probe_points *points = &p->points[level];
    const size_t nodes = p->tree->nodes[level - 1], room = MOST_POINTS / p->sequences;
    const size_t each = room < 1 ? 1 : room < nodes ? room : nodes;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < each && points->count < MOST_POINTS; j++) {
            const size_t node = (first + i + j * (nodes / each)) % nodes;
            memcpy(points->output + points->count * points->width,
                   p->output[level] + (i * nodes + node) * points->width, sizeof(float) * points->width);
            points->symbol[points->count] = p->base[level - 1][i * nodes + node];
            points->label[points->count++] = p->base[0][i];
        }
}

/* ---- blocks ---------------------------------------------------------------------------------------------- */

static rhm_status probe_change(probing *p, size_t first, size_t count, change what, uint32_t above, rhm_error *error) {
    if (p->options.position > p->tree->nodes[above])
        return RHM_OK;
    change_block(p, first, count, what, above);
    for (uint32_t level = 1; level <= p->tree->levels; level++) {
        if (!p->output[level])
            continue;
        RHM_TRY(rhm_model_embed(p->engine, p->model, level, p->other[p->tree->levels], count, p->moved, error));
        add_moved(p, level, count, what, above);
    }
    return RHM_OK;
}

static rhm_status probe_block(probing *p, size_t first, size_t count, rhm_error *error) {
    draw_block(p, first, count);
    for (uint32_t level = 1; level <= p->tree->levels; level++) {
        if (!p->output[level])
            continue;
        RHM_TRY(rhm_model_embed(p->engine, p->model, level, p->base[p->tree->levels], count, p->output[level], error));
        add_pairs(p, level, count);
        keep_points(p, level, first, count);
    }
    for (uint32_t above = 0; above < p->tree->levels; above++) {
        RHM_TRY(probe_change(p, first, count, SYNONYMS, above, error));
        RHM_TRY(probe_change(p, first, count, REDRAWN, above, error));
    }
    return RHM_OK;
}

static rhm_status make_room(probing *p, rhm_error *error) {
    size_t most = 1, numbers = 0;
    for (uint32_t level = 1; level <= p->tree->levels; level++) {
        const size_t own = outputs_of(p, level);
        numbers += own + p->tree->nodes[level];
        most = own > most ? own : most;
    }
    p->block = BLOCK_NUMBERS / numbers;
    p->block = p->block < 2 ? 2 : p->block < p->sequences ? p->block : p->sequences;
    p->moved = RHM_NEW(float, p->block, most, 1, "outputs of changed sequences", error);
    p->changed = RHM_NEW(bool, p->block, p->tree->nodes[p->tree->levels - 1], 1, "changed patches", error);
    if (!p->moved || !p->changed)
        return RHM_NO_MEMORY;
    for (uint32_t level = 0; level <= p->tree->levels; level++) {
        const size_t width = level ? width_of(p, level) : 0;
        rhm_probe_points *points = &p->points[level];
        p->base[level] = RHM_NEW(uint16_t, p->block, p->tree->nodes[level], 1, "symbols of sequences", error);
        p->other[level] = RHM_NEW(uint16_t, p->block, p->tree->nodes[level], 1, "symbols of sequences", error);
        if (!p->base[level] || !p->other[level])
            return RHM_NO_MEMORY;
        if (width == 0)
            continue;
        *points = (rhm_probe_points){.width = width,
                                     .symbols = rhm_grammar_shape(p->grammar)->vocab[level - 1],
                                     .labels = rhm_grammar_shape(p->grammar)->vocab[0],
                                     .output = RHM_NEW(float, MOST_POINTS, width, 1, "points", error),
                                     .symbol = RHM_NEW(uint32_t, MOST_POINTS, 1, 1, "symbols of points", error),
                                     .label = RHM_NEW(uint32_t, MOST_POINTS, 1, 1, "labels of points", error)};
        p->output[level] = RHM_NEW(float, p->block, p->tree->nodes[level - 1], width, "outputs of sequences", error);
        if (!points->output || !points->symbol || !points->label || !p->output[level])
            return RHM_NO_MEMORY;
    }
    return RHM_OK;
}

static void release(probing *p) {
    for (uint32_t level = 0; level <= p->tree->levels; level++) {
        rhm_free(p->base[level]);
        rhm_free(p->other[level]);
        rhm_free(p->output[level]);
        rhm_free(p->points[level].output);
        rhm_free(p->points[level].symbol);
        rhm_free(p->points[level].label);
    }
    rhm_free(p->moved);
    rhm_free(p->changed);
}

/* ---- the report ------------------------------------------------------------------------------------------ */

static double majority_of(const rhm_probe_points *points, rhm_error *error) {
    size_t *count = RHM_NEW(size_t, points->symbols, 1, 1, "points by symbol", error), most = 0;
    for (size_t i = 0; count && i < points->count; i++) {
        const size_t n = ++count[points->symbol[i]];
        most = n > most ? n : most;
    }
    rhm_free(count);
    return (double)most / (double)points->count;
}

static rhm_status report_level(rhm_probe_level *out, const probing *p, uint32_t level, rhm_error *error) {
    const rhm_probe_points *points = &p->points[level];
    const sums *s = &p->sum[level];
    const double apart = s->apart / s->pairs;
    rhm_group_agreement groups;
    for (uint32_t k = 0; k <= p->tree->levels; k++) {
        out->synonyms[k] = s->moved[SYNONYMS][k] / s->seen[SYNONYMS][k] / apart;
        out->redrawn[k] = s->moved[REDRAWN][k] / s->seen[REDRAWN][k] / apart;
    }
    out->points = points->count;
    out->majority = majority_of(points, error);
    RHM_TRY(rhm_probe_group(&groups, p->engine, points, p->options.seed, error));
    out->clustering_error = groups.error;
    out->adjusted_rand = groups.adjusted_rand;
    RHM_TRY(rhm_probe_read(&out->linear_accuracy, points, points->symbol, points->symbols, error));
    return rhm_probe_read(&out->linear_of_label, points, points->label, points->labels, error);
}

static rhm_status check(const rhm_model *model, const rhm_grammar *grammar, const rhm_probe_options *options,
                        rhm_error *error) {
    const rhm_tree *tree = rhm_model_tree(model);
    bool shown = false;
    for (uint32_t level = 1; level <= tree->levels; level++)
        shown |= rhm_model_embedding(model, level) > 0;
    if (!shown)
        return rhm_fail(error, RHM_UNSUPPORTED, "models of the kind %s do not show the outputs of their levels",
                        rhm_model_kind(model));
    RHM_TRY(rhm_model_check_grammar(model, grammar, error));
    if (options->position > tree->nodes[tree->levels - 1])
        return rhm_fail(error, RHM_INVALID, "position %u is to be changed, but level %u has the positions 1 to %zu",
                        options->position, tree->levels - 1, tree->nodes[tree->levels - 1]);
    if (options->sequences && options->sequences < 4)
        return rhm_fail(error, RHM_INVALID, "%zu sequences were asked for: allowed are 4 or more", options->sequences);
    return RHM_OK;
}

rhm_status rhm_probe(rhm_probe_report *out, const rhm_engine *engine, const rhm_model *model,
                     const rhm_grammar *grammar, const rhm_probe_options *options, rhm_error *error) {
    probing p = {.engine = engine, .model = model, .grammar = grammar, .tree = rhm_model_tree(model)};
    p.options = options ? *options : (rhm_probe_options){0};
    p.sequences = p.options.sequences ? p.options.sequences : SEQUENCES;
    RHM_TRY(check(model, grammar, &p.options, error));
    *out = (rhm_probe_report){.levels = p.tree->levels, .sequences = p.sequences};
    rhm_status status = make_room(&p, error);
    for (size_t first = 0; status == RHM_OK && first < p.sequences; first += p.block) {
        rhm_engine_progress(engine, "probing", first, p.sequences);
        status = probe_block(&p, first, p.sequences - first < p.block ? p.sequences - first : p.block, error);
    }
    for (uint32_t level = 1; level <= p.tree->levels; level++) {
        rhm_probe_level *one = &out->level[level];
        *one = (rhm_probe_level){.level = level,
                                 .width = (uint32_t)width_of(&p, level),
                                 .symbols = rhm_grammar_shape(grammar)->vocab[level - 1]};
        one->majority = one->clustering_error = one->adjusted_rand = one->linear_accuracy = one->linear_of_label = NAN;
        for (uint32_t k = 0; k <= RHM_MAX_LEVELS; k++)
            one->synonyms[k] = one->redrawn[k] = NAN;
        if (status == RHM_OK && one->width)
            status = report_level(one, &p, level, error);
    }
    release(&p);
    return status;
}
