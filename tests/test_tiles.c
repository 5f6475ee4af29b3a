/* The operations of sampling that vectors make faster against plain arithmetic. */
#include "core/philox.h"
#include "tile_tables.h"

static uint64_t random_bits(uint64_t *state) {
    return (uint64_t)test_random(state, 1u << 22) << 44 ^ (uint64_t)test_random(state, 1u << 22) << 22 ^
           test_random(state, 1u << 22);
}

static void words_are_philox(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    uint64_t random = 1;
    for (size_t round = 0; round < 200; round++) {
        const uint64_t seed = random_bits(&random);
        uint64_t index = round % 3 ? random_bits(&random) : round;
        if (round % 5 == 0)
            index |= UINT32_MAX - test_random(&random, 64); /* across the carry into the high word */
        const rhm_round_keys keys = rhm_round_keys_of(seed);
        const uint32_t each = 1 + test_random(&random, RHM_TILE), lanes = 1 + test_random(&random, RHM_TILE);
        const rhm_blocks blocks = {&keys, (uint32_t)random_bits(&random), index, (uint32_t)random_bits(&random) & ~63u,
                                   each};
        const size_t written = (lanes + RHM_WORD_LANES - 1) / RHM_WORD_LANES * RHM_WORD_LANES;
        for (size_t k = 0; k < available; k++) {
            guarded g = guard(sizeof(uint32_t) * (3 * RHM_TILE + written));
            const uint32_t *word = g.data;
            table[k].words(&blocks, lanes, g.data);
            for (uint32_t i = 0; i < lanes; i++) {
                const rhm_philox_block expected =
                    rhm_philox(seed, index + i / each, blocks.stream, blocks.block + i % each);
                for (uint32_t w = 0; w < 4; w++)
                    if (word[w * RHM_TILE + i] != expected.word[w])
                        fail_msg("%s: round %zu, lane %u, word %u", table[k].name, round, i, w);
            }
            release(&g);
        }
    }
}

static void scrambles_are_philox(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    uint64_t random = 1;
    for (size_t round = 0; round < 50; round++) {
        const uint64_t seed = random_bits(&random);
        const rhm_round_keys keys = rhm_round_keys_of(seed);
        const uint32_t stream = (uint32_t)random_bits(&random), block = (uint32_t)random_bits(&random);
        uint64_t index[RHM_TILE];
        for (size_t i = 0; i < RHM_TILE; i++)
            index[i] = i == 3 ? UINT64_MAX : i == 5 ? 0 : random_bits(&random);
        for (size_t k = 0; k < available; k++) {
            guarded g = guard(sizeof index);
            const uint64_t *out = g.data;
            table[k].scramble(&keys, stream, block, index, g.data);
            for (size_t i = 0; i < RHM_TILE; i++) {
                const rhm_philox_block expected = rhm_philox(seed, index[i], stream, block);
                if (out[i] != ((uint64_t)expected.word[1] << 32 | expected.word[0]))
                    fail_msg("%s: round %zu, lane %zu", table[k].name, round, i);
            }
            release(&g);
        }
    }
}

static void fill_words(uint32_t word[RHM_TILE], uint64_t *random) {
    for (size_t i = 0; i < RHM_TILE; i++)
        word[i] = i == 7 ? 0 : i == 9 ? UINT32_MAX : (uint32_t)random_bits(random);
}

