#include "cli/sweep/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/interrupt.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"

rhm_status rhm_sweep_tell(rhm_ranks *ranks, int to, json_t *json, rhm_error *error) {
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a message to rank %d", to);
    const rhm_status status = rhm_ranks_post(ranks, to, text, error);
    free(text);
    return status;
}

rhm_status rhm_sweep_hear(json_t **json, int *from, rhm_ranks *ranks, rhm_error *error) {
    char *text;
    *json = NULL;
    RHM_TRY(rhm_ranks_fetch(ranks, &text, from, error));
    if (!text)
        return RHM_OK;
    *json = json_loads(text, 0, NULL);
    free(text);
    return *json ? RHM_OK
                 : rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a message from rank %d", *from);
}

static rhm_status tell_all(rhm_ranks *ranks, const json_t *json, rhm_error *error) {
    for (int rank = 1; rank < rhm_ranks_size(ranks); rank++)
        RHM_TRY(rhm_sweep_tell(ranks, rank, json_deep_copy(json), error));
    return RHM_OK;
}

static rhm_status say(rhm_ranks *ranks, const char *what, rhm_error *error) {
    json_t *json = json_pack("{s:s}", "do", what);
    const rhm_status status = tell_all(ranks, json, error);
    json_decref(json);
    return status;
}

/* An answer of every other rank: answer[1..size-1], the caller's also on failure. */
static rhm_status hear_all(json_t **answer, rhm_ranks *ranks, rhm_error *error) {
    for (int heard = 1; heard < rhm_ranks_size(ranks);) {
        json_t *json;
        int from;
        RHM_TRY(rhm_interrupt_check(error));
        RHM_TRY(rhm_sweep_hear(&json, &from, ranks, error));
        if (json) {
            answer[from] = json;
            heard++;
        } else {
            rhm_sweep_process_wait(RHM_SWEEP_NAP_SECONDS);
        }
    }
    return RHM_OK;
}

static json_t **new_answers(rhm_ranks *ranks, rhm_error *error) {
    return RHM_NEW(json_t *, (size_t)rhm_ranks_size(ranks), 1, 1, "answers of ranks", error);
}

static void free_answers(json_t **answer, rhm_ranks *ranks) {
    for (int rank = 1; answer && rank < rhm_ranks_size(ranks); rank++)
        json_decref(answer[rank]);
    rhm_free(answer);
}

rhm_status rhm_sweep_remote_join(rhm_engine **out, int *cores, int *fewest, rhm_ranks *ranks,
                                 const rhm_engine_options *options, rhm_error *error) {
    *out = NULL;
    if (ranks)
        RHM_TRY(say(ranks, "join", error));
    RHM_TRY(rhm_engine_create(out, options, error));
    *cores = *fewest = rhm_engine_describe(*out).threads;
    if (!ranks)
        return RHM_OK;
    json_t **answer = new_answers(ranks, error);
    const rhm_status status = answer ? hear_all(answer, ranks, error) : RHM_NO_MEMORY;
    for (int rank = 1; status == RHM_OK && rank < rhm_ranks_size(ranks); rank++) {
        const int of_rank = (int)json_integer_value(json_object_get(answer[rank], "cores"));
        *cores += of_rank;
        *fewest = of_rank < *fewest ? of_rank : *fewest;
    }
    free_answers(answer, ranks);
    return status;
}

/* A set of another rank behind the others. */
static rhm_status add_set(rhm_core_sets *sets, const json_t *cpus, rhm_error *error) {
    rhm_core_set *set = &sets->set[sets->count];
    *set = (rhm_core_set){.node = -1};
    if (!(set->cpu = RHM_NEW(int, json_array_size(cpus), 1, 1, "CPUs of a set of cores", error)))
        return RHM_NO_MEMORY;
    for (; set->count < (int)json_array_size(cpus); set->count++)
        set->cpu[set->count] = (int)json_integer_value(json_array_get(cpus, (size_t)set->count));
    sets->count++;
    return RHM_OK;
}

static rhm_status add_sets(rhm_core_sets *sets, int **owner, json_t **answer, int ranks, rhm_error *error) {
    size_t all = (size_t)sets->count;
    for (int rank = 1; rank < ranks; rank++)
        all += json_array_size(json_object_get(answer[rank], "sets"));
    RHM_TRY(rhm_grow((void **)&sets->set, sizeof *sets->set, (size_t)sets->count, all, "sets of cores", error));
    if (!(*owner = RHM_NEW(int, all, 1, 1, "ranks of sets of cores", error)))
        return RHM_NO_MEMORY;
    for (int rank = 1; rank < ranks; rank++) {
        const json_t *list = json_object_get(answer[rank], "sets");
        for (size_t i = 0; i < json_array_size(list); i++) {
            (*owner)[sets->count] = rank;
            RHM_TRY(add_set(sets, json_array_get(list, i), error));
        }
    }
    return RHM_OK;
}

rhm_status rhm_sweep_remote_deal(rhm_core_sets *sets, int **owner, rhm_ranks *ranks, rhm_error *error) {
    *owner = NULL;
    if (!ranks)
        return RHM_OK;
    json_t *json = json_pack("{s:s, s:i}", "do", "deal", "threads", sets->threads),
           **answer = new_answers(ranks, error);
    rhm_status status = answer ? tell_all(ranks, json, error) : RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = hear_all(answer, ranks, error);
    if (status == RHM_OK)
        status = add_sets(sets, owner, answer, rhm_ranks_size(ranks), error);
    json_decref(json);
    free_answers(answer, ranks);
    return status;
}

rhm_status rhm_sweep_remote_start(rhm_ranks *ranks, int rank, int number, char **options, size_t count,
                                  rhm_error *error) {
    json_t *list = json_array();
    for (size_t i = 0; i < count || options[i]; i++) {
        json_t *word = json_string(options[i]);
        if (!word && list) {
            json_decref(list);
            return rhm_fail(error, RHM_INVALID, "%s: only UTF-8 can be told to other ranks", options[i]);
        }
        rhm_json_append(&list, word);
    }
    return rhm_sweep_tell(ranks, rank, json_pack("{s:s, s:i, s:o}", "do", "start", "number", number, "options", list),
                          error);
}

rhm_status rhm_sweep_remote_ended(int *rank, int *number, rhm_sweep_outcome *outcome, rhm_ranks *ranks,
                                  rhm_error *error) {
    json_t *json;
    int from;
    *rank = 0;
    RHM_TRY(rhm_sweep_hear(&json, &from, ranks, error));
    if (!json)
        return RHM_OK;
    const char *reason = json_string_value(json_object_get(json, "reason"));
    json_t *report = json_object_get(json, "report");
    *rank = from;
    *number = (int)json_integer_value(json_object_get(json, "number"));
    *outcome = (rhm_sweep_outcome){
        .report = json_is_object(report) ? json_incref(report) : NULL,
        .interrupted = json_is_true(json_object_get(json, "interrupted")),
        .seconds = json_real_value(json_object_get(json, "seconds")),
        .cpu_seconds = json_real_value(json_object_get(json, "cpu_seconds")),
    };
    snprintf(outcome->reason, sizeof outcome->reason, "%s", reason ? reason : "");
    json_decref(json);
    return RHM_OK;
}

rhm_status rhm_sweep_remote_finish(rhm_ranks *ranks, rhm_error *error) {
    return ranks ? say(ranks, "finish", error) : RHM_OK;
}
