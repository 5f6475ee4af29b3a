/*
 * Every call into the system fails once, and once from that call on: memory, files, threads. Whatever fails, the answer
 * is the same result as ever, or a status with a sentence; nothing is left open, half written or, as far as the address
 * sanitizer's build can tell, unreleased.
 *
 * Of each scenario every RHM_FAULT_STRIDE-th call is tried (1: all of them), from number RHM_FAULT_FIRST on;
 * RHM_FAULT_ONLY names one scenario. RHM_FAULT_LEAKS=1 looks for leaks after each call instead of each scenario, and
 * RHM_FAULT_STACK=1 shows where each refused call came from (both in the sanitizers' builds).
 */
#include "faults.h"
#include "files.h"
#include "scenarios.h"

#include <fcntl.h>
#include <hdf5.h>

#include "core/h5file.h"

#ifdef __SANITIZE_ADDRESS__
enum { DEFAULT_STRIDE = 31 };
#else
enum { DEFAULT_STRIDE = 11 };
#endif

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static long from_environment(const char *name, long fallback) {
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : fallback;
}

#define PRINTED "out-words.txt"

static int findings;

/* All of them are worth seeing, not only the first. */
static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *format, ...) {
    char words[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    print_error("%s\n", words);
    findings++;
}

/* What must be after a call as it was before. */
typedef struct surroundings {
    int descriptors, objects;
} surroundings;

static int count_descriptors(void) {
    int count = 0;
    DIR *entries = opendir("/proc/self/fd");
    assert_non_null(entries);
    while (readdir(entries))
        count++;
    closedir(entries);
    return count;
}

static surroundings look_around(void) {
    static const H5I_type_t types[] = {H5I_FILE,    H5I_GROUP, H5I_DATATYPE,   H5I_DATASPACE,
                                       H5I_DATASET, H5I_ATTR,  H5I_GENPROP_LST};
    surroundings now = {.descriptors = count_descriptors()};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        hsize_t members = 0;
        if (H5Inmembers(types[i], &members) >= 0)
            now.objects += (int)members;
    }
    return now;
}

