/* What every call of libhdf5 needs: the guard around it, its failures as sentences, its types, its closers. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/h5internal.h"

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
