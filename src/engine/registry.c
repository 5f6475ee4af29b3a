#include "engine/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"

/* ------------------------------------------------------------------------------------------------ instruction sets */

static bool always(const rhm_cpuid *cpuid) {
    (void)cpuid;
    return true;
}

/* An entry comes after the one it is based on; the first is based on itself. */
static const struct {
    const char *name;
    rhm_isa base;
    bool (*runs)(const rhm_cpuid *cpuid);
} isas[RHM_ISA_COUNT] = {
    [RHM_ISA_SCALAR] = {"scalar", RHM_ISA_SCALAR, always},
    [RHM_ISA_AVX2] = {"avx2", RHM_ISA_SCALAR, rhm_cpuid_has_avx2},
    [RHM_ISA_AVX512] = {"avx512", RHM_ISA_AVX2, rhm_cpuid_has_avx512},
};

const char *rhm_isa_name(rhm_isa isa) {
    return isas[isa].name;
}

bool rhm_isa_includes(rhm_isa isa, rhm_isa other) {
    while (isa != other && isa != isas[isa].base)
        isa = isas[isa].base;
    return isa == other;
}

rhm_isa rhm_isa_of(const rhm_cpuid *cpuid) {
    rhm_isa best = RHM_ISA_SCALAR;
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        if (isas[isa].base == best && isas[isa].runs(cpuid))
            best = (rhm_isa)isa;
    return best;
}

rhm_isa rhm_isa_here(void) {
    const rhm_cpuid cpuid = rhm_cpuid_read();
    return rhm_isa_of(&cpuid);
}

static bool parse_isa(const char *text, rhm_isa *out) {
    for (int i = 0; i < RHM_ISA_COUNT; i++)
        if (strcmp(text, isas[i].name) == 0) {
            *out = (rhm_isa)i;
            return true;
        }
    return false;
}

typedef struct names {
    char text[96];
} names;

static names known_isas(void) {
    names all = {"auto"};
    for (int i = 0; i < RHM_ISA_COUNT; i++)
        snprintf(all.text + strlen(all.text), sizeof all.text - strlen(all.text), ", %s", isas[i].name);
    return all;
}

/* "scalar only", "scalar and avx2", "scalar, avx2 and avx512". */
static names included_isas(rhm_isa isa) {
    names all = {""};
    int left = 0;
    for (int i = 0; i < RHM_ISA_COUNT; i++)
        left += rhm_isa_includes(isa, (rhm_isa)i);
    const bool only = left == 1;
    for (int i = 0; i < RHM_ISA_COUNT; i++)
        if (rhm_isa_includes(isa, (rhm_isa)i)) {
            left--;
            snprintf(all.text + strlen(all.text), sizeof all.text - strlen(all.text), "%s%s", isas[i].name,
                     only        ? " only"
                     : left > 1  ? ", "
                     : left == 1 ? " and "
                                 : "");
        }
    return all;
}

rhm_status rhm_isa_choose(rhm_isa *out, const char *asked, const char *mask, rhm_isa has, rhm_error *error) {
    rhm_isa top = has;
    if (mask && *mask && strcmp(mask, "auto") != 0) {
        rhm_isa masked;
        if (!parse_isa(mask, &masked))
            return rhm_fail(error, RHM_INVALID, "the environment variable RHM_ISA is \"%s\": allowed are %s", mask,
                            known_isas().text);
        if (rhm_isa_includes(top, masked))
            top = masked;
    }
    if (!asked || strcmp(asked, "auto") == 0) {
        *out = top;
        return RHM_OK;
    }
    rhm_isa wanted;
    if (!parse_isa(asked, &wanted))
        return rhm_fail(error, RHM_INVALID, "isa is \"%s\": allowed are %s", asked, known_isas().text);
    if (!rhm_isa_includes(has, wanted))
        return rhm_fail(error, RHM_UNSUPPORTED, "isa is \"%s\": this CPU and operating system have %s", asked,
                        included_isas(has).text);
    if (!rhm_isa_includes(top, wanted))
        return rhm_fail(error, RHM_UNSUPPORTED, "isa is \"%s\": the environment variable RHM_ISA=%s leaves %s", asked,
                        mask, included_isas(top).text);
    *out = wanted;
    return RHM_OK;
}

/* ---------------------------------------------------------------------------------------------------------- tables */

const void *rhm_tables_nearest(const rhm_tables *tables, rhm_isa isa) {
    while (!tables->of[isa] && isa != isas[isa].base)
        isa = isas[isa].base;
    return tables->of[isa];
}

typedef void (*function)(void);

/* Whether none of the function pointers from offset `begin` to `end` is NULL. */
static bool complete(const char *table, size_t begin, size_t end) {
    for (size_t at = begin; at < end; at += sizeof(function)) {
        function f;
        memcpy(&f, table + at, sizeof f);
        if (!f)
            return false;
    }
    return true;
}

void rhm_tables_resolve(void *out, const rhm_tables *tables, rhm_isa isa) {
    char *to = out;
    const char *from = rhm_tables_nearest(tables, isa);
    memset(to, 0, tables->nbytes);
    if (!from)
        return;
    memcpy(to, from, tables->first);
    for (bool last = false; !last; last = isa == isas[isa].base, isa = isas[isa].base) {
        from = tables->of[isa];
        if (!from)
            continue;
        if (!complete(to, tables->together, tables->apart) && complete(from, tables->together, tables->apart))
            memcpy(to + tables->together, from + tables->together, tables->apart - tables->together);
        for (size_t at = tables->first; at < tables->nbytes; at += sizeof(function))
            if ((at < tables->together || at >= tables->apart) && !complete(to, at, at + sizeof(function)))
                memcpy(to + at, from + at, sizeof(function));
    }
}

/* -------------------------------------------------------------------------------------------------------- backends */

static const struct {
    const char *name;
    rhm_isa needs;
    const char *absent, *lacking; /* why it cannot run: it is not in this build, the CPU is not enough */
} backends[] = {
    [RHM_BACKEND_NATIVE] = {"native", RHM_ISA_SCALAR, NULL, NULL},
    [RHM_BACKEND_ONEDNN] = {"onednn", RHM_ISA_AVX2, RHM_HAVE_ONEDNN ? NULL : "this build has no oneDNN",
                            "oneDNN needs isa avx2 or avx512"},
    [RHM_BACKEND_AUTO] = {"auto", RHM_ISA_SCALAR, NULL, NULL},
};
enum { BACKENDS = sizeof backends / sizeof *backends };

const char *rhm_backend_obstacle(rhm_backend_kind kind, rhm_isa isa) {
    if (backends[kind].absent)
        return backends[kind].absent;
    return rhm_isa_includes(isa, backends[kind].needs) ? NULL : backends[kind].lacking;
}

rhm_status rhm_backend_find(rhm_backend_kind *out, const char *name, rhm_isa isa, rhm_error *error) {
    int kind = 0;
    while (name && kind < BACKENDS && strcmp(name, backends[kind].name) != 0)
        kind++;
    if (kind == BACKENDS)
        return rhm_fail(error, RHM_INVALID, "backend is \"%.40s\": allowed are native, onednn, auto", name);
    *out = (rhm_backend_kind)kind;
    const char *obstacle = rhm_backend_obstacle(*out, isa);
    if (obstacle)
        return rhm_fail(error, RHM_UNSUPPORTED, "backend is \"%s\", but %s: allowed are native and auto", name,
                        obstacle);
    return RHM_OK;
}
