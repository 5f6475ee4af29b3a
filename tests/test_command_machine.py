"""rhm machine --measure: the parts that take seconds. Caches and nodes, which take more, are looked at in a guest of two nodes."""
import json
import os

import pytest

from command_tools import refused, run


def measured(cwd, parts):
    return json.loads(run("machine", "--measure", parts, "--json", "--progress", "off", cwd=cwd).stdout)["measured"]


def test_parts_are_measured(tmp_path):
    found = measured(tmp_path, "frequency,smt")
    assert set(found) == {"frequency", "smt", "others"}
    assert found["others"]["seconds"] > 0 and found["others"]["other_programs_seconds"] >= 0 and found["others"]["stolen_seconds"] >= 0
    cpus = len(os.sched_getaffinity(0))
    assert {row["cores"] for row in found["frequency"]} >= {1} and max(row["cores"] for row in found["frequency"]) <= cpus
    assert {"scalar"} <= {row["isa"] for row in found["frequency"]}
    for row in found["frequency"]:
        assert 0 < row["least_hertz"] <= row["mean_hertz"] * (1 + 1e-9) and row["by"] in ("perf events", "dependent additions")
        assert 0 <= row["disturbed"] <= 1
    assert "unavailable" in found["smt"] or found["smt"]["fma_gain"] > 0


def test_senseless_parts_are_refused(tmp_path):
    for parts, says in (("nothing", "nothing"), ("caches,", "unknown"), ("all,knobs", "knobs")):
        refused("machine", "--measure", parts, cwd=tmp_path, says=[says, "caches, threads"])
    refused("machine", "--measure", "smt", cwd=tmp_path, expect=1, says=["OMP_PROC_BIND"], env={**os.environ, "OMP_PROC_BIND": "true"})
