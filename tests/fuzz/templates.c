#include "templates.h"

#include <stdlib.h>
#include <string.h>

#include "core/h5file.h"
#include "interrupting.h"
#include "made_file.h"
#include "target.h"

enum { PATH_NBYTES = 64 };

static file_image images[TEMPLATES][FORMS];
static char paths[TEMPLATES][PATH_NBYTES];

const char *template_name(template_kind kind) {
    static const char *const names[TEMPLATES] = {"grammar", "data", "model", "prediction", "checkpoint", "samples", ""};
    return names[kind];
}

static void ok(rhm_status status, const rhm_error *error) {
    if (status != RHM_OK)
        fuzz_fail("cannot make the files to start from: %s", error->text);
}

static void take(template_kind kind, const char *path) {
    file_image *form = images[kind];
    form[FORM_OURS].bytes = fuzz_read_file(path, &form[FORM_OURS].nbytes);
    for (template_form f = FORM_PLAIN; f < FORMS; f++)
        form[f].bytes =
            copy_without_header(form[FORM_OURS].bytes, form[FORM_OURS].nbytes, f == FORM_LATEST, &form[f].nbytes);
    unlink(path);
}

static void make_data(const rhm_grammar *grammar) {
    enum { ROWS = 8 };
    uint16_t tokens[ROWS * TOKENS], labels[ROWS], first[ROWS * 2], second[ROWS * 4];
    uint16_t *const latents[3] = {NULL, first, second};
    rhm_sampler *sampler;
    rhm_data_writer *writer = NULL;
    rhm_error error = {0};
    ok(rhm_sampler_create(&sampler, grammar, 1, &error), &error);
    rhm_sample_sequences(sampler, rhm_stream(RHM_EXPORT, 0), 0, ROWS, tokens, labels, latents);
    ok(rhm_data_writer_open(&writer, "whole.h5", grammar, 1, ROWS, 1, &error), &error);
    ok(rhm_data_writer_append(writer, ROWS, tokens, labels, latents, &error), &error);
    ok(rhm_data_writer_commit(&writer, &error), &error);
    rhm_sampler_destroy(sampler);
    take(TEMPLATE_DATA, "whole.h5");
}

static void make_prediction(void) {
    static const float posteriors[4 * 3] = {1, 0, 0, 0.5f, 0.5f, 0, 0, 0, 1, 0.25f, 0.25f, 0.5f};
    static const uint16_t labels[4] = {0, 0, 2, 2};
    static const double accuracy = 0.75;
    const rhm_h5_shape shape = rhm_h5_shape2(4, 3), rows = rhm_h5_shape1(4);
    rhm_h5 *file;
    rhm_error error = {0};
    char hash[RHM_HASH_TEXT_NBYTES] = {0};
    memset(hash, 'a', sizeof hash - 1);
    ok(rhm_h5_create(&file, "whole.h5", "prediction", &error), &error);
    ok(rhm_h5_write_group(file, "/prediction", &error), &error);
    ok(rhm_h5_write(file, "/prediction/posteriors", RHM_H5_F32, &shape, posteriors, &error), &error);
    ok(rhm_h5_write(file, "/prediction/labels", RHM_H5_U16, &rows, labels, &error), &error);
    ok(rhm_h5_write_attribute(file, "/prediction", "accuracy", RHM_H5_F64, 0, &accuracy, &error), &error);
    ok(rhm_h5_write_text_attribute(file, "/prediction", "model_hash", hash, &error), &error);
    ok(rhm_h5_commit(&file, &error), &error);
    take(TEMPLATE_PREDICTION, "whole.h5");
}

rhm_status template_train(const rhm_engine *engine, train_how how, rhm_error *error) {
    const rhm_train_options options = {
        .seed = 5,
        .samples = {0, 60, 60},
        .bandwidth = {0, 0.4, 0.35},
        .ridge = {0, 3e-2, 3e-2},
        .width = 8,
        .draw = RHM_DRAW_SAMPLES,
        .tolerance = 1e-6,
        .test_samples = 20,
        .checkpoint = {.directory = "kept", .seconds = how == TRAIN_RESUME ? 1e9 : 1e-9, .resume = how == TRAIN_RESUME},
    };
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(3, 2, 2, 2), 1);
    rhm_model *model = NULL;
    const rhm_status status = rhm_train(&model, NULL, engine, grammar, &options, error);
    FUZZ_CHECK((status == RHM_OK) == (model != NULL));
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    return status;
}

const char *template_path(template_kind kind) {
    return paths[kind];
}

static void take_newest(template_kind kind) {
    enum { MOST_FILES = 100 };
    for (int number = 0; number < MOST_FILES; number++) {
        char path[PATH_NBYTES];
        snprintf(path, sizeof path, "kept/%s-%d.h5", template_name(kind), number);
        if (access(path, R_OK) == 0)
            memcpy(paths[kind], path, sizeof path);
    }
    if (!paths[kind][0])
        fuzz_fail("the interrupted training has left no %s file", template_name(kind));
    take(kind, paths[kind]);
}

void template_remove_checkpoints(void) {
    DIR *entries = opendir("kept");
    FUZZ_CHECK(entries);
    for (const struct dirent *entry; (entry = readdir(entries));)
        unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
}

/* Of a training that was interrupted in a fit of its last stage. */
static void make_checkpoint(void) {
    interrupting run = {.left = 9};
    const rhm_engine_options options = {
        .threads = 1, .placement = "none", .interrupt = &run.flag, .progress = on_progress, .user = &run};
    rhm_engine *engine;
    rhm_error error = {0};
    ok(rhm_engine_create(&engine, &options, &error), &error);
    if (template_train(engine, TRAIN_ANEW, &error) != RHM_INTERRUPTED)
        fuzz_fail("the training came to its end before it was interrupted: %ld signs of progress were left", run.left);
    take_newest(TEMPLATE_CHECKPOINT);
    take_newest(TEMPLATE_SAMPLES);
    nftw("kept", remove_one, 16, FTW_DEPTH | FTW_PHYS);
    rhm_engine_destroy(engine);
}

void templates_make(void) {
    rhm_error error = {0};
    rhm_grammar *grammar = small_grammar();
    rhm_model *model = small_model(grammar);
    rhm_h5 *file;
    ok(rhm_model_set_report(model, "{\"test\": {\"accuracy\": 0.5, \"samples\": 8}}", &error), &error);
    ok(rhm_grammar_save(grammar, "whole.h5", &error), &error);
    take(TEMPLATE_GRAMMAR, "whole.h5");
    ok(rhm_model_save(model, "whole.h5", &error), &error);
    take(TEMPLATE_MODEL, "whole.h5");
    make_data(grammar);
    make_prediction();
    make_checkpoint();
    ok(rhm_h5_create(&file, "whole.h5", "grammar", &error), &error);
    ok(rhm_h5_commit(&file, &error), &error);
    take(TEMPLATE_EMPTY, "whole.h5");
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    atexit(templates_clear);
}

void templates_clear(void) {
    for (int kind = 0; kind < TEMPLATES; kind++)
        for (int form = 0; form < FORMS; form++) {
            free(images[kind][form].bytes);
            images[kind][form] = (file_image){0};
        }
}

file_image template_image(template_kind kind, template_form form) {
    return images[kind][form];
}
