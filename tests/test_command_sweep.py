"""rhm sweep from outside: what its cells are, that nothing of them is lost or done twice, and what is refused."""
import csv
import json
import os
import random
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

from command_tools import RHM, refused, run

GRID = "vocab=8; learner=table,latent; levels=2..3; seed=1..6; test-samples=200"
CELLS = 24
TABLES = ("table.csv", "table.h5", "levels.csv")


def lines(directory, name="cells.jsonl"):
    return [json.loads(line) for line in (directory / name).read_text().splitlines()]


def keys(directory, name="cells.jsonl"):
    return [json.dumps(line["cell"], sort_keys=True) for line in lines(directory, name)]


def table(directory, name="table.csv"):
    with open(directory / name, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep that nobody interrupted."""
    folder = tmp_path_factory.mktemp("sweep")
    done = run("sweep", "--grid", GRID, "-o", "s", cwd=folder)
    (folder / "said.txt").write_text(done.stdout)
    return folder / "s"


def same_tables(a, b):
    for name in TABLES:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def test_cells_are_those_of_the_grid_in_its_order(swept):
    assert [(r["learner"], r["levels"], r["seed"]) for r in table(swept)] == [
        (learner, str(levels), str(seed)) for learner in ("table", "latent") for levels in (2, 3) for seed in range(1, 7)]
    assert all(r["status"] == "done" and r["vocab"] == "8" for r in table(swept))
    found = keys(swept)
    assert len(found) == len(set(found)) == CELLS
    assert f"cells       {CELLS}: {CELLS} done, 0 of them before; 0 failed" in (swept.parent / "said.txt").read_text()


def test_a_cell_is_what_train_makes_of_it(swept):
    row = table(swept)[9]
    report = swept.parent / "r.json"
    run("train", "--vocab", 8, "--learner", row["learner"], "--levels", row["levels"], "--seed", row["seed"], "--test-samples", 200,
        "--report", report, cwd=swept.parent)
    expected = json.loads(report.read_text())
    assert row["model_hash"] == expected["model_hash"]
    assert float(row["accuracy"]) == expected["test"]["accuracy"]
    assert float(row["rho"]) == min(expected["instance"]["rho"])
    assert float(row["error_of_chance"]) == pytest.approx((1 - expected["test"]["accuracy"]) / (1 - 1 / 8))
    levels = [r for r in table(swept, "levels.csv") if all(r[a] == row[a] for a in ("learner", "levels", "seed"))]
    assert [int(r["level"]) for r in levels] == [l["level"] for l in expected["levels"]]
    assert [float(r["samples"]) for r in levels] == [l["samples"] for l in expected["levels"]]


def test_the_file_holds_the_same_table(swept):
    rows = table(swept)
    with h5py.File(swept / "table.h5") as file:
        words = file["cells/learner"].attrs["words"]
        assert [words.split("\n")[int(i)] for i in file["cells/learner"][()]] == [r["learner"] for r in rows]
        for name in ("seed", "accuracy", "samples_used"):
            np.testing.assert_array_equal(file["cells"][name][()], [float(r[name]) for r in rows])
        assert file["levels/samples"].shape == (CELLS, 3)


def test_cells_have_cores_of_their_own(swept):
    runs = [line["run"] for line in lines(swept)]
    sets = {tuple(r["cpus"]) for r in runs}
    for a in sets:
        assert not any(set(a) & set(b) for b in sets if b != a)
    for line in lines(swept):
        team = line["report"]["machine"]["record"]["team"]
        assert len(team) == line["run"]["threads"]


def test_a_larger_grid_goes_on(swept, tmp_path):
    run("sweep", "--grid", "vocab=8; learner=table; levels=2; seed=1..4; test-samples=200", "-o", "s", cwd=tmp_path)
    said = run("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path).stdout
    assert f"{CELLS} done, 4 of them before" in said
    same_tables(tmp_path / "s", swept)
    # A smaller one says that there is more; values that mean the same are the same cell.
    said = run("sweep", "--grid", "learner=table; vocab=8.0; levels=2,2; seed=1; test-samples=2e2; rules=4", "-o", "s", cwd=tmp_path).stdout
    assert "1 done, 1 of them before" in said and f"{CELLS - 1} others" in said
    assert len(keys(tmp_path / "s")) == CELLS


def test_files_say_the_same_grid(swept, tmp_path):
    grid = [{"vocab": 8, "learner": learner, "levels": "2..3", "seed": list(range(1, 7)), "test-samples": 200} for learner in ("table", "latent")]
    (tmp_path / "g.json").write_text(json.dumps(grid))
    run("sweep", "--grid-file", "g.json", "-o", "s", cwd=tmp_path)
    same_tables(tmp_path / "s", swept)


@pytest.mark.parametrize("chance", range(2))
def test_killed_sweeps_go_on_to_the_same_table(swept, tmp_path, chance):
    """SIGKILL at random moments: no line is lost, none is there twice, no process survives."""
    moments = random.Random(chance)
    before = []
    for _ in range(12):
        process = subprocess.Popen([RHM, "sweep", "--grid", GRID, "-o", "s"], cwd=tmp_path, stdout=subprocess.DEVNULL)
        try:
            ended = process.wait(moments.uniform(0.02, 0.4))
        except subprocess.TimeoutExpired:
            process.kill()
            ended = process.wait()
        path = tmp_path / "s" / "cells.jsonl"
        whole = [line for line in path.read_text().splitlines(True) if line.endswith("\n")] if path.exists() else []
        assert whole[:len(before)] == before, f"seed {chance}"
        before = whole
        if ended == 0:
            break
    run("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path)
    assert len(set(keys(tmp_path / "s"))) == len(keys(tmp_path / "s")) == CELLS
    same_tables(tmp_path / "s", swept)


def test_a_line_that_was_cut_off_is_run_again(swept, tmp_path):
    run("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path)
    path = tmp_path / "s" / "cells.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-37])
    assert f"{CELLS - 1} of them before" in run("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path).stdout
    same_tables(tmp_path / "s", swept)
    path.write_bytes(whole.replace(b"model_hash", b"motel_hash", 1))
    refused("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path, says=["cells.jsonl: line 1"])


def test_a_full_disk_ends_the_sweep_and_loses_nothing(swept, tmp_path):
    def small_files():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))

    done = run("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path, expect=1, preexec_fn=small_files)
    assert "cells.jsonl: cannot write" in done.stderr and done.stderr.count("\n") == 1
    kept = len(keys(tmp_path / "s"))
    assert 1 <= kept < CELLS
    assert f"{kept} of them before" in run("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path).stdout
    same_tables(tmp_path / "s", swept)


def crasher(folder):
    """A library that ends cells of seed 3 by SIGSEGV."""
    (folder / "crash.c").write_text("""
#include <signal.h>
#include <stdio.h>
#include <string.h>
__attribute__((constructor)) static void crash(void) {
    char text[4096] = "";
    FILE *file = fopen("/proc/self/cmdline", "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    for (size_t i = 0; i < length; i++)
        if (!strcmp(text + i, "--seed=3"))
            raise(SIGSEGV);
}
""")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "crash.so", "crash.c"], cwd=folder, check=True)
    return {**os.environ, "LD_PRELOAD": str(folder / "crash.so")}


def test_a_cell_that_crashes_is_kept_with_its_reason_and_retried(swept, tmp_path):
    done = run("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path, expect=1, env=crasher(tmp_path))
    assert "4 of 24 cells failed" in done.stderr and "killed by signal 11" in done.stderr
    assert len(keys(tmp_path / "s")) == CELLS - 4
    failed = [r for r in table(tmp_path / "s") if r["status"] == "failed"]
    assert {r["seed"] for r in failed} == {"3"} and all("signal 11" in r["reason"] for r in failed)
    # Without being asked they are not tried again.
    done = run("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path, expect=1)
    assert f"{CELLS - 4} done, {CELLS - 4} of them before; 4 failed" in done.stdout
    run("sweep", "--grid", GRID, "-o", "s", "--retry", cwd=tmp_path)
    assert lines(tmp_path / "s", "failures.jsonl") == []
    same_tables(tmp_path / "s", swept)


def test_a_cell_that_train_refuses_while_it_runs_fails_alone(tmp_path):
    done = run("sweep", "--grid", "draw=counts; vocab=8; rules=8; levels=5 | learner=table; vocab=8; levels=2", "-o", "s", cwd=tmp_path, expect=1)
    rows = table(tmp_path / "s")
    assert [r["status"] for r in rows] == ["failed", "done"]
    assert rows[0]["reason"].startswith("the counts of level 3 cannot be drawn directly") and rows[0]["reason"] in done.stderr


def test_ctrl_c_loses_nothing(swept, tmp_path):
    grid = GRID + " | vocab=8; rules=4; levels=8; test-samples=200"  # the last cell is without end
    process = subprocess.Popen([RHM, "sweep", "--grid", grid, "--threads", "1", "-o", "s"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    path = tmp_path / "s" / "cells.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (path.exists() and path.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on from s" in words
    assert any(r["status"] == "open" for r in table(tmp_path / "s"))
    run("sweep", "--grid", GRID, "-o", "s", cwd=tmp_path)
    same_tables(tmp_path / "s", swept)


def test_an_interrupted_long_cell_goes_on_from_its_checkpoint(here, tmp_path):
    """Of a cell with data nobody can say how long it takes: it keeps checkpoints."""
    command = [RHM, "sweep", "--grid", f"data={here / 'd.h5'}", "--threads", "1", "-o", "s"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None and not list((tmp_path / "s").glob("checkpoints/*/checkpoint-*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130 and lines(tmp_path / "s") == []
    run(*command[1:], cwd=tmp_path)
    assert lines(tmp_path / "s")[0]["report"]["checkpoint"]["resumed"]
    assert list((tmp_path / "s").glob("checkpoints/*")) == []
    run("train", "--data", here / "d.h5", "--report", "r.json", cwd=tmp_path)
    assert table(tmp_path / "s")[0]["model_hash"] == json.loads((tmp_path / "r.json").read_text())["model_hash"]


def test_searches_with_ids_between_levels(tmp_path):
    """Their trainings write no checkpoints."""
    run("sweep", "--grid", "vocab=8; levels=3; between=ids; positions=1; width=256; test-samples=200", "--find-threshold", "samples",
        "--trials", 2, "--least", 512, "--greatest", 65536, "-o", "s", cwd=tmp_path)
    assert [row["state"] for row in table(tmp_path / "s", "thresholds.csv")] == ["found"]


def test_an_option_and_a_result_have_columns_of_their_own(tmp_path):
    """--epochs says how many there may be, epochs_run how many there were."""
    run("sweep", "--grid", "learner=cnn; vocab=6; rules=3; levels=2; sequences=100; epochs=2,3; loss-threshold=9", "-o", "s", "--progress", "off",
        cwd=tmp_path)
    assert [(row["epochs"], row["epochs_run"]) for row in table(tmp_path / "s")] == [("2", "1"), ("3", "1")]
    with h5py.File(tmp_path / "s/table.h5") as file:
        assert file["cells/epochs_run"][()].tolist() == [1, 1]


def test_one_sweep_at_a_time_uses_a_directory(tmp_path):
    (tmp_path / "s").mkdir()
    import fcntl
    held = os.open(tmp_path / "s", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    refused("sweep", "--grid", "seed=1", "-o", "s", cwd=tmp_path, says=["s is in use by another sweep"])
    os.close(held)


def test_other_directories_are_left_alone(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "table.csv").write_text("mine")
    refused("sweep", "--grid", "seed=1", "-o", "s", cwd=tmp_path, says=["no sweep.json"])
    assert (tmp_path / "s" / "table.csv").read_text() == "mine"
    assert os.listdir(tmp_path / "s") == ["table.csv"]
    (tmp_path / "s" / "sweep.json").write_text('{"schema": "rhm-sweep/9"}')
    refused("sweep", "--grid", "seed=1", "-o", "s", cwd=tmp_path, says=["rhm-sweep/9"])


@pytest.mark.parametrize("grid, says", [
    ("foo=1", "unknown option --foo=1: the options are listed by rhm train --help (in the cell foo=1)"),
    ("vocab=0", "--vocab '0' is refused (too small): allowed is a whole number from 1 to 65536"),
    ("seed=1,2; learner=tble", "--learner tble is unknown: allowed are layerwise"),
    ("learner=table; width=64", "--width 64 has no effect on --learner table: leave it out"),
    ("levels=2..3; rules=(4,4)", "--rules 4,4 has 2 values: with 3 levels"),
    ("vocab=8; rules=4,16", "level 1 needs 128 distinct patches"),
    ("data=nowhere.h5", "nowhere.h5"),
    ("parents=8", "--parents 8 has no effect without --data"),
    ("require-identifiable=maybe", "allowed in a grid is on or off"),
    ("report=r.json", "report cannot be an axis of the grid"),
    ("rank-timeout=5", "rank-timeout cannot be an axis of the grid"),
    ("seed=5..1", "the range '5..1' is refused"),
    (";", "a product of the grid has no axes"),
])
def test_what_train_refuses_is_refused_before_anything_runs(tmp_path, grid, says):
    refused("sweep", "--grid", grid, "-o", "s", cwd=tmp_path, says=[says])


def test_usage(tmp_path):
    refused("sweep", "-o", "s", cwd=tmp_path, says=["neither --grid nor --grid-file"])
    refused("sweep", "--grid", "seed=1", cwd=tmp_path, says=["-o DIR is missing"])
    (tmp_path / "g.json").write_text('{"seed": 1}')
    refused("sweep", "--grid", "seed=1", "--grid-file", "g.json", "-o", "s", cwd=tmp_path, says=["given both"])
    (tmp_path / "file").write_text("")
    refused("sweep", "--grid", "seed=1", "-o", "file", cwd=tmp_path, expect=1, says=["file: cannot open this directory"])
    refused("sweep", "--grid", "seed=1", "-o", "none/s", cwd=tmp_path, expect=1, says=["none/s"])
