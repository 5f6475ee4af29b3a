/* Damage: always found in our own files, which carry a checksum; survived in those of others, which carry none. */
#include "foreign.h"

#include <signal.h>
#include <sys/wait.h>

static void assert_damage_found(int kind, const unsigned char *bytes, size_t nbytes, const char *words) {
    rhm_error error = {0};
    write_bytes("damaged.h5", bytes, nbytes);
    assert_refused(load_any(kinds[kind], "damaged.h5", &error), RHM_CORRUPT, &error, words);
}

static void truncation_is_found(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        size_t nbytes;
        unsigned char *bytes = file_of_kind(kind, &nbytes);
        char words[64];
        assert_damage_found(kind, bytes, 0, "empty");
        for (size_t length = 1; length < 9; length++)
            assert_damage_found(kind, bytes, length, "not an HDF5 file");
        for (size_t length = 9; length < nbytes; length += length < 520 || nbytes - length < 9 ? 1 : 211) {
            snprintf(words, sizeof words, length < 512 ? "truncated: it holds %zu bytes" : "holds %zu of %zu bytes",
                     length, nbytes);
            assert_damage_found(kind, bytes, length, words);
        }
        bytes[nbytes] = 0;
        snprintf(words, sizeof words, "holds %zu of %zu bytes", nbytes + 1, nbytes);
        assert_damage_found(kind, bytes, nbytes + 1, words);
        free(bytes);
    }
}

static void a_changed_byte_is_found(void **state) {
    (void)state;
    static const unsigned char masks[] = {0x01, 0x20, 0x80, 0xff};
    for (int kind = 0; kind < 3; kind++) {
        size_t nbytes;
        unsigned char *bytes = file_of_kind(kind, &nbytes);
        for (size_t at = 0; at < nbytes; at += at < 512 ? 1 : 97)
            for (size_t m = 0; m < (at < 512 ? sizeof masks : 1); m++) {
                bytes[at] ^= masks[m];
                assert_damage_found(kind, bytes, nbytes, "damaged");
                bytes[at] ^= masks[m];
            }
        rhm_error error;
        write_bytes("damaged.h5", bytes, nbytes);
        assert_ok(load_any(kinds[kind], "damaged.h5", &error), &error);
        free(bytes);
    }
}

static void a_later_format_is_refused_by_name(void **state) {
    (void)state;
    size_t nbytes;
    unsigned char *bytes = file_of_kind(0, &nbytes);
    rhm_error error;
    assert_int_equal(bytes[9], '1');
    bytes[9] = '2';
    write_bytes("later.h5", bytes, nbytes);
    assert_refused(load_any("grammar", "later.h5", &error), RHM_UNSUPPORTED, &error, "rhm-file/2");
    free(bytes);
}

#ifdef __SANITIZE_ADDRESS__
static const int default_trials = 25; /* a fork is dear with all that shadow memory */
#else
static const int default_trials = 100;
#endif

static uint64_t random_state;

