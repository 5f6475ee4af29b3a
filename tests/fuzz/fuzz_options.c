/*
 * Command lines. The first byte chooses the command, the rest are its arguments, one a line. What is accepted is within
 * what the tables allow, and is carried into what a run is made of: lists by level, an instance, places of threads.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/instance.h"
#include "cli/settings.h"
#include "engine/placement.h"
#include "engine/topology.h"
#include "rhm/rhm.h"
#include "target.h"

enum { MOST_ARGUMENTS = 70, MOST_NBYTES = 4096, MOST_RULES = 2000 };

static const rhm_command *const commands[] = {
    &rhm_command_grammar, &rhm_command_sample,  &rhm_command_train, &rhm_command_eval,
    &rhm_command_predict, &rhm_command_inspect, &rhm_command_plan,  &rhm_command_machine,
};

static rhm_topology topology;

static void stop(void) {
    rhm_topology_clear(&topology);
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count, (void)arguments;
    rhm_error error = {0};
    fuzz_enter_directory();
    if (rhm_topology_load(&topology, "pack:2 [numa] l3:2 core:2 pu:2", NULL, &error) != RHM_OK)
        fuzz_fail("no topology: %s", error.text);
    atexit(stop);
    return 0;
}

/* One number that was typed, or the word for it. */
static void check_number(const rhm_option *option, double value) {
    const rhm_option_bounds allowed = rhm_option_bounds_of(option);
    if (value >= allowed.least && value <= allowed.greatest)
        return;
    for (const rhm_word *word = option->words; word && word->text; word++)
        if (word->value == value)
            return;
    fuzz_fail("--%s: %g was accepted", option->name, value);
}

static void check_option(const rhm_settings *settings, const rhm_option *option) {
    const void *member = (const char *)settings + option->place;
    const rhm_list *list = member;
    switch (option->kind) {
    case RHM_OPTION_REAL: check_number(option, *(const double *)member); return;
    case RHM_OPTION_COUNT:
    case RHM_OPTION_NBYTES: check_number(option, (double)*(const uint64_t *)member); return;
    case RHM_OPTION_COUNTS:
    case RHM_OPTION_REALS:
        FUZZ_CHECK(list->count >= 1 && list->count <= RHM_MAX_LEVELS + 1);
        for (uint32_t i = 0; i < list->count; i++) {
            check_number(option, list->value[i]);
            FUZZ_CHECK(option->kind == RHM_OPTION_REALS || list->value[i] == floor(list->value[i]));
        }
        return;
    case RHM_OPTION_TEXT: FUZZ_CHECK(**(const char *const *)member); return;
    case RHM_OPTION_FLAG: FUZZ_CHECK(*(const bool *)member); return;
    case RHM_OPTION_CHOICE: return;
    }
}

static bool has(const rhm_command *command, const rhm_option_group *group) {
    for (size_t g = 0; g < RHM_MOST_GROUPS && command->groups[g]; g++)
        if (command->groups[g] == group)
            return true;
    return false;
}

static void place(const rhm_settings *settings) {
    rhm_plan plan;
    rhm_error error = {0};
    const rhm_status status =
        rhm_plan_make(&plan, &topology, settings->running.placement, (int)settings->running.threads, 2, &error);
    fuzz_check_status(status, &error);
    if (status == RHM_OK)
        for (int i = 0; plan.place && i < plan.threads; i++)
            FUZZ_CHECK(plan.place[i].pu >= 0 && plan.place[i].pu < topology.pus);
    if (status == RHM_OK)
        rhm_plan_clear(&plan);
}

static double largest(const rhm_list *list) {
    double most = 0;
    for (uint32_t i = 0; i < list->count; i++)
        most = list->value[i] > most ? list->value[i] : most;
    return most;
}

/* Only small ones: drawing large ones takes its time. */
static void draw_instance(const rhm_settings *settings) {
    if (settings->instance.grammar ||
        largest(&settings->instance.vocab) * largest(&settings->instance.rules) > MOST_RULES)
        return;
    rhm_grammar *grammar = NULL;
    rhm_error error = {0};
    fuzz_check_status(rhm_instance_grammar(&grammar, settings, &error), &error);
    rhm_grammar_destroy(grammar);
}

static void spread_over_levels(const rhm_settings *settings) {
    rhm_train_options options = {0};
    rhm_error error = {0};
    const uint32_t levels = (uint32_t)settings->instance.levels;
    if (has(settings->command, &rhm_budget_options) && levels >= 1 && levels <= RHM_MAX_LEVELS)
        fuzz_check_status(rhm_settings_budget(&options, settings, levels, &error), &error);
    error = (rhm_error){0};
    if (has(settings->command, &rhm_method_options) && levels >= 1 && levels <= RHM_MAX_LEVELS)
        fuzz_check_status(
            rhm_settings_by_level(options.ridge, settings, "ridge", &settings->training.ridge, levels, &error), &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes) {
    static rhm_settings settings;
    static char text[MOST_NBYTES];
    char *arguments[MOST_ARGUMENTS];
    int count = 0;
    if (nbytes < 1 || nbytes > sizeof text)
        return 0;
    const rhm_command *command = commands[bytes[0] % (sizeof commands / sizeof *commands)];
    memcpy(text, bytes + 1, nbytes - 1);
    text[nbytes - 1] = '\0';
    for (char *line = strtok(text, "\n"); line && count < MOST_ARGUMENTS; line = strtok(NULL, "\n"))
        arguments[count++] = line;
    rhm_error error = {0};
    const rhm_status status = rhm_options_parse(&settings, command, count, arguments, &error);
    fuzz_check_status(status, &error);
    if (status != RHM_OK) {
        FUZZ_CHECK(status == RHM_INVALID);
        return 0;
    }
    for (size_t i = 0; i < settings.given_count; i++)
        check_option(&settings, settings.given[i].option);
    if (has(command, &rhm_thread_options))
        place(&settings);
    if (has(command, &rhm_instance_options))
        draw_instance(&settings);
    spread_over_levels(&settings);
    return 0;
}
