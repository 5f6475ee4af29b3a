#include <string.h>

#include "burn/work.h"
#include "core/memory.h"
#include "core/philox.h"
#include "engine/trace.h"

/* All of it stays in a second-level cache. */
enum {
    TOKENS = 2,
    EMBEDDING = 16,
    CLASSES = 20, /* a panel and some that are left */
    WIDTH = 256,
    PATCHES = RHM_ROTATED_PATCHES,
    ROWS = 64,
    RUN = 12, /* patches that have the first token in common */
    STRIDE = 2 * WIDTH + 5 * RHM_LANES,
    BLOCKS = 8,
    GRAM_CLASSES = 3 * RHM_GRAM_CLASSES,
    RANDOM_STREAM = 1 << 18,
};

struct rhm_burn_kernels {
    rhm_kernels table;
    _Alignas(RHM_ALIGNMENT) float half_turns[WIDTH * TOKENS * EMBEDDING];
    float offset[WIDTH], phasors[TOKENS * ROWS * STRIDE], embeddings[ROWS * EMBEDDING];
    float weights[CLASSES * STRIDE], packed[CLASSES * 2 * WIDTH], inputs[PATCHES * STRIDE], factors[PATCHES * CLASSES];
    float panels[(BLOCKS + 1) * PATCHES * RHM_LANES];
    double gram[BLOCKS * RHM_GRAM_BLOCK], operand[BLOCKS * RHM_LANES * GRAM_CLASSES];
    uint32_t ids[PATCHES * TOKENS];

    /* Results. */
    _Alignas(RHM_ALIGNMENT) float x[PATCHES * STRIDE];
    float y[PATCHES * CLASSES];
    double g[CLASSES * STRIDE], c[BLOCKS * RHM_GRAM_BLOCK], product[RHM_LANES * GRAM_CLASSES];
};

static const struct {
    const char *name;
    double flops;
} about[RHM_BURN_OPERATIONS] = {
    [RHM_BURN_FEATURES] = {"features", 2.0 * PATCHES *WIDTH *TOKENS *EMBEDDING},
    [RHM_BURN_PHASORS] = {"features from phasors", 6.0 * PATCHES *WIDTH},
    [RHM_BURN_PRODUCT] = {"product", 4.0 * PATCHES *WIDTH *CLASSES},
    [RHM_BURN_FORWARD] = {"forward", 2.0 * PATCHES *WIDTH *(TOKENS *EMBEDDING + 2 * CLASSES)},
    [RHM_BURN_ROTATED_FORWARD] = {"rotated forward", 4.0 * PATCHES *WIDTH *CLASSES},
    [RHM_BURN_GRADIENT] = {"gradient", 4.0 * PATCHES *WIDTH *CLASSES},
    [RHM_BURN_ROTATED_GRADIENT] = {"rotated gradient", 4.0 * PATCHES *WIDTH *CLASSES},
    [RHM_BURN_GRAM] = {"Gram matrix", 2.0 * PATCHES *BLOCKS *RHM_GRAM_BLOCK},
    [RHM_BURN_GRAM_PRODUCT] = {"Gram product", 2.0 * BLOCKS *RHM_GRAM_BLOCK *GRAM_CLASSES},
};

const char *rhm_burn_operation_name(rhm_burn_operation operation) {
    return about[operation].name;
}

double rhm_burn_operation_flops(rhm_burn_operation operation) {
    return about[operation].flops;
}

/* Multiples of 2^-23 in [-1, 1): exact in single precision. */
static double draw(rhm_random *random) {
    return ((int32_t)rhm_random_word(random) >> 8) * 0x1p-23;
}

static void draw_floats(rhm_random *random, float *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = (float)draw(random);
}

static void draw_doubles(rhm_random *random, double *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = draw(random);
}

#define DRAW(k, member, random)                                                                                        \
    _Generic(*(k)->member, float                                                                                       \
             : draw_floats, double                                                                                     \
             : draw_doubles)(random, (k)->member, sizeof(k)->member / sizeof *(k)->member)

rhm_status rhm_burn_kernels_create(rhm_burn_kernels **out, const rhm_kernels *table, rhm_error *error) {
    rhm_burn_kernels *k = RHM_NEW(rhm_burn_kernels, 1, 1, 1, "operands of the kernels", error);
    *out = k;
    if (!k)
        return RHM_NO_MEMORY;
    rhm_random random = {.seed = 1, .stream = RANDOM_STREAM};
    k->table = *table;
    DRAW(k, half_turns, &random);
    DRAW(k, offset, &random);
    DRAW(k, phasors, &random);
    DRAW(k, embeddings, &random);
    DRAW(k, weights, &random);
    DRAW(k, inputs, &random);
    DRAW(k, factors, &random);
    DRAW(k, panels, &random);
    DRAW(k, gram, &random);
    DRAW(k, operand, &random);
    for (uint32_t i = 0; i < PATCHES; i++) {
        k->ids[TOKENS * i] = i / RUN;
        k->ids[TOKENS * i + 1] = rhm_random_below(&random, ROWS);
    }
    return RHM_OK;
}

