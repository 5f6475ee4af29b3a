/* Grammars and samplers that must exist. */
#ifndef RHM_TESTS_SAMPLERS_H
#define RHM_TESTS_SAMPLERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/philox.h"
#include "derivations.h"
#include "rhm/sampling.h"

static inline rhm_grammar *must_draw(rhm_shape shape, uint64_t seed) {
    rhm_grammar *grammar;
    rhm_error error = {0};
    if (rhm_grammar_draw(&grammar, &shape, RHM_FIRST_TOKEN_UNIFORM, seed, &error) != RHM_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, error.text);
    return grammar;
}

static inline rhm_sampler *must_sample(const rhm_grammar *grammar, uint64_t seed) {
    rhm_sampler *sampler;
    assert_int_equal(rhm_sampler_create(&sampler, grammar, seed, NULL), RHM_OK);
    return sampler;
}

#endif
