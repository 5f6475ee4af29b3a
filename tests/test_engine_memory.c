/* The engine's memory and its record. Pages on several real nodes are checked in the guest; here the arithmetic is. */
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "engine/planned.h"
#include "engine/record.h"
#include "engines.h"

enum { PAGE = 4096, MEBIBYTE = 1 << 20 };

/* hwloc then believes in two sockets; nothing is bound, all else goes the way of a machine with two nodes. */
static rhm_engine *two_node_engine(const char *placement) {
    setenv("HWLOC_SYNTHETIC", "pack:2 [numa] core:2 pu:1", 1);
    rhm_engine *engine = engine_with(&(rhm_engine_options){.placement = placement, .threads = 4});
    unsetenv("HWLOC_SYNTHETIC");
    assert_int_equal(rhm_engine_describe(engine).numa_nodes, 2);
    return engine;
}

static rhm_buffer buffer_of(const rhm_engine *engine, rhm_home home, size_t nbytes) {
    rhm_buffer buffer;
    rhm_error error = {0};
    if (rhm_buffer_create(&buffer, engine, home, nbytes, 1, 1, 1, "test buffer", &error) != RHM_OK)
        fail_msg("%s", error.text);
    return buffer;
}

static void the_limit_refuses_with_numbers(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 1, .memory_limit_nbytes = 10 * MEBIBYTE});
    assert_int_equal(rhm_engine_describe(engine).memory_limit_nbytes, 10 * MEBIBYTE);
    const rhm_home anywhere = {.kind = RHM_HOME_TOUCH};
    rhm_buffer first = buffer_of(engine, anywhere, 7 * MEBIBYTE), second;
    rhm_error error = {0};
    assert_int_equal(rhm_buffer_create(&second, engine, anywhere, MEBIBYTE, 2, 2, 1, "patch table", &error),
                     RHM_NO_MEMORY);
    assert_string_equal(
        error.text, "patch table: 4.0 MiB needed, but of the memory limit of 10.0 MiB (option) only 3.0 MiB are left");
    assert_null(second.data);
    assert_int_equal(rhm_memory_reserve(engine, 3 * MEBIBYTE, "ids", &error), RHM_OK);
    assert_int_equal(rhm_memory_reserve(engine, 1, "one more", &error), RHM_NO_MEMORY);
    assert_non_null(strstr(error.text, "1 bytes needed"));
    assert_int_equal(rhm_memory_used(engine), 10 * MEBIBYTE);
    rhm_memory_release(engine, 3 * MEBIBYTE);
    rhm_buffer_destroy(&first, engine);
    rhm_buffer_destroy(&second, engine);
    assert_int_equal(rhm_memory_used(engine), 0);
    assert_int_equal(rhm_memory_peak(engine), 10 * MEBIBYTE);
    rhm_engine_destroy(engine);
}

static void the_default_limit_is_what_the_machine_or_the_group_has(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 1});
    assert_in_range(engine->memory_limit_nbytes, MEBIBYTE, engine->physical_nbytes);
    rhm_engine_destroy(engine);
}

static void shapes_that_overflow_are_refused(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 1, .memory_limit_nbytes = UINT64_MAX});
    const rhm_home anywhere = {.kind = RHM_HOME_TOUCH};
    static const size_t shapes[][4] = {
        {8, SIZE_MAX / 4, 1, 1}, {1, SIZE_MAX / 2, 2, 2}, {4, 1u << 31, 1u << 31, 1}, {1, PTRDIFF_MAX, 1, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        rhm_buffer buffer;
        rhm_error error = {0};
        assert_int_equal(rhm_buffer_create(&buffer, engine, anywhere, shapes[i][0], shapes[i][1], shapes[i][2],
                                           shapes[i][3], "shape", &error),
                         RHM_NO_MEMORY);
        assert_null(buffer.data);
    }
    rhm_scratch scratch;
    rhm_error error = {0};
    assert_int_equal(rhm_scratch_create(&scratch, engine, SIZE_MAX - 5, "scratch", &error), RHM_NO_MEMORY);
    assert_int_equal(rhm_memory_used(engine), 0);
    rhm_engine_destroy(engine);
}

