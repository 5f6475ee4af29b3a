#include "learners/latent/labels.h"

#include "core/fail.h"
#include "core/memory.h"
#include "counts/unite.h"
#include "engine/parallel.h"

/* Patches with labels that a thread has met, and how often. */
typedef struct worker {
    rhm_intern set;
    uint64_t *count; /* (capacity) */
    size_t capacity;
} worker;

typedef struct counting {
    size_t words; /* ids of a patch */
    worker *worker;
} counting;

static rhm_status count(void *context, int thread, size_t count, const uint16_t *ids, const uint16_t *labels,
                        rhm_error *error) {
    const counting *c = context;
    worker *mine = &c->worker[thread];
    uint32_t tuple[RHM_MAX_BRANCHING + 1], id;
    for (size_t i = 0; i < count; i++) {
        for (size_t t = 0; t < c->words; t++)
            tuple[t] = ids[i * c->words + t];
        tuple[c->words] = labels[i];
        RHM_TRY(rhm_intern_add(&mine->set, tuple, &id, NULL, error));
        if (id >= mine->capacity) {
            void *grown = mine->count;
            RHM_TRY(
                rhm_grow(&grown, sizeof *mine->count, mine->capacity, mine->set.capacity, "labels of patches", error));
            mine->count = grown;
            mine->capacity = mine->set.capacity;
        }
        mine->count[id]++;
    }
    return RHM_OK;
}

/* The patches of all threads, without labels. */
static rhm_status merge(rhm_intern *out, const counting *c, size_t threads, rhm_error *error) {
    uint32_t id;
    RHM_TRY(rhm_intern_init(out, c->words, 0, error));
    for (size_t t = 0; t < threads; t++)
        for (size_t i = 0; i < c->worker[t].set.count; i++)
            RHM_TRY(rhm_intern_add(out, rhm_intern_tuple(&c->worker[t].set, i), &id, NULL, error));
    return RHM_OK;
}

static rhm_status run(rhm_table_counts *out, rhm_intern *all, counting *c, rhm_sequences *s, size_t threads,
                      uint64_t samples, rhm_error *error) {
    const size_t classes = s->table->model.classes;
    for (size_t t = 0; t < threads; t++)
        RHM_TRY(rhm_intern_init(&c->worker[t].set, c->words + 1, 0, error));
    RHM_TRY(rhm_sequences_visit(s, 0, samples, "level 1: counting labels", count, c, error));
    RHM_TRY(merge(all, c, threads, error));
    RHM_TRY(rhm_tuples_unite(all, s->engine, error));
    RHM_TRY(rhm_table_counts_init(out, s->engine, all, 1, classes, samples, error));
    for (size_t t = 0; t < threads; t++)
        for (size_t i = 0; i < c->worker[t].set.count; i++) {
            const uint32_t *tuple = rhm_intern_tuple(&c->worker[t].set, i);
            out->count[rhm_intern_find(&out->patch, tuple) * classes + tuple[c->words]] += c->worker[t].count[i];
        }
    return rhm_counts_add_up(out->count, out->patch.count * classes, s->engine, error);
}

rhm_status rhm_labels_count(rhm_table_counts *out, rhm_sequences *s, uint64_t samples, rhm_error *error) {
    const size_t threads = (size_t)rhm_engine_threads(s->engine);
    counting c = {.words = s->table->model.tree.branching[1]};
    rhm_intern all = {0};
    *out = (rhm_table_counts){0};
    if (!(c.worker = RHM_NEW(worker, threads, 1, 1, "labels of patches", error)))
        return RHM_NO_MEMORY;
    const rhm_status status = run(out, &all, &c, s, threads, samples, error);
    for (size_t t = 0; t < threads; t++) {
        rhm_intern_destroy(&c.worker[t].set);
        rhm_free(c.worker[t].count);
    }
    rhm_free(c.worker);
    rhm_intern_destroy(&all);
    return status;
}

double rhm_labels_doubt(const rhm_table_counts *counts, uint64_t lead) {
    double doubt = 0, all = 0;
    for (size_t i = 0; i < counts->patch.count; i++) {
        const uint64_t *n = counts->count + i * counts->classes;
        uint64_t sum = 0, first = 0, second = 0;
        for (size_t z = 0; z < counts->classes; z++) {
            sum += n[z];
            second = n[z] > first ? first : n[z] > second ? n[z] : second;
            first = n[z] > first ? n[z] : first;
        }
        all += (double)sum;
        doubt += first - second < lead ? (double)sum : 0;
    }
    return all > 0 ? doubt / all : 1;
}
