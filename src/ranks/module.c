#include "ranks/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fail.h"

enum { SENTENCE_NBYTES = 256 };

/* What launchers tell the processes that they start. PMI's variables are those of MPICH's and its descendants', and of
 * Slurm's srun, which tells them whatever is to be started. With PMIx srun tells a task's number in its own way, as
 * Open MPI's mpirun does too, whose daemons may be tasks of a step. */
typedef struct launcher {
    const char *size, *rank, *module;
} launcher;

static const launcher launchers[] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "openmpi"},
    {"PMI_SIZE", "PMI_RANK", "mpich"},
    {"SLURM_STEP_NUM_TASKS", "PMIX_RANK", "openmpi"},
};

static int number_of(const char *variable) {
    const char *text = getenv(variable);
    char *end;
    const long value = text ? strtol(text, &end, 10) : -1;
    return text && *text && !*end && value >= 0 && value <= INT_MAX ? (int)value : -1;
}

/* The innermost: whose variables are there, if only to say that this process is alone. */
static const launcher *launcher_here(void) {
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
        if (number_of(launchers[i].size) > 0 && number_of(launchers[i].rank) >= 0)
            return &launchers[i];
    return NULL;
}

static const launcher *launched_by(void) {
    const launcher *here = launcher_here();
    return here && number_of(here->size) > 1 ? here : NULL;
}

static bool is_off(void) {
    const char *asked = getenv("RHM_MPI");
    return asked && !strcmp(asked, "off");
}

rhm_ranks_launch rhm_ranks_launched(void) {
    const launcher *by = is_off() ? NULL : launched_by();
    const int rank = by ? number_of(by->rank) : 0;
    return by ? (rhm_ranks_launch){rank > 0 ? rank : 0, number_of(by->size)} : (rhm_ranks_launch){0, 1};
}

int rhm_ranks_strangers(void) {
    const int tasks = number_of("SLURM_STEP_NUM_TASKS");
    return tasks > 1 && !is_off() && !launcher_here() ? tasks : 0;
}

rhm_status rhm_module_choose(const char **name, rhm_error *error) {
    const char *asked = getenv("RHM_MPI");
    const launcher *by = launched_by();
    *name = is_off() || !by ? NULL : by->module;
    if (!asked || !*asked || is_off())
        return RHM_OK;
    if (strcmp(asked, "openmpi") != 0 && strcmp(asked, "mpich") != 0)
        return rhm_fail(error, RHM_INVALID, "RHM_MPI is '%.64s': allowed are openmpi, mpich, off", asked);
    if (by)
        *name = !strcmp(asked, "mpich") ? "mpich" : "openmpi";
    return RHM_OK;
}

/* Directory of the program with `tail` behind it; false where it is not known. */
static bool beside_program(char path[PATH_MAX], const char *tail) {
    char program[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return snprintf(path, PATH_MAX, "%s/%s", program, tail) < PATH_MAX;
}

/* Its dependencies are made global: MPI libraries load parts of their own that expect that. */
static void *load(const char *name, char *tried, size_t tried_nbytes) {
    const char *named = getenv("RHM_MODULES");
    char tail[64], path[PATH_MAX];
    for (int place = 0; place < 4; place++) {
        snprintf(tail, sizeof tail, "%slibrhm_mpi_%s.so", place == 1 || place == 3 ? "" : "../lib/rhm/", name);
        bool known = true;
        if (place == 0)
            known =
                named && *named && snprintf(path, sizeof path, "%s/librhm_mpi_%s.so", named, name) < (int)sizeof path;
        else if (place == 3)
            known = snprintf(path, sizeof path, "%s/%s", RHM_MODULE_DIRECTORY, tail) < (int)sizeof path;
        else
            known = beside_program(path, tail);
        if (!known || access(path, R_OK) != 0)
            continue;
        void *module = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        if (module)
            return module;
        snprintf(tried, tried_nbytes, "%.200s", dlerror());
    }
    return NULL;
}

rhm_status rhm_module_open(rhm_transport *out, const char *name, rhm_error *error) {
    char why[SENTENCE_NBYTES] = "there is no such file beside the program or where RHM_MODULES points";
    void *module = load(name, why, sizeof why);
    if (!module)
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "this process was started as one of %d ranks, but librhm_mpi_%s.so cannot be loaded: %s",
                        rhm_ranks_launched().size, name, why);
    rhm_transport_open *open;
    *(void **)&open = dlsym(module, RHM_TRANSPORT_OPEN);
    snprintf(why, sizeof why, "it is not a module of rhm");
    if (!open || !open(out, RHM_TRANSPORT_VERSION, why, sizeof why))
        return rhm_fail(error, RHM_UNSUPPORTED, "librhm_mpi_%s.so cannot be used: %s", name, why);
    /* What another MPI's launcher has started it takes for processes that are alone. */
    const int launched = rhm_ranks_launched().size;
    if (out->size != launched) {
        out->close(out->state);
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "%d ranks were started, but %s knows of %d: start them by its own mpirun, or name the MPI that "
                        "their launcher serves (RHM_MPI=openmpi or mpich; srun --mpi=pmix or pmi2)",
                        launched, out->name, out->size);
    }
    return RHM_OK;
}
