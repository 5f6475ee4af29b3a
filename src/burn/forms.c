/* The table for programs: JSON, CSV, and gauges in the format of Prometheus and OpenMetrics. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "burn/burn.h"
#include "core/fail.h"
#include "core/fields.h"
#include "core/json.h"
#include "core/memory.h"

/* Columns of a row, in all three forms; the last was added to CSV after others. */
static const struct {
    const char *key; /* of JSON and CSV; of a gauge rhm_burn_KEY */
    const char *help;
    size_t member; /* of the rates */
} rates[] = {
    {"gflops", "Multiply-adds of the compute kernels, counted as two, in 1e9 a second (median of visits).",
     offsetof(rhm_burn_rates, gflops)},
    {"share_of_peak", "The same as a share of the peak measured in the same milliseconds.",
     offsetof(rhm_burn_rates, share)},
    {"trainings_per_second", "Small trainings a second (median of visits).", offsetof(rhm_burn_rates, training)},
    {"frequency_hertz", "Effective frequency under this load (median of visits).", offsetof(rhm_burn_rates, hertz)},
    {"best_gflops", "The rate of the kernels by the shortest run of each in a visit (median of visits).",
     offsetof(rhm_burn_rates, best_gflops)},
};
enum { RATES = sizeof rates / sizeof *rates, SENTENCE_NBYTES = 480 };

typedef struct row {
    rhm_burn_way way;
    int core, isa;
    const rhm_burn_cell *cell;
    const rhm_place *place;
} row;

/* Calls `each` for every row there is. */
static void for_each_row(const rhm_burn *burn, void (*each)(void *context, const rhm_burn *burn, const row *r),
                         void *context) {
    for (int way = 0; way < RHM_BURN_WAYS; way++)
        for (int core = 0; core < rhm_burn_cells(burn, (rhm_burn_way)way); core++)
            for (int isa = 0; isa < burn->isas; isa++) {
                const row r = {(rhm_burn_way)way, core, isa, rhm_burn_cell_at(burn, (rhm_burn_way)way, core, isa),
                               &burn->core[core]};
                each(context, burn, &r);
            }
}

static json_t *place_number(const row *r, int number) {
    return r->way == RHM_BURN_TEAM || number < 0 ? json_null() : json_integer(number);
}

static const char *const judged_names[] = {"none", "some", "all"};

/* ---- JSON ---- */

static void add_row(void *context, const rhm_burn *burn, const row *r) {
    json_t **list = context, *wrong = json_object();
    const rhm_burn_cell *cell = r->cell;
    for (int op = 0; op <= RHM_BURN_OPERATIONS; op++)
        if (cell->wrong[op])
            rhm_json_set(&wrong,
                         op < RHM_BURN_OPERATIONS ? rhm_burn_operation_name((rhm_burn_operation)op) : "training",
                         rhm_json_unsigned(cell->wrong[op]));
    const bool team = r->way == RHM_BURN_TEAM;
    /* clang-format off */
    json_t *one = json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, "
                            "s:s, s:s?, s:s?, s:s, s:s?}",
                            "way", rhm_burn_way_name(r->way),
                            "core", place_number(r, r->place->core),
                            "cpu", place_number(r, r->place->pu_os),
                            "socket", place_number(r, r->place->package),
                            "node", place_number(r, r->place->node),
                            "isa", rhm_isa_name(burn->isa[r->isa]),
                            "runs", rhm_json_unsigned(cell->runs),
                            "mismatches", rhm_json_unsigned(cell->mismatches),
                            "wrong", wrong,
                            "visits", rhm_json_unsigned(cell->visits),
                            "windows", rhm_json_unsigned(cell->windows),
                            "disturbed_windows", rhm_json_unsigned(cell->disturbed),
                            "turns", rhm_json_unsigned(cell->turns),
                            "turns_set_aside", rhm_json_unsigned(cell->turns - cell->compared),
                            "kernels_judged", cell->kernels_judged,
                            "seconds", rhm_json_number(cell->seconds),
                            "foreign_seconds", rhm_json_number(cell->foreign_seconds),
                            "stolen_seconds", rhm_json_number(cell->stolen_seconds),
                            "frequency_by", cell->counted ? "perf events" : "dependent additions",
                            "rates_disturbed", team ? NULL : rhm_burn_excuse(cell),
                            "not_judged", team ? NULL : rhm_burn_unjudged(burn, cell),
                            "judged", judged_names[rhm_burn_what_was_judged(cell)],
                            "unjudged_because", rhm_burn_why_not_all(burn, r->way, cell));
    /* clang-format on */
    for (size_t i = 0; i < RATES; i++)
        rhm_json_set(&one, rates[i].key, rhm_json_number(rhm_burn_median(cell, rates[i].member)));
    rhm_json_set(&one, "gflops_spread", rhm_json_number(rhm_burn_spread(cell, offsetof(rhm_burn_rates, gflops))));
    rhm_json_append(list, one);
}

