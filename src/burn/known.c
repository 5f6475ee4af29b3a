/* tests/test_burn.c keeps these true and prints what they are to be when the bits of a release change. */
#include "burn/work.h"

const uint64_t rhm_burn_known_digest[RHM_BURN_OPERATIONS] = {
    [RHM_BURN_FEATURES] = 0xb0508716c0cb4686,         [RHM_BURN_PHASORS] = 0x6392895388fa9175,
    [RHM_BURN_PRODUCT] = 0x32a0104c3864a72d,          [RHM_BURN_FORWARD] = 0x7e1372105641cd8d,
    [RHM_BURN_ROTATED_FORWARD] = 0x25764f7baff9f935,  [RHM_BURN_GRADIENT] = 0x30a0fe1bc47efc1a,
    [RHM_BURN_ROTATED_GRADIENT] = 0xd0b3d28186ee64fc, [RHM_BURN_GRAM] = 0x7e6e459cdc4534a7,
    [RHM_BURN_GRAM_PRODUCT] = 0xbc2f96aaf7dd1776,
};

const char rhm_burn_known_hash[RHM_HASH_TEXT_NBYTES] =
    "0b29c0076d16bc4e3d9a4816dbc1d36689469651f42e2fcb79224abb81a0c15b";
