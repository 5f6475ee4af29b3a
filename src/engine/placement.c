#include "engine/placement.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

/* A candidate PU with what the orders below look at. */
typedef struct candidate {
    rhm_place place;
    int sibling; /* rank among the PUs of its core */
    int turn;    /* rank within a group of candidates, assigned pass by pass */
    int taken;   /* 0 when nobody uses the core, 1 when it is busy, 2 when it is claimed */
} candidate;

const char *rhm_policy_name(rhm_policy policy) {
    static const char *const names[] = {"compact", "scatter", "none", "list", "environment"};
    return names[policy];
}

static int logical_above(hwloc_topology_t hwloc, hwloc_obj_t pu, hwloc_obj_type_t type) {
    const hwloc_obj_t object = hwloc_get_ancestor_obj_by_type(hwloc, type, pu);
    return object ? (int)object->logical_index : -1;
}

/* hwloc lists slow kinds first, and gives all of them efficiency -1 where it does not know. */
static int kind_of(hwloc_topology_t hwloc, hwloc_obj_t pu) {
    const int kinds = hwloc_cpukinds_get_nr(hwloc, 0);
    const int kind = kinds > 1 ? hwloc_cpukinds_get_by_cpuset(hwloc, pu->cpuset, 0) : -1;
    int efficiency = -1;
    if (kind >= 0) {
#if HWLOC_API_VERSION >= 0x00030000
        hwloc_cpukinds_get_info(hwloc, (unsigned)kind, NULL, &efficiency, NULL, 0);
#else
        hwloc_cpukinds_get_info(hwloc, (unsigned)kind, NULL, &efficiency, NULL, NULL, 0);
#endif
    }
    return efficiency < 0 ? 0 : kinds - 1 - kind;
}

static candidate *list_candidates(const rhm_topology *topology, rhm_error *error) {
    candidate *out = RHM_NEW(candidate, (size_t)topology->pus, 1, 1, "placement candidates", error);
    if (!out)
        return NULL;
    hwloc_topology_t hwloc = topology->hwloc;
    int i = 0;
    for (hwloc_obj_t pu = NULL; (pu = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_PU, pu)); i++) {
        const int core = logical_above(hwloc, pu, HWLOC_OBJ_CORE);
        out[i].place = (rhm_place){.pu = (int)pu->logical_index,
                                   .pu_os = (int)pu->os_index,
                                   .core = core,
                                   .l3 = logical_above(hwloc, pu, HWLOC_OBJ_L3CACHE),
                                   .package = logical_above(hwloc, pu, HWLOC_OBJ_PACKAGE),
                                   .node = rhm_topology_node_of_pu(topology, pu->os_index),
                                   .kind = kind_of(hwloc, pu)};
        /* Logical numbers walk the tree, so the siblings of a core are neighbours. */
        out[i].sibling = i > 0 && core >= 0 && out[i - 1].place.core == core ? out[i - 1].sibling + 1 : 0;
    }
    return out;
}

