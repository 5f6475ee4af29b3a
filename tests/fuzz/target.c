#include "target.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fuzz_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("fuzz: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void fuzz_check_status(rhm_status status, const rhm_error *error) {
    if (status == RHM_OK)
        return;
    if (error->status != status)
        fuzz_fail("returned %s, but the error says %s", rhm_status_name(status), rhm_status_name(error->status));
    if (!error->text[0] || strcmp(rhm_status_name(status), "unknown") == 0)
        fuzz_fail("%s without a sentence", rhm_status_name(status));
}

static char directory[64];
static pid_t owner;

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *position) {
    (void)status, (void)kind, (void)position;
    return remove(path);
}

static void leave_directory(void) {
    if (getpid() == owner)
        nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void fuzz_enter_directory(void) {
    snprintf(directory, sizeof directory, "%s/rhm_fuzz_XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    owner = getpid();
    if (!mkdtemp(directory) || chdir(directory) != 0)
        fuzz_fail("no directory for files: %s", directory);
    atexit(leave_directory);
    if (!freopen("/dev/null", "w", stdout))
        fuzz_fail("cannot open /dev/null");
}

void fuzz_write_file(const char *path, const void *bytes, size_t nbytes) {
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0 || write(descriptor, bytes, nbytes) != (ssize_t)nbytes || close(descriptor) != 0)
        fuzz_fail("cannot write %s", path);
}

uint8_t *fuzz_read_file(const char *path, size_t *nbytes) {
    struct stat status;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &status) != 0)
        fuzz_fail("cannot open %s", path);
    *nbytes = (size_t)status.st_size;
    uint8_t *bytes = malloc(*nbytes + 1);
    if (!bytes || read(descriptor, bytes, *nbytes) != (ssize_t)*nbytes)
        fuzz_fail("cannot read %s", path);
    close(descriptor);
    return bytes;
}
