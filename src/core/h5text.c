/* Text in HDF5 files, of fixed or variable length, in attributes and datasets. */
#include "core/h5internal.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

enum { MAX_TEXT_NBYTES = 1 << 28 };

static herr_t read_value(hid_t id, hid_t type, void *value) {
    return H5Iget_type(id) == H5I_ATTR ? H5Aread(id, type, value)
                                       : H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
}

static rhm_status read_fixed(const rhm_h5 *file, const char *what, hid_t id, hid_t type, char **text,
                             rhm_error *error) {
    const size_t nbytes = H5Tget_size(type);
    if (nbytes > MAX_TEXT_NBYTES)
        return rhm_h5_refuse(file, what, error, "has %zu bytes of text; at most %d are read", nbytes, MAX_TEXT_NBYTES);
    *text = RHM_NEW(char, nbytes + 1, 1, 1, "text of a file", error);
    if (!*text)
        return RHM_NO_MEMORY;
    if (read_value(id, type, *text) >= 0)
        return RHM_OK;
    rhm_free(*text);
    *text = NULL;
    return rhm_h5_failed(file, what, RHM_CORRUPT, "read", error);
}

static rhm_status read_variable(const rhm_h5 *file, const char *what, hid_t id, hid_t type, char **text,
                                rhm_error *error) {
    char *value = NULL;
    if (read_value(id, type, &value) < 0)
        return rhm_h5_failed(file, what, RHM_CORRUPT, "read", error);
    const size_t nbytes = value ? strlen(value) : 0;
    char *copy = RHM_NEW(char, nbytes + 1, 1, 1, "text of a file", error);
    if (copy && value)
        memcpy(copy, value, nbytes + 1);
    if (value)
        H5free_memory(value);
    if (!copy)
        return RHM_NO_MEMORY;
    *text = copy;
    return RHM_OK;
}

rhm_status rhm_h5_read_string(const rhm_h5 *file, const char *what, hid_t id, hid_t type, char **text,
                              rhm_error *error) {
    return H5Tis_variable_str(type) > 0 ? read_variable(file, what, id, type, text, error)
                                        : read_fixed(file, what, id, type, text, error);
}
