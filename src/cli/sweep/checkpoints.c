#include "cli/sweep/checkpoints.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/sha256.h"
#include "rhm/learner.h"

enum { NAME_NBYTES = 40 };
static const char option[] = "--checkpoint=";

/* A name for the cell that a file system takes. */
static rhm_status path_of(char **path, const rhm_sweep_store *store, const char *key, rhm_error *error) {
    char name[NAME_NBYTES], hash[RHM_SHA256_TEXT_NBYTES];
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, strlen(key), (const uint8_t *)key);
    rhm_sha256_text(&context, hash);
    snprintf(name, sizeof name, "checkpoints/%.16s", hash);
    return rhm_sweep_store_path(path, store, name, error);
}

rhm_status rhm_sweep_checkpoint_argument(char **argument, const rhm_sweep_store *store, const char *key,
                                         rhm_error *error) {
    char *around, *path;
    *argument = NULL;
    RHM_TRY(rhm_sweep_store_path(&around, store, "checkpoints", error));
    rhm_status status = RHM_OK;
    if (mkdir(around, 0777) != 0 && errno != EEXIST)
        status = rhm_fail(error, RHM_IO, "%s: cannot make this directory: %s", rhm_path_shown(around), strerror(errno));
    rhm_free(around);
    if (status != RHM_OK)
        return status;
    RHM_TRY(path_of(&path, store, key, error));
    *argument = RHM_NEW(char, strlen(option) + strlen(path) + 1, 1, 1, "an argument", error);
    if (*argument) {
        strcpy(*argument, option);
        strcat(*argument, path);
    }
    rhm_free(path);
    return *argument ? RHM_OK : RHM_NO_MEMORY;
}

void rhm_sweep_checkpoint_remove(const rhm_sweep_store *store, const char *key) {
    char *path;
    if (path_of(&path, store, key, NULL) != RHM_OK)
        return;
    DIR *stream = opendir(path);
    const struct dirent *entry;
    while (stream && (entry = readdir(stream)))
        if (rhm_checkpoint_file_name(entry->d_name) || !strncmp(entry->d_name, ".rhm-", 5))
            unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream)
        closedir(stream);
    rmdir(path);
    rhm_free(path);
}