/* SplitMix64 */
static uint64_t draw(void) {
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Read in a child; how it ended: 0 read, 1 refused with a sentence and nothing else said, 2 killed or hung. */
static int try_damaged(const char *kind, const char *path) {
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rhm_error error = {0};
        for (int signal_number = 1; signal_number < 32; signal_number++)
            signal(signal_number, SIG_DFL);
        alarm(100);
        if (!freopen("said", "w", stderr))
            _exit(4);
        const rhm_status status = load_any(kind, path, &error);
        const int end = status == RHM_OK ? 0 : error.text[0] ? 1 : 3;
#ifdef __SANITIZE_ADDRESS__
        _exit(end); /* what libhdf5 leaks over a damaged file is its own */
#else
        exit(end); /* what libhdf5 does on its way out belongs to the test */
#endif
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        return 2;
    assert_in_range(WEXITSTATUS(status), 0, 1);
    struct stat said;
    assert_int_equal(stat("said", &said), 0);
    assert_int_equal(said.st_size, 0);
    return WEXITSTATUS(status);
}

/* Damage one to three bytes where something is written: these files are mostly zeros. */
static void damage(unsigned char *bytes, size_t nbytes) {
    static const unsigned char extremes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (uint64_t changes = 1 + draw() % 3; changes > 0;) {
        const size_t at = draw() % (nbytes - 8);
        bool used = false;
        for (size_t i = 0; i < 8; i++)
            used |= bytes[at + i] != 0;
        if (!used)
            continue;
        bytes[at] = draw() % 2 ? (unsigned char)draw() : extremes[draw() % sizeof extremes];
        changes--;
    }
}

/*
 * No checksum protects these: whatever the damage, the answer is data or a sentence. RHM_FUZZ_TRIALS and RHM_FUZZ_SEED
 * in the environment make it longer or other.
 */
static void damaged_files_of_others_never_crash_the_reader(void **state) {
    (void)state;
    static const char *const readers[4] = {"grammar", "data", "model", "grammar"};
    static const char *const paths[4] = {"g.h5", "d.h5", "m.h5", "modern.h5"};
    const char *trials_text = getenv("RHM_FUZZ_TRIALS");
    const char *seed_text = getenv("RHM_FUZZ_SEED");
    const int trials = trials_text ? atoi(trials_text) : default_trials;
    const uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : 1;
    foreign_grammar("g.h5", H5T_STD_I32LE, 0, 0, 3);
    foreign_data("/data", H5T_STD_U8LE, 12, 1, true);
    foreign_model(SOUND);
    modern_data("modern.h5");
    rhm_error error;
    assert_ok(load_any("data", "modern.h5", &error), &error);
    for (int file = 0; file < 4; file++) {
        int ended[3] = {0};
        size_t nbytes;
        unsigned char *bytes = read_bytes(paths[file], &nbytes);
        unsigned char *damaged = malloc(nbytes);
        assert_non_null(damaged);
        for (int trial = 0; trial < trials; trial++) {
            random_state = seed * 1000003 + (uint64_t)trial;
            memcpy(damaged, bytes, nbytes);
            damage(damaged, nbytes);
            write_bytes("damaged.h5", damaged, nbytes);
            /* The modern one holds a data set too: every other trial reads that. */
            const int end = try_damaged(file == 3 && trial % 2 ? "data" : readers[file], "damaged.h5");
            ended[end]++;
            if (end == 2)
                print_message("%s: seed %llu, trial %d: killed\n", paths[file], (unsigned long long)seed, trial);
        }
        print_message("%s: %d read, %d refused, %d crashed or hung\n", paths[file], ended[0], ended[1], ended[2]);
        assert_int_equal(ended[2], 0);
        free(damaged);
        free(bytes);
    }
}

/* libhdf5 follows such an array until the stack ends. */
static void an_array_that_is_its_own_source_is_survived(void **state) {
    (void)state;
    const hsize_t extent[2] = {COUNT, 4};
    const hid_t file = create("d.h5"), space = H5Screate_simple(2, extent, NULL),
                options = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_virtual(options, space, ".", "/tokens", space) >= 0);
    const hid_t set = H5Dcreate2(file, "/tokens", H5T_STD_U8LE, space, H5P_DEFAULT, options, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set);
    H5Pclose(options);
    H5Sclose(space);
    H5Fclose(file);
    assert_int_equal(try_damaged("data", "d.h5"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncation_is_found),
        cmocka_unit_test(a_changed_byte_is_found),
        cmocka_unit_test(a_later_format_is_refused_by_name),
        cmocka_unit_test(damaged_files_of_others_never_crash_the_reader),
        cmocka_unit_test(an_array_that_is_its_own_source_is_survived),
    };
    return cmocka_run_group_tests_name("damaged files", tests, enter_directory, leave_directory);
}