static void buffers_are_zeroed_aligned_and_wholly_usable(void **state) {
    (void)state;
    rhm_engine *engines[] = {engine_with(NULL), two_node_engine("compact")};
    static const size_t sizes[] = {0, 1, PAGE, PAGE + 1, 2 * MEBIBYTE - 1, 2 * MEBIBYTE, 9 * MEBIBYTE + 5};
    for (size_t e = 0; e < 2; e++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (rhm_home_kind kind = RHM_HOME_TOUCH; kind <= RHM_HOME_CHUNKS; kind++) {
                rhm_buffer buffer = buffer_of(engines[e], (rhm_home){.kind = kind, .chunk_nbytes = 1000}, sizes[i]);
                const unsigned char *bytes = buffer.data;
                assert_int_equal((uintptr_t)bytes % (buffer.huge ? 2 * MEBIBYTE : PAGE), 0);
                assert_int_equal(buffer.nbytes, sizes[i]);
                for (size_t k = 0; k < sizes[i]; k += 511)
                    assert_int_equal(bytes[k], 0);
                memset(buffer.data, 0xa5, sizes[i]);
                assert_in_range(rhm_memory_used(engines[e]), sizes[i], sizes[i] + PAGE);
                rhm_buffer_destroy(&buffer, engines[e]);
                rhm_buffer_destroy(&buffer, engines[e]);
            }
    rhm_engine_destroy(engines[0]);
    rhm_engine_destroy(engines[1]);
}

/*
 * The system maps downwards: a buffer comes right under a wall that was put up just before. Whether memory can be read
 * is asked of the system, which answers instead of a signal.
 */
static void sixteen_bytes_from_the_last_element_on_are_readable(void **state) {
    (void)state;
    rhm_engine *engine = two_node_engine("scatter");
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    static const size_t sizes[] = {PAGE, 3 * PAGE, MEBIBYTE, 4 * MEBIBYTE};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (rhm_home_kind kind = RHM_HOME_TOUCH; kind <= RHM_HOME_CHUNKS; kind++) {
            const size_t wall_nbytes = sizes[i] + 2 * MEBIBYTE;
            void *wall = mmap(NULL, wall_nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            assert_ptr_not_equal(wall, MAP_FAILED);
            rhm_buffer buffer = buffer_of(engine, (rhm_home){.kind = kind, .chunk_nbytes = PAGE}, sizes[i]);
            char got[16];
            const char *last = (const char *)buffer.data + sizes[i] - sizeof(float);
            assert_int_equal(write(ends[1], last, sizeof got), sizeof got);
            assert_int_equal(read(ends[0], got, sizeof got), sizeof got);
            rhm_buffer_destroy(&buffer, engine);
            munmap(wall, wall_nbytes);
        }
    close(ends[0]);
    close(ends[1]);
    rhm_engine_destroy(engine);
}

/* A page belongs to the thread in whose range its first byte is, but for the page that two ranges share. */
static void chunks_are_planned_near_their_threads(void **state) {
    (void)state;
    static const char *const placements[] = {"compact", "scatter"};
    static const size_t shapes[][2] = {{1000, 100}, {PAGE, 4}, {PAGE, 9}, {3 * PAGE + 8, 50}, {4 * MEBIBYTE, 9}};
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            rhm_engine *engine = two_node_engine(placements[p]);
            const size_t chunk_nbytes = shapes[i][0], chunks = shapes[i][1];
            const rhm_home home = {.kind = RHM_HOME_CHUNKS, .chunk_nbytes = chunk_nbytes};
            rhm_buffer buffer = buffer_of(engine, home, chunk_nbytes * chunks - 3);
            const size_t granule = buffer.huge ? 2 * MEBIBYTE : PAGE;
            for (size_t offset = 0; offset < buffer.nbytes; offset += granule) {
                const size_t first = offset / chunk_nbytes, end = offset + granule - 1;
                const size_t last = (end < buffer.nbytes ? end : buffer.nbytes - 1) / chunk_nbytes;
                const int planned = rhm_buffer_planned_node(&buffer, engine, offset);
                const int node_of_first = engine->thread_node[rhm_chunk_home(engine, chunks, first)];
                const int node_of_last = engine->thread_node[rhm_chunk_home(engine, chunks, last)];
                if (planned != node_of_first && planned != node_of_last)
                    fail_msg("offset %zu is planned on node %d, its chunks on %d to %d", offset, planned, node_of_first,
                             node_of_last);
                if (planned != node_of_last) /* a shared page goes to the later range */
                    fail_msg("offset %zu is planned on node %d, not %d", offset, planned, node_of_last);
            }
            rhm_buffer_destroy(&buffer, engine);
            rhm_engine_destroy(engine);
        }
}

static void scratch_of_threads_is_apart(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 5});
    static const size_t sizes[] = {1, PAGE, 5000, 3 * MEBIBYTE};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rhm_scratch scratch;
        rhm_error error = {0};
        assert_int_equal(rhm_scratch_create(&scratch, engine, sizes[i], "scratch", &error), RHM_OK);
        for (int t = 0; t < 5; t++) {
            assert_int_equal((uintptr_t)rhm_scratch_at(&scratch, t) % PAGE, 0);
            memset(rhm_scratch_at(&scratch, t), t + 1, sizes[i]);
        }
        for (int t = 0; t < 5; t++) {
            const unsigned char *bytes = rhm_scratch_at(&scratch, t);
            assert_int_equal(bytes[0], t + 1);
            assert_int_equal(bytes[sizes[i] - 1], t + 1);
        }
        rhm_scratch_destroy(&scratch, engine);
    }
    assert_int_equal(rhm_memory_used(engine), 0);
    rhm_engine_destroy(engine);
}

