/*
 * Whether all of an array is there: libhdf5 reads parts of it that lie in other files as zeros where those are missing,
 * and says little where a filter is.
 */
#include "core/h5internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fail.h"

enum { NAME_NBYTES = 1024, FILTER_NBYTES = 64 };

static rhm_status check_filters(const rhm_h5 *file, const char *object, hid_t layout, rhm_error *error) {
    const int count = H5Pget_nfilters(layout);
    for (int i = 0; i < count; i++) {
        unsigned flags, configuration = 0;
        size_t values = 0;
        char name[FILTER_NBYTES] = "";
        const H5Z_filter_t filter =
            H5Pget_filter2(layout, (unsigned)i, &flags, &values, NULL, sizeof name, name, &configuration);
        if (filter < 0)
            return rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
        const bool available = H5Zfilter_avail(filter) > 0 && H5Zget_filter_info(filter, &configuration) >= 0 &&
                               (configuration & H5Z_FILTER_CONFIG_DECODE_ENABLED);
        if (!available)
            return rhm_fail(error, RHM_UNSUPPORTED,
                            "%s: %s is stored through filter %d%s%.40s%s, which the HDF5 library here lacks: rewrite "
                            "the file where it was written, with gzip or without compression (h5repack -f NONE), or "
                            "name the plugin's directory in HDF5_PLUGIN_PATH",
                            rhm_path_shown(file->path), object, (int)filter, *name ? " (" : "", name, *name ? ")" : "");
    }
    return RHM_OK;
}

/* `name` as it stands, or beside the file that names it; *nbytes is the size of what is there. */
static bool find_beside(const rhm_h5 *file, const char *name, char found[PATH_MAX], uint64_t *nbytes) {
    const char *slash = strrchr(file->path, '/');
    struct stat status;
    snprintf(found, PATH_MAX, "%.*s%s", slash && name[0] != '/' ? (int)(slash - file->path) + 1 : 0, file->path, name);
    if (stat(found, &status) != 0) {
        snprintf(found, PATH_MAX, "%s", name);
        if (stat(found, &status) != 0)
            return false;
    }
    *nbytes = (uint64_t)status.st_size;
    return true;
}

static rhm_status check_external(const rhm_h5 *file, const char *object, hid_t layout, rhm_error *error) {
    const int count = H5Pget_external_count(layout);
    for (int i = 0; i < count; i++) {
        char name[NAME_NBYTES] = "", found[PATH_MAX];
        off_t offset;
        hsize_t claimed;
        uint64_t nbytes;
        if (H5Pget_external(layout, (unsigned)i, sizeof name - 1, name, &offset, &claimed) < 0)
            return rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
        if (!find_beside(file, name, found, &nbytes))
            return rhm_h5_refuse(file, object, error, "is stored in the file %.160s, which is missing", name);
        if (claimed != H5F_UNLIMITED &&
            (offset < 0 || nbytes < (uint64_t)offset || nbytes - (uint64_t)offset < claimed))
            return rhm_h5_refuse(file, object, error,
                                 "is stored in the file %.160s, which holds %" PRIu64 " bytes, too few", name, nbytes);
    }
    return RHM_OK;
}

/* Numbered sources ("%b") begin with block 0; how many there are is for libhdf5 to find out. */
static void first_block(char name[NAME_NBYTES]) {
    char *block = strstr(name, "%b");
    if (!block)
        return;
    block[0] = '0';
    memmove(block + 1, block + 2, strlen(block + 2) + 1);
}

static bool holds(const char *path, const char *object) {
    const hid_t other = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (other < 0)
        return false;
    const hid_t set = H5Dopen2(other, object, H5P_DEFAULT);
    rhm_h5_close_object(set);
    H5Fclose(other);
    return set >= 0;
}

static rhm_status check_source(const rhm_h5 *file, const char *object, hid_t layout, size_t index, rhm_error *error) {
    char name[NAME_NBYTES] = "", set[NAME_NBYTES] = "", found[PATH_MAX];
    uint64_t nbytes;
    if (H5Pget_virtual_filename(layout, index, name, sizeof name) < 0 ||
        H5Pget_virtual_dsetname(layout, index, set, sizeof set) < 0)
        return rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    first_block(name);
    first_block(set);
    if (strcmp(name, ".") == 0) {
        if (rhm_h5_has(file, set))
            return RHM_OK;
        return rhm_h5_refuse(file, object, error, "is put together from %.160s of the same file, which is missing",
                             set);
    }
    if (!find_beside(file, name, found, &nbytes))
        return rhm_h5_refuse(file, object, error, "is put together from the file %.160s, which is missing", name);
    if (!holds(found, set))
        return rhm_h5_refuse(file, object, error, "is put together from %.80s of the file %.160s, which cannot be read",
                             set, name);
    return RHM_OK;
}

/* What no source covers would be read as zeros too. Selections without an end cover what there is. */
static rhm_status check_covered(const rhm_h5 *file, const char *object, hid_t layout, size_t count, uint64_t elements,
                                rhm_error *error) {
    uint64_t covered = 0;
    for (size_t i = 0; i < count; i++) {
        const hid_t space = H5Pget_virtual_vspace(layout, i);
        const hssize_t points = space < 0 ? -1 : H5Sget_select_npoints(space);
        rhm_h5_close_space(space);
        if (points < 0)
            return RHM_OK;
        covered += (uint64_t)points;
    }
    if (covered < elements)
        return rhm_h5_refuse(file, object, error,
                             "is put together from other arrays, which cover %" PRIu64 " of its %" PRIu64 " elements",
                             covered, elements);
    return RHM_OK;
}

/* A writer that did not get so far, or one that relied on zeros: only the user can tell. */
static void note_unwritten(const rhm_h5 *file, const char *object, hid_t dataset, hid_t layout) {
    H5D_space_status_t allocated;
    if (H5Dget_space_status(dataset, &allocated) < 0 || allocated == H5D_SPACE_STATUS_ALLOCATED)
        return;
    /* libhdf5 takes arrays that a filter made smaller for partly allocated. */
    const bool partly = allocated == H5D_SPACE_STATUS_PART_ALLOCATED;
    if (!partly || H5Pget_nfilters(layout) == 0)
        rhm_h5_note(file, "%s%s was never written and is read as what HDF5 fills it with, mostly zeros",
                    partly ? "a part of " : "", object);
}

rhm_status rhm_h5_check_sources(const rhm_h5 *file, const char *object, hid_t dataset, hid_t layout, uint64_t elements,
                                rhm_error *error) {
    RHM_TRY(check_filters(file, object, layout, error));
    if (H5Pget_external_count(layout) > 0)
        return check_external(file, object, layout, error);
    if (H5Pget_layout(layout) != H5D_VIRTUAL) {
        if (elements > 0)
            note_unwritten(file, object, dataset, layout);
        return RHM_OK;
    }
    size_t count = 0;
    if (H5Pget_virtual_count(layout, &count) < 0)
        return rhm_h5_failed(file, object, RHM_CORRUPT, "read", error);
    for (size_t i = 0; i < count; i++)
        RHM_TRY(check_source(file, object, layout, i, error));
    return check_covered(file, object, layout, count, elements, error);
}
