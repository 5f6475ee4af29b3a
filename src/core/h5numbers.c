/* Objects that are numbered, such as rules_1 to rules_4: which ones a group holds. */
#include "core/h5internal.h"

#include <stdio.h>
#include <string.h>

#include "core/fail.h"

enum { ODD_NBYTES = 64 };

struct search {
    const char *stem;
    uint64_t *seen;
    char odd[ODD_NBYTES]; /* the first name whose number is not written as it should be, or is too large */
};

static herr_t look(hid_t group, const char *name, const H5L_info_t *link, void *context) {
    (void)group, (void)link;
    struct search *search = context;
    const size_t length = strlen(search->stem);
    if (strncmp(name, search->stem, length) != 0 || name[length] != '_')
        return 0;
    const char *digits = name + length + 1;
    if (!*digits || digits[strspn(digits, "0123456789")])
        return 0;
    unsigned number = RHM_H5_NUMBERS;
    if (strlen(digits) <= 2 && (digits[0] != '0' || !digits[1]))
        sscanf(digits, "%2u", &number);
    if (number < RHM_H5_NUMBERS)
        *search->seen |= UINT64_C(1) << number;
    else if (!search->odd[0])
        snprintf(search->odd, sizeof search->odd, "%.*s", ODD_NBYTES - 1, name);
    return 0;
}

rhm_status rhm_h5_numbers(const rhm_h5 *file, const char *group, const char *stem, uint64_t *seen, rhm_error *error) {
    RHM_H5_GUARDED;
    struct search search = {.stem = stem, .seen = seen};
    *seen = 0;
    const hid_t id = H5Gopen2(file->id, group, H5P_DEFAULT);
    const herr_t result = id < 0 ? -1 : H5Literate(id, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, look, &search);
    rhm_h5_close_object(id);
    if (result < 0)
        return rhm_h5_failed(file, group, RHM_CORRUPT, "list", error);
    if (search.odd[0])
        return rhm_h5_refuse(file, group, error, "holds %s: the numbers of levels are written as in %s_1, up to %d",
                             search.odd, stem, RHM_H5_NUMBERS - 1);
    return RHM_OK;
}
