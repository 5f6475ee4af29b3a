#include "core/h5internal.h"

#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/h5driver.h"
#include "core/memory.h"

static rhm_h5 *new_handle(const char *path, rhm_error *error) {
    const size_t nbytes = strlen(path) + 1;
    rhm_h5 *file = RHM_NEW(rhm_h5, 1, 1, 1, "file handle", error);
    if (!file)
        return NULL;
    file->id = H5I_INVALID_HID;
    file->path = RHM_NEW(char, nbytes, 1, 1, "file name", error);
    file->damage = RHM_NEW(rhm_error, 1, 1, 1, "file handle", error);
    file->notes = RHM_NEW(char, RHM_H5_NOTES_NBYTES, 1, 1, "file handle", error);
    if (!file->path || !file->damage || !file->notes) {
        rhm_h5_close(&file);
        return NULL;
    }
    memcpy(file->path, path, nbytes);
    return file;
}

/* The file is closed whatever is still open in it, and no lock is asked for: network file systems may lack them. */
static hid_t access_options(void) {
    const hid_t options = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(options, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0))
    H5Pset_file_locking(options, false, true);
#endif
    return options;
}

static rhm_status write_root(rhm_h5 *file, rhm_error *error) {
    char schema[RHM_FILE_KIND_NBYTES + 8];
    snprintf(schema, sizeof schema, "rhm-%s/1", file->kind);
    RHM_TRY(rhm_h5_write_text_attribute(file, "/", "schema", schema, error));
    return rhm_h5_write_text_attribute(file, "/", "version", rhm_version(), error);
}

rhm_status rhm_h5_create(rhm_h5 **out, const char *path, const char *kind, rhm_error *error) {
    RHM_H5_GUARDED;
    rhm_h5 *file = new_handle(path, error);
    if (!file)
        return RHM_NO_MEMORY;
    snprintf(file->kind, sizeof file->kind, "%s", kind);
    rhm_status status = rhm_atomic_begin(&file->writing, path, error);
    if (status == RHM_OK) {
        const hid_t access = access_options();
        const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
        H5Pset_userblock(creation, RHM_FILE_HEADER_NBYTES);
        if (rhm_h5_use_driver(access, &file->write_failure) >= 0)
            file->id = H5Fcreate(file->writing.temporary, H5F_ACC_TRUNC, creation, access);
        if (file->id < 0)
            status = rhm_h5_check_written(file, rhm_h5_failed(file, "/", RHM_IO, "write", error), error);
        rhm_h5_close_plist(creation);
        rhm_h5_close_plist(access);
    }
    if (status == RHM_OK)
        status = write_root(file, error);
    if (status != RHM_OK) {
        rhm_h5_close(&file);
        return status;
    }
    *out = file;
    return RHM_OK;
}

rhm_status rhm_h5_commit(rhm_h5 **handle, rhm_error *error) {
    RHM_H5_GUARDED;
    rhm_h5 *file = *handle;
    rhm_status status = RHM_OK;
    const hid_t id = file->id;
    file->id = H5I_INVALID_HID;
    if (H5Fclose(id) < 0)
        status = rhm_h5_failed(file, "/", RHM_IO, "write", error);
    status = rhm_h5_check_written(file, status, error);
    if (status == RHM_OK)
        status = rhm_file_header_write(file->writing.temporary, file->path, file->kind, error);
    if (status == RHM_OK)
        status = rhm_atomic_commit(&file->writing, error);
    rhm_h5_close(handle);
    return status;
}

static void find_kind(rhm_h5 *file) {
    static const struct {
        const char *object, *kind;
    } signs[] = {{"/model", "model"}, {"/prediction", "prediction"}, {"/oracle", "oracle"},
                 {"/data", "data"},   {"/tokens", "data"},           {"/grammar", "grammar"}};
    for (size_t i = 0; i < sizeof signs / sizeof *signs && !file->kind[0]; i++)
        if (rhm_h5_has(file, signs[i].object))
            snprintf(file->kind, sizeof file->kind, "%s", signs[i].kind);
}

/* Whether the root says that this library made the contents, in a file that has lost its header since. */
static bool schema_is_ours(const rhm_h5 *file) {
    char schema[RHM_FILE_KIND_NBYTES + 8];
    return rhm_h5_has_attribute(file, "/", "schema") &&
           rhm_h5_read_text_attribute(file, "/", "schema", schema, sizeof schema, NULL) == RHM_OK &&
           strncmp(schema, "rhm-", 4) == 0;
}

rhm_status rhm_h5_open(rhm_h5 **out, const char *path, const rhm_file_header *header, rhm_error *error) {
    RHM_H5_GUARDED;
    rhm_h5 *file = new_handle(path, error);
    if (!file)
        return RHM_NO_MEMORY;
    file->nbytes = header->nbytes;
    file->intact = header->present;
    memcpy(file->kind, header->kind, sizeof file->kind);
    const hid_t access = access_options();
    file->id = H5Fopen(path, H5F_ACC_RDONLY, access);
    rhm_status status = RHM_OK;
    if (file->id < 0)
        status = rhm_h5_failed(file, "the HDF5 file", RHM_CORRUPT, "open", error);
    rhm_h5_close_plist(access);
    if (status != RHM_OK) {
        rhm_h5_close(&file);
        return status;
    }
    find_kind(file);
    if (header->rewritten || (!header->present && schema_is_ours(file)))
        rhm_h5_note(file, "another program wrote this file anew: the checksum that it had no longer holds");
    *out = file;
    return RHM_OK;
}

void rhm_h5_close(rhm_h5 **handle) {
    RHM_H5_GUARDED;
    rhm_h5 *file = *handle;
    if (!file)
        return;
    if (file->id >= 0)
        H5Fclose(file->id);
    rhm_atomic_abandon(&file->writing);
    rhm_free(file->path);
    rhm_free(file->damage);
    rhm_free(file->notes);
    rhm_free(file);
    *handle = NULL;
}

bool rhm_h5_intact(const rhm_h5 *file) {
    return file->intact;
}

const char *rhm_h5_kind(const rhm_h5 *file) {
    return file->kind;
}

rhm_status rhm_h5_write_group(rhm_h5 *file, const char *object, rhm_error *error) {
    RHM_H5_GUARDED;
    const hid_t group = H5Gcreate2(file->id, object, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0)
        return rhm_h5_failed(file, object, RHM_IO, "write", error);
    H5Gclose(group);
    return RHM_OK;
}