static void replicas_follow_their_source(void **state) {
    (void)state;
    rhm_engine *engine = two_node_engine("scatter");
    enum { NBYTES = 300 * 1000 + 7 };
    static unsigned char source[NBYTES];
    for (size_t i = 0; i < NBYTES; i++)
        source[i] = (unsigned char)(i * 2654435761u >> 11);
    rhm_replica replica;
    rhm_error error = {0};
    assert_int_equal(rhm_replica_create(&replica, engine, source, NBYTES, "weights", &error), RHM_OK);
    assert_ptr_not_equal(rhm_replica_at(&replica, 0), rhm_replica_at(&replica, 1));
    assert_ptr_equal(rhm_replica_at(&replica, 0), rhm_replica_at(&replica, 2));
    for (int round = 0; round < 2; round++) {
        for (int t = 0; t < 4; t++)
            assert_memory_equal(rhm_replica_at(&replica, t), source, NBYTES);
        source[0]++, source[NBYTES / 2]++, source[NBYTES - 1]++;
        rhm_replica_update(&replica, engine);
    }
    rhm_replica_destroy(&replica, engine);
    assert_int_equal(rhm_memory_used(engine), 0);

    rhm_engine *small = engine_with(&(rhm_engine_options){.threads = 1});
    assert_int_equal(rhm_replica_create(&replica, small, source, NBYTES, "weights", &error), RHM_OK);
    assert_ptr_equal(rhm_replica_at(&replica, 0), source);
    rhm_replica_destroy(&replica, small);
    rhm_engine_destroy(small);

    rhm_engine_destroy(engine);
    setenv("HWLOC_SYNTHETIC", "pack:2 [numa] core:2 pu:1", 1);
    rhm_engine *tight = engine_with(&(rhm_engine_options){.threads = 4, .memory_limit_nbytes = NBYTES + 2 * PAGE});
    unsetenv("HWLOC_SYNTHETIC");
    assert_int_equal(rhm_replica_create(&replica, tight, source, NBYTES, "weights", &error), RHM_NO_MEMORY);
    assert_int_equal(rhm_memory_used(tight), 0); /* the first copy is given back */
    rhm_engine_destroy(tight);
}

static rhm_status reserve_and_release(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    const rhm_engine *engine = context;
    const size_t nbytes = 1 + chunk * 7 % 400;
    if (rhm_memory_reserve(engine, nbytes, "race", error) == RHM_OK)
        rhm_memory_release(engine, nbytes);
    return rhm_memory_used(engine) <= 1000 ? RHM_OK : RHM_FAILED;
}

static void accounting_survives_races(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 4, .memory_limit_nbytes = 1000});
    rhm_error error = {0};
    assert_int_equal(rhm_parallel(engine, 20000, reserve_and_release, engine, &error), RHM_OK);
    assert_int_equal(rhm_memory_used(engine), 0);
    assert_in_range(rhm_memory_peak(engine), 1, 1000);
    rhm_engine_destroy(engine);
}

static void pages_are_located(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 2});
    if (engine->ledger->locate_errno) {
        print_message("pages cannot be located here: %s\n", strerror(engine->ledger->locate_errno));
        rhm_engine_destroy(engine);
        skip();
    }
    rhm_buffer buffer = buffer_of(engine, (rhm_home){.kind = RHM_HOME_TOUCH}, 100 * PAGE);
    memset(buffer.data, 1, 40 * PAGE);
    rhm_buffer_destroy(&buffer, engine);
    const rhm_ledger_row *row = &engine->ledger->row[0];
    assert_int_equal(engine->ledger->rows, 1);
    assert_string_equal(row->name, "test buffer");
    assert_in_range(row->on_plan, 40, 100); /* transparent huge pages may have touched more than we did */
    assert_int_equal(row->on_plan + row->untouched, 100);
    assert_int_equal(row->off_plan, 0);
    uint64_t located = 0;
    for (int node = 0; node < engine->topology.node_count; node++)
        located += row->per_node[node];
    assert_int_equal(located, row->on_plan);
    rhm_engine_destroy(engine);
}

