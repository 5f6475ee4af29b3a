/* An instance of a shapes file: its grammar, and streams of its samples. */
#ifndef RHM_BENCH_INSTANCE_H
#define RHM_BENCH_INSTANCE_H

#include "engine/registry.h"
#include "rhm/grammar.h"
#include "rhm/sampling.h"
#include "sampling/source.h"
#include "shapes.h"

typedef struct instance {
    const shape *source;
    rhm_grammar *grammar;
    rhm_sampler *sampler;
    uint32_t vocab, rules, branching, levels;
} instance;

/* Keys vocab, rules, branching and levels; rules are uniform and the seed is 1. */
rhm_status instance_make(instance *out, const shapes *all, const shape *source, rhm_error *error);
void instance_clear(instance *of); /* accepts a zeroed one */

/* First patches of a level for training, or whole sequences where the level is 0; borrows the instance. */
rhm_grammar_source instance_stream(const instance *of, uint32_t level);

/* The widest instruction set that the CPU has and RHM_ISA allows. */
rhm_isa instance_isa(void);

#endif
