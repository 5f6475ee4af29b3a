#include "core/h5driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"

/* What the access properties carry; libhdf5 copies it byte by byte. */
struct settings {
    int *failure;
};

struct driven_file {
    H5FD_t base; /* libhdf5's part, first */
    int descriptor;
    int *failure;
    haddr_t allocated; /* "EOA": end of what libhdf5 has given out */
    haddr_t written;   /* "EOF": end of what was written */
};

static void remember(const struct driven_file *file) {
    if (*file->failure == 0)
        *file->failure = errno ? errno : EIO;
}

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t limit) {
    (void)limit;
    const struct settings *settings = H5Pget_driver_info(access);
    if (!settings)
        return NULL;
    const int truncate = flags & H5F_ACC_TRUNC ? O_TRUNC : 0;
    const int descriptor = open(name, O_RDWR | O_CLOEXEC | truncate);
    if (descriptor < 0) {
        *settings->failure = errno;
        return NULL;
    }
    struct driven_file *file = RHM_NEW(struct driven_file, 1, 1, 1, "file driver", NULL);
    if (!file) {
        close(descriptor);
        return NULL;
    }
    const off_t end = lseek(descriptor, 0, SEEK_END);
    file->descriptor = descriptor;
    file->failure = settings->failure;
    file->written = end > 0 ? (haddr_t)end : 0;
    return &file->base;
}

static herr_t driver_close(H5FD_t *base) {
    struct driven_file *file = (struct driven_file *)base;
    if (close(file->descriptor) != 0)
        remember(file);
    rhm_free(file);
    return 0;
}

static herr_t driver_query(const H5FD_t *base, unsigned long *features) {
    (void)base;
    *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
                H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *base, H5FD_mem_t type) {
    (void)type;
    return ((const struct driven_file *)base)->allocated;
}

static herr_t driver_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t address) {
    (void)type;
    ((struct driven_file *)base)->allocated = address;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *base, H5FD_mem_t type) {
    (void)type;
    return ((const struct driven_file *)base)->written;
}

/* What was never written reads as zeros. */
static herr_t driver_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t nbytes, void *bytes) {
    (void)type, (void)transfer;
    const struct driven_file *file = (const struct driven_file *)base;
    char *rest = bytes;
    while (nbytes > 0) {
        const ssize_t got = pread(file->descriptor, rest, nbytes, (off_t)address);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            remember(file);
        if (got <= 0)
            break;
        rest += got;
        address += (haddr_t)got;
        nbytes -= (size_t)got;
    }
    memset(rest, 0, nbytes);
    return 0;
}

static herr_t driver_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t nbytes,
                           const void *bytes) {
    (void)type, (void)transfer;
    struct driven_file *file = (struct driven_file *)base;
    const char *rest = bytes;
    if (address + nbytes > file->written)
        file->written = address + nbytes;
    while (nbytes > 0 && *file->failure == 0) {
        const ssize_t done = pwrite(file->descriptor, rest, nbytes, (off_t)address);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            remember(file);
            break;
        }
        rest += done;
        address += (haddr_t)done;
        nbytes -= (size_t)done;
    }
    return 0;
}

static herr_t driver_truncate(H5FD_t *base, hid_t transfer, hbool_t closing) {
    (void)transfer, (void)closing;
    struct driven_file *file = (struct driven_file *)base;
    if (*file->failure == 0 && file->written != file->allocated &&
        ftruncate(file->descriptor, (off_t)file->allocated) != 0)
        remember(file);
    file->written = file->allocated;
    return 0;
}

static const H5FD_class_t driver_class = {
#if H5_VERSION_GE(1, 13, 2)
    .version = H5FD_CLASS_VERSION,
    .value = 511, /* the last of the numbers that are free for everybody */
#endif
    .name = "rhm",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(struct settings),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

herr_t rhm_h5_use_driver(hid_t access, int *failure) {
    const struct settings settings = {failure};
    const hid_t driver = H5FDregister(&driver_class);
    if (driver < 0)
        return -1;
    const herr_t result = H5Pset_driver(access, driver, &settings);
    /* The property list and then the open file keep it alive. */
    H5FDunregister(driver);
    return result;
}
