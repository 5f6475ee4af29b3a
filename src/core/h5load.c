/*
 * Reading files that nobody vouches for. libhdf5 (seen with 1.10.8) does not survive every damaged file: sizes inside
 * it are believed, so that heaps and headers are read beyond their end, or for ever. Our own files are safe: their
 * checksum is verified first. A file of others is read in a child process, and here only after the child came through.
 */
#include "core/h5internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fail.h"

enum {
    TRIAL_SECONDS = 5,                 /* for a small file, many times what it takes */
    TRIAL_NBYTES_PER_SECOND = 1 << 22, /* a tenth of what slow decompression does */
    TRIAL_WAITING = 10,                /* seconds of waiting for each of computing */
};

static rhm_status read_here(const char *path, const rhm_file_header *header, rhm_h5_reader *reader, void *context,
                            rhm_error *error) {
    rhm_h5 *file = NULL;
    RHM_TRY(rhm_h5_open(&file, path, header, error));
    rhm_status status = reader(context, file, error);
    if (file->damage->status != RHM_OK)
        status = rhm_fail(error, file->damage->status, "%s", file->damage->text);
    rhm_h5_close(&file);
    return status;
}

/* The child: whatever happens to it, nothing is printed, no core is left, and it ends. */
static void confine(uint64_t nbytes) {
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM, SIGXCPU};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
    const rlim_t seconds = TRIAL_SECONDS + nbytes / TRIAL_NBYTES_PER_SECOND;
    const struct rlimit no_core = {0, 0}, computing = {seconds, seconds};
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_CPU, &computing);
    alarm((unsigned)(seconds * TRIAL_WAITING));
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0)
        dup2(nowhere, STDERR_FILENO);
}

/* The child's sentence, or RHM_CORRUPT where it did not live to say one. */
static rhm_status receive(int descriptor, const char *path, rhm_error *error) {
    rhm_error answer;
    size_t received = 0;
    while (received < sizeof answer) {
        const ssize_t got = read(descriptor, (char *)&answer + received, sizeof answer - received);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return rhm_fail(error, RHM_CORRUPT, "%s: damaged: HDF5 fails while reading it", rhm_path_shown(path));
        received += (size_t)got;
    }
    return answer.status == RHM_OK ? RHM_OK : rhm_fail(error, answer.status, "%s", answer.text);
}

/* RHM_OK also where no child can be had: then the attempt is made here. */
static rhm_status try_apart(const char *path, const rhm_file_header *header, rhm_h5_reader *reader, void *context,
                            rhm_error *error) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return RHM_OK;
    const pid_t child = fork();
    if (child == 0) {
        rhm_error answer = {.status = RHM_OK};
        confine(header->nbytes);
        rhm_h5_after_fork();
        answer.status = read_here(path, header, reader, context, &answer);
        rhm_write_all(ends[1], &answer, sizeof answer, path, NULL);
        _exit(0);
    }
    close(ends[1]);
    const rhm_status status = child < 0 ? RHM_OK : receive(ends[0], path, error);
    close(ends[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

rhm_status rhm_h5_load(const char *path, rhm_h5_reader *reader, void *context, rhm_error *error) {
    RHM_H5_GUARDED; /* no other thread of ours is inside libhdf5 when the child is made */
    rhm_file_header header;
    RHM_TRY(rhm_file_header_check(&header, path, error));
    if (!header.present)
        RHM_TRY(try_apart(path, &header, reader, context, error));
    return read_here(path, &header, reader, context, error);
}

static rhm_status read_kind(void *context, const rhm_h5 *file, rhm_error *error) {
    (void)error;
    memcpy(context, file->kind, sizeof file->kind);
    return RHM_OK;
}

rhm_status rhm_h5_load_kind(const char *path, char kind[RHM_FILE_KIND_NBYTES], rhm_error *error) {
    return rhm_h5_load(path, read_kind, kind, error);
}
