#include "training/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/sha256.h"
#include "core/text.h"
#include "rhm/sampling.h"
#include "training/options.h"

enum { SHOWN = 4, SHOWN_NBYTES = 40 };

static char *add(rhm_fingerprint *fingerprint, const char *name) {
    char *value = fingerprint->fact[fingerprint->count].value;
    fingerprint->fact[fingerprint->count++].name = name;
    value[0] = '\0';
    return value;
}

/* "16", or "16,8,8" where they differ, level `first` first and `last` at the end. */
static void add_words(rhm_fingerprint *fingerprint, const char *name, const uint32_t *values, uint32_t first,
                      uint32_t last) {
    char *value = add(fingerprint, name);
    bool same = true;
    for (uint32_t l = first; l <= last; l++)
        same = same && values[l] == values[first];
    for (uint32_t l = first; l <= (same ? first : last); l++)
        rhm_text_append(value, RHM_FACT_NBYTES, "%s%" PRIu32, l > first ? "," : "", values[l]);
}

/* Level L first where levels differ. */
static void add_option(rhm_fingerprint *fingerprint, const rhm_train_option *option, const rhm_train_options *options,
                       uint32_t levels) {
    char *value = add(fingerprint, option->name), first[RHM_FACT_NBYTES], text[RHM_FACT_NBYTES];
    const uint32_t last = option->by_level ? levels : 1;
    bool same = true;
    rhm_train_option_text(option, options, 1, first, sizeof first);
    for (uint32_t l = 2; l <= last; l++) {
        rhm_train_option_text(option, options, l, text, sizeof text);
        same = same && !strcmp(text, first);
    }
    for (uint32_t l = same ? 1 : last; l >= 1; l--) {
        rhm_train_option_text(option, options, l, text, sizeof text);
        rhm_text_append(value, RHM_FACT_NBYTES, "%s%s", *value ? "," : "", text);
    }
}

/* Rules and probabilities as they are in memory. */
static void hash_rules(const rhm_grammar *grammar, char text[RHM_SHA256_TEXT_NBYTES]) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    struct sha256_ctx hash;
    sha256_init(&hash);
    for (uint32_t l = 1; l <= shape->levels; l++) {
        const size_t rules = (size_t)shape->vocab[l - 1] * shape->rules[l];
        sha256_update(&hash, sizeof(uint32_t) * rules * shape->branching[l],
                      (const uint8_t *)rhm_grammar_patches(grammar, l));
        sha256_update(&hash, sizeof(double) * rules, (const uint8_t *)rhm_grammar_probability(grammar, l));
    }
    sha256_update(&hash, sizeof(double) * shape->vocab[0], (const uint8_t *)rhm_grammar_label_probability(grammar));
    rhm_sha256_text(&hash, text);
}

static void add_grammar(rhm_fingerprint *fingerprint, const rhm_grammar *grammar) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    add_words(fingerprint, "vocab", shape->vocab, 0, shape->levels);
    add_words(fingerprint, "rules", shape->rules, 1, shape->levels);
    rhm_text_append(add(fingerprint, "rule-sampling"), RHM_FACT_NBYTES, "%s",
                    rhm_rule_sampling_name(rhm_grammar_sampling(grammar)));
    rhm_text_append(add(fingerprint, "seed"), RHM_FACT_NBYTES, "%" PRIu64, rhm_grammar_seed(grammar));
}

/* Shape and contents. */
static void hash_data(const rhm_data *data, char text[RHM_SHA256_TEXT_NBYTES]) {
    const size_t tokens = data->count * data->tree.leaves[0];
    const uint64_t shape[] = {data->count, data->tree.levels, data->tree.branching[data->tree.levels],
                              data->token_vocab, data->label_vocab};
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, sizeof shape, (const uint8_t *)shape);
    sha256_update(&hash, sizeof *data->tokens * tokens, (const uint8_t *)data->tokens);
    sha256_update(&hash, sizeof *data->labels * data->count, (const uint8_t *)data->labels);
    rhm_sha256_text(&hash, text);
}

