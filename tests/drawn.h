/* Drawn grammars that must exist. */
#ifndef RHM_TESTS_DRAWN_H
#define RHM_TESTS_DRAWN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "derivations.h"
#include "rhm/grammar.h"

static inline rhm_grammar *must_draw(rhm_shape shape, rhm_rule_sampling sampling, uint64_t seed) {
    rhm_grammar *grammar;
    rhm_error error = {0};
    if (rhm_grammar_draw(&grammar, &shape, sampling, seed, &error) != RHM_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, error.text);
    return grammar;
}

#endif