static int compare(const int *a, const int *b, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

static int by_neighbourhood(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    return compare((int[]){a->sibling, a->place.kind, a->place.pu}, (int[]){b->sibling, b->place.kind, b->place.pu}, 3);
}

static int by_cache(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    return compare((int[]){a->sibling, a->place.kind, a->place.node, a->place.l3, a->place.pu},
                   (int[]){b->sibling, b->place.kind, b->place.node, b->place.l3, b->place.pu}, 5);
}

static int by_node_and_turn(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    return compare((int[]){a->sibling, a->place.kind, a->place.node, a->turn, a->place.l3},
                   (int[]){b->sibling, b->place.kind, b->place.node, b->turn, b->place.l3}, 5);
}

static int by_turn(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    return compare((int[]){a->sibling, a->place.kind, a->turn, a->place.node},
                   (int[]){b->sibling, b->place.kind, b->turn, b->place.node}, 4);
}

/*
 * Dealing cards twice: candidates of each L3 take numbers, the L3 caches of a node then take turns by these numbers;
 * what comes out is numbered again and the nodes take turns. Groups that run out are skipped by themselves.
 */
static void order_by_rounds(candidate *c, int count) {
    qsort(c, (size_t)count, sizeof *c, by_cache);
    for (int i = 1; i < count; i++) {
        const candidate *last = &c[i - 1];
        const bool same = last->sibling == c[i].sibling && last->place.kind == c[i].place.kind &&
                          last->place.node == c[i].place.node && last->place.l3 == c[i].place.l3;
        c[i].turn = same ? last->turn + 1 : 0;
    }
    qsort(c, (size_t)count, sizeof *c, by_node_and_turn);
    for (int i = 0; i < count; i++) {
        const candidate *last = i > 0 ? &c[i - 1] : NULL;
        const bool same = last && last->sibling == c[i].sibling && last->place.kind == c[i].place.kind &&
                          last->place.node == c[i].place.node;
        c[i].turn = same ? last->turn + 1 : 0;
    }
    qsort(c, (size_t)count, sizeof *c, by_turn);
}

/* One decimal number without a sign; false when there is none or when it exceeds any PU number. */
static bool read_number(const char **text, int *number) {
    const char *at = *text;
    long value = 0;
    while (isdigit((unsigned char)*at) && value <= 1000000)
        value = 10 * value + (*at++ - '0');
    if (at == *text || value > 1000000)
        return false;
    *text = at;
    *number = (int)value;
    return true;
}

/* Rearrange the candidates (given in logical order) as the list says; *count becomes its length. */
static rhm_status apply_list(const char *list, candidate **candidates, int *count, rhm_error *error) {
    int length = 0, capacity = 0;
    candidate *chosen = NULL;
    rhm_status status = RHM_OK;
    for (const char *at = list;;) {
        int first, last;
        if (!read_number(&at, &first))
            goto malformed;
        last = first;
        if (*at == '-' && (at++, !read_number(&at, &last)))
            goto malformed;
        if (last < first)
            goto malformed;
        if (last >= *count) {
            status = rhm_fail(error, RHM_INVALID, "placement \"%s\" names PU %d: allowed here are 0 to %d", list, last,
                              *count - 1);
            goto fail;
        }
        for (int pu = first; pu <= last; pu++) {
            if (length == capacity) {
                const int larger = capacity ? 2 * capacity : 16;
                void *memory = chosen;
                status = rhm_grow(&memory, sizeof *chosen, (size_t)capacity, (size_t)larger, "placement list", error);
                if (status != RHM_OK)
                    goto fail;
                chosen = memory;
                capacity = larger;
            }
            chosen[length++] = (*candidates)[pu];
        }
        if (*at == '\0')
            break;
        if (*at++ != ',')
            goto malformed;
    }
    rhm_free(*candidates);
    *candidates = chosen;
    *count = length;
    return RHM_OK;

malformed:
    status = rhm_fail(
        error, RHM_INVALID,
        "placement is \"%s\": allowed are compact, scatter, none, or a list of PU numbers such as 0,2,4-7", list);
fail:
    rhm_free(chosen);
    return status;
}

static rhm_policy policy_of(const char *placement) {
    if (!placement)
        return RHM_PLACE_COMPACT;
    for (rhm_policy policy = RHM_PLACE_COMPACT; policy <= RHM_PLACE_NONE; policy++)
        if (strcmp(placement, rhm_policy_name(policy)) == 0)
            return policy;
    return RHM_PLACE_LIST;
}

static int most_threads_on_a_pu(const rhm_plan *plan, int pus, rhm_error *error) {
    int *load = RHM_NEW(int, (size_t)pus, 1, 1, "placement", error);
    int most = 0;
    for (int i = 0; load && i < plan->threads; i++)
        if (++load[plan->place[i].pu] > most)
            most = load[plan->place[i].pu];
    rhm_free(load);
    return most;
}

rhm_plan rhm_plan_unplaced(rhm_policy policy, int threads) {
    return (rhm_plan){.policy = policy, .threads = threads};
}

rhm_status rhm_plan_make(rhm_plan *out, const rhm_topology *topology, const char *placement, int threads,
                         int default_threads, rhm_error *error) {
    const rhm_policy policy = policy_of(placement);
    *out = rhm_plan_unplaced(policy, threads ? threads : default_threads);
    if (policy == RHM_PLACE_NONE)
        return RHM_OK;
    int count = topology->pus;
    candidate *candidates = list_candidates(topology, error);
    if (!candidates)
        return RHM_NO_MEMORY;
    rhm_status status = RHM_OK;
    if (policy == RHM_PLACE_COMPACT)
        qsort(candidates, (size_t)count, sizeof *candidates, by_neighbourhood);
    else if (policy == RHM_PLACE_SCATTER)
        order_by_rounds(candidates, count);
    else
        status = apply_list(placement, &candidates, &count, error);
    if (status != RHM_OK)
        goto done;
    if (policy == RHM_PLACE_LIST && threads == 0)
        out->threads = count;

    status = RHM_NO_MEMORY;
    out->place = RHM_NEW(rhm_place, (size_t)out->threads, 1, 1, "placement", error);
    if (!out->place)
        goto done;
    for (int i = 0; i < out->threads; i++)
        out->place[i] = candidates[i % count].place;
    out->threads_per_pu = most_threads_on_a_pu(out, topology->pus, error);
    if (out->threads_per_pu > 0)
        status = RHM_OK;

done:
    if (status != RHM_OK)
        rhm_plan_clear(out);
    rhm_free(candidates);
    return status;
}

static int by_freedom(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    return compare((int[]){a->sibling, a->taken, a->place.kind, a->place.pu},
                   (int[]){b->sibling, b->taken, b->place.kind, b->place.pu}, 4);
}

static void mark_taken(candidate *c, int count, const rhm_topology *topology, hwloc_const_bitmap_t busy,
                       hwloc_const_bitmap_t claimed) {
    for (int i = 0; i < count; i++) {
        const hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(topology->hwloc, (unsigned)c[i].place.pu_os);
        const hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology->hwloc, HWLOC_OBJ_CORE, pu);
        hwloc_const_bitmap_t set = core ? core->cpuset : pu->cpuset;
        c[i].taken = hwloc_bitmap_intersects(set, claimed) ? 2 : hwloc_bitmap_intersects(set, busy);
    }
}

