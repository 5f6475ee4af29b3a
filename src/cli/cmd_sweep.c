#include <math.h>
#include <stdio.h>

#include "cli/interrupt.h"
#include "cli/running.h"
#include "cli/sweep/options.h"
#include "cli/sweep/runner.h"
#include "cli/sweep/tables.h"
#include "cli/sweep/thresholds.h"
#include "core/fail.h"
#include "core/memory.h"

/* Plans are made as long as they take a small share of what they are for. */
static const double planning_share = 0.02, planning_least_seconds = 2;

typedef struct sweep {
    const rhm_settings *settings;
    rhm_grid *grid;
    rhm_sweep_store store;
    rhm_sweep_forecast forecast;
    rhm_sweep_runner runner;
    rhm_progress_bar bar;
    rhm_sweep_thresholds thresholds;

    rhm_sweep_cell *cell;         /* (cells), owned: those of the grid, each once */
    const rhm_sweep_cell **order; /* (cells) */
    size_t cells, kept, failed;   /* failed: in earlier runs */
} sweep;

/* ---- what to run ----------------------------------------------------------------------------------------- */

static rhm_status read_grid(sweep *s, rhm_error *error) {
    const char *text = s->settings->sweep.grid, *file = s->settings->sweep.grid_file;
    if (!text == !file)
        return rhm_fail(error, RHM_INVALID, "%s: say what to run by one of --grid and --grid-file",
                        text ? "--grid and --grid-file are given both" : "neither --grid nor --grid-file is given");
    if (!s->settings->output)
        return rhm_fail(error, RHM_INVALID, "-o DIR is missing: name a directory for the results");
    return text ? rhm_grid_parse(&s->grid, text, error) : rhm_grid_load(&s->grid, file, error);
}

static rhm_status no_memory(rhm_error *error) {
    return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the cells of the sweep");
}

/* Cells that the grid names several times are run once. */
static rhm_status read_cells(sweep *s, rhm_error *error) {
    const uint64_t count = rhm_grid_count(s->grid);
    json_t *checked = json_object(), *seen = json_object();
    s->cell = RHM_NEW(rhm_sweep_cell, count, 1, 1, "the cells of the sweep", error);
    s->order = RHM_NEW(const rhm_sweep_cell *, count, 1, 1, "the cells of the sweep", error);
    rhm_status status = s->cell && s->order ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK && (!checked || !seen))
        status = no_memory(error);
    for (uint64_t i = 0; status == RHM_OK && i < count; i++) {
        rhm_grid_setting settings[RHM_GRID_MAX_AXES];
        const size_t axes = rhm_grid_cell(s->grid, i, settings);
        rhm_sweep_cell *cell = &s->cell[s->cells];
        status = rhm_sweep_cell_read(cell, settings, axes, checked, error);
        if (status == RHM_OK)
            status = rhm_interrupt_check(error);
        if (status != RHM_OK)
            break;
        rhm_ranks_sign(s->settings->running.ranks);
        if (json_object_get(seen, cell->key)) {
            rhm_sweep_cell_clear(cell);
            continue;
        }
        if (json_object_set_new(seen, cell->key, json_true()) != 0)
            status = no_memory(error);
        s->order[s->cells++] = cell;
    }
    json_decref(checked);
    json_decref(seen);
    return status;
}

static rhm_status refuse_without_search(const rhm_settings *settings, rhm_error *error) {
    for (const rhm_option *option = rhm_sweep_search_options.options; option->name; option++)
        RHM_TRY(rhm_option_refuse(settings, option->name, "has no effect without --find-threshold", error));
    return RHM_OK;
}

/* Those that have neither a row nor a failure. */
static rhm_status choose_jobs(sweep *s, rhm_error *error) {
    if (s->settings->sweep.retry)
        RHM_TRY(rhm_sweep_store_forgive(&s->store, error));
    if (s->settings->sweep.size != RHM_SWEEP_NO_SIZE)
        return rhm_sweep_thresholds_begin(&s->thresholds, &s->runner, error);
    for (size_t i = 0; i < s->cells; i++) {
        rhm_sweep_cell copy;
        if (rhm_sweep_store_row(&s->store, s->cell[i].key)) {
            s->kept++;
        } else if (rhm_sweep_store_failure(&s->store, s->cell[i].key)) {
            s->failed++;
        } else {
            RHM_TRY(rhm_sweep_cell_with(&copy, &s->cell[i], NULL, 0, error));
            RHM_TRY(rhm_sweep_runner_add(&s->runner, &copy, error));
        }
    }
    return RHM_OK;
}

