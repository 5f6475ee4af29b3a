"""rhm burn: what it says of a sound machine, and that it names a core that errs. The faulty core is in another program, rhm_wrong_core."""
import csv
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from command_tools import RHM, refused, wait_for_work

WRONG_CORE = pathlib.Path(RHM).with_name("rhm_wrong_core")
CPUS = sorted(os.sched_getaffinity(0))[:2]
SHORT = ["--minutes", "0.001", "--progress", "off"]  # one round


def burn(*arguments, cwd, program=RHM, expect=0, **environment):
    done = subprocess.run([program, "burn", *SHORT, *arguments], cwd=cwd, capture_output=True, text=True, timeout=240,
                          env={**os.environ, **environment})
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("burn")
    done = burn("--json", "b.json", "--csv", "b.csv", "--openmetrics", "b.prom", cwd=folder)
    return folder, done, json.loads((folder / "b.json").read_text())


def test_a_sound_machine_has_no_wrong_results(sound):
    _, done, found = sound
    assert found["schema"] == "rhm-burn/1"
    assert found["runs"] > 0 and found["mismatches"] == 0 and found["wrong_cores"] == 0
    assert found["outliers"] == [] and found["rounds_short"] > 0  # one round decides nothing
    assert done.stderr == "" and "0 wrong" in done.stdout and "too few rounds" in done.stdout
    isas = {row["isa"] for row in found["rows"]}
    for way, rows in (("alone", found["cores"]), ("together", found["cores"]), ("team", 1)):
        for isa in isas:
            here = [row for row in found["rows"] if row["way"] == way and row["isa"] == isa]
            assert len(here) == rows and len({row["cpu"] for row in here}) == rows
            assert all(row["runs"] > 0 and row["mismatches"] == 0 for row in here)
    assert sum(row["runs"] for row in found["rows"]) == found["runs"]
    assert all(row["best_gflops"] > 0 for row in found["rows"] if row["way"] != "team")
    assert all(row["turns"] == row["kernels_judged"] == 0 and row["not_judged"] is None for row in found["rows"])


def test_what_was_not_judged_is_said(sound):
    folder, _, found = sound
    reasons = {"team": "one training of all cores has no siblings"}
    for row in found["rows"]:
        assert row["judged"] == "none"
        assert row["unjudged_because"] == reasons.get(row["way"], "one core has no siblings" if found["cores"] == 1 else "too few rounds")
    assert found["kernels"] == 9
    assert found["judged"] == {"all": 0, "some": 0, "none": sum(row["way"] != "team" for row in found["rows"])}
    with open(folder / "b.csv", newline="") as file:
        assert [(line["kernels_judged"], line["judged"]) for line in csv.DictReader(file)] == [("0", "none")] * len(found["rows"])
    gauges = (folder / "b.prom").read_text()
    assert len(re.findall(r"^rhm_burn_kernels_judged\{.*\} 0$", gauges, re.MULTILINE)) == found["judged"]["none"]


def test_csv_and_gauges_say_the_same(sound):
    folder, _, found = sound
    with open(folder / "b.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["way"], line["isa"], line["runs"]) for line in lines] == [(r["way"], r["isa"], str(r["runs"])) for r in found["rows"]]
    for line, row in zip(lines, found["rows"]):
        for key in ("gflops", "share_of_peak", "trainings_per_second", "frequency_hertz", "best_gflops", "turns", "turns_set_aside", "cpu"):
            assert (float(line[key]) if line[key] else None) == (pytest.approx(row[key], rel=1e-6) if row[key] is not None else None)
    gauges = (folder / "b.prom").read_text()
    assert gauges.endswith("# EOF\n")
    samples, described = {}, set()
    for line in gauges.splitlines()[:-1]:
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert kind == "gauge" and name not in described
            described.add(name)
        elif not line.startswith("# HELP "):
            name, labels, value = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z]+="[^"\\]*",?)*)\})? (\S+)', line).groups()
            assert name in described and (name, labels) not in samples
            samples[name, labels] = float(value)
    assert sum(value for (name, _), value in samples.items() if name == "rhm_burn_runs") == found["runs"]
    assert samples["rhm_burn_wrong_cores", None] == 0


@pytest.mark.parametrize("operation, every", [("product", "1"), ("gradient", "7"), ("gram", "3")])
@pytest.mark.parametrize("cpu", CPUS)
def test_a_wrong_core_is_named(tmp_path, cpu, operation, every):
    done = burn("--isa", "scalar", "--json", "b.json", program=WRONG_CORE, cwd=tmp_path, expect=1, RHM_WRONG_CPU=str(cpu),
                RHM_WRONG_OPERATION=operation, RHM_WRONG_EVERY=every)
    found = json.loads((tmp_path / "b.json").read_text())
    assert {row["cpu"] for row in found["rows"] if row["mismatches"] and row["way"] != "team"} == {cpu}
    assert found["wrong_cores"] == 1
    alone, = [row for row in found["rows"] if row["way"] == "alone" and row["cpu"] == cpu]
    assert {"gram": "Gram matrix"}.get(operation, operation) in alone["wrong"]
    assert f"(CPU {cpu}" in re.search(r"^WRONG: .*", done.stdout, re.M).group()
    assert done.stderr.startswith("rhm burn: ") and "on 1 core" in done.stderr


def test_an_interrupted_burn_shows_what_it_has(tmp_path):
    with subprocess.Popen([RHM, "burn", "--minutes", "5", "--json", "b.json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        wait_for_work(process, 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in out and "interrupted" in err
    found = json.loads((tmp_path / "b.json").read_text())
    assert found["interrupted"] and found["runs"] > 0 and found["mismatches"] == 0


@pytest.mark.parametrize("arguments, says", [(["--cores", "0,0"], "named twice"), (["--cores", "compact"], "0,2,4-7"), (["--cores", "4000"], "4000"),
                                             (["--minutes", "0"], "too small"), (["--tolerance", "0"], "too small"), (["--isa", "mmx"], "mmx")])
def test_senseless_options_are_refused(tmp_path, arguments, says):
    refused("burn", *arguments, cwd=tmp_path, says=[says])


def test_threads_that_others_bind_are_refused(tmp_path):
    refused("burn", cwd=tmp_path, expect=1, says=["OMP_PROC_BIND"], env={**os.environ, "OMP_PROC_BIND": "true"})


def test_one_core_can_be_chosen(tmp_path):
    assert "no sibling" in burn("--cores", "0", "--isa", "scalar", "--json", "b.json", cwd=tmp_path).stdout
    found = json.loads((tmp_path / "b.json").read_text())
    assert found["cores"] == 1 and {row["cpu"] for row in found["rows"]} == {CPUS[0], None}
    assert {row["unjudged_because"] for row in found["rows"] if row["way"] != "team"} == {"one core has no siblings"}
