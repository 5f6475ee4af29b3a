/*
 * The tree in which RHM_LANES partial sums are added (README.md): l with l + 8, then + 4, + 2, + 1. The first two steps
 * are the same instructions at every width; of four classes at a time the last two are shared. Needs WIDTH.
 */
/* Of four fours: lanes l + (l + 2), then + (l + 1), in each of them. */
static inline void pairwise_sums(__m128 a, __m128 b, __m128 c, __m128 d, float *to) {
    const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
    const __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
    _mm_storeu_ps(to, _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd)));
}

static inline __m128 lane_fours(const float *low, const float *high) {
    const __m256 eight = _mm256_add_ps(_mm256_loadu_ps(low), _mm256_loadu_ps(high));
    return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
static inline float lane_sum(const float *low, const float *high) {
    const __m128 four = lane_fours(low, high), two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline void lane_sums_of_4(const float *low, const float *high, float *to) {
    pairwise_sums(lane_fours(low, high), lane_fours(low + WIDTH, high + WIDTH),
                  lane_fours(low + 2 * WIDTH, high + 2 * WIDTH), lane_fours(low + 3 * WIDTH, high + 3 * WIDTH), to);
}