/* Where the free stretch of `threads` candidates begins that lies most closely together; 0 when there is none. */
static int closest_stretch(const candidate *c, int count, int threads) {
    int free = 0, best = 0, least[2] = {INT_MAX, INT_MAX};
    while (free < count && !c[free].taken && c[free].sibling == 0)
        free++;
    for (int begin = 0; begin + threads <= free; begin++) {
        int spans[2] = {0};
        for (int i = begin + 1; i < begin + threads; i++) {
            spans[0] += c[i].place.node != c[i - 1].place.node;
            spans[1] += c[i].place.l3 != c[i - 1].place.l3;
        }
        if (compare(spans, least, 2) < 0) {
            memcpy(least, spans, sizeof least);
            best = begin;
        }
    }
    return best;
}

rhm_status rhm_plan_make_beside(rhm_plan *out, const rhm_topology *topology, int threads, hwloc_const_bitmap_t busy,
                                hwloc_const_bitmap_t claimed, rhm_error *error) {
    const int count = topology->pus;
    *out = (rhm_plan){.policy = RHM_PLACE_COMPACT, .threads = threads, .threads_per_pu = 1};
    out->place = RHM_NEW(rhm_place, (size_t)threads, 1, 1, "placement", error);
    candidate *candidates = out->place ? list_candidates(topology, error) : NULL;
    if (!candidates) {
        rhm_plan_clear(out);
        return RHM_NO_MEMORY;
    }
    mark_taken(candidates, count, topology, busy, claimed);
    qsort(candidates, (size_t)count, sizeof *candidates, by_freedom);
    const int begin = closest_stretch(candidates, count, threads);
    for (int i = 0; i < threads; i++)
        out->place[i] = candidates[begin + i].place;
    rhm_free(candidates);
    return RHM_OK;
}

void rhm_plan_clear(rhm_plan *plan) {
    rhm_free(plan->place);
    *plan = (rhm_plan){0};
}
