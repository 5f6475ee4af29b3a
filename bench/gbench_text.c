#include "gbench_internal.h"

#include <string.h>

/* Length in bytes of the well-formed UTF-8 sequence at `text`, or 0. Bounds are those of Unicode 15, table 3-7. */
static size_t utf8_length(const unsigned char *text) {
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, length;
    } forms[] = {
        {0x20, 0x7e, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (text[0] < forms[i].first_low || text[0] > forms[i].first_high)
            continue;
        if (forms[i].length > 1 && (text[1] < forms[i].second_low || text[1] > forms[i].second_high))
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if (text[k] < 0x80 || text[k] > 0xbf)
                return 0;
        return forms[i].length;
    }
    return 0;
}

void gb_text_clean(char *text) {
    for (size_t i = 0; text[i];) {
        const size_t length = utf8_length((const unsigned char *)text + i);
        if (length == 0)
            text[i] = '?';
        i += length ? length : 1;
    }
}

void gb_text_copy(char *copy, size_t nbytes, const char *text) {
    const size_t length = text ? strnlen(text, nbytes - 1) : 0;
    if (text)
        memcpy(copy, text, length);
    copy[length] = '\0';
    gb_text_clean(copy); /* after the cut, which may have split a character */
}

/* Of words with a space before and after each. */
static bool is_among(const char *word, const char *words) {
    const size_t length = strlen(word);
    for (const char *at = words; length > 0 && (at = strstr(at, word)); at++)
        if (at[-1] == ' ' && at[length] == ' ')
            return strchr(word, ' ') == NULL;
    return false;
}

/* The union over releases 1.7.1 to 1.9.5 and the main branch of 2026 (json_reporter.cc). */
bool gb_is_context_field(const char *key) {
    return is_among(key,
                    " date host_name executable num_cpus mhz_per_cpu cpu_scaling_enabled caches aslr_enabled load_avg "
                    "library_build_type dry_run library_version json_schema_version ");
}

bool gb_is_row_field(const char *name) {
    return is_among(name, " name family_index per_family_instance_index run_name run_type repetitions repetition_index "
                          "threads aggregate_name aggregate_unit error_occurred error_message skipped skip_message "
                          "iterations real_time cpu_time time_unit cpu_coefficient real_coefficient big_o rms "
                          "allocs_per_iter max_bytes_used total_allocated_bytes net_heap_growth label bytes_per_second "
                          "items_per_second ");
}

bool gb_is_counter_name(const char *name) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./%()";
    const size_t length = strspn(name, allowed);
    return length > 0 && length < GB_COUNTER_NBYTES && name[length] == '\0';
}
