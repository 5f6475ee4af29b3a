/*
 * Draw a grammar, look at some of its sequences, train on its samples, and keep the model.
 *
 *     sample_and_train [MODEL.h5]
 */
#include <rhm/rhm.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEQUENCES = 4 };

/* A few sequences with their labels. */
static rhm_status show_sequences(const rhm_grammar *grammar, rhm_error *error) {
    rhm_sampler *sampler = NULL;
    const size_t tokens = rhm_grammar_tree(grammar)->leaves[0];
    uint16_t *sequence = malloc(SEQUENCES * tokens * sizeof *sequence), label[SEQUENCES];
    rhm_status status = sequence ? rhm_sampler_create(&sampler, grammar, 1, error) : RHM_NO_MEMORY;
    if (status == RHM_OK) {
        rhm_sample_sequences(sampler, rhm_stream(RHM_EXPORT, 0), 0, SEQUENCES, sequence, label, NULL);
        for (size_t i = 0; i < SEQUENCES; i++) {
            printf("label %u:", label[i]);
            for (size_t k = 0; k < tokens; k++)
                printf(" %u", sequence[i * tokens + k]);
            putchar('\n');
        }
    }
    rhm_sampler_destroy(sampler); /* every destructor accepts NULL */
    free(sequence);
    return status;
}

static rhm_status run(const char *model_path, rhm_error *error) {
    const rhm_shape shape = rhm_shape_uniform(8, 4, 2, 3); /* V, m, s, L */
    rhm_grammar *grammar = NULL;
    rhm_engine *engine = NULL;
    rhm_model *model = NULL;
    rhm_train_report report = {0};
    const rhm_train_options options = {.learner = "table", .test_samples = 2000, .seed = 1};
    rhm_status status = rhm_grammar_draw(&grammar, &shape, RHM_FIRST_TOKEN_UNIFORM, 1, error);
    if (status == RHM_OK)
        status = show_sequences(grammar, error);
    if (status == RHM_OK)
        status = rhm_engine_create(&engine, NULL, error); /* NULL: a thread for each allowed core */
    if (status == RHM_OK)
        status = rhm_train(&model, &report, engine, grammar, &options, error);
    if (status == RHM_OK) {
        printf("accuracy %.4f on %llu sequences that training has not seen\n", report.test_accuracy,
               (unsigned long long)report.test_samples);
        status = model_path ? rhm_model_save(model, model_path, error) : RHM_OK;
    }
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
    return status;
}

int main(int count, char **arguments) {
    rhm_error error = {0};
    if (run(count > 1 ? arguments[1] : NULL, &error) == RHM_OK)
        return EXIT_SUCCESS;
    fprintf(stderr, "%s: %s\n", arguments[0], error.text);
    return EXIT_FAILURE;
}
