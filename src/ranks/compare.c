#include <string.h>

#include "core/memory.h"
#include "core/sha256.h"
#include "ranks/group.h"

void rhm_ranks_hash(const char *text, char *out) {
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, strlen(text), (const uint8_t *)text);
    rhm_sha256_text(&hash, out);
}

rhm_status rhm_ranks_compare(rhm_ranks *ranks, const char *text, int *other, rhm_error *error) {
    const size_t size = (size_t)rhm_ranks_size(ranks), nbytes = RHM_SHA256_TEXT_NBYTES;
    *other = -1;
    if (!ranks)
        return RHM_OK;
    char *all = RHM_NEW(char, size, nbytes, 1, "what ranks compare", error);
    if (!all)
        return RHM_NO_MEMORY;
    rhm_ranks_hash(text, all + (size_t)rhm_ranks_rank(ranks) * nbytes);
    const rhm_status status = rhm_ranks_gather_equal(ranks, all, nbytes, error);
    for (size_t rank = size - 1; status == RHM_OK && rank > 0; rank--)
        *other = memcmp(all + rank * nbytes, all, nbytes) != 0 ? (int)rank : *other;
    rhm_free(all);
    return status;
}
