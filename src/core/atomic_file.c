#include "core/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fail.h"
#include "core/memory.h"

enum {
    SHOWN_NBYTES = 160,
    /* Names of killed runs of the same process id may be in the way; more than that is not chance. */
    ATTEMPTS = 1000,
};

const char *rhm_path_shown(const char *path) {
    const size_t length = strlen(path);
    return length > SHOWN_NBYTES ? path + length - SHOWN_NBYTES : path;
}

static rhm_status refuse(const char *path, const char *what, rhm_error *error) {
    return rhm_fail(error, RHM_IO, "%s: cannot %s: %s", rhm_path_shown(path), what, strerror(errno));
}

/* Length of the directory part of `path`, its final slash included; 0 when there is none. */
static size_t directory_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

static char *copy_text(const char *text, size_t nbytes, rhm_error *error) {
    char *copy = RHM_NEW(char, nbytes + 1, 1, 1, "file name", error);
    if (copy)
        memcpy(copy, text, nbytes);
    return copy;
}

/* The file that `path` means: a link must keep pointing where it points. */
static rhm_status resolve(char **out, const char *path, rhm_error *error) {
    struct stat status;
    char *target = NULL;
    if (lstat(path, &status) == 0 && S_ISLNK(status.st_mode)) {
        target = realpath(path, NULL);
        if (!target)
            return refuse(path, "follow this symbolic link", error);
    }
    const char *meant = target ? target : path;
    *out = copy_text(meant, strlen(meant), error);
    free(target);
    return *out ? RHM_OK : RHM_NO_MEMORY;
}

/* Whether an existing file at `path` may be replaced; *mode is the access mode of the file that will be there. */
static rhm_status check_final(const char *path, mode_t *mode, rhm_error *error) {
    struct stat status;
    *mode = 0;
    if (stat(path, &status) != 0) {
        if (errno == ENOENT && *path)
            return RHM_OK;
        return refuse(path, "write this file", error);
    }
    if (S_ISDIR(status.st_mode))
        return rhm_fail(error, RHM_IO, "%s: cannot write this file: it is a directory", rhm_path_shown(path));
    if (!S_ISREG(status.st_mode))
        return rhm_fail(error, RHM_IO, "%s: cannot write this file: it is a device, a pipe or a socket",
                        rhm_path_shown(path));
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
        return refuse(path, "replace this file", error);
    *mode = (status.st_mode & 0777) | S_IRUSR | S_IWUSR; /* what was written is read back to hash it */
    return RHM_OK;
}

static rhm_status create_temporary(rhm_atomic *file, mode_t mode, rhm_error *error) {
    const size_t directory = directory_length(file->path);
    const size_t nbytes = directory + 48;
    file->temporary = RHM_NEW(char, nbytes, 1, 1, "temporary file name", error);
    if (!file->temporary)
        return RHM_NO_MEMORY;
    memcpy(file->temporary, file->path, directory);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        snprintf(file->temporary + directory, nbytes - directory, ".rhm-%ld-%d.partial", (long)getpid(), attempt);
        const int descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0) {
            /* A replaced file keeps its access mode; refused only by file systems that have none. */
            if (mode)
                (void)!fchmod(descriptor, mode);
            close(descriptor);
            return RHM_OK;
        }
        if (errno != EEXIST)
            break;
    }
    const rhm_status status = refuse(file->path, "create a file in its directory", error);
    rhm_free(file->temporary);
    file->temporary = NULL;
    return status;
}

rhm_status rhm_atomic_begin(rhm_atomic *file, const char *path, rhm_error *error) {
    *file = (rhm_atomic){0};
    mode_t mode;
    RHM_TRY(check_final(path, &mode, error));
    RHM_TRY(resolve(&file->path, path, error));
    const rhm_status status = create_temporary(file, mode, error);
    if (status != RHM_OK)
        rhm_atomic_abandon(file);
    return status;
}

/* fsync of a file or a directory; file systems that know no fsync of directories say EINVAL. */
static int sync_path(const char *path, int flags) {
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (descriptor < 0)
        return -1;
    int result = fsync(descriptor);
    if (result != 0 && errno == EINVAL)
        result = 0;
    const int failure = errno;
    close(descriptor);
    errno = failure;
    return result;
}

rhm_status rhm_atomic_commit(rhm_atomic *file, rhm_error *error) {
    rhm_status status = RHM_OK;
    if (sync_path(file->temporary, 0) != 0) {
        status = refuse(file->path, "sync what was written", error);
    } else if (rename(file->temporary, file->path) != 0) {
        status = refuse(file->path, "rename the finished file to this name", error);
    } else {
        /* From here the file is whole under its name; an unsynced directory may still lose it with the power. */
        rhm_free(file->temporary);
        file->temporary = NULL;
        const size_t directory = directory_length(file->path);
        char *name = directory ? copy_text(file->path, directory, error) : copy_text(".", 1, error);
        if (!name)
            status = RHM_NO_MEMORY;
        else if (sync_path(name, O_DIRECTORY) != 0 && errno != EACCES)
            status = refuse(file->path, "sync its directory", error);
        rhm_free(name);
    }
    rhm_atomic_abandon(file);
    return status;
}

void rhm_atomic_abandon(rhm_atomic *file) {
    if (file->temporary)
        unlink(file->temporary);
    rhm_free(file->temporary);
    rhm_free(file->path);
    *file = (rhm_atomic){0};
}

rhm_status rhm_write_all(int descriptor, const void *bytes, size_t nbytes, const char *path, rhm_error *error) {
    const char *rest = bytes;
    while (nbytes > 0) {
        const ssize_t written = write(descriptor, rest, nbytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return refuse(path, "write this file", error);
        rest += written;
        nbytes -= (size_t)written;
    }
    return RHM_OK;
}

static rhm_status write_to(const char *target, const char *path, const char *text, size_t nbytes, rhm_error *error) {
    const int descriptor = open(target, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return refuse(path, "write this file", error);
    const rhm_status status = rhm_write_all(descriptor, text, nbytes, path, error);
    if (close(descriptor) != 0 && status == RHM_OK)
        return refuse(path, "write this file", error);
    return status;
}

rhm_status rhm_atomic_write_text(const char *path, const char *text, size_t nbytes, rhm_error *error) {
    struct stat present;
    if (stat(path, &present) == 0 && !S_ISREG(present.st_mode) && !S_ISDIR(present.st_mode))
        return write_to(path, path, text, nbytes, error);
    rhm_atomic file;
    RHM_TRY(rhm_atomic_begin(&file, path, error));
    const rhm_status status = write_to(file.temporary, file.path, text, nbytes, error);
    if (status != RHM_OK) {
        rhm_atomic_abandon(&file);
        return status;
    }
    return rhm_atomic_commit(&file, error);
}
