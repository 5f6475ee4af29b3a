#include "core/partial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/memory.h"

enum {
    BOOT_DIGITS = 8,
    NAME_NBYTES = 64,
    /* Names that are in the way and cannot be removed; more than that is not chance. */
    ATTEMPTS = 1000,
};

static const char prefix[] = ".rhm-", suffix[] = ".partial", nobody[] = "00000000";

/* Which running kernel this is: containers share it, other hosts of a shared file system have another. */
static void read_boot(char text[BOOT_DIGITS + 1]) {
    const int descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    memset(text, 0, BOOT_DIGITS + 1);
    const ssize_t got = descriptor < 0 ? -1 : read(descriptor, text, BOOT_DIGITS);
    if (descriptor >= 0)
        close(descriptor);
    if (got != BOOT_DIGITS || strspn(text, "0123456789abcdef") != BOOT_DIGITS)
        memcpy(text, nobody, sizeof nobody);
}

/* What stands between prefix and suffix, or NULL where the name is not one of these. */
static const char *owner_in(const char *name) {
    const size_t length = strlen(name), head = sizeof prefix - 1, tail = sizeof suffix - 1;
    if (length <= head + tail || strncmp(name, prefix, head) != 0 || strcmp(name + length - tail, suffix) != 0)
        return NULL;
    return head + strspn(name + head, "0123456789abcdef-") == length - tail ? name + head : NULL;
}

/* File systems that no other kernel writes to, so that a free lock is the whole truth. */
static bool is_local(int directory) {
    static const unsigned local[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,       BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
                                     TMPFS_MAGIC,      OVERLAYFS_SUPER_MAGIC, RAMFS_MAGIC,       0x2fc12fc1 /* ZFS */};
    struct statfs system;
    if (fstatfs(directory, &system) != 0)
        return false;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if ((unsigned)system.f_type == local[i])
            return true;
    return false;
}

/* Whether `name` still is the file behind `descriptor`: 1, 0, or negative with errno set. */
static int is_named(int directory, const char *name, int descriptor) {
    struct stat open_one, named;
    if (fstat(descriptor, &open_one) != 0)
        return -1;
    if (fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -1;
    return open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino && S_ISREG(named.st_mode);
}

/* Under its lock, so that an owner that has just created it cannot take it for its own. */
static void remove_unlocked(int directory, const char *name) {
    const int descriptor = openat(directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0)
        return;
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0 && is_named(directory, name, descriptor) > 0)
        unlinkat(directory, name, 0);
    close(descriptor);
}

void rhm_partial_sweep(int directory) {
    char boot[BOOT_DIGITS + 1];
    const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    if (!entries) {
        if (copy >= 0)
            close(copy);
        return;
    }
    read_boot(boot);
    const bool local = is_local(directory), known = strcmp(boot, nobody) != 0;
    for (const struct dirent *entry; (entry = readdir(entries));) {
        const char *owner = owner_in(entry->d_name);
        /* Locks of some shared file systems hold for one host only: there, only those of this host are judged. */
        if (owner && (local || (known && strncmp(owner, boot, BOOT_DIGITS) == 0 && owner[BOOT_DIGITS] == '-')))
            remove_unlocked(directory, entry->d_name);
    }
    closedir(entries);
}

/*
 * Lock what was just created; 0 where a sweep came between and is removing it, negative with errno set where the system
 * does not tell. File systems may lack locks.
 */
static int hold(int directory, const char *name, int descriptor) {
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return 0;
    return is_named(directory, name, descriptor);
}

/* The name inside the directory; negative with errno set where none can be created. */
static int create_in(int directory, char name[NAME_NBYTES]) {
    char boot[BOOT_DIGITS + 1];
    read_boot(boot);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        snprintf(name, NAME_NBYTES, "%s%s-%ld-%d%s", prefix, boot, (long)getpid(), attempt, suffix);
        const int descriptor = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno != EEXIST)
            return -1;
        const int held = descriptor < 0 ? 0 : hold(directory, name, descriptor);
        if (held > 0)
            return descriptor;
        const int failure = errno;
        if (held < 0)
            unlinkat(directory, name, 0);
        if (descriptor >= 0)
            close(descriptor);
        if (held < 0) {
            errno = failure;
            return -1;
        }
    }
    errno = EEXIST;
    return -1;
}

rhm_status rhm_partial_create(char **name, int *descriptor, const char *path, mode_t mode, rhm_error *error) {
    const char *slash = strrchr(path, '/');
    const size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    char *text = RHM_NEW(char, length + NAME_NBYTES, 1, 1, "temporary file name", error);
    if (!text)
        return RHM_NO_MEMORY;
    memcpy(text, path, length);
    /* A directory that may be written to need not be readable; it is not swept then. */
    const int directory = open(length ? text : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int created = -1;
    if (directory >= 0) {
        rhm_partial_sweep(directory);
        created = create_in(directory, text + length);
        const int failure = errno;
        close(directory);
        errno = failure;
    }
    if (created < 0) {
        rhm_free(text);
        return rhm_fail(error, RHM_IO, "%s: cannot create a file in its directory: %s", rhm_path_shown(path),
                        strerror(errno));
    }
    /* A replaced file keeps its access mode; refused only by file systems that have none. */
    if (mode)
        (void)!fchmod(created, mode);
    *name = text;
    *descriptor = created;
    return RHM_OK;
}