static json_t *outliers(const rhm_burn *burn) {
    static const char *const kinds[] = {"core", "socket", "isa"};
    json_t *list = json_array();
    for (size_t i = 0; i < burn->outliers; i++) {
        const rhm_burn_outlier *o = &burn->outlier[i];
        char sentence[SENTENCE_NBYTES];
        rhm_burn_outlier_text(burn, o, sentence, sizeof sentence);
        json_t *kernels = json_array();
        for (int op = 0; op < RHM_BURN_OPERATIONS; op++)
            if (o->kernels & (1u << op))
                rhm_json_append(&kernels, json_string(rhm_burn_operation_name((rhm_burn_operation)op)));
        json_t *one = json_pack("{s:s, s:s, s:s, s:f, s:o, s:f, s:f, s:s, s:o}", "kind", kinds[o->kind], "way",
                                rhm_burn_way_name(o->way), "isa", rhm_isa_name(o->isa), "below", o->below,
                                "frequency_below", rhm_json_number(o->hertz_below), "begin_seconds",
                                rhm_burn_seconds_until(burn, o->part.begin), "end_seconds",
                                rhm_burn_seconds_until(burn, o->part.end), "sentence", sentence, "kernels", kernels);
        if (o->kind == RHM_BURN_SLOW_CORE) {
            rhm_json_set(&one, "core", json_integer(burn->core[o->core].core));
            rhm_json_set(&one, "cpu", json_integer(burn->core[o->core].pu_os));
        } else if (o->kind == RHM_BURN_SLOW_SOCKET) {
            rhm_json_set(&one, "socket", json_integer(o->core));
        }
        rhm_json_append(&list, one);
    }
    return list;
}

/* Cells that could have been judged, by what of them was. */
static json_t *judged(const rhm_burn *burn) {
    int count[RHM_BURN_JUDGED_ALL + 1] = {0};
    for (int way = 0; way < RHM_BURN_TEAM; way++)
        for (int core = 0; core < burn->cores; core++)
            for (int isa = 0; isa < burn->isas; isa++)
                count[rhm_burn_what_was_judged(rhm_burn_cell_at(burn, (rhm_burn_way)way, core, isa))]++;
    return json_pack("{s:i, s:i, s:i}", "all", count[RHM_BURN_JUDGED_ALL], "some", count[RHM_BURN_JUDGED_SOME], "none",
                     count[RHM_BURN_JUDGED_NONE]);
}

rhm_status rhm_burn_json(char **text, const rhm_burn *burn, rhm_error *error) {
    const rhm_burn_summary all = rhm_burn_summarise(burn);
    json_t *rows = json_array();
    for_each_row(burn, add_row, &rows);
    /* clang-format off */
    json_t *json = json_pack("{s:s, s:s, s:o, s:b, s:i, s:f, s:o, s:b, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:i, s:o, "
                             "s:o, s:o}",
                             "schema", "rhm-burn/1",
                             "version", rhm_version(),
                             "cpu_model", rhm_json_text(burn->cpu),
                             "virtual_machine", burn->virtual_machine,
                             "cores", burn->cores,
                             "seconds", burn->seconds,
                             "rounds", rhm_json_unsigned(burn->rounds),
                             "interrupted", burn->interrupted,
                             "tolerance", burn->tolerance,
                             "frequency_tolerance", burn->frequency_tolerance,
                             "other_programs_seconds", rhm_json_number(burn->other_seconds),
                             "runs", rhm_json_unsigned(all.runs),
                             "mismatches", rhm_json_unsigned(all.mismatches),
                             "wrong_cores", rhm_json_unsigned(all.wrong_cores),
                             "rounds_short", rhm_json_unsigned(rhm_burn_turns_short(burn)),
                             "kernels", RHM_BURN_OPERATIONS,
                             "judged", judged(burn),
                             "outliers", outliers(burn),
                             "rows", rows);
    /* clang-format on */
    const rhm_status status =
        rhm_json_dump(text, json, JSON_INDENT(2) | JSON_REAL_PRECISION(17), "\n", "the table of cores", error);
    json_decref(json);
    return status;
}

/* ---- text, line by line ---- */

static rhm_status finish(FILE *file, char **text, rhm_error *error) {
    if (file && fclose(file) == 0)
        return RHM_OK;
    rhm_free(*text);
    *text = NULL;
    return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the table of cores");
}

/* An empty field where there is no number. */
static void put_number(FILE *file, double value) {
    if (isfinite(value))
        fprintf(file, ",%.9g", value);
    else
        fputc(',', file);
}

static void put_place(FILE *file, const row *r, int number) {
    if (r->way == RHM_BURN_TEAM || number < 0)
        fputc(',', file);
    else
        fprintf(file, ",%d", number);
}

