#include <string.h>

#include "burn/work.h"
#include "rhm/learner.h"

/* Large enough that every part of a training has some work, small enough that it takes 30 ms without vectors. */
enum { VOCAB = 6, RULES = 3, BRANCHING = 2, LEVELS = 2, SAMPLES = 20000, TEST_SAMPLES = 1000, WIDTH = 256, SEED = 1 };

rhm_status rhm_burn_grammar(rhm_grammar **out, rhm_error *error) {
    const rhm_shape shape = rhm_shape_uniform(VOCAB, RULES, BRANCHING, LEVELS);
    return rhm_grammar_draw(out, &shape, RHM_FIRST_TOKEN_UNIFORM, SEED, error);
}

/* Nothing is left to a search, whose rules change from release to release. */
rhm_status rhm_burn_train(bool *right, const rhm_engine *engine, const rhm_grammar *grammar, rhm_error *error) {
    rhm_train_options options = {
        .width = WIDTH, .draw = RHM_DRAW_SAMPLES, .tolerance = 1e-4, .seed = SEED, .test_samples = TEST_SAMPLES};
    for (int level = 1; level <= LEVELS; level++) {
        options.positions[level] = 1;
        options.samples[level] = SAMPLES;
        options.bandwidth[level] = 0.5;
        options.ridge[level] = 1e-5;
    }
    rhm_model *model = NULL;
    char hash[RHM_HASH_TEXT_NBYTES] = "";
    const rhm_status status = rhm_train(&model, NULL, engine, grammar, &options, error);
    if (status == RHM_OK)
        rhm_model_hash(model, hash);
    rhm_model_destroy(model);
    *right = status == RHM_OK && strcmp(hash, rhm_burn_known_hash) == 0;
    return status == RHM_FAILED || status == RHM_INVALID ? RHM_OK : status;
}
