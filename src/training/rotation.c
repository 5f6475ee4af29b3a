#include "training/rotation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/memory.h"
#include "core/partial.h"
#include "rhm/learner.h"

enum { NAME_NBYTES = 64 };

static rhm_status refuse(const char *directory, const char *what, rhm_error *error) {
    return rhm_fail(error, RHM_IO, "%s: cannot %s: %s", rhm_path_shown(directory), what, strerror(errno));
}

/* The number in "STEM-NUMBER.h5", or 0. */
static uint64_t number_in(const char *name, const char *stem) {
    uint64_t number = 0;
    char expected[NAME_NBYTES];
    const size_t length = strlen(stem);
    if (strncmp(name, stem, length) != 0 || sscanf(name + length, "-%" SCNu64 ".h5", &number) != 1)
        return 0;
    snprintf(expected, sizeof expected, "%s-%" PRIu64 ".h5", stem, number);
    return strcmp(name, expected) == 0 && number < UINT64_MAX ? number : 0;
}

bool rhm_checkpoint_file_name(const char *name) {
    return number_in(name, "checkpoint") || number_in(name, "samples");
}

typedef void visitor(rhm_rotation *g, const char *name, const void *context);

static rhm_status visit(rhm_rotation *g, visitor *see, const void *context, rhm_error *error) {
    const int copy = openat(g->descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    if (!entries) {
        const rhm_status status = refuse(g->directory, "list this directory", error);
        if (copy >= 0)
            close(copy);
        return status;
    }
    for (const struct dirent *entry; (entry = readdir(entries));)
        see(g, entry->d_name, context);
    closedir(entries);
    return RHM_OK;
}

static void count_entry(rhm_rotation *g, const char *name, const void *context) {
    (void)context;
    const uint64_t checkpoint = number_in(name, "checkpoint"), samples = number_in(name, "samples");
    const uint64_t number = checkpoint > samples ? checkpoint : samples;
    g->count += checkpoint != 0;
    g->next = number >= g->next ? number + 1 : g->next;
}

static void take_entry(rhm_rotation *g, const char *name, const void *context) {
    const size_t *capacity = context;
    const uint64_t number = number_in(name, "checkpoint");
    if (number && g->count < *capacity)
        g->found[g->count++].number = number;
}

static int newest_first(const void *a, const void *b) {
    const uint64_t x = ((const rhm_kept_files *)a)->number, y = ((const rhm_kept_files *)b)->number;
    return (x < y) - (x > y);
}

/*
 * No two processes at once. One that was killed may take a while to give its memory back and, only then, its lock. File
 * systems without locks are used without.
 */
static rhm_status lock(const rhm_rotation *g, rhm_error *error) {
    static const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    enum { PAUSES = 100 };
    bool taken = true;
    for (int i = 0; i < PAUSES && taken; i++) {
        taken = flock(g->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        if (taken)
            nanosleep(&pause, NULL);
    }
    if (taken)
        return rhm_fail(error, RHM_INVALID, "%s: another process is writing its checkpoints here",
                        rhm_path_shown(g->directory));
    return RHM_OK;
}

/* Also where a link leads to a directory that is not there yet. */
static rhm_status make_directory(const char *directory, rhm_error *error) {
    rhm_destination to;
    RHM_TRY(rhm_destination_find(&to, directory, error));
    const bool there = mkdir(to.path, 0777) == 0 || errno == EEXIST;
    rhm_destination_clear(&to);
    return there ? RHM_OK : refuse(directory, "make this directory", error);
}

static rhm_status open_directory(rhm_rotation *g, rhm_error *error) {
    if (strlen(g->directory) + NAME_NBYTES > RHM_CHECKPOINT_PATH_NBYTES)
        return rhm_fail(error, RHM_INVALID, "%s: the name of this directory is too long", rhm_path_shown(g->directory));
    RHM_TRY(make_directory(g->directory, error));
    g->descriptor = open(g->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (g->descriptor < 0)
        return refuse(g->directory, "open this directory", error);
    if (faccessat(g->descriptor, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return refuse(g->directory, "write in this directory", error);
    return lock(g, error);
}

rhm_status rhm_rotation_open(rhm_rotation *out, const char *directory, rhm_error *error) {
    *out = (rhm_rotation){.descriptor = -1, .next = 1};
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    rhm_status status = RHM_NO_MEMORY;
    if ((out->directory = RHM_NEW(char, length + 1, 1, 1, "name of a directory", error))) {
        memcpy(out->directory, directory, length);
        status = open_directory(out, error);
    }
    if (status == RHM_OK) {
        rhm_partial_sweep(out->descriptor);
        status = visit(out, count_entry, NULL, error);
    }
    const size_t capacity = out->count;
    out->count = 0;
    if (status == RHM_OK &&
        !(out->found = RHM_NEW(rhm_kept_files, capacity + RHM_CHECKPOINTS_KEPT, 1, 1, "list of checkpoints", error)))
        status = RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = visit(out, take_entry, &capacity, error);
    if (status != RHM_OK) {
        rhm_rotation_close(out);
        return status;
    }
    qsort(out->found, out->count, sizeof *out->found, newest_first);
    return RHM_OK;
}

rhm_status rhm_rotation_name(rhm_rotation *out, const char *directory, uint64_t number, rhm_error *error) {
    *out = (rhm_rotation){.descriptor = -1, .count = 1};
    const size_t length = strlen(directory);
    if ((out->directory = RHM_NEW(char, length + 1, 1, 1, "name of a directory", error)))
        memcpy(out->directory, directory, length);
    out->found = RHM_NEW(rhm_kept_files, 1, 1, 1, "list of checkpoints", error);
    if (!out->directory || !out->found) {
        rhm_rotation_close(out);
        return RHM_NO_MEMORY;
    }
    out->found[0].number = number;
    return RHM_OK;
}

void rhm_rotation_forget(rhm_rotation *g) {
    memmove(g->found, g->found + 1, sizeof *g->found * --g->count);
}

void rhm_rotation_close(rhm_rotation *g) {
    if (g->directory && g->descriptor >= 0)
        close(g->descriptor);
    rhm_free(g->directory);
    rhm_free(g->found);
    *g = (rhm_rotation){.descriptor = -1};
}

void rhm_checkpoint_path(const rhm_rotation *g, uint64_t number, char path[RHM_CHECKPOINT_PATH_NBYTES]) {
    snprintf(path, RHM_CHECKPOINT_PATH_NBYTES, "%s/checkpoint-%" PRIu64 ".h5", g->directory, number);
}

void rhm_samples_path(const rhm_rotation *g, uint64_t number, char path[RHM_CHECKPOINT_PATH_NBYTES]) {
    snprintf(path, RHM_CHECKPOINT_PATH_NBYTES, "%s/samples-%" PRIu64 ".h5", g->directory, number);
}

rhm_status rhm_rotation_room(const rhm_rotation *g, uint64_t nbytes, rhm_error *error) {
    struct statvfs system;
    if (fstatvfs(g->descriptor, &system) != 0)
        return RHM_OK; /* writing will tell */
    const uint64_t room = (uint64_t)system.f_bavail * system.f_frsize;
    if (nbytes > room)
        return rhm_fail(error, RHM_IO, "%s: a checkpoint takes %.1f MiB, but its file system has %.1f MiB left",
                        rhm_path_shown(g->directory), (double)nbytes / 1048576, (double)room / 1048576);
    return RHM_OK;
}

static void remove_entry(rhm_rotation *g, const char *name, const void *context) {
    (void)context;
    const uint64_t checkpoint = number_in(name, "checkpoint"), samples = number_in(name, "samples");
    bool needed = checkpoint == 0 && samples == 0;
    for (size_t i = 0; i < g->count && i < RHM_CHECKPOINTS_KEPT; i++)
        needed =
            needed || (checkpoint && checkpoint == g->found[i].number) || (samples && samples == g->found[i].samples);
    if (!needed)
        unlinkat(g->descriptor, name, 0);
}

rhm_status rhm_rotation_add(rhm_rotation *g, rhm_kept_files fresh, rhm_error *error) {
    const size_t kept = g->count < RHM_CHECKPOINTS_KEPT - 1 ? g->count : RHM_CHECKPOINTS_KEPT - 1;
    memmove(g->found + 1, g->found, sizeof *g->found * kept);
    g->found[0] = fresh;
    g->count = kept + 1;
    return visit(g, remove_entry, NULL, error);
}