void rhm_fingerprint_make(rhm_fingerprint *out, const rhm_engine *engine, const rhm_problem *problem,
                          rhm_fingerprint_versions versions, const rhm_train_options *options) {
    const rhm_tree *tree = rhm_problem_tree(problem);
    char rules[RHM_SHA256_TEXT_NBYTES] = "none", data[RHM_SHA256_TEXT_NBYTES] = "none";
    out->count = 0;
    rhm_text_append(add(out, "version"), RHM_FACT_NBYTES, "%s", rhm_version());
    rhm_text_append(add(out, "stream-version"), RHM_FACT_NBYTES, "%d", RHM_STREAM_VERSION);
    rhm_text_append(add(out, "order-of-sums"), RHM_FACT_NBYTES, "%d", versions.sums);
    rhm_text_append(add(out, "tuning"), RHM_FACT_NBYTES, "%d", versions.tuning);
    rhm_text_append(add(out, "levels"), RHM_FACT_NBYTES, "%" PRIu32, tree->levels);
    add_words(out, "branching", tree->branching, 1, tree->levels);
    rhm_text_append(add(out, "labels"), RHM_FACT_NBYTES, "%" PRIu32, rhm_problem_classes(problem));
    rhm_text_append(add(out, "tokens"), RHM_FACT_NBYTES, "%" PRIu32, rhm_problem_token_vocab(problem));
    if (problem->grammar)
        add_grammar(out, problem->grammar);
    add_words(out, "parents", problem->parents, 1, tree->levels);
    for (size_t i = 0; i < rhm_train_option_count; i++)
        if (!rhm_train_option_table[i].without_effect)
            add_option(out, &rhm_train_option_table[i], options, tree->levels);
    rhm_text_append(add(out, "backend"), RHM_FACT_NBYTES, "%s", rhm_engine_describe(engine).backend);
    /* Last, because what is above says more where it differs too. */
    if (problem->grammar)
        hash_rules(problem->grammar, rules);
    rhm_text_append(add(out, "grammar (SHA-256)"), RHM_FACT_NBYTES, "%s", rules);
    if (problem->data)
        hash_data(problem->data, data);
    rhm_text_append(add(out, "data (SHA-256)"), RHM_FACT_NBYTES, "%s", data);
}

rhm_status rhm_fingerprint_write(rhm_h5 *file, const char *group, const rhm_fingerprint *fingerprint,
                                 rhm_error *error) {
    RHM_TRY(rhm_h5_write_group(file, group, error));
    for (size_t i = 0; i < fingerprint->count; i++)
        RHM_TRY(rhm_h5_write_text_attribute(file, group, fingerprint->fact[i].name, fingerprint->fact[i].value, error));
    return RHM_OK;
}

rhm_status rhm_fingerprint_check(const rhm_h5 *file, const char *group, const rhm_fingerprint *fingerprint,
                                 rhm_error *error) {
    char words[RHM_ERROR_TEXT_NBYTES] = "";
    size_t different = 0;
    for (size_t i = 0; i < fingerprint->count; i++) {
        char there[RHM_FACT_NBYTES] = "unknown";
        const char *name = fingerprint->fact[i].name, *here = fingerprint->fact[i].value;
        if (rhm_h5_has_attribute(file, group, name))
            RHM_TRY(rhm_h5_read_text_attribute(file, group, name, there, sizeof there, error));
        if (strcmp(there, here) == 0)
            continue;
        const size_t used = strlen(words);
        if (different++ < SHOWN)
            snprintf(words + used, sizeof words - used, "%s%s is %.*s there and %.*s here", used ? ", " : "", name,
                     SHOWN_NBYTES, there, SHOWN_NBYTES, here);
    }
    if (different > SHOWN) {
        const size_t used = strlen(words);
        snprintf(words + used, sizeof words - used, ", and %zu more differ", different - SHOWN);
    }
    return different ? rhm_h5_refuse(file, "this checkpoint", error, "is of another training: %s", words) : RHM_OK;
}
