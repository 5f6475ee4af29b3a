#include "ceilings/lane.h"

#include <sys/mman.h>

/* v <- 1 - v returns to itself after two steps, exactly, and keeps the bits moving. */
static void start_values(rhm_ceilings_lane *lane, rhm_ceilings_kind kind) {
    for (size_t i = 0; i < CEILINGS_MAX_VALUES; i++)
        if (kind == CEILINGS_FMA_F32)
            lane->values.f32[i] = (float)(i + 1) / 1024;
        else
            lane->values.f64[i] = (double)(i + 1) / 1024;
}

/*
 * Small integers: sums and products of them are exact, so that fused or not makes no difference. The arrays are set
 * apart by some lines, or loads would wait for stores whose addresses agree in their low 12 bits.
 */
bool rhm_ceilings_lane_fill(rhm_ceilings_lane *lane, const rhm_ceilings_job *job) {
    enum { STAGGER_NBYTES = 17 * RHM_ALIGNMENT };
    start_values(lane, job->kind);
    if (job->arrays == 0)
        return true;
    const uint64_t array_nbytes = job->segments * job->segment_nbytes;
    lane->memory_nbytes = job->arrays * (array_nbytes + STAGGER_NBYTES);
    void *memory = mmap(NULL, lane->memory_nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    madvise(memory, lane->memory_nbytes, MADV_HUGEPAGE); /* a wish: small pages add table walks to DRAM's time */
    lane->memory = memory;
    for (unsigned k = 0; k < job->arrays; k++) {
        lane->array[k] = (char *)memory + k * (array_nbytes + STAGGER_NBYTES);
        float *numbers = (float *)(void *)lane->array[k];
        for (uint64_t i = 0; i < array_nbytes / sizeof *numbers; i++)
            numbers[i] = (float)((i * (k + 5)) % 1021);
    }
    for (unsigned s = 0; s < job->segments; s++)
        lane->expected[s] =
            rhm_ceilings_kernels_scalar.load(lane->array[0] + s * job->segment_nbytes, job->segment_nbytes);
    return true;
}

void rhm_ceilings_lane_release(rhm_ceilings_lane *lane) {
    if (lane->memory)
        munmap(lane->memory, lane->memory_nbytes);
    lane->memory = NULL;
}

/* The cursor's segment of array `k`; the cursor stays. */
static float *segment(const rhm_ceilings_lane *lane, const rhm_ceilings_job *job, unsigned k) {
    return (float *)(void *)(lane->array[k] + lane->cursor * job->segment_nbytes);
}

static void advance(rhm_ceilings_lane *lane, const rhm_ceilings_job *job) {
    lane->cursor = lane->cursor + 1 == job->segments ? 0 : lane->cursor + 1;
}

void rhm_ceilings_lane_run(rhm_ceilings_lane *lane, const rhm_ceilings_job *job, uint64_t rounds) {
    const rhm_ceilings_kernels *k = job->kernels;
    switch (job->kind) {
    case CEILINGS_FMA_F32: k->fma_f32(lane->values.f32, -1, 1, rounds * CEILINGS_STEPS_PER_ROUND); break;
    case CEILINGS_FMA_F64: k->fma_f64(lane->values.f64, -1, 1, rounds * CEILINGS_STEPS_PER_ROUND); break;
    case CEILINGS_READ:
        lane->checksum = lane->wanted = 0;
        for (uint64_t round = 0; round < rounds; round++) {
            lane->checksum ^= k->load(segment(lane, job, 0), job->segment_nbytes);
            lane->wanted ^= lane->expected[lane->cursor];
            advance(lane, job);
        }
        break;
    case CEILINGS_FILL:
    case CEILINGS_FILL_PAST:
        for (uint64_t round = 0; round < rounds; round++) {
            (job->kind == CEILINGS_FILL ? k->write : k->write_past)(segment(lane, job, 0), 3, job->segment_nbytes);
            advance(lane, job);
        }
        break;
    case CEILINGS_UPDATE:
        for (uint64_t round = 0; round < rounds; round++) {
            k->triad(segment(lane, job, 0), segment(lane, job, 1), segment(lane, job, 2), 3, job->segment_nbytes);
            advance(lane, job);
        }
        break;
    }
}

bool rhm_ceilings_lane_verify(const rhm_ceilings_lane *lane, const rhm_ceilings_job *job, uint64_t rounds) {
    if (job->kind == CEILINGS_READ)
        return lane->checksum == lane->wanted;
    const bool fill = job->kind == CEILINGS_FILL || job->kind == CEILINGS_FILL_PAST;
    if ((job->kind != CEILINGS_UPDATE && !fill) || rounds == 0)
        return true;
    rhm_ceilings_lane last = {.array = {lane->array[0], lane->array[1], lane->array[2]},
                              .cursor = (lane->cursor + job->segments - 1) % job->segments};
    const float *a = segment(&last, job, 0), *b = segment(&last, job, fill ? 0 : 1),
                *c = segment(&last, job, fill ? 0 : 2);
    const uint64_t count = job->segment_nbytes / sizeof *a, stride = count / 256 + 1;
    for (uint64_t i = 0; i < count; i += stride)
        if (a[i] != (fill ? 3 : b[i] + 3 * c[i]))
            return false;
    return true;
}