static const json_t *at(const json_t *object, const char *key, const char *inner) {
    const json_t *value = json_object_get(json_object_get(object, key), inner);
    if (!value)
        fail_msg("the record has no %s.%s", key, inner);
    return value;
}

static void the_record_is_complete(void **state) {
    (void)state;
    setenv("OMP_RHM_ODD", "caf\xe9", 1);
    rhm_engine *engine = two_node_engine("scatter");
    rhm_buffer buffer = buffer_of(engine, (rhm_home){.kind = RHM_HOME_CHUNKS, .chunk_nbytes = PAGE}, 64 * PAGE);
    rhm_buffer_destroy(&buffer, engine);
    json_t *record;
    char *text;
    rhm_error error = {0};
    assert_int_equal(rhm_engine_record(engine, &record, &error), RHM_OK);
    assert_int_equal(json_integer_value(at(record, "threads", "count")), 4);
    assert_string_equal(json_string_value(at(record, "threads", "decided_by")), "option");
    assert_string_equal(json_string_value(at(record, "placement", "in_effect")), "scatter");
    assert_true(json_is_false(at(record, "placement", "oversubscribed")));
    assert_true(json_is_false(at(record, "topology", "this_system")));
    assert_int_equal(json_array_size(at(record, "topology", "numa_nodes")), 2);
    assert_string_equal(json_string_value(at(record, "allowed", "cpus")), "0-3");
    assert_string_equal(json_string_value(at(record, "environment", "OMP_RHM_ODD")), "caf?");
    assert_int_equal(json_array_size(json_object_get(record, "team")), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *seat = json_array_get(json_object_get(record, "team"), i);
        assert_int_equal(json_integer_value(at(seat, "planned", "node")), i % 2);
        assert_int_equal(json_integer_value(at(seat, "planned", "cpu")), i % 2 * 2 + i / 2);
        assert_true(json_is_null(json_object_get(seat, "as_planned")));
    }
    const json_t *row = json_array_get(at(record, "memory", "buffers"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "name")), "test buffer");
    assert_non_null(at(row, "sampled_pages", "unavailable"));
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(record, "notes"), 0)),
        "The topology is not of this system (HWLOC_XMLFILE or HWLOC_SYNTHETIC): threads are planned but not bound.");
    char *dump = json_dumps(record, 0);
    assert_non_null(dump);
    free(dump);

    assert_int_equal(rhm_engine_record_text(record, &text, &error), RHM_OK);
    static const char *const words[] = {"scatter", "NUMA nodes 2", "test buffer", "not of this system",
                                        "quota",   "throttling"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strstr(text, words[i]))
            fail_msg("\"%s\" is not in:\n%s", words[i], text);
    free(text);
    json_decref(record);
    rhm_engine_destroy(engine);
    unsetenv("OMP_RHM_ODD");
}

static void oversubscription_is_said(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.placement = "0,0,0"});
    json_t *record;
    rhm_error error = {0};
    assert_int_equal(rhm_engine_record(engine, &record, &error), RHM_OK);
    assert_true(json_is_true(at(record, "placement", "oversubscribed")));
    assert_non_null(
        strstr(json_string_value(json_array_get(json_object_get(record, "notes"), 0)), "3 of them share one"));
    json_decref(record);
    rhm_engine_destroy(engine);
}

int main(void) {
    forget_environment();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_refuses_with_numbers),
        cmocka_unit_test(the_default_limit_is_what_the_machine_or_the_group_has),
        cmocka_unit_test(shapes_that_overflow_are_refused),
        cmocka_unit_test(buffers_are_zeroed_aligned_and_wholly_usable),
        cmocka_unit_test(sixteen_bytes_from_the_last_element_on_are_readable),
        cmocka_unit_test(chunks_are_planned_near_their_threads),
        cmocka_unit_test(scratch_of_threads_is_apart),
        cmocka_unit_test(replicas_follow_their_source),
        cmocka_unit_test(accounting_survives_races),
        cmocka_unit_test(pages_are_located),
        cmocka_unit_test(the_record_is_complete),
        cmocka_unit_test(oversubscription_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
