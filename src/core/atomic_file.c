#include "core/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/partial.h"

enum { BLOCK_NBYTES = 1 << 18, NAME_NBYTES = 40 };

static rhm_status refuse(const char *path, const char *what, rhm_error *error) {
    return rhm_fail(error, RHM_IO, "%s: cannot %s: %s", rhm_path_shown(path), what, strerror(errno));
}

/* A file without a name: on disk, since results may exceed memory, or in memory where no disk takes it. */
static int open_unnamed(void) {
    const char *directory = getenv("TMPDIR");
    char name[PATH_MAX];
    const int length = snprintf(name, sizeof name, "%s/rhm-XXXXXX", directory && *directory ? directory : "/tmp");
    const int descriptor = length < (int)sizeof name ? mkostemp(name, O_CLOEXEC) : -1;
    if (descriptor < 0)
        return memfd_create("rhm", MFD_CLOEXEC);
    unlink(name);
    return descriptor;
}

static rhm_status begin_through(rhm_atomic *file, rhm_error *error) {
    char *name = RHM_NEW(char, NAME_NBYTES, 1, 1, "temporary file name", error);
    if (!name)
        return RHM_NO_MEMORY;
    file->descriptor = open_unnamed();
    if (file->descriptor < 0) {
        rhm_free(name);
        return refuse(file->to.given, "create a temporary file", error);
    }
    snprintf(name, NAME_NBYTES, "/proc/self/fd/%d", file->descriptor);
    file->temporary = name;
    return RHM_OK;
}

/* What was written is read back to hash it. */
static mode_t mode_of(const rhm_destination *to) {
    return to->exists ? (to->status.st_mode & 0777) | S_IRUSR | S_IWUSR : 0;
}

rhm_status rhm_atomic_begin(rhm_atomic *file, const char *path, rhm_error *error) {
    *file = (rhm_atomic){0};
    RHM_TRY(rhm_destination_find(&file->to, path, error));
    rhm_status status = rhm_destination_check(&file->to, error);
    if (status == RHM_OK)
        status = file->to.through ? begin_through(file, error)
                                  : rhm_partial_create(&file->temporary, &file->descriptor, file->to.path,
                                                       mode_of(&file->to), error);
    if (status != RHM_OK)
        rhm_atomic_abandon(file);
    return status;
}

/* File systems that know no fsync of directories say EINVAL; a directory that may not be read cannot be synced. */
static rhm_status sync_directory(const rhm_destination *to, rhm_error *error) {
    char directory[PATH_MAX];
    const char *slash = strrchr(to->path, '/');
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - to->path) + 1 : 1, slash ? to->path : ".");
    const int descriptor = open(directory, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (descriptor < 0)
        return errno == EACCES ? RHM_OK : refuse(to->given, "sync its directory", error);
    const int failure = fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
    close(descriptor);
    errno = failure;
    return failure ? refuse(to->given, "sync its directory", error) : RHM_OK;
}

static rhm_status put_in_place(rhm_atomic *file, rhm_error *error) {
    if (fsync(file->descriptor) != 0 && errno != EINVAL)
        return refuse(file->to.given, "sync what was written", error);
    if (rename(file->temporary, file->to.path) != 0)
        return refuse(file->to.given, "rename the finished file to this name", error);
    /* From here the file is whole under its name; an unsynced directory may still lose it with the power. */
    close(file->descriptor);
    rhm_free(file->temporary);
    file->temporary = NULL;
    return sync_directory(&file->to, error);
}

static rhm_status copy_to(int target, rhm_atomic *file, char *block, rhm_error *error) {
    off_t offset = 0;
    for (;;) {
        const ssize_t got = pread(file->descriptor, block, BLOCK_NBYTES, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return refuse(file->to.given, "read back what was written", error);
        if (got == 0)
            return RHM_OK;
        RHM_TRY(rhm_write_all(target, block, (size_t)got, file->to.given, error));
        offset += got;
    }
}

/* A descriptor keeps its position and its way of appending; what is opened anew is appended to. */
static rhm_status write_through(rhm_atomic *file, rhm_error *error) {
    const int own = file->to.descriptor;
    const int target = own >= 0 ? own : open(file->to.path, O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC);
    if (target < 0)
        return refuse(file->to.given, "write this file", error);
    char *block = RHM_NEW(char, BLOCK_NBYTES, 1, 1, "block of a file", error);
    rhm_status status = block ? copy_to(target, file, block, error) : RHM_NO_MEMORY;
    rhm_free(block);
    if (own < 0 && close(target) != 0 && status == RHM_OK)
        status = refuse(file->to.given, "write this file", error);
    return status;
}

rhm_status rhm_atomic_commit(rhm_atomic *file, rhm_error *error) {
    const rhm_status status = file->to.through ? write_through(file, error) : put_in_place(file, error);
    rhm_atomic_abandon(file);
    return status;
}

void rhm_atomic_abandon(rhm_atomic *file) {
    if (file->temporary) {
        if (!file->to.through)
            unlink(file->temporary);
        close(file->descriptor);
    }
    rhm_free(file->temporary);
    rhm_destination_clear(&file->to);
    *file = (rhm_atomic){0};
}

rhm_status rhm_write_all(int descriptor, const void *bytes, size_t nbytes, const char *path, rhm_error *error) {
    const char *rest = bytes;
    while (nbytes > 0) {
        const ssize_t written = write(descriptor, rest, nbytes);
        if (written < 0 && errno == EAGAIN) { /* a descriptor that others made non-blocking */
            struct pollfd ready = {.fd = descriptor, .events = POLLOUT};
            poll(&ready, 1, -1);
            continue;
        }
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return refuse(path, "write this file", error);
        rest += written;
        nbytes -= (size_t)written;
    }
    return RHM_OK;
}

rhm_status rhm_atomic_write_text(const char *path, const char *text, size_t nbytes, rhm_error *error) {
    rhm_atomic file;
    RHM_TRY(rhm_atomic_begin(&file, path, error));
    const rhm_status status = rhm_write_all(file.descriptor, text, nbytes, path, error);
    if (status != RHM_OK) {
        rhm_atomic_abandon(&file);
        return status;
    }
    return rhm_atomic_commit(&file, error);
}
