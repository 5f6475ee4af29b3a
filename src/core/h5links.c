/* Whether an object is there; libhdf5 says little where what a link leads to is missing. */
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/h5internal.h"

enum { NAME_NBYTES = 1024 };

/* "/x of the file y.h5", or "/x" where it is to be in the same file. */
static bool describe_target(const rhm_h5 *file, const char *object, const H5L_info_t *link, char text[NAME_NBYTES]) {
    char value[NAME_NBYTES] = "";
    if (link->u.val_size >= sizeof value || H5Lget_val(file->id, object, value, sizeof value, H5P_DEFAULT) < 0)
        return false;
    const char *other = NULL, *target = value;
    if (link->type == H5L_TYPE_EXTERNAL && H5Lunpack_elink_val(value, link->u.val_size, NULL, &other, &target) < 0)
        return false;
    snprintf(text, NAME_NBYTES, "%.120s%s%.120s", target, other ? " of the file " : "", other ? other : "");
    return true;
}

bool rhm_h5_broken_link(const rhm_h5 *file, const char *object) {
    H5L_info_t link;
    char target[NAME_NBYTES];
    if (H5Lget_info(file->id, object, &link, H5P_DEFAULT) < 0 || link.type == H5L_TYPE_HARD ||
        H5Oexists_by_name(file->id, object, H5P_DEFAULT) > 0 || !describe_target(file, object, &link, target))
        return false;
    if (file->damage->status == RHM_OK)
        rhm_fail(file->damage, RHM_INVALID, "%s: %s is missing: it is a link to %s", rhm_path_shown(file->path), object,
                 target);
    return true;
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
