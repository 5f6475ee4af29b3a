#include "cli/sweep/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"

static const char identity[] = "{\"schema\": \"rhm-sweep/1\"}\n";

rhm_status rhm_sweep_store_path(char **path, const rhm_sweep_store *store, const char *name, rhm_error *error) {
    const size_t nbytes = strlen(store->directory) + strlen(name) + 2;
    *path = RHM_NEW(char, nbytes, 1, 1, "the name of a file", error);
    if (!*path)
        return RHM_NO_MEMORY;
    snprintf(*path, nbytes, "%s/%s", store->directory, name);
    return RHM_OK;
}

static rhm_status refused_by_system(const char *path, const char *what, rhm_error *error) {
    return rhm_fail(error, RHM_IO, "%s: cannot %s: %s", rhm_path_shown(path), what, strerror(errno));
}

/* ---- lines ----------------------------------------------------------------------------------------------- */

/* Take over what a line says. RHM_CORRUPT where it is none of ours. */
typedef rhm_status line_reader(rhm_sweep_store *store, const char *key, const json_t *line, rhm_error *error);

static rhm_status no_memory(rhm_error *error) {
    return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the rows of a sweep");
}

static rhm_status read_finished(rhm_sweep_store *store, const char *key, const json_t *line, rhm_error *error) {
    if (json_object_get(store->finished, key))
        return RHM_OK;
    if (store->rows == store->room) {
        const size_t more = store->room ? 2 * store->room : 64;
        RHM_TRY(rhm_grow((void **)&store->row, sizeof *store->row, store->rows, more, "rows of a sweep", error));
        store->room = more;
    }
    RHM_TRY(rhm_sweep_row_read(&store->row[store->rows], line, error));
    if (json_object_set_new(store->finished, key, json_integer((json_int_t)store->rows)) != 0) {
        rhm_sweep_row_clear(&store->row[store->rows]);
        return no_memory(error);
    }
    store->rows++;
    return RHM_OK;
}

static rhm_status read_failed(rhm_sweep_store *store, const char *key, const json_t *line, rhm_error *error) {
    json_t *reason = json_object_get(line, "reason");
    if (!json_is_string(reason))
        return rhm_fail(error, RHM_CORRUPT, "a failure has no reason");
    return json_object_set(store->failed, key, reason) == 0 ? RHM_OK : no_memory(error);
}

static rhm_status read_line(rhm_sweep_store *store, const char *text, size_t length, line_reader *reader,
                            rhm_error *error) {
    json_error_t why;
    json_t *line = json_loadb(text, length, 0, &why), *cell = json_object_get(line, "cell");
    char *key = NULL;
    rhm_status status = RHM_OK;
    if (!line && json_error_code(&why) == json_error_out_of_memory)
        status = no_memory(error);
    else if (!json_is_object(cell))
        status = rhm_fail(error, RHM_CORRUPT, "there is no cell");
    if (status == RHM_OK)
        status = rhm_json_dump(&key, cell, JSON_COMPACT | JSON_SORT_KEYS, "", "the key of a cell", error);
    if (status == RHM_OK)
        status = reader(store, key, line, error);
    rhm_free(key);
    json_decref(line);
    return status;
}

/* Open for appending after the last whole line, and read those that are there. */
static rhm_status open_lines(int *descriptor, rhm_sweep_store *store, const char *name, line_reader *reader,
                             rhm_error *error) {
    char *path, *text = NULL;
    size_t capacity = 0, number = 0;
    off_t whole = 0;
    rhm_status status = RHM_OK;
    RHM_TRY(rhm_sweep_store_path(&path, store, name, error));
    *descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    const int copy = *descriptor < 0 ? -1 : fcntl(*descriptor, F_DUPFD_CLOEXEC, 0);
    FILE *file = copy < 0 ? NULL : fdopen(copy, "r");
    if (!file)
        status = refused_by_system(path, "open this file", error);
    if (!file && copy >= 0)
        close(copy);
    for (ssize_t length; status == RHM_OK && (length = getline(&text, &capacity, file)) > 0;) {
        number++;
        if (text[length - 1] != '\n')
            break;
        status = read_line(store, text, (size_t)length, reader, error);
        if (status == RHM_CORRUPT)
            rhm_fail(error, status,
                     "%s: line %zu is not what rhm sweep writes: mend or remove it, and its cell runs again",
                     rhm_path_shown(path), number);
        whole += length;
    }
    /* Not the end, and no line that was cut off: nothing may be removed. */
    if (status == RHM_OK && !feof(file))
        status = refused_by_system(path, "read this file", error);
    if (status == RHM_OK && ftruncate(*descriptor, whole) != 0)
        status = refused_by_system(path, "remove a line that was cut off", error);
    if (file)
        fclose(file);
    free(text);
    rhm_free(path);
    return status;
}

/* All of a line or nothing of it. */
static rhm_status append_line(int descriptor, const rhm_sweep_store *store, const char *name, const char *text,
                              rhm_error *error) {
    struct stat before;
    char *path;
    RHM_TRY(rhm_sweep_store_path(&path, store, name, error));
    rhm_status status = fstat(descriptor, &before) == 0 ? rhm_write_all(descriptor, text, strlen(text), path, error)
                                                        : refused_by_system(path, "look at this file", error);
    if (status == RHM_OK && fdatasync(descriptor) != 0 && errno != EINVAL)
        status = refused_by_system(path, "sync what was written", error);
    /* Should this fail too, the next sweep cuts the line off. */
    if (status != RHM_OK)
        (void)!ftruncate(descriptor, before.st_size);
    rhm_free(path);
    return status;
}

