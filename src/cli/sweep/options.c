#include "cli/sweep/options.h"

#include <stddef.h>

#include "cli/shared_options.h"
#include "cli/sweep/thresholds.h"

static const rhm_word sizes[] = {
    {"samples", RHM_SWEEP_SAMPLES}, {"sequences", RHM_SWEEP_SEQUENCES}, {"c", RHM_SWEEP_C}, {NULL, 0}};

static const rhm_option own[] = {
    {.name = "grid",
     .kind = RHM_OPTION_TEXT,
     .argument = "GRID",
     .otherwise = "--grid-file",
     .place = offsetof(rhm_settings, sweep.grid),
     .help =
         "What to run: NAME=VALUES for options of rhm train, with ; between them. VALUES are words and numbers with "
         "commas between them, ranges such as 2..8, 1..9+2 and 1000..64000*4, and lists that are one value, such "
         "as (8,16,16). All combinations are run; a | begins another grid beside the first."},
    {.name = "grid-file",
     .kind = RHM_OPTION_TEXT,
     .argument = "FILE",
     .otherwise = "--grid",
     .place = offsetof(rhm_settings, sweep.grid_file),
     .file = RHM_FILE_READ,
     .help = "The same in a JSON file: an object such as {\"vocab\": [8, 16], \"seed\": \"1..10\"}, or a list of "
             "them."},
    {.name = "output",
     .letter = 'o',
     .kind = RHM_OPTION_TEXT,
     .argument = "DIR",
     .otherwise = "required",
     .place = offsetof(rhm_settings, output),
     .file = RHM_FILE_DIRECTORY,
     .help = "Directory of the results, which is made unless it is there. Cells that it holds are not run again: the "
             "same command goes on where an earlier one ended, also with a larger grid."},
    {.name = "retry",
     .kind = RHM_OPTION_FLAG,
     .place = offsetof(rhm_settings, sweep.retry),
     .help = "Run cells that failed again."},
    {.name = "threads",
     .kind = RHM_OPTION_COUNT,
     .argument = "N",
     .unit = "threads a cell",
     .otherwise = "as many as keep the last cell from being the only one that runs",
     .least = 1,
     .greatest = 4096,
     .place = offsetof(rhm_settings, running.threads),
     .help = "Threads of each cell, on cores of its own; as many cells run side by side as there are cores for."},
    {.name = "jobs",
     .kind = RHM_OPTION_COUNT,
     .argument = "N",
     .unit = "cells side by side",
     .otherwise = "as many as there are cores for",
     .least = 1,
     .greatest = 4096,
     .place = offsetof(rhm_settings, sweep.jobs),
     .help = "At most so many cells at a time."},
    RHM_OPTION_MEMORY_LIMIT(
        "Memory of all cells together, under mpirun of those of each rank; each gets its share, or what its plan asks "
        "for."),
    RHM_OPTION_PROGRESS,
    {0}};
const rhm_option_group rhm_sweep_options = {"Sweep", own};

static const rhm_option search[] = {
    {.name = "find-threshold",
     .kind = RHM_OPTION_CHOICE,
     .argument = "SIZE",
     .otherwise = "every cell is one training",
     .words = sizes,
     .place = offsetof(rhm_settings, sweep.size),
     .help = "Find for every cell the smallest size at which half of the trainings, which differ in --data-seed, come "
             "below --error. samples: --samples N of each level; sequences: --sequences P; c: N = c V m^l of level l."},
    {.name = "error",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "share of the error of guessing",
     .fallback = "0.1",
     .least = 0,
     .greatest = 1,
     .place = offsetof(rhm_settings, sweep.bound),
     .help = "Test error that a training must not exceed, 1 - 1/|V_0| being that of guessing."},
    {.name = "least",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .otherwise = "16; of c: 2^-6",
     .least = 0x1p-20,
     .greatest = 0x1p53,
     .place = offsetof(rhm_settings, sweep.least),
     .help = "Smallest size to try. Sizes are 2^(n/4); 4 and more where they are numbers of samples or sequences."},
    {.name = "greatest",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .otherwise = "2^20; of c: 2^14",
     .least = 0x1p-20,
     .greatest = 0x1p53,
     .place = offsetof(rhm_settings, sweep.greatest),
     .help = "Largest size to try. A threshold beyond is reported as above it."},
    {.name = "trials",
     .kind = RHM_OPTION_COUNT,
     .argument = "N",
     .unit = "trainings at a size",
     .fallback = "12",
     .least = 1,
     .greatest = 1000,
     .place = offsetof(rhm_settings, sweep.trials),
     .help = "Most trainings at a size. Six are made at first, and six more near the threshold as long as they "
             "disagree; with fewer than six the intervals stay open."},
    {0}};
const rhm_option_group rhm_sweep_search_options = {"Thresholds", search};
