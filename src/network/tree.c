#include "network/tree.h"

/* A quarter of a millisecond on a core with AVX-512, back-propagation included. With a quarter of it, networks of 64
 * channels took 3 % longer than with one chunk. */
static const double LEAST_MULTIPLY_ADDS = 0x1p22;

size_t rhm_network_least_chunk(double multiply_adds) {
    size_t chunk = RHM_NETWORK_CHUNK;
    while ((double)chunk * multiply_adds < LEAST_MULTIPLY_ADDS)
        chunk *= 2;
    return chunk;
}

rhm_network_tree rhm_network_tree_of(size_t sequences, size_t least) {
    size_t chunk = least;
    while (sequences / chunk + (sequences % chunk > 0) > RHM_NETWORK_CHUNKS)
        chunk *= 2;
    const size_t count = sequences / chunk + (sequences % chunk > 0);
    return (rhm_network_tree){.sequences = chunk, .count = count, .end = count};
}

size_t rhm_network_tree_slots(size_t sequences, size_t least, bool from_the_first) {
    const size_t chunks = sequences / least + (sequences % least > 0);
    size_t slots = 1;
    for (size_t i = 2; i <= chunks && i <= RHM_NETWORK_CHUNKS; i *= 2)
        slots++;
    return from_the_first ? slots : 2 * slots;
}

/* Sums before that of chunk i, or the last of them, that it is added to: of the chunks before it in the same subtree,
 * where this ends with it. */
static size_t joins_of(const rhm_network_tree *t, size_t i) {
    size_t joins = 0;
    for (size_t start = i; start > t->first; joins++) {
        const size_t left = start & (start - 1), size = start - left;
        if (left < t->first || (i + 1 != start + size && i + 1 != t->count))
            break;
        start = left;
    }
    return joins;
}

rhm_network_walk rhm_network_walk_of(const rhm_network_tree *tree, size_t positions, size_t rows) {
    return (rhm_network_walk){.tree = tree, .positions = positions, .rows = rows, .chunk = tree->first};
}

rhm_network_run rhm_network_next_run(rhm_network_walk *w, size_t most) {
    const size_t chunk = rhm_network_chunk_rows(w), begin = (w->chunk - w->tree->first) * chunk;
    const size_t end = w->rows - begin < chunk ? w->rows : begin + chunk;
    rhm_network_run run = {.row = w->row, .count = end - w->row, .slot = w->slots, .fresh = w->row == begin};
    run.count = run.count < most ? run.count : most;
    w->row += run.count;
    if (w->row == end) {
        run.joins = joins_of(w->tree, w->chunk++);
        w->slots += 1 - run.joins;
    }
    return run;
}