static rhm_status add(rhm_sweep_store *store, const char *key, json_t *line, bool finished, rhm_error *error) {
    char *text;
    rhm_status status = rhm_json_dump(&text, line, JSON_COMPACT | JSON_REAL_PRECISION(17), "\n", "a line", error);
    if (status == RHM_OK)
        status = append_line(finished ? store->cells : store->failures, store,
                             finished ? "cells.jsonl" : "failures.jsonl", text, error);
    if (status == RHM_OK)
        status = (finished ? read_finished : read_failed)(store, key, line, error);
    rhm_free(text);
    json_decref(line);
    return status;
}

rhm_status rhm_sweep_store_finish(rhm_sweep_store *store, const char *key, json_t *line, rhm_error *error) {
    return add(store, key, line, true, error);
}

rhm_status rhm_sweep_store_fail(rhm_sweep_store *store, const char *key, json_t *line, rhm_error *error) {
    return add(store, key, line, false, error);
}

rhm_status rhm_sweep_store_forgive(rhm_sweep_store *store, rhm_error *error) {
    json_object_clear(store->failed);
    if (ftruncate(store->failures, 0) == 0)
        return RHM_OK;
    return refused_by_system(store->directory, "empty its failures.jsonl", error);
}

const rhm_sweep_row *rhm_sweep_store_row(const rhm_sweep_store *store, const char *key) {
    const json_t *number = json_object_get(store->finished, key);
    return number ? &store->row[json_integer_value(number)] : NULL;
}

const char *rhm_sweep_store_failure(const rhm_sweep_store *store, const char *key) {
    return json_string_value(json_object_get(store->failed, key));
}

/* ---- the directory --------------------------------------------------------------------------------------- */

static rhm_status check_empty(const char *directory, rhm_error *error) {
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    if (!stream)
        return refused_by_system(directory, "open this directory", error);
    bool empty = true;
    while ((entry = readdir(stream)))
        empty &= !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
                 (!strncmp(entry->d_name, ".rhm-", 5) && strstr(entry->d_name, ".partial"));
    closedir(stream);
    if (empty)
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID,
                    "%s holds files but no sweep.json: name a new or empty directory, or one of an earlier sweep",
                    rhm_path_shown(directory));
}

static rhm_status identify(const rhm_sweep_store *store, rhm_error *error) {
    char *path;
    RHM_TRY(rhm_sweep_store_path(&path, store, "sweep.json", error));
    json_t *json = json_load_file(path, 0, NULL);
    const char *schema = json_string_value(json_object_get(json, "schema"));
    rhm_status status = RHM_OK;
    if (schema && strcmp(schema, "rhm-sweep/1") != 0)
        status = rhm_fail(error, RHM_INVALID, "%s: schema '%.60s' is unknown: this program writes rhm-sweep/1",
                          rhm_path_shown(path), schema);
    if (!schema && access(path, F_OK) == 0)
        status = rhm_fail(error, RHM_CORRUPT, "%s is not what rhm sweep writes", rhm_path_shown(path));
    else if (!schema)
        status = check_empty(store->directory, error);
    if (status == RHM_OK && !schema)
        status = rhm_atomic_write_text(path, identity, strlen(identity), error);
    json_decref(json);
    rhm_free(path);
    return status;
}

/* The kernel drops the lock with the process. */
static rhm_status lock_directory(rhm_sweep_store *store, rhm_error *error) {
    store->lock = open(store->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->lock < 0)
        return refused_by_system(store->directory, "open this directory", error);
    if (flock(store->lock, LOCK_EX | LOCK_NB) == 0)
        return RHM_OK;
    if (errno != EWOULDBLOCK)
        return refused_by_system(store->directory, "lock this directory", error);
    return rhm_fail(error, RHM_INVALID, "%s is in use by another sweep: wait for it, or name another directory",
                    rhm_path_shown(store->directory));
}

rhm_status rhm_sweep_store_open(rhm_sweep_store *out, const char *directory, rhm_error *error) {
    *out = (rhm_sweep_store){.directory = directory, .lock = -1, .cells = -1, .failures = -1};
    out->finished = json_object();
    out->failed = json_object();
    if (!out->finished || !out->failed)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a sweep");
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return refused_by_system(directory, "make this directory", error);
    RHM_TRY(lock_directory(out, error));
    RHM_TRY(identify(out, error));
    RHM_TRY(open_lines(&out->cells, out, "cells.jsonl", read_finished, error));
    return open_lines(&out->failures, out, "failures.jsonl", read_failed, error);
}

void rhm_sweep_store_close(rhm_sweep_store *store) {
    const int descriptors[] = {store->cells, store->failures, store->lock};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    for (size_t i = 0; i < store->rows; i++)
        rhm_sweep_row_clear(&store->row[i]);
    rhm_free(store->row);
    json_decref(store->finished);
    json_decref(store->failed);
    *store = (rhm_sweep_store){.lock = -1, .cells = -1, .failures = -1};
}