static void planes_are_bytes_and_digits(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    _Alignas(64) uint32_t word[RHM_TILE];
    uint64_t random = 2;
    for (size_t k = 0; k < available; k++) {
        fill_words(word, &random);
        guarded g = guard(4 * RHM_TILE);
        const uint8_t *plane = g.data;
        table[k].bytes(word, g.data);
        for (size_t i = 0; i < 4 * RHM_TILE; i++)
            if (plane[i] != (word[i % RHM_TILE] >> 8 * (i / RHM_TILE) & 0xff))
                fail_msg("%s: byte %zu of word %zu", table[k].name, i / RHM_TILE, i % RHM_TILE);
        release(&g);
        for (uint32_t count = 2; count <= 256; count++) {
            const rhm_choice choice = rhm_choice_of(count == 256 ? 255 : count, true);
            if (choice.kind != RHM_BY_DIGITS)
                continue;
            g = guard(choice.digits * RHM_TILE);
            plane = g.data;
            table[k].digits(word, choice.count, choice.bound, choice.digits, g.data);
            for (size_t i = 0; i < RHM_TILE; i++)
                for (size_t j = 0, number = (size_t)((uint64_t)word[i] * choice.bound >> 32); j < choice.digits;
                     j++, number /= choice.count)
                    if (plane[j * RHM_TILE + i] != number % choice.count)
                        fail_msg("%s: digit %zu of word %zu in base %u", table[k].name, j, i, choice.count);
            release(&g);
        }
    }
}

static void choices_are_shifted_planes(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    _Alignas(64) uint8_t plane[RHM_PLANES * RHM_TILE];
    rhm_place place[40];
    uint64_t random = 3;
    for (size_t i = 0; i < sizeof plane; i++)
        plane[i] = (uint8_t)test_random(&random, 256);
    for (uint32_t bits = 0; bits <= 8; bits++)
        for (size_t count = 1; count <= 40; count += 13) {
            const uint8_t mask = (uint8_t)((1u << bits) - 1);
            for (size_t n = 0; n < count; n++)
                place[n] =
                    (rhm_place){(uint8_t)test_random(&random, RHM_PLANES), (uint8_t)test_random(&random, 9 - bits)};
            for (size_t k = 0; k < available; k++) {
                guarded g = guard(count * RHM_TILE);
                const uint8_t *choice = g.data;
                table[k].choices(plane, place, count, mask, g.data);
                for (size_t i = 0; i < count * RHM_TILE; i++) {
                    const rhm_place at = place[i / RHM_TILE];
                    if (choice[i] != (plane[at.plane * RHM_TILE + i % RHM_TILE] >> at.shift & mask))
                        fail_msg("%s: choice %zu of lane %zu", table[k].name, i / RHM_TILE, i % RHM_TILE);
                }
                release(&g);
            }
        }
}

/* One level of a grammar, by the tables of a sampler and by the grammar itself. */
static void check_rewrite(const rhm_tile_ops *ops, uint32_t vocab, uint32_t rules, uint32_t s, uint32_t children,
                          size_t first, size_t count) {
    rhm_shape shape = {.levels = 1, .branching = {0, s}, .vocab = {vocab, 256}, .rules = {0, rules}};
    rhm_grammar *grammar;
    rhm_sampler *sampler;
    assert_int_equal(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, vocab * 1000 + rules, NULL), RHM_OK);
    assert_int_equal(rhm_sampler_create(&sampler, grammar, 1, NULL), RHM_OK);
    assert_true(sampler->small[0]);
    uint64_t random = vocab * rules + first;
    const size_t nodes = (first + count - 1) * s + children;
    guarded symbols = guard(nodes * RHM_TILE), choices = guard(count * RHM_TILE);
    uint8_t *symbol = symbols.data, *choice = choices.data;
    uint8_t *expected = malloc(nodes * RHM_TILE);
    for (size_t i = 0; i < nodes * RHM_TILE; i++)
        symbol[i] = (uint8_t)test_random(&random, vocab);
    for (size_t i = 0; i < count * RHM_TILE; i++)
        choice[i] = (uint8_t)test_random(&random, rules);
    memcpy(expected, symbol, nodes * RHM_TILE);
    for (size_t n = count; n-- > 0;)
        for (size_t i = 0; i < RHM_TILE; i++) {
            const size_t row = (size_t)expected[(first + n) * RHM_TILE + i] * rules + choice[n * RHM_TILE + i];
            for (size_t c = 0; c < children; c++)
                expected[((first + n) * s + c) * RHM_TILE + i] = (uint8_t)rhm_grammar_patches(grammar, 1)[row * s + c];
        }
    ops->rewrite(&sampler->rewriting[1].small, s, children, first, count, choice, symbol);
    for (size_t i = 0; i < nodes * RHM_TILE; i++)
        if (symbol[i] != expected[i])
            fail_msg("%s: %u symbols, %u rules, s = %u, %u children, first %zu of %zu: node %zu of sample %zu",
                     ops->name, vocab, rules, s, children, first, count, i / RHM_TILE, i % RHM_TILE);
    free(expected);
    release(&symbols);
    release(&choices);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