/* ---- cores, memory and time ------------------------------------------------------------------------------ */

/* The plan of one cell may take longer than other ranks would wait for a word. */
static void say_alive(void *ranks, const rhm_progress *progress) {
    (void)progress;
    rhm_ranks_sign(ranks);
}

static rhm_status plan(sweep *s, int cores, rhm_error *error) {
    rhm_engine *engine;
    const double begin = rhm_progress_seconds();
    const rhm_engine_options options = {
        .threads = 1, .interrupt = &rhm_interrupt, .progress = say_alive, .user = s->settings->running.ranks};
    RHM_TRY(rhm_engine_create(&engine, &options, error));
    for (size_t i = 0; i < s->runner.jobs; i++) {
        const double seconds = rhm_progress_seconds() - begin;
        if (seconds > planning_least_seconds + planning_share * rhm_sweep_forecast_left(&s->forecast) / cores)
            break;
        rhm_progress_show(&s->bar, &(rhm_progress){.stage = "planning", .done = i, .total = s->runner.jobs});
        rhm_ranks_sign(s->settings->running.ranks);
        rhm_sweep_forecast_plan(&s->forecast, s->runner.job[i]->class, &s->runner.job[i]->cell, engine);
    }
    rhm_progress_clear(&s->bar);
    rhm_engine_destroy(engine);
    return rhm_interrupt_check(error);
}

static rhm_engine_options engine_options(const rhm_settings *settings) {
    return (rhm_engine_options){.memory_limit_nbytes = settings->running.memory_limit_nbytes,
                                .ranks = settings->running.ranks,
                                .interrupt = &rhm_interrupt};
}

/* One, unless the longest cell alone would take longer than all of them do on all cores. */
static int choose_threads(const sweep *s, int cores, int most) {
    const double all = rhm_sweep_forecast_left(&s->forecast), longest = rhm_sweep_forecast_longest(&s->forecast);
    if (s->settings->running.threads)
        return (int)s->settings->running.threads;
    double threads = all > 0 ? longest * cores / all : 1;
    threads = fmax(threads, (double)cores / (double)(s->runner.jobs ? s->runner.jobs : 1));
    return (int)fmin(fmax(floor(threads + 0.5), 1), most);
}

/* (*owner)[i] is the rank of set i; NULL: there is one process. */
static rhm_status deal_cores(sweep *s, rhm_core_sets *sets, int **owner, rhm_error *error) {
    rhm_engine *engine;
    rhm_ranks *ranks = s->settings->running.ranks;
    int cores = 0, fewest = 0;
    const rhm_engine_options options = engine_options(s->settings);
    rhm_status status = rhm_sweep_remote_join(&engine, &cores, &fewest, ranks, &options, error);
    if (status == RHM_OK) {
        s->runner.memory_nbytes = (double)rhm_engine_describe(engine).memory_limit_nbytes;
        status = plan(s, cores, error);
    }
    if (status == RHM_OK)
        status = rhm_core_sets_deal(sets, engine, choose_threads(s, cores, fewest), error);
    rhm_engine_destroy(engine);
    if (status == RHM_OK)
        status = rhm_sweep_remote_deal(sets, owner, ranks, error);
    while (status == RHM_OK && s->settings->sweep.jobs && sets->count > (int)s->settings->sweep.jobs)
        rhm_free(sets->set[--sets->count].cpu);
    return status;
}

/* ---- the end --------------------------------------------------------------------------------------------- */