void rhm_burn_kernels_destroy(rhm_burn_kernels *kernels) {
    rhm_free(kernels);
}

/* Of 64-bit words, in four interleaved sums so that it costs little: any wrong bit makes another digest. */
static uint64_t digest(const void *data, size_t nbytes) {
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t sum[4] = {1, 2, 3, 4}, all = 0;
    for (size_t i = 0; i + sizeof sum <= nbytes; i += sizeof sum) {
        uint64_t word[4];
        memcpy(word, (const char *)data + i, sizeof word);
        for (size_t j = 0; j < 4; j++)
            sum[j] = (sum[j] ^ word[j]) * odd;
    }
    for (size_t j = 0; j < 4; j++)
        all = ((all ^ (sum[j] >> 32) ^ sum[j]) * odd) ^ (all >> 29);
    return all;
}

static void run(rhm_burn_kernels *k, rhm_burn_operation operation) {
    const rhm_kernels *t = &k->table;
    const rhm_patch_rows patches = {k->embeddings, k->ids, PATCHES};
    const rhm_phase_map plain = {
        .tokens = TOKENS, .embedding = EMBEDDING, .padded = WIDTH, .half_turns = k->half_turns, .offset = k->offset};
    rhm_phase_map shared = plain;
    shared.phasors = k->phasors;
    shared.phasor_rows = ROWS;
    switch (operation) {
    case RHM_BURN_FEATURES: t->features(&plain, &patches, k->x); break;
    case RHM_BURN_PHASORS: t->features(&shared, &patches, k->x); break;
    case RHM_BURN_PRODUCT: t->product(CLASSES, WIDTH, k->packed, PATCHES, k->inputs, k->y); break;
    case RHM_BURN_FORWARD: t->forward(&plain, CLASSES, k->packed, &patches, k->y); break;
    case RHM_BURN_ROTATED_FORWARD: t->rotated_forward(&shared, CLASSES, k->packed, &patches, k->y); break;
    case RHM_BURN_GRADIENT: t->gradient(CLASSES, WIDTH, PATCHES, k->factors, k->inputs, k->g); break;
    case RHM_BURN_ROTATED_GRADIENT: t->rotated_gradient(&shared, CLASSES, &patches, k->factors, k->g); break;
    case RHM_BURN_GRAM:
        t->gram(BLOCKS, PATCHES, k->panels, k->panels + PATCHES * RHM_LANES, PATCHES * RHM_LANES, k->c);
        break;
    case RHM_BURN_GRAM_PRODUCT:
        t->gram_product(GRAM_CLASSES, BLOCKS, k->gram, RHM_GRAM_BLOCK, true, k->operand, k->product);
        break;
    case RHM_BURN_OPERATIONS: break;
    }
}

uint64_t rhm_burn_kernels_run(rhm_burn_kernels *k, rhm_burn_operation operation, double *seconds) {
    const struct {
        void *data;
        size_t nbytes;
    } result[RHM_BURN_OPERATIONS] = {
        [RHM_BURN_FEATURES] = {k->x, sizeof k->x},
        [RHM_BURN_PHASORS] = {k->x, sizeof k->x},
        [RHM_BURN_PRODUCT] = {k->y, sizeof k->y},
        [RHM_BURN_FORWARD] = {k->y, sizeof k->y},
        [RHM_BURN_ROTATED_FORWARD] = {k->y, sizeof k->y},
        [RHM_BURN_GRADIENT] = {k->g, sizeof k->g},
        [RHM_BURN_ROTATED_GRADIENT] = {k->g, sizeof k->g},
        [RHM_BURN_GRAM] = {k->c, sizeof k->c},
        [RHM_BURN_GRAM_PRODUCT] = {k->product, sizeof k->product},
    };
    memset(result[operation].data, 0, result[operation].nbytes);
    k->table.pack(CLASSES, WIDTH, k->weights, k->packed);
    const int64_t begin = rhm_trace_now();
    run(k, operation);
    *seconds += 1e-9 * (double)(rhm_trace_now() - begin);
    return digest(result[operation].data, result[operation].nbytes);
}
