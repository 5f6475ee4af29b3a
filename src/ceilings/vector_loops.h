/*
 * The loops in vector registers of any width. Before this file: TARGET, the function attribute of the instruction set;
 * LANES, floats of a register; types F32, F64, BITS; and SET, LOAD, STORE, FMA, each for F32 and F64, STREAM_F32,
 * LOAD_BITS, STORE_BITS, ZERO_BITS and XOR_BITS. LOOPS is the table.
 */
TARGET static void fma_f32(float *values, float x, float y, uint64_t steps) {
    F32 v[CEILINGS_CHAINS];
    const F32 vx = SET_F32(x), vy = SET_F32(y);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        v[chain] = LOAD_F32(values + LANES * chain);
    for (uint64_t step = 0; step < steps; step++)
#pragma GCC unroll 12
        for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
            v[chain] = FMA_F32(v[chain], vx, vy);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        STORE_F32(values + LANES * chain, v[chain]);
}

TARGET static void fma_f64(double *values, double x, double y, uint64_t steps) {
    F64 v[CEILINGS_CHAINS];
    const F64 vx = SET_F64(x), vy = SET_F64(y);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        v[chain] = LOAD_F64(values + LANES / 2 * chain);
    for (uint64_t step = 0; step < steps; step++)
#pragma GCC unroll 12
        for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
            v[chain] = FMA_F64(v[chain], vx, vy);
#pragma GCC unroll 12
    for (size_t chain = 0; chain < CEILINGS_CHAINS; chain++)
        STORE_F64(values + LANES / 2 * chain, v[chain]);
}

TARGET static uint64_t load(const void *data, size_t nbytes) {
    const char *bytes = data;
    BITS sum[8];
#pragma GCC unroll 8
    for (size_t k = 0; k < 8; k++)
        sum[k] = ZERO_BITS();
    for (size_t i = 0; i < nbytes; i += 8 * sizeof *sum)
#pragma GCC unroll 8
        for (size_t k = 0; k < 8; k++)
            sum[k] = XOR_BITS(sum[k], LOAD_BITS((const void *)(bytes + i + k * sizeof *sum)));
    uint64_t words[8 * sizeof *sum / sizeof(uint64_t)], all = 0;
    for (size_t k = 0; k < 8; k++)
        STORE_BITS((void *)(words + k * sizeof *sum / sizeof *words), sum[k]);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        all ^= words[i];
    return all;
}

TARGET static void triad(float *a, const float *b, const float *c, float x, size_t nbytes) {
    const F32 vx = SET_F32(x);
    for (size_t i = 0; i < nbytes / sizeof *a; i += 4 * LANES)
#pragma GCC unroll 4
        for (size_t k = i; k < i + 4 * LANES; k += LANES)
            STORE_F32(a + k, FMA_F32(vx, LOAD_F32(c + k), LOAD_F32(b + k)));
}

TARGET static void write_all(float *a, float x, size_t nbytes) {
    const F32 vx = SET_F32(x);
    for (size_t i = 0; i < nbytes / sizeof *a; i += 4 * LANES)
#pragma GCC unroll 4
        for (size_t k = i; k < i + 4 * LANES; k += LANES)
            STORE_F32(a + k, vx);
}

TARGET static void write_past(float *a, float x, size_t nbytes) {
    const F32 vx = SET_F32(x);
    for (size_t i = 0; i < nbytes / sizeof *a; i += 4 * LANES)
#pragma GCC unroll 4
        for (size_t k = i; k < i + 4 * LANES; k += LANES)
            STREAM_F32(a + k, vx);
    _mm_sfence();
}

const rhm_ceilings_kernels LOOPS = {.lanes_f32 = LANES,
                                    .lanes_f64 = LANES / 2,
                                    .fma_f32 = fma_f32,
                                    .fma_f64 = fma_f64,
                                    .load = load,
                                    .triad = triad,
                                    .write = write_all,
                                    .write_past = write_past};
