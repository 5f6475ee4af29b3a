#include "core/destination.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/memory.h"

enum { MOST_LINKS = 40 }; /* as many as the kernel follows */

static rhm_status refuse(const char *path, const char *what, rhm_error *error) {
    return rhm_fail(error, RHM_IO, "%s: cannot %s: %s", rhm_path_shown(path), what, strerror(errno));
}

/* Length of the directory part of `path`, its final slash included; 0 when there is none. */
static size_t directory_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The directory part of `path`, or "."; longer ones than the system takes are cut, and then not found. */
static void directory_of(const char *path, char directory[PATH_MAX]) {
    const size_t length = directory_length(path);
    snprintf(directory, PATH_MAX, "%.*s", length ? (int)(length < PATH_MAX ? length : PATH_MAX) : 1,
             length ? path : ".");
}

/*
 * Whether `path` is an entry of a process' table of descriptors, as /dev/stdout leads to. What such an entry seems to
 * link to is no name to replace. *descriptor is its number where the process is this one.
 */
static bool is_descriptor(const char *path, int *descriptor) {
    const char *name = path + directory_length(path);
    char directory[PATH_MAX], real[PATH_MAX], self[PATH_MAX];
    struct statfs system;
    const size_t digits = strspn(name, "0123456789");
    if (digits == 0 || digits > 9 || name[digits])
        return false;
    directory_of(path, directory);
    if (!realpath(directory, real) || statfs(real, &system) != 0 || system.f_type != PROC_SUPER_MAGIC)
        return false;
    const size_t length = strlen(real);
    if (length < 3 || strcmp(real + length - 3, "/fd") != 0)
        return false;
    if (realpath("/proc/self", self) && strncmp(real, self, strlen(self)) == 0 && real[strlen(self)] == '/')
        *descriptor = atoi(name);
    return true;
}

static char *join(const char *directory, size_t length, const char *name, rhm_error *error) {
    const size_t nbytes = strlen(name) + 1;
    char *joined = RHM_NEW(char, length + nbytes, 1, 1, "file name", error);
    if (joined) {
        memcpy(joined, directory, length);
        memcpy(joined + length, name, nbytes);
    }
    return joined;
}

/* Put what the link `to->path` says in its place; *followed is false where it is no link. */
static rhm_status follow(rhm_destination *to, bool *followed, rhm_error *error) {
    char target[PATH_MAX];
    const ssize_t length = readlink(to->path, target, sizeof target - 1);
    *followed = length >= 0;
    if (length < 0)
        return RHM_OK;
    target[length] = '\0';
    char *next = join(to->path, target[0] == '/' ? 0 : directory_length(to->path), target, error);
    if (!next)
        return RHM_NO_MEMORY;
    rhm_free(to->path);
    to->path = next;
    return RHM_OK;
}

static rhm_status resolve(rhm_destination *to, rhm_error *error) {
    bool followed = true;
    int links = 0;
    while (!(to->through = is_descriptor(to->path, &to->descriptor))) {
        RHM_TRY(follow(to, &followed, error));
        if (!followed)
            break;
        if (++links > MOST_LINKS) {
            errno = ELOOP;
            return refuse(to->given, "follow this symbolic link", error);
        }
    }
    to->exists = to->descriptor >= 0 ? fstat(to->descriptor, &to->status) == 0 : stat(to->path, &to->status) == 0;
    if (to->exists) {
        to->through |= !S_ISREG(to->status.st_mode) && !S_ISDIR(to->status.st_mode);
        return RHM_OK;
    }
    char directory[PATH_MAX];
    directory_of(to->path, directory);
    if (stat(directory, &to->status) == 0)
        return RHM_OK;
    to->status = (struct stat){0};
    return links ? refuse(to->given, "follow this symbolic link", error) : RHM_OK;
}

rhm_status rhm_destination_find(rhm_destination *out, const char *path, rhm_error *error) {
    *out = (rhm_destination){.descriptor = -1};
    out->given = join("", 0, path, error);
    out->path = join("", 0, path, error);
    const rhm_status status = out->given && out->path ? resolve(out, error) : RHM_NO_MEMORY;
    if (status != RHM_OK)
        rhm_destination_clear(out);
    return status;
}

static rhm_status check_descriptor(const rhm_destination *to, rhm_error *error) {
    const int flags = fcntl(to->descriptor, F_GETFL);
    if (flags < 0 || (flags & O_PATH))
        return rhm_fail(error, RHM_IO, "%s: cannot write to descriptor %d: it is not open", rhm_path_shown(to->given),
                        to->descriptor);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return rhm_fail(error, RHM_IO, "%s: cannot write to descriptor %d: it is open for reading only",
                        rhm_path_shown(to->given), to->descriptor);
    return RHM_OK;
}

/* A file that is a mount of its own has a name that no rename can touch. False where the kernel cannot tell. */
static bool is_mounted(const char *path) {
    struct statx found;
    return statx(AT_FDCWD, path, 0, STATX_TYPE, &found) == 0 &&
           (found.stx_attributes & found.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT);
}

rhm_status rhm_destination_check(const rhm_destination *to, rhm_error *error) {
    const char *shown = rhm_path_shown(to->given);
    if (to->descriptor >= 0)
        return check_descriptor(to, error);
    struct stat status;
    if (stat(to->path, &status) != 0)
        return errno == ENOENT && *to->path && !to->through ? RHM_OK : refuse(to->given, "write this file", error);
    if (S_ISDIR(status.st_mode))
        return rhm_fail(error, RHM_IO, "%s: cannot write this file: it is a directory", shown);
    if (S_ISBLK(status.st_mode) || S_ISSOCK(status.st_mode))
        return rhm_fail(error, RHM_IO, "%s: cannot write this file: it is a %s", shown,
                        S_ISBLK(status.st_mode) ? "block device" : "socket");
    if (S_ISREG(status.st_mode) && is_mounted(to->path))
        return rhm_fail(error, RHM_IO,
                        "%s: cannot replace this file: it is mounted by itself (as containers do with single files); "
                        "mount its directory, or write to another name",
                        shown);
    if (faccessat(AT_FDCWD, to->path, W_OK, AT_EACCESS) != 0)
        return refuse(to->given, S_ISREG(status.st_mode) ? "replace this file" : "write this file", error);
    return RHM_OK;
}

bool rhm_destination_same(const rhm_destination *a, const rhm_destination *b) {
    if (a->exists != b->exists || a->status.st_ino == 0 || a->status.st_ino != b->status.st_ino ||
        a->status.st_dev != b->status.st_dev)
        return false;
    return a->exists || strcmp(a->path + directory_length(a->path), b->path + directory_length(b->path)) == 0;
}

void rhm_destination_clear(rhm_destination *to) {
    rhm_free(to->given);
    rhm_free(to->path);
    *to = (rhm_destination){.descriptor = -1};
}