static void rewriting_follows_the_rules(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    const uint32_t sizes[][2] = {{1, 1},  {1, 256}, {256, 1}, {2, 2},  {16, 1}, {17, 1},  {8, 4},  {16, 4}, {6, 4},
                                 {33, 2}, {32, 8},  {64, 4},  {5, 17}, {7, 7},  {15, 16}, {3, 64}, {2, 128}};
    const uint32_t branchings[] = {2, 3, 4, 5, 64};
    for (size_t k = 0; k < available; k++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t b = 0; b < sizeof branchings / sizeof *branchings; b++) {
                const uint32_t s = branchings[b];
                check_rewrite(&table[k], sizes[i][0], sizes[i][1], s, s, 0, 1);
                check_rewrite(&table[k], sizes[i][0], sizes[i][1], s, 1, 0, 1);
                check_rewrite(&table[k], sizes[i][0], sizes[i][1], s, s, 1, 1 + i % 5);
                check_rewrite(&table[k], sizes[i][0], sizes[i][1], s, s, 3 + i, 4);
            }
}

static void check_rows(const rhm_tile_ops *ops, size_t nodes, size_t count, size_t stride, bool past) {
    guarded symbols = guard(nodes * RHM_TILE), out = guard(((count - 1) * stride + nodes) * sizeof(uint16_t));
    uint64_t random = nodes * 100 + count;
    uint8_t *symbol = symbols.data;
    const uint16_t *row = out.data;
    for (size_t i = 0; i < nodes * RHM_TILE; i++)
        symbol[i] = (uint8_t)test_random(&random, 256);
    ops->rows(symbol, nodes, count, out.data, stride, past);
    ops->settle();
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < (i + 1 < count ? stride : nodes); p++)
            if (row[i * stride + p] != (p < nodes ? symbol[p * RHM_TILE + i] : 0xa5a5))
                fail_msg("%s: %zu nodes, %zu samples, stride %zu: sample %zu, node %zu", ops->name, nodes, count,
                         stride, i, p);
    release(&symbols);
    release(&out);
}

static void rows_are_transposed(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    for (size_t k = 0; k < available; k++) {
        for (size_t nodes = 1; nodes <= 40; nodes++)
            for (size_t count = 1; count <= RHM_TILE; count += count % 16 == 15 || count % 16 == 0 ? 1 : 5) {
                check_rows(&table[k], nodes, count, nodes, false);
                check_rows(&table[k], nodes, count, nodes + 3, true);
            }
        for (size_t nodes = 16; nodes <= 256; nodes *= 2)
            for (size_t count = 32; count <= RHM_TILE; count += 16)
                check_rows(&table[k], nodes, count, nodes, true); /* whole cache lines */
        for (size_t nodes = 1; nodes <= 256; nodes = nodes * 2 + nodes % 3)
            check_rows(&table[k], nodes, RHM_TILE, nodes, nodes % 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_philox),
        cmocka_unit_test(scrambles_are_philox),
        cmocka_unit_test(planes_are_bytes_and_digits),
        cmocka_unit_test(choices_are_shifted_planes),
        cmocka_unit_test(rewriting_follows_the_rules),
        cmocka_unit_test(rows_are_transposed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
