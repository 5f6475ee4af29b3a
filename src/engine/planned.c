#include "engine/planned.h"

#include <unistd.h>

#include "engine/engine.h"
#include "engine/parallel.h"

size_t rhm_buffer_page_nbytes(const rhm_buffer *buffer) {
    return buffer->huge ? RHM_HUGE_PAGE_NBYTES : (size_t)sysconf(_SC_PAGESIZE);
}

size_t rhm_buffer_part_begin(const rhm_buffer *buffer, const rhm_engine *engine, int thread) {
    const size_t chunks = (buffer->nbytes + buffer->home.chunk_nbytes - 1) / buffer->home.chunk_nbytes;
    const size_t chunk = rhm_chunk_begin(engine, chunks, thread);
    if (chunk >= chunks)
        return buffer->mapped_nbytes;
    const size_t page = rhm_buffer_page_nbytes(buffer);
    return chunk * buffer->home.chunk_nbytes / page * page;
}

int rhm_buffer_planned_node(const rhm_buffer *buffer, const rhm_engine *engine, size_t offset) {
    if (buffer->home.kind == RHM_HOME_NODE)
        return buffer->home.node;
    if (buffer->home.kind != RHM_HOME_CHUNKS)
        return -1;
    int low = 0, high = engine->threads; /* part_begin(low) <= offset < part_begin(high) */
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (rhm_buffer_part_begin(buffer, engine, middle) <= offset)
            low = middle;
        else
            high = middle;
    }
    return engine->thread_node[low];
}
