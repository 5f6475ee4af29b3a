"""Exports against their readers: Google Benchmark's own compare.py where Debian's libbenchmark-tools has it, and the documented
structure of each format everywhere."""
import copy
import csv
import io
import json
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from perf import __main__ as command
from perf.harness import blocks, formats, session, statistics, text, verdict
from perf.harness.project import ROOT

COMPARE = Path("/usr/share/benchmark/compare.py")
RUN = json.loads((ROOT / "tests" / "perf_runs" / "same-busy.json").read_text())


@pytest.fixture
def document():
    """A comparison with every kind of row, made from a recorded one."""
    rows = copy.deepcopy([row for row in RUN["rows"] if row["blocks"]])
    slow, fast = rows[:2]
    for factor, row in ((1.2, slow), (0.8, fast)):
        for block in row["blocks"]:
            block["head"] *= factor
        row["confirmation"] = copy.deepcopy(row["blocks"])
    rows.append({"name": "row with \"quotes\" & <brackets> | bar", "kind": "row", "directories": [], "blocks": [], "reason": "it <failed>\x01"})
    judged = verdict.judge(rows, verdict.Rules())
    for row in rows:
        row.update(unit="s", program="bench_kernels", passes=3, reproduce=f"./dev perf compare a b --rows '{row['name'][:8]}'",
                   judgement=judged[row["name"]].record(), work={"flops": 1e8, "bytes": 1e5})
        if row["blocks"]:
            row["median"] = {arm: statistics.median([block[arm] for block in row["blocks"]]) for arm in blocks.ARMS}
            row["value"] = judged[row["name"]].ratio
    slow["moved"] = ["compiler flags that differ: -[-O3] +[-O2]"]
    made = session.new("compare", {"machine": {"cpu": "made up"}, "source": {"commit": "c" * 40}})
    arm = {"name": "main", "commit": "a" * 40, "dirty": False, "cmake": []}
    made.update(rows=rows, arms={"base": arm, "head": {**arm, "name": "work tree", "dirty": True}}, verdict="regressed", exit_status=10,
                plan={"seed": 1, "exact_only": False, "practical": 0.05, "life": 4}, took={"build_seconds": 1.0, "seconds": 2.0,
                                                                                          "total_seconds": 3.0, "blocks": 16},
                facts={"compared": 2, "unavailable": {"job: instructions": "valgrind is not installed"}, "differ": [
                    {"name": "job: model hash", "base": "a", "head": "b", "blocks": True, "accepted": False, "says": "a became b"},
                    {"name": "job: allocations", "base": 1, "head": 2, "blocks": False, "accepted": False, "says": "1 became 2"}]})
    return made


@pytest.fixture
def written(document, tmp_path):
    path = session.write(document, tmp_path / "compare.json")
    return path, session.read(path)


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")
    return json.loads(text, parse_constant=refuse)


# ---------------------------------------------------------------------------------------------------------- Google Benchmark

def test_google_benchmark_structure(written):
    _, document = written
    report = strict(formats.render(document, "google-benchmark"))
    assert {"date", "executable", "num_cpus", "mhz_per_cpu", "caches", "library_build_type"} <= set(report["context"])
    measured = [row for row in document["rows"] if row["blocks"]]
    iterations = [run for run in report["benchmarks"] if run["run_type"] == "iteration"]
    assert len(iterations) == sum(len(row["blocks"]) for row in measured)
    for run in iterations:
        assert {"name", "run_name", "repetitions", "repetition_index", "threads", "iterations", "real_time", "cpu_time", "time_unit"} <= set(run)
        assert run["time_unit"] == "ns" and run["real_time"] > 0
        assert run["flops_per_second"] == pytest.approx(1e8 / (run["real_time"] * 1e-9))
    for row in measured:
        own = [run for run in report["benchmarks"] if run["run_name"] == row["name"]]
        assert [run["repetition_index"] for run in own if run["run_type"] == "iteration"] == list(range(len(row["blocks"])))
        aggregates = {run["aggregate_name"]: run["real_time"] for run in own if run["run_type"] == "aggregate"}
        assert aggregates["median"] == pytest.approx(1e9 * row["median"]["head"])
        assert {run["name"] for run in own if run["run_type"] == "aggregate"} == {f"{row['name']}_{name}" for name in aggregates}


