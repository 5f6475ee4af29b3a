#include "core/h5internal.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/h5driver.h"
#include "core/memory.h"

static pthread_mutex_t hdf5_mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

rhm_h5_guard rhm_h5_enter(void) {
    rhm_h5_guard guard;
    pthread_mutex_lock(&hdf5_mutex);
    H5Eget_auto2(H5E_DEFAULT, &guard.print, &guard.print_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return guard;
}

void rhm_h5_leave(rhm_h5_guard *guard) {
    H5Eset_auto2(H5E_DEFAULT, guard->print, guard->print_data);
    pthread_mutex_unlock(&hdf5_mutex);
}

void rhm_h5_after_fork(void) {
    /* glibc knows the owner by its thread id, which the child's only thread does not have. */
    hdf5_mutex = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

/* What the error stack tells: the system's error number and libhdf5's innermost words. */
struct cause {
    int system;
    char words[96];
};

static herr_t find_cause(unsigned position, const H5E_error2_t *entry, void *context) {
    struct cause *cause = context;
    const char *description = entry->desc ? entry->desc : "";
    /* libhdf5 writes "..., errno = 28, error message = '...', buf = 0x..., ...": addresses are of no use to anybody. */
    const char *number = strstr(description, "errno = ");
    if (number && !cause->system)
        sscanf(number, "errno = %d", &cause->system);
    if (position == 0)
        snprintf(cause->words, sizeof cause->words, "%s", description);
    return 0;
}

rhm_status rhm_h5_failed(const rhm_h5 *file, const char *object, rhm_status status, const char *action,
                         rhm_error *error) {
    struct cause cause = {0};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, find_cause, &cause);
    const char *shown = rhm_path_shown(file->path);
    if (cause.system)
        return rhm_fail(error, RHM_IO, "%s: cannot %s %s: %s", shown, action, object, strerror(cause.system));
    return rhm_fail(error, status, "%s: cannot %s %s: HDF5 says: %s", shown, action, object,
                    cause.words[0] ? cause.words : "no reason");
}

bool rhm_h5_exists(const rhm_h5 *file, const char *object, htri_t answer) {
    if (answer < 0 && file->damage->status == RHM_OK)
        rhm_h5_failed(file, object, RHM_CORRUPT, "look for", file->damage);
    return answer > 0;
}

rhm_status rhm_h5_check_written(const rhm_h5 *file, rhm_status status, rhm_error *error) {
    if (!file->write_failure)
        return status;
    return rhm_fail(error, RHM_IO, "%s: cannot write this file%s: %s", rhm_path_shown(file->path),
                    file->writing.to.through ? " by way of a temporary one in TMPDIR" : "",
                    strerror(file->write_failure));
}

rhm_status rhm_h5_refuse(const rhm_h5 *file, const char *object, rhm_error *error, const char *format, ...) {
    char words[RHM_ERROR_TEXT_NBYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    return rhm_fail(error, RHM_INVALID, "%s: %s %s", rhm_path_shown(file->path), object, words);
}

rhm_status rhm_h5_blame(const rhm_h5 *file, rhm_status status, rhm_error *error) {
    if (status == RHM_OK || !error)
        return status;
    char words[RHM_ERROR_TEXT_NBYTES];
    memcpy(words, error->text, sizeof words);
    return rhm_fail(error, status, "%s: %s", rhm_path_shown(file->path), words);
}

hid_t rhm_h5_memory_type(rhm_h5_type type) {
    switch (type) {
    case RHM_H5_U8: return H5T_NATIVE_UINT8;
    case RHM_H5_U16: return H5T_NATIVE_UINT16;
    case RHM_H5_U32: return H5T_NATIVE_UINT32;
    case RHM_H5_U64: return H5T_NATIVE_UINT64;
    case RHM_H5_F32: return H5T_NATIVE_FLOAT;
    case RHM_H5_F64: return H5T_NATIVE_DOUBLE;
    }
    return H5I_INVALID_HID;
}

hid_t rhm_h5_stored_type(rhm_h5_type type) {
    switch (type) {
    case RHM_H5_U8: return H5T_STD_U8LE;
    case RHM_H5_U16: return H5T_STD_U16LE;
    case RHM_H5_U32: return H5T_STD_U32LE;
    case RHM_H5_U64: return H5T_STD_U64LE;
    case RHM_H5_F32: return H5T_IEEE_F32LE;
    case RHM_H5_F64: return H5T_IEEE_F64LE;
    }
    return H5I_INVALID_HID;
}

hid_t rhm_h5_text_type(void) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

void rhm_h5_close_type(hid_t id) {
    if (id >= 0)
        H5Tclose(id);
}

void rhm_h5_close_space(hid_t id) {
    if (id >= 0)
        H5Sclose(id);
}

void rhm_h5_close_plist(hid_t id) {
    if (id >= 0)
        H5Pclose(id);
}

void rhm_h5_close_attribute(hid_t id) {
    if (id >= 0)
        H5Aclose(id);
}

void rhm_h5_close_object(hid_t id) {
    if (id >= 0)
        H5Oclose(id);
}

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
    } signs[] = {{"/model", "model"},
                 {"/prediction", "prediction"},
                 {"/oracle", "oracle"},
                 {"/data", "data"},
                 {"/tokens", "data"},
                 {"/grammar", "grammar"}};
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

static rhm_status read_kind(void *context, const rhm_h5 *file, rhm_error *error) {
    (void)error;
    memcpy(context, file->kind, sizeof file->kind);
    return RHM_OK;
}

rhm_status rhm_h5_load_kind(const char *path, char kind[RHM_FILE_KIND_NBYTES], rhm_error *error) {
    return rhm_h5_load(path, read_kind, kind, error);
}

/* Each part of the path must be asked for: libhdf5 refuses to look behind a missing one. */
bool rhm_h5_has(const rhm_h5 *file, const char *object) {
    RHM_H5_GUARDED;
    char part[128];
    for (size_t length = 1; length < sizeof part; length++) {
        if (object[length] != '/' && object[length] != '\0')
            continue;
        memcpy(part, object, length);
        part[length] = '\0';
        if (strcmp(part, "/") != 0 && !rhm_h5_exists(file, object, H5Lexists(file->id, part, H5P_DEFAULT)))
            return false;
        if (strcmp(part, "/") != 0 && rhm_h5_broken_link(file, part))
            return false;
        if (object[length] == '\0')
            return rhm_h5_exists(file, object, H5Oexists_by_name(file->id, object, H5P_DEFAULT));
    }
    return false;
}

rhm_status rhm_h5_write_group(rhm_h5 *file, const char *object, rhm_error *error) {
    RHM_H5_GUARDED;
    const hid_t group = H5Gcreate2(file->id, object, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0)
        return rhm_h5_failed(file, object, RHM_IO, "write", error);
    H5Gclose(group);
    return RHM_OK;
}
