#include "cli/inputs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/sha256.h"

enum { PLACE_NBYTES = 256, PART_NBYTES = 1 << 16 };

static rhm_status hash_file(char text[RHM_SHA256_TEXT_NBYTES], const char *path, rhm_error *error) {
    FILE *file = fopen(path, "rb");
    uint8_t *part = RHM_NEW(uint8_t, PART_NBYTES, 1, 1, "a part of a file", error);
    struct sha256_ctx hash;
    rhm_status status = part ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK && !file)
        status = rhm_fail(error, RHM_INVALID, "%s: cannot open this file: %s", rhm_path_shown(path), strerror(errno));
    sha256_init(&hash);
    for (size_t count; status == RHM_OK && (count = fread(part, 1, PART_NBYTES, file)) > 0;)
        sha256_update(&hash, count, part);
    if (status == RHM_OK && ferror(file))
        status = rhm_fail(error, RHM_IO, "%s: cannot read: %s", rhm_path_shown(path), strerror(errno));
    rhm_sha256_text(&hash, text);
    if (file)
        fclose(file);
    rhm_free(part);
    return status;
}

/* Files of one machine that are one file need not be read to be compared. Pipes are read once. */
static rhm_status compare(rhm_ranks *ranks, const char *path, rhm_error *error) {
    char place[PLACE_NBYTES], contents[RHM_SHA256_TEXT_NBYTES];
    struct stat status;
    int other;
    const bool missing = stat(path, &status) != 0, regular = !missing && S_ISREG(status.st_mode);
    if (regular)
        snprintf(place, sizeof place, "%d %ju %ju", rhm_ranks_machine(ranks, rhm_ranks_rank(ranks)),
                 (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    RHM_TRY(rhm_ranks_compare(ranks, regular ? place : missing ? "missing" : "", &other, error));
    if (other < 0)
        return RHM_OK;
    contents[0] = '\0';
    if (regular || missing)
        RHM_TRY(hash_file(contents, path, error));
    RHM_TRY(rhm_ranks_compare(ranks, contents, &other, error));
    if (other < 0)
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID, "%s of rank %d (%s) is not what it is for rank 0: all ranks must read the same",
                    rhm_path_shown(path), other, rhm_ranks_host(ranks, other));
}

rhm_status rhm_inputs_compare(const rhm_settings *settings, rhm_error *error) {
    rhm_ranks *ranks = settings->running.ranks;
    if (!ranks)
        return RHM_OK;
    for (size_t i = 0; i < settings->command->operand_count && !settings->command->operand_name_of; i++)
        RHM_TRY(compare(ranks, settings->operands[i], error));
    for (size_t i = 0; i < settings->given_count; i++)
        if (settings->given[i].option->file == RHM_FILE_READ)
            RHM_TRY(compare(ranks, settings->given[i].text, error));
    return RHM_OK;
}
