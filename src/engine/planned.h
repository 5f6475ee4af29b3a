/* Where the pages of a buffer are planned to be (rhm_home, memory.h). */
#ifndef RHM_ENGINE_PLANNED_H
#define RHM_ENGINE_PLANNED_H

#include "engine/memory.h"

enum { RHM_HUGE_PAGE_NBYTES = 2 << 20 }; /* of x86-64 */

size_t rhm_buffer_page_nbytes(const rhm_buffer *buffer);

/* Where the part of a buffer begins that belongs to the range of `thread`, on a page boundary. */
size_t rhm_buffer_part_begin(const rhm_buffer *buffer, const rhm_engine *engine, int thread);

/* Node planned for the byte at `offset`, -1 where any will do. */
int rhm_buffer_planned_node(const rhm_buffer *buffer, const rhm_engine *engine, size_t offset);

#endif
