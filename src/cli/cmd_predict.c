#include <inttypes.h>
#include <stddef.h>

#include "cli/files.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/fail.h"
#include "core/h5file.h"
#include "core/memory.h"
#include "rhm/data.h"
#include "rhm/inference.h"

/* Sequences predicted and written at a time: posteriors of so many numbers, but not fewer than LEAST sequences. */
enum { BLOCK_NUMBERS = 1 << 24, LEAST = 1 << 14 };

static const char labels_object[] = "/prediction/labels", posteriors_object[] = "/prediction/posteriors";

static const rhm_option own[] = {
    RHM_OPTION_OUTPUT("must be given", "HDF5 file for the predicted labels and the posteriors."), {0}};
static const rhm_option_group own_options = {"Prediction", own};

typedef struct prediction {
    rhm_model *model;
    rhm_data data;
    rhm_engine *engine;
    rhm_progress_bar bar;
    rhm_h5 *file; /* of the process that writes */
    rhm_h5_shape labels_shape, posteriors_shape;
    uint16_t *labels;  /* of a block */
    float *posteriors; /* of a block, |V_0| each */
    uint64_t correct, clamped;
} prediction;

static rhm_status open_inputs(prediction *p, const rhm_settings *settings, rhm_error *error) {
    RHM_TRY(rhm_running_input(rhm_model_load(&p->model, settings->operands[0], error)));
    rhm_listener listener = {settings->command->name};
    rhm_running_notes(&listener, rhm_model_notes(p->model));
    rhm_data_hints hints = rhm_model_data_hints(p->model);
    hints.note = rhm_running_note;
    hints.user = &listener;
    hints.allow_missing_labels = 1;
    return rhm_running_input(rhm_data_load(&p->data, settings->operands[1], &hints, error));
}

static rhm_status open_output(prediction *p, const rhm_settings *settings, rhm_error *error) {
    p->labels_shape = rhm_h5_shape1(p->data.count);
    p->posteriors_shape = rhm_h5_shape2(p->data.count, rhm_model_classes(p->model));
    char hash[RHM_HASH_TEXT_NBYTES];
    rhm_model_hash(p->model, hash);
    RHM_TRY(rhm_h5_create(&p->file, settings->output, "prediction", error));
    RHM_TRY(rhm_h5_write_group(p->file, "/prediction", error));
    RHM_TRY(rhm_h5_write_text_attribute(p->file, "/prediction", "model_hash", hash, error));
    RHM_TRY(rhm_h5_reserve(p->file, labels_object, RHM_H5_U16, &p->labels_shape, error));
    return rhm_h5_reserve(p->file, posteriors_object, RHM_H5_F32, &p->posteriors_shape, error);
}

static rhm_status predict_all(prediction *p, rhm_error *error) {
    const uint32_t classes = rhm_model_classes(p->model);
    const size_t tokens = p->data.tree.leaves[0];
    const size_t block = BLOCK_NUMBERS / classes > LEAST ? BLOCK_NUMBERS / classes : LEAST;
    const size_t most = p->data.count < block ? p->data.count : block;
    p->labels = RHM_NEW(uint16_t, most, 1, 1, "predicted labels", error);
    p->posteriors = RHM_NEW(float, most, classes, 1, "posteriors", error);
    if (!p->labels || !p->posteriors)
        return RHM_NO_MEMORY;
    for (size_t first = 0; first < p->data.count; first += block) {
        const size_t count = p->data.count - first < block ? p->data.count - first : block;
        uint64_t clamped = 0;
        RHM_TRY(rhm_predict(p->engine, p->model, p->data.tokens + first * tokens, count, p->labels, p->posteriors,
                            &clamped, error));
        p->clamped += clamped;
        for (size_t i = 0; p->data.labels && i < count; i++)
            p->correct += p->labels[i] == p->data.labels[first + i];
        if (!p->file)
            continue;
        RHM_TRY(
            rhm_h5_write_rows(p->file, labels_object, RHM_H5_U16, &p->labels_shape, first, count, p->labels, error));
        RHM_TRY(rhm_h5_write_rows(p->file, posteriors_object, RHM_H5_F32, &p->posteriors_shape, first, count,
                                  p->posteriors, error));
    }
    return RHM_OK;
}

static rhm_status finish(prediction *p, const rhm_settings *settings, rhm_error *error) {
    if (p->data.labels) {
        const double accuracy = (double)p->correct / (double)p->data.count;
        RHM_TRY(rhm_h5_write_attribute(p->file, "/prediction", "accuracy", RHM_H5_F64, 0, &accuracy, error));
    }
    RHM_TRY(rhm_h5_commit(&p->file, error));
    FILE *words = rhm_files_words(settings);
    fprintf(words, "%zu sequences predicted, written to %s\n", p->data.count, settings->output);
    if (p->data.labels)
        fprintf(words, "accuracy %.4f (%" PRIu64 " right)\n", (double)p->correct / (double)p->data.count, p->correct);
    if (p->clamped)
        fprintf(words, "note: %" PRIu64 " outputs met the floor of the normalisation\n", p->clamped);
    return RHM_OK;
}

static rhm_status work(prediction *p, const rhm_settings *settings, rhm_error *error) {
    if (!settings->output)
        return rhm_fail(error, RHM_INVALID, "-o is missing: usage is rhm predict MODEL DATA -o FILE [options]");
    RHM_TRY(open_inputs(p, settings, error));
    RHM_TRY(rhm_running_engine(&p->engine, &p->bar, settings, error));
    if (rhm_running_writes(settings))
        RHM_TRY(open_output(p, settings, error));
    RHM_TRY(predict_all(p, error));
    rhm_progress_clear(&p->bar);
    return p->file ? finish(p, settings, error) : RHM_OK;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    prediction p = {0};
    const rhm_status status = work(&p, settings, error);
    rhm_progress_clear(&p.bar);
    rhm_h5_close(&p.file);
    rhm_free(p.labels);
    rhm_free(p.posteriors);
    rhm_engine_destroy(p.engine);
    rhm_data_clear(&p.data);
    rhm_model_destroy(p.model);
    return status;
}

const rhm_command rhm_command_predict = {
    .name = "predict",
    .operands = "MODEL DATA ",
    .operand_count = 2,
    .summary = "predicted labels and posteriors of a data set",
    .description =
        "Predict the label of every sequence of a file. The output holds /prediction/labels (N) and "
        "/prediction/posteriors (N x |V_0|, float32: they sum to 1 but may be negative); the accuracy is printed "
        "where the file has labels.",
    .examples = "rhm predict model.h5 data.h5 -o predicted.h5",
    .groups = {&own_options, &rhm_thread_options, &rhm_kernel_options, &rhm_rank_options},
    .on_ranks = true,
    .run = run,
};