static void put_line(void *file, const rhm_burn *burn, const row *r) {
    const rhm_burn_cell *cell = r->cell;
    fprintf(file, "%s,%s", rhm_burn_way_name(r->way), rhm_isa_name(burn->isa[r->isa]));
    put_place(file, r, r->place->core);
    put_place(file, r, r->place->pu_os);
    put_place(file, r, r->place->package);
    put_place(file, r, r->place->node);
    fprintf(file, ",%" PRIu64 ",%" PRIu64, cell->runs, cell->mismatches);
    for (size_t i = 0; i < RATES - 1; i++)
        put_number(file, rhm_burn_median(cell, rates[i].member));
    put_number(file, rhm_burn_spread(cell, offsetof(rhm_burn_rates, gflops)));
    fprintf(file, ",%zu,%" PRIu64 ",%" PRIu64, cell->visits, cell->windows, cell->disturbed);
    put_number(file, cell->seconds);
    put_number(file, cell->foreign_seconds);
    put_number(file, cell->stolen_seconds);
    fprintf(file, ",%zu,%zu", cell->turns, cell->turns - cell->compared);
    put_number(file, rhm_burn_median(cell, rates[RATES - 1].member));
    fprintf(file, ",%d,%s\n", cell->kernels_judged, judged_names[rhm_burn_what_was_judged(cell)]);
}

rhm_status rhm_burn_csv(char **text, const rhm_burn *burn, rhm_error *error) {
    size_t nbytes;
    *text = NULL;
    FILE *file = open_memstream(text, &nbytes);
    if (file) {
        fputs("way,isa,core,cpu,socket,node,runs,mismatches", file);
        for (size_t i = 0; i < RATES - 1; i++)
            fprintf(file, ",%s", rates[i].key);
        fputs(",gflops_spread,visits,windows,disturbed_windows,seconds,foreign_seconds,stolen_seconds,"
              "turns,turns_set_aside,best_gflops,kernels_judged,judged\n",
              file);
        for_each_row(burn, put_line, file);
    }
    return finish(file, text, error);
}

/* ---- gauges ---- */

typedef struct gauge {
    FILE *file;
    const char *key;
    double (*value)(const row *r, size_t member);
    size_t member;
} gauge;

static double runs_of(const row *r, size_t member) {
    (void)member;
    return (double)r->cell->runs;
}

static double mismatches_of(const row *r, size_t member) {
    (void)member;
    return (double)r->cell->mismatches;
}

static double kernels_judged_of(const row *r, size_t member) {
    (void)member;
    return r->way == RHM_BURN_TEAM ? (double)NAN : (double)r->cell->kernels_judged;
}

static double rate_of(const row *r, size_t member) {
    return rhm_burn_median(r->cell, member);
}

static void put_sample(void *context, const rhm_burn *burn, const row *r) {
    const gauge *g = context;
    const double value = g->value(r, g->member);
    if (!isfinite(value))
        return;
    fprintf(g->file, "rhm_burn_%s{way=\"%s\",isa=\"%s\"", g->key, rhm_burn_way_name(r->way),
            rhm_isa_name(burn->isa[r->isa]));
    if (r->way != RHM_BURN_TEAM)
        fprintf(g->file, ",core=\"%d\",cpu=\"%d\",socket=\"%d\"", r->place->core, r->place->pu_os, r->place->package);
    fprintf(g->file, "} %.9g\n", value);
}

static void put_gauge(FILE *file, const rhm_burn *burn, const char *key, const char *help,
                      double (*value)(const row *, size_t), size_t member) {
    fprintf(file, "# HELP rhm_burn_%s %s\n# TYPE rhm_burn_%s gauge\n", key, help, key);
    for_each_row(burn, put_sample, &(gauge){file, key, value, member});
}

static void put_single(FILE *file, const char *key, const char *help, double value) {
    fprintf(file, "# HELP rhm_burn_%s %s\n# TYPE rhm_burn_%s gauge\nrhm_burn_%s %.9g\n", key, help, key, key, value);
}

/* Gauges only: what Prometheus calls a counter has another name in OpenMetrics. */
rhm_status rhm_burn_openmetrics(char **text, const rhm_burn *burn, rhm_error *error) {
    const rhm_burn_summary all = rhm_burn_summarise(burn);
    size_t nbytes;
    *text = NULL;
    FILE *file = open_memstream(text, &nbytes);
    if (file) {
        put_gauge(file, burn, "runs", "Results that were compared with the known ones in this burn.", runs_of, 0);
        put_gauge(file, burn, "mismatches", "Results that were not the known ones.", mismatches_of, 0);
        for (size_t i = 0; i < RATES; i++)
            put_gauge(file, burn, rates[i].key, rates[i].help, rate_of, rates[i].member);
        put_gauge(file, burn, "kernels_judged", "Kernels whose best runs were compared with those of siblings, of 9.",
                  kernels_judged_of, 0);
        put_single(file, "outliers", "Cores, sockets and instruction sets that are slow beyond the tolerance.",
                   (double)all.outliers);
        put_single(file, "wrong_cores", "Cores with results that were not the known ones.", (double)all.wrong_cores);
        put_single(file, "seconds", "How long this burn took.", burn->seconds);
        put_single(file, "interrupted", "Whether it was ended before its time.", burn->interrupted);
        fputs("# EOF\n", file);
    }
    return finish(file, text, error);
}
