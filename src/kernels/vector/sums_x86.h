/*
 * The tree in which RHM_LANES partial sums are added (README.md): l with l + 8, then + 4, + 2, + 1. The first two steps
 * are the same instructions at every width; of four classes at a time the last two are shared. Needs WIDTH.
 */
#ifndef RHM_KERNELS_VECTOR_SUMS_X86_H
#define RHM_KERNELS_VECTOR_SUMS_X86_H

#include <immintrin.h>
#include <stddef.h>

/* Of four fours: lanes l + (l + 2), then + (l + 1), in each of them. */
static inline void pairwise_sums(__m128 a, __m128 b, __m128 c, __m128 d, float *to) {
    const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
    const __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
    _mm_storeu_ps(to, _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd)));
}

/* Lanes l, l + 4, l + 8 and l + 12; the last two are in the same register or in the next part. */
static inline __m128 lane_fours(const float *lane, size_t part) {
    const float *high = WIDTH == 16 ? lane + 8 : lane + part;
    const __m256 eight = _mm256_add_ps(_mm256_loadu_ps(lane), _mm256_loadu_ps(high));
    return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
static inline float lane_sum(const float *lane, size_t part) {
    const __m128 four = lane_fours(lane, part), two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline void lane_sums_of_4(const float *lane, size_t part, float *to) {
    pairwise_sums(lane_fours(lane, part), lane_fours(lane + WIDTH, part), lane_fours(lane + 2 * WIDTH, part),
                  lane_fours(lane + 3 * WIDTH, part), to);
}

#endif
