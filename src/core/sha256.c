#include "core/sha256.h"

void rhm_sha256_text(struct sha256_ctx *hash, char text[RHM_SHA256_TEXT_NBYTES]) {
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    text[2 * sizeof digest] = '\0';
}
