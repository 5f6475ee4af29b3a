#include "engine/cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define HAVE_CPUID 1
#else
#define HAVE_CPUID 0
#endif

enum {
    LEAF1_ECX_FMA = 12,
    LEAF1_ECX_OSXSAVE = 27,
    LEAF1_ECX_AVX = 28,
    LEAF1_ECX_HYPERVISOR = 31,
    LEAF7_EBX_AVX2 = 5,
    LEAF7_EBX_AVX512F = 16,
    LEAF7_EBX_AVX512DQ = 17,
    LEAF7_EBX_AVX512BW = 30,
    LEAF7_EBX_AVX512VL = 31,
    XCR0_YMM = 0x06, /* SSE and AVX state */
    XCR0_ZMM = 0xe6, /* these, opmask, and both parts of the ZMM state */
};

static bool bit(uint32_t word, int number) {
    return word >> number & 1;
}

#if HAVE_CPUID
/* By hand: the compiler's intrinsic would need -mxsave for the whole file. */
static uint64_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

/* Intel SDM vol. 1, 14.3 and 15.2: OSXSAVE before XGETBV (it faults otherwise), XCR0 before any feature is believed. */
rhm_cpuid rhm_cpuid_read(void) {
    rhm_cpuid out = {0};
#if HAVE_CPUID
    uint32_t eax, ebx, ecx, edx;
    out.max_leaf = __get_cpuid_max(0, NULL);
    if (out.max_leaf < 1)
        return out;
    __cpuid(1, eax, ebx, ecx, edx);
    out.leaf1_ecx = ecx;
    if (!bit(ecx, LEAF1_ECX_OSXSAVE))
        return out;
    out.xcr0 = read_xcr0();
    if (out.max_leaf < 7)
        return out;
    __cpuid_count(7, 0, eax, ebx, ecx, edx);
    out.leaf7_ebx = ebx;
#endif
    return out;
}

bool rhm_cpuid_has_avx2(const rhm_cpuid *cpuid) {
    return cpuid->max_leaf >= 7 && bit(cpuid->leaf1_ecx, LEAF1_ECX_OSXSAVE) && (cpuid->xcr0 & XCR0_YMM) == XCR0_YMM &&
           bit(cpuid->leaf1_ecx, LEAF1_ECX_AVX) && bit(cpuid->leaf1_ecx, LEAF1_ECX_FMA) &&
           bit(cpuid->leaf7_ebx, LEAF7_EBX_AVX2);
}

bool rhm_cpuid_has_avx512(const rhm_cpuid *cpuid) {
    return rhm_cpuid_has_avx2(cpuid) && (cpuid->xcr0 & XCR0_ZMM) == XCR0_ZMM &&
           bit(cpuid->leaf7_ebx, LEAF7_EBX_AVX512F) && bit(cpuid->leaf7_ebx, LEAF7_EBX_AVX512DQ) &&
           bit(cpuid->leaf7_ebx, LEAF7_EBX_AVX512BW) && bit(cpuid->leaf7_ebx, LEAF7_EBX_AVX512VL);
}

bool rhm_cpu_is_virtual(void) {
    const rhm_cpuid cpuid = rhm_cpuid_read();
    return bit(cpuid.leaf1_ecx, LEAF1_ECX_HYPERVISOR);
}

bool rhm_cpu_fuses(void) {
#if HAVE_CPUID
    return __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

void rhm_cpu_name(char name[RHM_CPU_NAME_NBYTES]) {
    snprintf(name, RHM_CPU_NAME_NBYTES, "unknown");
#if HAVE_CPUID
    uint32_t words[12] = {0};
    if ((uint32_t)__get_cpuid_max(0x80000000u, NULL) < 0x80000004u)
        return;
    for (uint32_t leaf = 0; leaf < 3; leaf++)
        __cpuid(0x80000002u + leaf, words[4 * leaf], words[4 * leaf + 1], words[4 * leaf + 2], words[4 * leaf + 3]);
    char text[sizeof words + 1] = {0};
    memcpy(text, words, sizeof words);
    const char *start = text + strspn(text, " ");
    size_t length = strlen(start);
    while (length > 0 && start[length - 1] == ' ')
        length--;
    if (length > 0)
        snprintf(name, RHM_CPU_NAME_NBYTES, "%.*s", (int)length, start);
#endif
}
