#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/sha256.h"
#include "ranks/departures.h"
#include "ranks/group.h"
#include "ranks/home.h"
#include "ranks/module.h"

enum { LAST_WORDS_SECONDS = 5 };

/* What a rank is, for the others to compare. */
typedef struct identity {
    rhm_rank_home home;
    char version[RHM_HOST_NBYTES];
    char program[RHM_SHA256_TEXT_NBYTES], agreement[RHM_SHA256_TEXT_NBYTES];
} identity;

static rhm_status hash_program(char out[RHM_SHA256_TEXT_NBYTES], rhm_error *error) {
    FILE *file = fopen("/proc/self/exe", "rb");
    if (!file)
        return rhm_fail(error, RHM_IO, "this program cannot read its own file, to compare it with other ranks'");
    struct sha256_ctx hash;
    sha256_init(&hash);
    uint8_t part[4096];
    for (size_t count; (count = fread(part, 1, sizeof part, file)) > 0;)
        sha256_update(&hash, count, part);
    fclose(file);
    rhm_sha256_text(&hash, out);
    return RHM_OK;
}

static rhm_status compare(rhm_ranks *ranks, const identity *of, rhm_error *error) {
    for (int rank = 1; rank < rhm_ranks_size(ranks); rank++) {
        const char *what = strcmp(of[rank].version, of[0].version) != 0       ? "another version of rhm"
                           : strcmp(of[rank].program, of[0].program) != 0     ? "another build of the program"
                           : strcmp(of[rank].agreement, of[0].agreement) != 0 ? "other options"
                                                                              : NULL;
        if (what)
            return rhm_fail(error, RHM_INVALID,
                            "rank %d (%s) was started with %s than rank 0 (%s): all ranks must run the same", rank,
                            of[rank].home.host, what, of[0].home.host);
    }
    return RHM_OK;
}

static rhm_status meet(rhm_ranks *ranks, rhm_error *error) {
    const size_t size = (size_t)rhm_ranks_size(ranks);
    identity *all = RHM_NEW(identity, size, 1, 1, "what other ranks are", error);
    rhm_status status = all ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK) {
        identity *own = &all[rhm_ranks_rank(ranks)];
        own->home = rhm_rank_home_here(ranks->transport.node);
        snprintf(own->version, sizeof own->version, "%.60s", rhm_version());
        rhm_ranks_hash(ranks->options.agreement ? ranks->options.agreement : "", own->agreement);
        status = hash_program(own->program, error);
    }
    if (status == RHM_OK)
        status = rhm_ranks_gather_equal(ranks, all, sizeof *all, error);
    for (size_t rank = 0; status == RHM_OK && rank < size; rank++)
        ranks->home[rank] = all[rank].home;
    ranks->met = status == RHM_OK;
    if (status == RHM_OK)
        rhm_rank_homes_join(ranks);
    if (status == RHM_OK)
        status = compare(ranks, all, error);
    rhm_free(all);
    return status;
}

/* What may have failed on all ranks the first says, which launchers cut short as soon as any other has ended: they end
 * the others when it has. What it did not say is then said by whoever is left. */
static rhm_status after_first(rhm_status status) {
    if (rhm_ranks_launched().rank > 0)
        sleep(LAST_WORDS_SECONDS);
    return status;
}

static rhm_status make(rhm_ranks **out, const rhm_transport *transport, const rhm_ranks_options *options,
                       rhm_error *error) {
    const size_t size = (size_t)transport->size;
    rhm_ranks *ranks = RHM_NEW(rhm_ranks, 1, 1, 1, "ranks", error);
    if (!ranks)
        return RHM_NO_MEMORY;
    *ranks = (rhm_ranks){.transport = *transport, .options = *options, .blamed = -1};
    ranks->home = RHM_NEW(rhm_rank_home, size, 1, 1, "hosts of ranks", error);
    ranks->gone = RHM_NEW(rhm_departure, size, 1, 1, "ends of ranks", error);
    ranks->has_gone = RHM_NEW(bool, size, 1, 1, "ends of ranks", error);
    ranks->silent = RHM_NEW(bool, size, 1, 1, "ends of ranks", error);
    ranks->farewell = RHM_NEW(void *, size, 1, 1, "ends of ranks", error);
    if (ranks->home && ranks->gone && ranks->has_gone && ranks->silent && ranks->farewell) {
        *out = ranks;
        return RHM_OK;
    }
    rhm_ranks_release(ranks);
    return RHM_NO_MEMORY;
}

rhm_status rhm_ranks_join(rhm_ranks **out, const rhm_ranks_options *options, rhm_error *error) {
    const char *module;
    rhm_error misnamed = {0};
    rhm_transport transport;
    *out = NULL;
    const rhm_status named = rhm_module_choose(&module, &misnamed);
    if (!module)
        return named == RHM_OK ? RHM_OK : rhm_fail(error, named, "%s", misnamed.text);
    rhm_status status = rhm_module_open(&transport, module, error);
    if (status != RHM_OK && named != RHM_OK)
        status = rhm_fail(error, named, "%s", misnamed.text);
    if (status != RHM_OK)
        return after_first(status);
    RHM_TRY(make(out, &transport, options, error));
    RHM_TRY(meet(*out, error));
    return named == RHM_OK ? RHM_OK : rhm_fail(error, named, "%s", misnamed.text);
}