/* Remove results and temporary files; tell how many there are of anything but results and what was prepared. */
static int strange_entries(int prepared) {
    struct dirent *entry;
    DIR *entries = opendir(".");
    assert_non_null(entries);
    int count = 0;
    while ((entry = readdir(entries))) {
        const bool result = strncmp(entry->d_name, "out", 3) == 0;
        count += !result;
        if (result || strncmp(entry->d_name, ".rhm-", 5) == 0)
            nftw(entry->d_name, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    closedir(entries);
    return count - prepared;
}

/* Text without its numbers and spaces, which times change: FNV-1a. */
static uint64_t hash_words(const char *text, uint64_t hash) {
    for (const char *c = text; *c; c++)
        if (!strchr("0123456789+-. \n", *c) && !(*c == 'e' && c > text && strchr("0123456789", c[-1])))
            hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return hash;
}

/*
 * What there is under the name of a result is a whole file. Of a run that succeeded: a hash of its model, and one of
 * the words of its report and of what it printed, all added to `outcome`.
 */
static void check_result(const char *what, bool succeeded, char outcome[OUTCOME_NBYTES]) {
    char kind[RHM_FILE_KIND_NBYTES] = "", hash[RHM_HASH_TEXT_NBYTES] = "";
    rhm_error error = {0};
    rhm_model *model = NULL;
    if (access("out.h5", F_OK) == 0 && rhm_h5_load_kind("out.h5", kind, &error) != RHM_OK)
        complain("%s: what was left as out.h5 is not whole: %s", what, error.text);
    if (!succeeded)
        return;
    size_t nbytes;
    unsigned char *printed = read_bytes(PRINTED, &nbytes);
    printed[nbytes] = '\0';
    uint64_t words = hash_words((const char *)printed, 0xcbf29ce484222325u);
    free(printed);
    if (strcmp(kind, "model") == 0) {
        assert_ok(rhm_model_load(&model, "out.h5", &error), &error);
        rhm_model_hash(model, hash);
        words = hash_words(rhm_model_report(model) ? rhm_model_report(model) : "", words);
        rhm_model_destroy(model);
    }
    const size_t used = strlen(outcome);
    /* What cannot be found out about the machine is unknown: its record says so. */
    const char *refused = fault_refused();
    const bool unknown = refused && (strcmp(refused, "hwloc_bitmap_alloc") == 0 || strcmp(refused, "fopen") == 0 ||
                                     strcmp(refused, "mmap") == 0 || strcmp(refused, "open") == 0);
    snprintf(outcome + used, OUTCOME_NBYTES - used, ", %s, words %016llx", hash,
             unknown ? 0 : (unsigned long long)words);
}

/* What a removal that is refused leaves: a temporary file for each result. */
enum { MOST_LEFT = 4 };

static void check_outcome(const char *what, rhm_status status, const rhm_error *error, const char *outcome,
                          const char *expected) {
    const char *without = strstr(outcome, "words 0000000000000000");
    if (status == RHM_OK && strncmp(outcome, expected, without ? (size_t)(without - outcome) : OUTCOME_NBYTES) != 0)
        complain("%s: succeeded with \"%s\" in place of \"%s\"", what, outcome, expected);
    /* Of an input that cannot be read, the command makes bad input. */
    const bool told = error->status == status || (status == RHM_INVALID && error->status == RHM_IO);
    if (status != RHM_OK && (!told || !error->text[0]))
        complain("%s: failed with status %s without a sentence", what, rhm_status_name(status));
}

static void look_for_leaks(const char *what) {
    if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        complain("%s: memory was not released", what);
}

typedef struct failing {
    fault_kind kind;
    uint64_t nth;
    bool lasting;
} failing;

/* Standard output goes to a file meanwhile, and standard error nowhere. */
static rhm_status run_quietly(const fault_scenario *s, const failing *f, uint64_t *calls, char outcome[OUTCOME_NBYTES],
                              rhm_error *error) {
    const char *const where[3] = {NULL, PRINTED, getenv("RHM_FAULT_STACK") ? "/proc/self/fd/2" : "/dev/null"};
    int saved[3];
    fflush(NULL);
    for (int stream = 1; stream <= 2; stream++) {
        const int opened = open(where[stream], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        saved[stream] = fcntl(stream, F_DUPFD_CLOEXEC, 10);
        dup2(opened, stream);
        close(opened);
    }
    fault_arm(f->kind, f->nth, f->lasting);
    const rhm_status status = s->run(outcome, error);
    const uint64_t seen = fault_disarm();
    if (calls)
        *calls = seen;
    fflush(NULL);
    for (int stream = 1; stream <= 2; stream++) {
        dup2(saved[stream], stream);
        close(saved[stream]);
    }
    return status;
}

static const char *const kind_names[FAULT_KINDS] = {"memory", "files", "threads"};

static long inject(const fault_scenario *s, fault_kind kind, long stride, int prepared, const char *expected,
                   uint64_t calls) {
    const bool each = from_environment("RHM_FAULT_LEAKS", 0) != 0;
    long injected = 0;
    for (uint64_t nth = (uint64_t)from_environment("RHM_FAULT_FIRST", 0); nth < calls; nth += (uint64_t)stride)
        for (int lasting = 0; lasting < 2; lasting++, injected++) {
            char what[256], outcome[OUTCOME_NBYTES] = "";
            rhm_error error = {0};
            const surroundings before = look_around();
            const rhm_status status = run_quietly(s, &(failing){kind, nth, lasting}, NULL, outcome, &error);
            snprintf(what, sizeof what, "%s, %s, call %llu%s (%s)", s->name, kind_names[kind], (unsigned long long)nth,
                     lasting ? " and all after it" : "", fault_refused() ? fault_refused() : "none refused");
            check_result(what, status == RHM_OK, outcome);
            check_outcome(what, status, &error, outcome, expected);
            const surroundings after = look_around();
            if (after.descriptors != before.descriptors)
                complain("%s: %d descriptors are left open", what, after.descriptors - before.descriptors);
            if (after.objects != before.objects)
                complain("%s: %d objects of libhdf5 are left open", what, after.objects - before.objects);
            const int strange = strange_entries(prepared);
            const bool removed = !lasting && !(fault_refused() && strncmp(fault_refused(), "unlink", 6) == 0);
            if (strange > (removed ? 0 : MOST_LEFT))
                complain("%s: %d files are left", what, strange);
            if (each)
                look_for_leaks(what);
        }
    return injected;
}

static void a_failing_call_is_a_status(void **state) {
    const fault_kind kind = *(const fault_kind *)*state;
    const char *only = getenv("RHM_FAULT_ONLY");
    findings = 0;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const long stride = from_environment("RHM_FAULT_STRIDE", kind == FAULT_THREADS ? 1 : DEFAULT_STRIDE);
    scenarios_prepare();
    const int prepared = strange_entries(0);
    for (const fault_scenario *s = scenarios; s->name; s++) {
        if (only && strcmp(only, s->name) != 0)
            continue;
        char expected[OUTCOME_NBYTES] = "", again[OUTCOME_NBYTES] = "";
        rhm_error error = {0};
        uint64_t calls;
        const failing never = {kind, UINT64_MAX, false};
        assert_ok(run_quietly(s, &never, NULL, expected, &error), &error); /* once for what is made only once */
        check_result(s->name, true, expected);
        strange_entries(prepared);
        assert_ok(run_quietly(s, &never, &calls, again, &error), &error);
        check_result(s->name, true, again);
        assert_string_equal(again, expected);
        assert_int_equal(strange_entries(prepared), 0);
        const long injected = inject(s, kind, stride, prepared, expected, calls);
        look_for_leaks(s->name);
        print_message("%s: %llu calls for %s, %ld failures\n", s->name, (unsigned long long)calls, kind_names[kind],
                      injected);
    }
    assert_int_equal(findings, 0);
}

int main(void) {
    static fault_kind kinds_of_faults[FAULT_KINDS] = {FAULT_MEMORY, FAULT_FILES, FAULT_THREADS};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_failing_call_is_a_status, &kinds_of_faults[FAULT_MEMORY]),
        cmocka_unit_test_prestate(a_failing_call_is_a_status, &kinds_of_faults[FAULT_FILES]),
        cmocka_unit_test_prestate(a_failing_call_is_a_status, &kinds_of_faults[FAULT_THREADS]),
    };
    return cmocka_run_group_tests_name("failing calls", tests, enter_directory, leave_directory);
}