static rhm_status write_table(sweep *s, rhm_sweep_table *table, rhm_error *error) {
    table->axis_count = rhm_grid_axes(s->grid, table->axes);
    if (s->settings->sweep.size == RHM_SWEEP_NO_SIZE)
        return rhm_sweep_tables_write(table, error);
    RHM_TRY(rhm_sweep_thresholds_write(&s->thresholds, table, error));
    const rhm_sweep_size size = s->thresholds.size;
    table->axes[table->axis_count++] = rhm_sweep_size_name(size == RHM_SWEEP_C ? RHM_SWEEP_SAMPLES : size);
    table->axes[table->axis_count++] = "data-seed";
    return rhm_sweep_tables_write(table, error);
}

static rhm_status write_tables(sweep *s, rhm_error *error) {
    rhm_sweep_table table = {.store = &s->store, .cell = s->order, .cells = s->cells};
    if (s->settings->sweep.size == RHM_SWEEP_NO_SIZE)
        return write_table(s, &table, error);
    rhm_sweep_cell *trial;
    rhm_status status = rhm_sweep_thresholds_trials(&trial, &table.cells, &s->thresholds, error);
    const rhm_sweep_cell **order = RHM_NEW(const rhm_sweep_cell *, table.cells, 1, 1, "the rows of a table", error);
    if (status == RHM_OK && !order)
        status = RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < table.cells; i++)
        order[i] = &trial[i];
    table.cell = order;
    if (status == RHM_OK)
        status = write_table(s, &table, error);
    for (size_t i = 0; i < table.cells; i++)
        rhm_sweep_cell_clear(&trial[i]);
    rhm_free(trial);
    rhm_free((void *)order);
    return status;
}

static void print_cells(const sweep *s) {
    const rhm_sweep_runner *r = &s->runner;
    const size_t others = s->store.rows > s->kept + r->done ? s->store.rows - s->kept - r->done : 0;
    printf("cells       %zu: %zu done, %zu of them before; %zu failed\n", s->cells, s->kept + r->done, s->kept,
           s->failed + r->failed);
    if (others)
        printf("            %zu other%s in the directory, which this grid does not name\n", others,
               others == 1 ? "" : "s");
}

static void print_account(const sweep *s) {
    const rhm_sweep_runner *r = &s->runner;
    const bool searched = s->settings->sweep.size != RHM_SWEEP_NO_SIZE;
    if (searched)
        printf("thresholds  %zu of %zu; %zu trainings in this run, %zu failed\n", s->thresholds.over,
               s->thresholds.searches, r->done, r->failed);
    else
        print_cells(s);
    if (r->done + r->failed) {
        const double seconds = rhm_progress_seconds() - r->began;
        printf("seconds     %.2f, with %d cell%s at a time on %d core%s each, which were in use for %.3f of the time\n",
               seconds, r->sets.count, r->sets.count == 1 ? "" : "s", r->sets.threads, r->sets.threads == 1 ? "" : "s",
               r->busy_seconds / (seconds * r->sets.count * r->sets.threads));
    }
    printf("results     %s: %stable.csv, table.h5, levels.csv, times.csv; a report a line in cells.jsonl\n",
           s->store.directory, searched ? "thresholds.csv, curves.csv, " : "");
}

static rhm_status judge_searches(const sweep *s, rhm_error *error) {
    for (size_t i = 0; i < s->thresholds.searches; i++) {
        char text[100];
        rhm_sweep_cell_text(s->cell[i].options, text, sizeof text);
        if (s->thresholds.search[i].failure)
            return rhm_fail(error, RHM_FAILED, "the search of %s ended with a training that failed (--retry): %.300s",
                            text, s->thresholds.search[i].failure);
    }
    return RHM_OK;
}

static rhm_status judge(const sweep *s, rhm_error *error) {
    if (s->settings->sweep.size != RHM_SWEEP_NO_SIZE)
        return judge_searches(s, error);
    for (size_t i = 0; i < s->cells; i++) {
        const char *reason = rhm_sweep_store_failure(&s->store, s->cell[i].key);
        char text[100];
        if (!reason || rhm_sweep_store_row(&s->store, s->cell[i].key))
            continue;
        rhm_sweep_cell_text(s->cell[i].options, text, sizeof text);
        return rhm_fail(error, RHM_FAILED,
                        "%zu of %zu cells failed (--retry runs them again), the first of them, %s: %.300s",
                        s->failed + s->runner.failed, s->cells, text, reason);
    }
    return RHM_OK;
}

