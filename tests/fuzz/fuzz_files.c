/*
 * Files that hold anything that libhdf5 can write. Whatever the objects are, each reader answers with data that keep
 * their own promises, or with a sentence; no memory and no object of libhdf5 is left behind. The child process in which
 * files of others are tried first is spared: what it would hide is looked for here.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/settings.h"
#include "core/h5file.h"
#include "file_input.h"
#include "made_array.h"
#include "rhm/rhm.h"
#include "target.h"

enum { MOST_RULES = 5000, MOST_TOKENS = 4096, MOST_WEIGHTS_NBYTES = 1 << 20 };

static rhm_engine *engine;

static void stop(void) {
    rhm_engine_destroy(engine);
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count, (void)arguments;
    rhm_error error = {0};
    fuzz_enter_directory();
    templates_make();
    const file_image source = template_image(TEMPLATE_DATA, FORM_PLAIN);
    fuzz_write_file(MADE_SOURCE, source.bytes, source.nbytes);
    if (rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1, .placement = "none"}, &error) != RHM_OK)
        fuzz_fail("no engine: %s", error.text);
    atexit(stop);
    return 0;
}

/* What was accepted can be analysed, sampled, and written and read again. */
static void use_grammar(const rhm_grammar *grammar) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_error error = {0};
    const size_t length = rhm_grammar_tree(grammar)->leaves[0];
    size_t rules = 0;
    for (uint32_t level = 1; level <= shape->levels; level++)
        rules += (size_t)shape->vocab[level - 1] * shape->rules[level];
    if (rules > MOST_RULES || length > MOST_TOKENS)
        return;
    rhm_analysis analysis = {0};
    rhm_status status = rhm_analyse(&analysis, grammar, &error);
    fuzz_check_status(status, &error);
    rhm_analysis_clear(&analysis);
    rhm_sampler *sampler = NULL;
    error = (rhm_error){0};
    status = rhm_sampler_create(&sampler, grammar, 1, &error);
    fuzz_check_status(status, &error);
    if (status == RHM_OK) {
        static uint16_t tokens[2 * MOST_TOKENS], labels[2];
        rhm_sample_sequences(sampler, rhm_stream(RHM_TEST, 0), 0, 2, tokens, labels, NULL);
        FUZZ_CHECK(labels[0] < shape->vocab[0] && labels[1] < shape->vocab[0]);
        for (size_t i = 0; i < 2 * length; i++)
            FUZZ_CHECK(tokens[i] < shape->vocab[shape->levels]);
    }
    rhm_sampler_destroy(sampler);
    rhm_grammar *again = NULL;
    if (rhm_grammar_save(grammar, "again.h5", &error) != RHM_OK ||
        rhm_grammar_load(&again, "again.h5", &error) != RHM_OK)
        fuzz_fail("what was read cannot be written and read again: %s", error.text);
    FUZZ_CHECK(memcmp(shape, rhm_grammar_shape(again), sizeof *shape) == 0);
    rhm_grammar_destroy(again);
}

static void read_grammar(const char *path) {
    rhm_grammar *grammar = NULL;
    rhm_error error = {0};
    const rhm_status status = rhm_grammar_load(&grammar, path, &error);
    fuzz_check_status(status, &error);
    FUZZ_CHECK((status == RHM_OK) == (grammar != NULL));
    if (grammar)
        use_grammar(grammar);
    rhm_grammar_destroy(grammar);
}

static void read_data(const char *path, const uint8_t b[4]) {
    const rhm_data_hints hints = {.token_vocab = b[0],
                                  .label_vocab = b[1],
                                  .branching = {b[2] % 18, b[2] / 18, b[3] / 34},
                                  .levels = b[3] % 34,
                                  .allow_missing_labels = b[0] & 1};
    rhm_data data = {0};
    rhm_error error = {0};
    const rhm_status status = rhm_data_load(&data, path, &hints, &error);
    fuzz_check_status(status, &error);
    if (status != RHM_OK)
        return;
    FUZZ_CHECK(data.count > 0 && data.token_vocab > 0 && (data.labels || hints.allow_missing_labels));
    for (size_t i = 0; i < data.count * data.tree.leaves[0]; i++)
        FUZZ_CHECK(data.tokens[i] < data.token_vocab);
    for (size_t i = 0; data.labels && i < data.count; i++)
        FUZZ_CHECK(data.labels[i] < data.label_vocab);
    if (data.grammar)
        FUZZ_CHECK(rhm_tree_same(rhm_grammar_tree(data.grammar), &data.tree));
    rhm_data_clear(&data);
}

static void use_model(const rhm_model *model) {
    static uint16_t tokens[MOST_TOKENS], label;
    static float posteriors[RHM_MAX_VOCAB];
    if (rhm_model_tree(model)->leaves[0] > MOST_TOKENS || rhm_model_nbytes(model) > MOST_WEIGHTS_NBYTES)
        return;
    rhm_error error = {0};
    const rhm_status status = rhm_predict(engine, model, tokens, 1, &label, posteriors, NULL, &error);
    fuzz_check_status(status, &error);
    if (status == RHM_OK)
        FUZZ_CHECK(label < rhm_model_classes(model));
}

static void read_model(const char *path) {
    rhm_model *model = NULL;
    rhm_error error = {0};
    const rhm_status status = rhm_model_load(&model, path, &error);
    fuzz_check_status(status, &error);
    FUZZ_CHECK((status == RHM_OK) == (model != NULL));
    if (model)
        use_model(model);
    rhm_model_destroy(model);
}

static void inspect(char *path, bool json) {
    static char flag[] = "--json";
    char *arguments[] = {path, flag};
    static rhm_settings settings;
    rhm_error error = {0};
    FUZZ_CHECK(rhm_options_parse(&settings, &rhm_command_inspect, json ? 2 : 1, arguments, &error) == RHM_OK);
    const rhm_status status = rhm_command_inspect.run(&settings, &error);
    /* Of an input that cannot be read, the command makes bad input (cli/running.h). */
    fuzz_check_status(status == RHM_INVALID && error.status != RHM_OK ? error.status : status, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes) {
    static char path[] = "made.h5";
    file_input input;
    if (!file_input_read(&input, bytes, nbytes) || !file_input_make(&input, template_name(input.kind), path))
        return 0;
    const long before = file_input_open_objects();
    switch (input.reader % 5) {
    case 0: read_grammar(path); break;
    case 1: read_data(path, input.hints); break;
    case 2: read_model(path); break;
    case 3: inspect(path, false); break;
    case 4: inspect(path, true); break;
    }
    const long after = file_input_open_objects();
    if (after != before)
        fuzz_fail("%ld objects of libhdf5 are left open", after - before);
    return 0;
}
