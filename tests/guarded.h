/* Memory that ends where an unreadable page begins: an access beyond it is a crash, not a wrong number. */
#ifndef RHM_TESTS_GUARDED_H
#define RHM_TESTS_GUARDED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct guarded {
    void *data, *base;
    size_t mapped;
} guarded;

/* `nbytes` bytes, all 0xa5 as is what lies before them. */
static inline guarded guard(size_t nbytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (nbytes + page - 1) / page * page;
    guarded g = {.mapped = inside + page};
    g.base = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(g.base, MAP_FAILED);
    assert_int_equal(mprotect((char *)g.base + inside, page, PROT_NONE), 0);
    g.data = (char *)g.base + inside - nbytes;
    memset(g.base, 0xa5, inside);
    return g;
}

static inline void release(guarded *g) {
    munmap(g->base, g->mapped);
}

#endif