@pytest.mark.skipif(not COMPARE.exists(), reason="Debian's libbenchmark-tools is not installed")
def test_google_benchmarks_own_tool_reads_ours(written, tmp_path):
    pytest.importorskip("scipy")
    path, document = written
    files = []
    for arm in ("base", "head"):
        files.append(tmp_path / f"{arm}.json")
        assert command.main(["export", str(path), "--format", "google-benchmark", "--arm", arm, "--output", str(files[-1])]) == 0
    dump = tmp_path / "differences.json"
    done = subprocess.run([sys.executable, str(COMPARE), "--no-color", "--dump_to_json", str(dump), "benchmarks", *map(str, files)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = {each["name"]: each for each in json.loads(dump.read_text())}
    for row in document["rows"]:
        if not row["blocks"]:
            continue
        times = found[row["name"]]["measurements"]
        assert len(times) == len(row["blocks"])
        for measurement, block in zip(times, row["blocks"]):
            assert measurement["real_time"] == pytest.approx(1e9 * block["base"])
            assert measurement["real_time_other"] == pytest.approx(1e9 * block["head"])
        assert found[row["name"]]["utest"]["have_optimal_repetitions"] is True, "as many repetitions as its test asks for"
    slow = document["rows"][0]
    assert f"{slow['name']}_median" in done.stdout and "pvalue" in done.stdout


def test_google_benchmark_of_other_kinds():
    made = session.new("scaling", {}) | {"rows": [session.row("a", "s", "x", value=0.5), session.row("b", "s", "x", values=[1.0, 2.0]),
                                                 session.row("c", "GFLOP/s", "x", value=3.0)]}
    names = [run["name"] for run in strict(formats.render(made, "google-benchmark"))["benchmarks"]]
    assert names == ["a", "b", "b", "b_mean", "b_median", "b_stddev"]


def test_google_benchmarks_context_is_that_of_the_machine_that_measured(document):
    document["environment"] = {"allowed": "0-3,8", "system": {"governor": "powersave", "cpu_model": "X"}, "build": {"type": "Debug"},
                               "machine": {"topology": {"caches": [{"level": 1, "bytes": 32768, "count": 5}, {"level": 3, "bytes": 1 << 20, "count": 1}]}},
                               "counters": {"before": {"load_average": [0.5, 0.4, 0.3]}}}
    row = document["rows"][0]
    row["effort"] = {"head": {"system_share": 0.01, "involuntary_switches": 3, "effective_hertz": 2.5e9}}
    for block in row["blocks"]:
        block.update(wall={arm: 2 * block[arm] for arm in blocks.ARMS}, cpu={arm: block[arm] for arm in blocks.ARMS})
    report = strict(formats.render(document, "google-benchmark"))
    context = report["context"]
    assert (context["num_cpus"], context["mhz_per_cpu"], context["cpu_scaling_enabled"]) == (5, 2500, True)
    assert context["load_avg"] == [0.5, 0.4, 0.3] and context["library_build_type"] == "debug"
    assert context["caches"] == [{"type": "Data", "level": 1, "size": 32768, "num_sharing": 1},
                                 {"type": "Unified", "level": 3, "size": 1 << 20, "num_sharing": 5}]
    run = report["benchmarks"][0]
    assert run["real_time"] == pytest.approx(2 * run["cpu_time"]) and run["cpu_time"] == pytest.approx(1e9 * row["blocks"][0]["head"])


# ------------------------------------------------------------------------------------------------------------------- the rest

def read_csv(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv(written):
    _, document = written
    rows = read_csv(formats.render(document, "csv"))
    assert [row["name"] for row in rows] == [row["name"] for row in document["rows"]], "quotes, commas and bars are text"
    for line, row in zip(rows, document["rows"]):
        assert line["judgement.verdict"] == row["judgement"]["verdict"] and line["reproduce"] == row["reproduce"]
        assert not row["blocks"] or float(line["median.head"]) == row["median"]["head"]
    samples = read_csv(formats.render(document, "csv-samples"))
    values = [float(line["value"]) for line in samples if (line["row"], line["what"], line["arm"]) == (document["rows"][0]["name"], "blocks", "base")]
    assert values == [block["base"] for block in document["rows"][0]["blocks"]]
    assert {line["what"] for line in samples} == {"blocks", "confirmation"}
    made = session.new("scaling", {}) | {"rows": [session.row("a", "GFLOP/s", "x", value=2.0, rates=[1.5, 2.5], interval={"low": 1.5, "high": None})]}
    assert read_csv(formats.render(made, "csv"))[0]["interval.low"] == "1.5"
    assert [(line["what"], line["value"]) for line in read_csv(formats.render(made, "csv-samples"))] == [("rates", "1.5"), ("rates", "2.5")]


def test_openmetrics(written):
    """By the grammar of the specification: families together, described first, labels escaped, one sample per set of labels, the end said."""
    _, document = written
    document["rows"][0]["effort"] = {"head": {"system_share": 0.01, "involuntary_switches": 3, "effective_hertz": {"unavailable": "x"}}}
    text = formats.render(document, "openmetrics")
    lines = text.splitlines()
    assert text.endswith("# EOF\n") and lines.count("# EOF") == 1
    sample = re.compile(r'([a-z_]+)\{([a-z_]+="(?:[^"\\]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\]|\\["\\n])*")*)\} (\S+)')
    family, seen, families = None, set(), []
    for line in lines[:-1]:
        if line.startswith("# TYPE "):
            family = line.split()[2]
            families.append(family)
        elif line.startswith("# UNIT "):
            assert line.split()[2] == family and family.endswith("_" + line.split()[3])
        elif not line.startswith("# HELP "):
            match = sample.fullmatch(line)
            assert match and match.group(1) == family and math.isfinite(float(match.group(3))), line
            assert match.group(0).rpartition(" ")[0] not in seen
            seen.add(match.group(0).rpartition(" ")[0])
    assert len(set(families)) == len(families) and "rhm_perf_row_seconds" in families and "rhm_perf_involuntary_switches" in families
    assert "rhm_perf_effective_hertz" not in families, "what is unavailable is no number"
    assert 'row="row with \\"quotes\\" & <brackets> | bar"' in text


def test_junit(written):
    _, document = written
    root = ElementTree.fromstring(formats.render(document, "junit"))
    assert root.tag == "testsuites"
    suite = root.find("testsuite")
    cases = suite.findall("testcase")
    assert {case.get("name") for case in cases} == {row["name"] for row in document["rows"]} | {"job: model hash", "job: allocations"}
    assert int(suite.get("tests")) == len(cases) and suite.get("errors") == "0"
    failed = {case.get("name"): case.find("failure") for case in cases if case.find("failure") is not None}
    assert set(failed) == {document["rows"][0]["name"], "job: model hash"}
    assert int(suite.get("failures")) == 2
    assert "-[-O3] +[-O2]" in failed[document["rows"][0]["name"]].text
    skipped = {case.get("name") for case in cases if case.find("skipped") is not None}
    wanted = {row["name"] for row in document["rows"] if row["judgement"]["verdict"] in ("inconclusive", "unmeasured", "invalid")}
    assert skipped == wanted and int(suite.get("skipped")) == len(skipped)
    assert all(float(case.get("time", 0)) >= 0 and case.get("classname") for case in cases)


def test_markdown(written):
    _, document = written
    text = formats.render(document, "markdown")
    lines = text.splitlines()
    assert lines[0] == "## Performance: regressed"
    for start in [i for i, line in enumerate(lines) if line.startswith("|--")]:
        columns = lines[start].count("|")
        i = start - 1
        while i < len(lines) and lines[i].startswith("|"):
            assert lines[i].replace("\\|", "").count("|") == columns, lines[i]
            i += 1
    assert "a became b | BLOCKS" in text and "&lt;brackets>" in text
    assert document["rows"][0]["reproduce"] in text
    assert "valgrind is not installed" in text


def test_markdown_of_other_kinds():
    made = session.new("scaling", {}) | {"rows": [session.row("a", "s", "x", value=0.5),
                                                 session.row("b", "s", "x", valid=False, reason="off plan")]}
    text = formats.render(made, "markdown")
    assert "| a | 0.5 | s |  |" in text and "off plan" in text


def test_bigger_is_better(written):
    _, document = written
    entries = strict(formats.render(document, "bigger-is-better"))
    assert isinstance(entries, list)
    by_name = {entry["name"]: entry for entry in entries}
    assert set(by_name) == {row["name"] for row in document["rows"] if row["blocks"]}
    for entry in entries:
        assert set(entry) <= {"name", "unit", "value", "range", "extra"} and isinstance(entry["name"], str)
        assert isinstance(entry["unit"], str) and isinstance(entry["value"], float) and math.isfinite(entry["value"])
    slow = document["rows"][0]
    assert by_name[slow["name"]]["value"] == pytest.approx(1e8 / slow["median"]["head"] / 1e9)
    assert by_name[slow["name"]]["unit"] == "GFLOP/s"
    # Bytes of memory are not better when there are more of them.
    other = session.new("scaling", {}) | {"rows": [session.row("memory", "B", "x", value=5.0), session.row("rate", "tokens/s", "x", value=7.0),
                                                  session.row("off", "s", "x", value=1.0, valid=False, reason="off plan")]}
    assert [(entry["name"], entry["value"]) for entry in strict(formats.render(other, "bigger-is-better"))] == [("rate", 7.0)]


def test_export_command(written, tmp_path, capsys):
    path, document = written
    for name in formats.FORMATS:
        assert command.main(["export", str(path), "--format", name]) == 0
        assert capsys.readouterr().out == formats.render(document, name)
    assert command.main(["export", str(path), "--format", "junit", "--output", str(tmp_path / "new" / "folder.xml")]) == 0
    assert (tmp_path / "new" / "folder.xml").read_text() == formats.render(document, "junit")


def test_terminal_text(written):
    _, document = written
    told = text.text(document)
    assert told.splitlines()[0] == "work tree (aaaaaaaaaaaa, uncommitted changes) against main (aaaaaaaaaaaa)"
    assert told.splitlines()[-1].startswith("regressed: 1 exact fact differs, 1 regressed, 1 improved")
