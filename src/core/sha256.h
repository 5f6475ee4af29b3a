/* SHA-256 as text. The hash itself is nettle's: sha256_init and sha256_update. */
#ifndef RHM_CORE_SHA256_H
#define RHM_CORE_SHA256_H

#include <nettle/sha2.h>

enum { RHM_SHA256_TEXT_NBYTES = 2 * SHA256_DIGEST_SIZE + 1 };

/* Finish `hash` as 64 hexadecimal digits and a NUL. */
void rhm_sha256_text(struct sha256_ctx *hash, char text[RHM_SHA256_TEXT_NBYTES]);

#endif
