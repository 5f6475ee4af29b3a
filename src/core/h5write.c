/* Arrays (HDF5 datasets) written: contiguous, so that memory maps and other programs read them without detours. */
#include "core/h5internal.h"

#include "core/fail.h"

bool rhm_h5_select_rows(hid_t space, const rhm_h5_shape *shape, uint64_t first, uint64_t count, hid_t *memory) {
    hsize_t start[RHM_H5_MAX_RANK] = {first};
    hsize_t extent[RHM_H5_MAX_RANK] = {count};
    for (unsigned i = 1; i < shape->rank; i++)
        extent[i] = shape->extent[i];
    *memory = H5Screate_simple((int)shape->rank, extent, NULL);
    return *memory >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, extent, NULL) >= 0;
}

/* A new array without contents; negative, with `error` filled, when refused. */
static hid_t create_array(rhm_h5 *file, const char *object, hid_t stored, const rhm_h5_shape *shape, rhm_error *error) {
    hsize_t extent[RHM_H5_MAX_RANK];
    for (unsigned i = 0; i < shape->rank; i++)
        extent[i] = shape->extent[i];
    const hid_t space = shape->rank ? H5Screate_simple((int)shape->rank, extent, NULL) : H5Screate(H5S_SCALAR);
    const hid_t options = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(options, false);
    if (H5Tis_variable_str(stored) <= 0)
        H5Pset_fill_time(options, H5D_FILL_TIME_NEVER); /* every row is written */
    const hid_t dataset = H5Dcreate2(file->id, object, stored, space, H5P_DEFAULT, options, H5P_DEFAULT);
    if (dataset < 0)
        rhm_h5_failed(file, object, RHM_IO, "write", error);
    rhm_h5_close_plist(options);
    rhm_h5_close_space(space);
    return dataset;
}

static rhm_status write_whole(rhm_h5 *file, const char *object, hid_t stored, hid_t memory, const rhm_h5_shape *shape,
                              const void *values, rhm_error *error) {
    const hid_t dataset = create_array(file, object, stored, shape, error);
    if (dataset < 0)
        return RHM_IO;
    rhm_status status = RHM_OK;
    if (H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = rhm_h5_failed(file, object, RHM_IO, "write", error);
    H5Dclose(dataset);
    return rhm_h5_check_written(file, status, error);
}

rhm_status rhm_h5_write(rhm_h5 *file, const char *object, rhm_h5_type type, const rhm_h5_shape *shape,
                        const void *values, rhm_error *error) {
    RHM_H5_GUARDED;
    return write_whole(file, object, rhm_h5_stored_type(type), rhm_h5_memory_type(type), shape, values, error);
}

rhm_status rhm_h5_reserve(rhm_h5 *file, const char *object, rhm_h5_type stored, const rhm_h5_shape *shape,
                          rhm_error *error) {
    RHM_H5_GUARDED;
    const hid_t dataset = create_array(file, object, rhm_h5_stored_type(stored), shape, error);
    if (dataset < 0)
        return RHM_IO;
    H5Dclose(dataset);
    return RHM_OK;
}

rhm_status rhm_h5_write_rows(rhm_h5 *file, const char *object, rhm_h5_type type, const rhm_h5_shape *shape,
                             uint64_t first, uint64_t count, const void *values, rhm_error *error) {
    RHM_H5_GUARDED;
    const hid_t dataset = H5Dopen2(file->id, object, H5P_DEFAULT);
    const hid_t space = dataset < 0 ? H5I_INVALID_HID : H5Dget_space(dataset);
    hid_t memory = H5I_INVALID_HID;
    rhm_status status = RHM_OK;
    if (space < 0 || !rhm_h5_select_rows(space, shape, first, count, &memory) ||
        H5Dwrite(dataset, rhm_h5_memory_type(type), memory, space, H5P_DEFAULT, values) < 0)
        status = rhm_h5_failed(file, object, RHM_IO, "write", error);
    rhm_h5_close_space(memory);
    rhm_h5_close_space(space);
    rhm_h5_close_object(dataset);
    return rhm_h5_check_written(file, status, error);
}

rhm_status rhm_h5_write_text(rhm_h5 *file, const char *object, const char *text, rhm_error *error) {
    RHM_H5_GUARDED;
    const rhm_h5_shape single = {0};
    const hid_t type = rhm_h5_text_type();
    const rhm_status status = write_whole(file, object, type, type, &single, &text, error);
    rhm_h5_close_type(type);
    return status;
}