/* A signal that came here, or to another rank. */
static rhm_status explain_interrupt(const sweep *s, rhm_error *error) {
    char words[RHM_ERROR_TEXT_NBYTES];
    snprintf(words, sizeof words, "%.200s", error->text);
    return rhm_fail(error, RHM_INTERRUPTED, "%s; the same command goes on from %s", words,
                    rhm_path_shown(s->store.directory));
}

static rhm_status work(sweep *s, rhm_error *error) {
    rhm_core_sets sets = {0};
    int *owner = NULL;
    RHM_TRY(read_grid(s, error));
    if (s->settings->sweep.size == RHM_SWEEP_NO_SIZE)
        RHM_TRY(refuse_without_search(s->settings, error));
    RHM_TRY(read_cells(s, error));
    if (s->settings->sweep.size != RHM_SWEEP_NO_SIZE)
        RHM_TRY(rhm_sweep_thresholds_open(&s->thresholds, s->settings, s->cell, s->cells, error));
    RHM_TRY(rhm_sweep_store_open(&s->store, s->settings->output, error));
    RHM_TRY(choose_jobs(s, error));
    rhm_status status = RHM_OK;
    if (s->runner.jobs) {
        status = deal_cores(s, &sets, &owner, error);
        if (status == RHM_OK)
            status = rhm_sweep_runner_run(&s->runner, &sets, owner, error);
        rhm_core_sets_clear(&sets);
        rhm_free(owner);
    }
    if (status == RHM_OK)
        status = rhm_sweep_remote_finish(s->settings->running.ranks, error);
    if (status != RHM_OK && status != RHM_INTERRUPTED)
        return status;
    const rhm_status written = write_tables(s, status == RHM_OK ? error : NULL);
    print_account(s);
    if (status == RHM_INTERRUPTED)
        return explain_interrupt(s, error);
    return written == RHM_OK ? judge(s, error) : written;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    sweep s = {.settings = settings,
               .store = {.lock = -1, .cells = -1, .failures = -1},
               .bar = rhm_progress_open((rhm_progress_mode)settings->running.progress)};
    if (!rhm_running_writes(settings)) {
        const rhm_engine_options options = engine_options(settings);
        return rhm_sweep_serve(settings->running.ranks, &options, error);
    }
    s.runner =
        (rhm_sweep_runner){.store = &s.store, .forecast = &s.forecast, .bar = &s.bar, .ranks = settings->running.ranks};
    rhm_status status = rhm_sweep_forecast_open(&s.forecast, error);
    if (status == RHM_OK)
        status = work(&s, error);
    rhm_progress_clear(&s.bar);
    rhm_sweep_runner_clear(&s.runner);
    rhm_sweep_thresholds_clear(&s.thresholds);
    rhm_sweep_forecast_close(&s.forecast);
    rhm_sweep_store_close(&s.store);
    for (size_t i = 0; i < s.cells; i++)
        rhm_sweep_cell_clear(&s.cell[i]);
    rhm_free(s.cell);
    rhm_free((void *)s.order);
    rhm_grid_destroy(s.grid);
    return status;
}

const rhm_command rhm_command_sweep = {
    .name = "sweep",
    .operands = "",
    .summary = "many trainings over a grid of options, side by side and resumable",
    .description =
        "Run rhm train for every cell of a grid of its options, as processes of their own on cores of their own, and "
        "put the results into one table. Killed at any moment and started again it goes on; the table then has the "
        "same bytes. A cell that fails is kept with its reason and stops nothing. Under mpirun cells run on the cores "
        "of "
        "all ranks.",
    .examples = "rhm sweep --grid \"vocab=8,16; rules=2,4; levels=2..6; seed=1..10; learner=table\" -o results\n"
                "rhm sweep --grid \"learner=layerwise; samples=1000..64000*4 | learner=latent\" -o results\n"
                "rhm sweep --grid \"vocab=8; levels=2..5; learner=latent\" --find-threshold samples -o thresholds",
    .groups = {&rhm_sweep_options, &rhm_sweep_search_options, &rhm_rank_options},
    .on_ranks = true,
    .run = run,
};
