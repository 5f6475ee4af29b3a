#include "file_input.h"

#include <errno.h>
#include <hdf5.h>
#include <string.h>
#include <unistd.h>

pid_t __wrap_fork(void);

/* In place of fork where a target links with -Wl,--wrap: rhm_h5_load then reads in this process. */
pid_t __wrap_fork(void) {
    errno = EAGAIN;
    return -1;
}

bool file_input_read(file_input *input, const uint8_t *bytes, size_t nbytes) {
    if (nbytes < STEP_NBYTES)
        return false;
    *input = (file_input){
        .kind = bytes[0] % TEMPLATES,
        .form = bytes[1] % FORMS,
        .by = MADE_BY_OTHERS,
        .reader = bytes[3],
        .steps = bytes + STEP_NBYTES,
        .steps_nbytes = nbytes - STEP_NBYTES,
    };
    if (input->form == FORM_OURS)
        input->by = bytes[2] % MADE_BY_OTHERS;
    memcpy(input->hints, bytes + 4, sizeof input->hints);
    return true;
}

bool file_input_make(const file_input *input, const char *header, const char *path) {
    const file_image image = template_image(input->kind, input->form);
    return make_file(path, image.bytes, image.nbytes, input->by, header, input->steps, input->steps_nbytes);
}

long file_input_open_objects(void) {
    static const H5I_type_t types[] = {H5I_FILE,    H5I_GROUP, H5I_DATATYPE,    H5I_DATASPACE,
                                       H5I_DATASET, H5I_ATTR,  H5I_GENPROP_LST, H5I_ERROR_STACK};
    long count = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        hsize_t members = 0;
        if (H5Inmembers(types[i], &members) >= 0)
            count += (long)members;
    }
    return count;
}
