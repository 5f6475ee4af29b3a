#include "core/file_header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/foreign.h"
#include "core/memory.h"
#include "core/sha256.h"
#include "core/superblock.h"

enum { FORMAT = 1, BLOCK_NBYTES = 1 << 18, WAY_OUT_NBYTES = 400 };

/* What the lines of a header say. */
struct fields {
    char kind[RHM_FILE_KIND_NBYTES];
    uint64_t nbytes;
    char sha256[RHM_SHA256_TEXT_NBYTES];
};

static void print_header(char block[RHM_FILE_HEADER_NBYTES], const struct fields *fields) {
    memset(block, 0, RHM_FILE_HEADER_NBYTES);
    snprintf(block, RHM_FILE_HEADER_NBYTES, "rhm-file/%d\nkind %s\nnbytes %" PRIu64 "\nsha256 %s\n", FORMAT,
             fields->kind, fields->nbytes, fields->sha256);
}

/* The hash does not cover the header: a kind is one of these words, or the header is damaged. */
static bool known_kind(const char *kind) {
    static const char *const kinds[] = {"grammar", "data", "model", "prediction", "oracle", "checkpoint", "samples"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

/* False unless the block is, to the byte, what print_header makes of its fields. */
static bool parse_header(const char block[RHM_FILE_HEADER_NBYTES], struct fields *fields) {
    char text[RHM_FILE_HEADER_NBYTES + 1] = {0};
    memcpy(text, block, RHM_FILE_HEADER_NBYTES);
    if (sscanf(text, "rhm-file/%*u kind %15s nbytes %" SCNu64 " sha256 %64s", fields->kind, &fields->nbytes,
               fields->sha256) != 3)
        return false;
    char expected[RHM_FILE_HEADER_NBYTES];
    print_header(expected, fields);
    return known_kind(fields->kind) && memcmp(block, expected, RHM_FILE_HEADER_NBYTES) == 0;
}

/* Up to `nbytes` at `offset`: fewer only at the end of the file, -1 on an error. */
static ssize_t read_at(int descriptor, void *bytes, size_t nbytes, uint64_t offset) {
    size_t done = 0;
    while (done < nbytes) {
        const ssize_t got = pread(descriptor, (char *)bytes + done, nbytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Hash everything after the header; *nbytes is the size of the whole file as it was read. */
static rhm_status hash_rest(int descriptor, const char *path, uint64_t *nbytes, char text[RHM_SHA256_TEXT_NBYTES],
                            rhm_error *error) {
    uint8_t *block = RHM_NEW(uint8_t, BLOCK_NBYTES, 1, 1, "block of a file", error);
    if (!block)
        return RHM_NO_MEMORY;
    struct sha256_ctx hash;
    sha256_init(&hash);
    uint64_t offset = RHM_FILE_HEADER_NBYTES;
    ssize_t got;
    while ((got = read_at(descriptor, block, BLOCK_NBYTES, offset)) > 0) {
        sha256_update(&hash, (size_t)got, block);
        offset += (uint64_t)got;
    }
    rhm_free(block);
    if (got < 0)
        return rhm_fail(error, RHM_IO, "%s: cannot read this file: %s", rhm_path_shown(path), strerror(errno));
    rhm_sha256_text(&hash, text);
    *nbytes = offset;
    return RHM_OK;
}

rhm_status rhm_file_header_write(const char *target, const char *path, const char *kind, rhm_error *error) {
    const int descriptor = open(target, O_RDWR | O_CLOEXEC);
    if (descriptor < 0)
        return rhm_fail(error, RHM_IO, "%s: cannot reopen what was written: %s", rhm_path_shown(path), strerror(errno));
    struct fields fields = {0};
    snprintf(fields.kind, sizeof fields.kind, "%s", kind);
    rhm_status status = hash_rest(descriptor, path, &fields.nbytes, fields.sha256, error);
    if (status == RHM_OK) {
        char block[RHM_FILE_HEADER_NBYTES];
        print_header(block, &fields);
        status = rhm_write_all(descriptor, block, sizeof block, path, error);
    }
    if (close(descriptor) != 0 && status == RHM_OK)
        status = rhm_fail(error, RHM_IO, "%s: cannot write this file: %s", rhm_path_shown(path), strerror(errno));
    return status;
}

/* What there is to copy, with HDF5's own tool, where a file of this kind is to be used all the same. */
static void way_out(char text[WAY_OUT_NBYTES], const char *shown, const char *kind) {
    snprintf(
        text, WAY_OUT_NBYTES,
        "; what you trust in it can be copied into a new file, which is read without a checksum: h5copy -i '%.160s' "
        "-o NEW.h5 -s /%s -d /%s",
        shown, kind, kind);
    if (strcmp(kind, "checkpoint") == 0 || strcmp(kind, "samples") == 0)
        text[0] = '\0';
}

/*
 * Length or contents are not what the header says. HDF5 keeps the length of a file in it: where that is the length that
 * there is, and another one than was written, HDF5's tools or another program wrote the file anew and left our header.
 */
static rhm_status judge(const struct fields *fields, const char *found, uint64_t nbytes, uint64_t end, const char *path,
                        rhm_file_header *out, rhm_error *error) {
    const char *shown = rhm_path_shown(path);
    const bool longer = nbytes > fields->nbytes, shorter = nbytes < fields->nbytes;
    char way[WAY_OUT_NBYTES];
    way_out(way, shown, fields->kind);
    if (strcmp(found, fields->sha256) == 0)
        return rhm_fail(error, RHM_CORRUPT, "%s: damaged: its header speaks of %" PRIu64 " bytes, not of %" PRIu64,
                        shown, fields->nbytes, nbytes);
    if ((shorter && end != nbytes) || (longer && end > nbytes))
        return rhm_fail(error, RHM_CORRUPT, "%s: truncated: it holds %" PRIu64 " of %" PRIu64 " bytes", shown, nbytes,
                        end > nbytes ? end : fields->nbytes);
    if (longer && end != nbytes)
        return rhm_fail(error, RHM_CORRUPT, "%s: damaged: it holds %" PRIu64 " of %" PRIu64 " bytes", shown, nbytes,
                        fields->nbytes);
    if ((!longer && !shorter) || !*way)
        return rhm_fail(error, RHM_CORRUPT,
                        "%s: damaged, or changed by another program: the SHA-256 of its contents is %.12s..., its "
                        "header says %.12s...%s",
                        shown, found, fields->sha256, way);
    out->rewritten = true;
    out->nbytes = nbytes;
    memcpy(out->kind, fields->kind, sizeof out->kind);
    return RHM_OK;
}

static rhm_status check_ours(int descriptor, const char *block, uint64_t nbytes, const char *path, rhm_file_header *out,
                             rhm_error *error) {
    const char *shown = rhm_path_shown(path);
    if (nbytes < RHM_FILE_HEADER_NBYTES)
        return rhm_fail(error, RHM_CORRUPT, "%s: truncated: it holds %" PRIu64 " bytes, its header alone has %d", shown,
                        nbytes, RHM_FILE_HEADER_NBYTES);
    unsigned format;
    if (sscanf(block, "rhm-file/%6u", &format) == 1 && format > FORMAT)
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "%s: written in format rhm-file/%u by a later version; %s reads rhm-file/%d", shown, format,
                        rhm_version(), FORMAT);
    struct fields fields = {0};
    if (!parse_header(block, &fields))
        return rhm_fail(error, RHM_CORRUPT, "%s: damaged: the text in its first %d bytes is not as it was written",
                        shown, RHM_FILE_HEADER_NBYTES);
    char found[RHM_SHA256_TEXT_NBYTES];
    RHM_TRY(hash_rest(descriptor, path, &nbytes, found, error));
    if (nbytes != fields.nbytes || strcmp(found, fields.sha256) != 0) {
        uint64_t end;
        (void)rhm_superblock_find(descriptor, nbytes, &end);
        return judge(&fields, found, nbytes, end, path, out, error);
    }
    out->present = true;
    out->nbytes = nbytes;
    memcpy(out->kind, fields.kind, sizeof out->kind);
    return RHM_OK;
}

static rhm_status check_open(int descriptor, const char *path, rhm_file_header *out, rhm_error *error) {
    const char *shown = rhm_path_shown(path);
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return rhm_fail(error, RHM_IO, "%s: cannot read this file: %s", shown, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return rhm_fail(error, RHM_IO, "%s: cannot read this file: it is a directory", shown);
    if (!S_ISREG(status.st_mode))
        return rhm_fail(error, RHM_IO, "%s: cannot read this file: it is a device, a pipe or a socket", shown);
    const uint64_t nbytes = (uint64_t)status.st_size;
    if (nbytes == 0)
        return rhm_fail(error, RHM_CORRUPT, "%s: the file is empty", shown);
    char block[RHM_FILE_HEADER_NBYTES + 1] = {0};
    const ssize_t length = read_at(descriptor, block, RHM_FILE_HEADER_NBYTES, 0);
    if (length < 0)
        return rhm_fail(error, RHM_IO, "%s: cannot read this file: %s", shown, strerror(errno));
    /* Two marks, so that damage to either does not turn our file into one of others. */
    if (strncmp(block, "rhm-file/", 9) == 0 || strstr(block, "\nsha256 "))
        return check_ours(descriptor, block, nbytes, path, out, error);
    uint64_t end;
    if (!rhm_superblock_find(descriptor, nbytes, &end))
        return rhm_fail(error, RHM_CORRUPT, "%s: not an HDF5 file%s", shown, rhm_foreign_words(block, (size_t)length));
    out->nbytes = nbytes;
    return RHM_OK;
}

rhm_status rhm_file_header_check(rhm_file_header *out, const char *path, rhm_error *error) {
    *out = (rhm_file_header){0};
    /* Not to wait for the other end of a pipe. */
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return rhm_fail(error, RHM_IO, "%s: cannot open this file: %s", rhm_path_shown(path), strerror(errno));
    const rhm_status status = check_open(descriptor, path, out, error);
    close(descriptor);
    return status;
}
