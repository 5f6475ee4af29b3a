#include "core/superblock.h"

#include <string.h>
#include <unistd.h>

enum {
    SIGNATURE_NBYTES = 8,
    BLOCK_NBYTES = 64,
    FIRST_USER_BLOCK = 512,
    ADDRESS_NBYTES = 8, /* of all files but those that ask for others */
};

/* Where the base address, the end of file address and the size of addresses stand, by version of the superblock. */
static const struct {
    unsigned base, end, address_size;
} places[] = {{24, 40, 13}, {28, 44, 13}, {12, 28, 9}, {12, 28, 9}};

static uint64_t little_endian(const uint8_t *bytes) {
    uint64_t value = 0;
    for (int i = ADDRESS_NBYTES - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

bool rhm_superblock_find(int descriptor, uint64_t nbytes, uint64_t *end) {
    static const uint8_t signature[SIGNATURE_NBYTES] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    *end = 0;
    for (uint64_t offset = 0; offset < nbytes; offset = offset ? 2 * offset : FIRST_USER_BLOCK) {
        uint8_t block[BLOCK_NBYTES] = {0};
        const ssize_t got = pread(descriptor, block, sizeof block, (off_t)offset);
        if (got < SIGNATURE_NBYTES || memcmp(block, signature, sizeof signature) != 0)
            continue;
        const unsigned version = block[SIGNATURE_NBYTES];
        if (version < sizeof places / sizeof *places && block[places[version].address_size] == ADDRESS_NBYTES)
            /* A user block that was put in front, or taken away, has moved the end along with the block. */
            *end = little_endian(block + places[version].end) - little_endian(block + places[version].base) + offset;
        return true;
    }
    return false;
}
