"""`perf compare` from end to end on programs whose times are made up (fake_bench.py): every exit status, errors of builds, and what
continuous integration makes of them. No verdict in here depends on a real clock."""
import argparse
import functools
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import fake_bench
import perf_tools
from perf import __main__ as command
from perf import compare, environment, facts, programs
from perf.harness import arms, blocks, formats, git, snapshots, verdict
from perf.harness.comparison import ci
from perf.harness.project import ROOT

A, B, PASS = (f"{name}/avx2/native/t:1" for name in ("forward/a", "forward/b", "pass/a"))
CONTROL = "ceiling/fma/f32/avx2/t:1"


@pytest.fixture
def comparison(tmp_path, monkeypatch, capsys):
    """Run a comparison of two behaviours; (status, document, printed)."""
    monkeypatch.setattr(environment.Environment, "__init__", lambda self, binaries: None)
    monkeypatch.setattr(environment.Environment, "finish", lambda self: {"disturbances": []})
    monkeypatch.setattr(blocks, "LIFE", 1000)  # processes are slow to start
    monkeypatch.setattr(blocks, "MOST_PASSES", 8)
    monkeypatch.setattr(arms, "SPIN_SECONDS", 0)  # nothing spins
    monkeypatch.setattr("perf.harness.comparison.LATE", 1000)  # on a machine that becomes busy no blocks are missing
    monkeypatch.setattr(facts, "_preload", lambda cache: (None, "the stand-in is not what would be counted"))

    def run(base, head, *options):
        for arm, behaviour in (("base", base), ("head", head)):
            shutil.rmtree(tmp_path / arm, ignore_errors=True)
            fake_bench.make(tmp_path / arm, **behaviour)
        rows = tmp_path / "rows.txt"
        rows.write_text(fake_bench.ROWS)

        def build(snapshot, recipe, programs, say=None, cache=None):
            snapshot.programs = tmp_path / snapshot.arm / "bin"
            snapshot.inventory = json.loads((tmp_path / snapshot.arm / "inventory.json").read_text())
            snapshot.layouts = [snapshot.programs]
            return snapshot

        made = lambda arm, name, options=(): snapshots.Snapshot(arm, name, arm * 10, arm, False, list(options))
        monkeypatch.setattr(snapshots, "build", build)
        monkeypatch.setattr(snapshots, "of_commit", made)
        monkeypatch.setattr(git, "ask", lambda *words, **more: ("", ""))
        output = tmp_path / "result.json"
        status = command.main(["compare", "old", "new", "--row-file", str(rows), "--output", str(output), "--cache", str(tmp_path),
                               "--seconds", "100", "--seed", "1", "--blocks", "14", *options])  # not spent: passes are few
        document = json.loads(output.read_text()) if output.exists() else None
        return status, document, capsys.readouterr()

    return run


def judgement(document, name):
    return next(row for row in document["rows"] if row["name"] == name)["judgement"]


def test_equivalent(comparison):
    status, document, printed = comparison({}, {})
    assert status == 0 and document["verdict"] == "equivalent"
    assert judgement(document, A)["verdict"] == "equivalent" and judgement(document, A)["blocks"] == 14
    assert "With this noise a slow-down of" in printed.out


def test_regressed_is_named_confirmed_and_explained(comparison):
    status, document, printed = comparison({}, {"factors": {A: 1.1}, "object": "2", "flags": "-O2 -mavx2"})
    assert status == 10 and document["verdict"] == "regressed"
    assert judgement(document, A)["verdict"] == "regressed" and judgement(document, A)["confirmed"] is True
    assert judgement(document, B)["verdict"] == "equivalent"
    row = next(row for row in document["rows"] if row["name"] == A)
    assert row["confirmation"] and row["reproduce"].startswith("./dev perf compare old new --rows ")
    said = "\n".join(row["moved"])
    assert "-[-O3] +[-O2]" in said and "src/kernels/operator.c" in said and B in said
    assert f"{A}: regressed" in printed.out


@pytest.mark.parametrize("last, verdict_of_a", [(85, "regressed"), (10**9, "inconclusive")])
def test_a_neighbour_in_the_midst_of_the_confirmation_is_outlasted(comparison, last, verdict_of_a):
    """Times of head are disturbed from the first confirmation on: for 6 of its 14 blocks, so that 14 more are asked for, or for ever."""
    _, document, _ = comparison({}, {"factors": {A: 1.1}, "neighbour": {A: [62, last]}})
    row = next(row for row in document["rows"] if row["name"] == A)
    assert row["judgement"]["verdict"] == verdict_of_a and len(row["confirmation"]) == 28 and document["took"]["confirmations"] == 2
    assert row["judgement"]["confirmed"] is (verdict_of_a == "regressed") and judgement(document, B)["verdict"] == "equivalent"


def test_improved(comparison):
    status, document, _ = comparison({}, {"factors": {A: 0.9}})
    assert status == 11 and judgement(document, A)["verdict"] == "improved"


def test_inconclusive(comparison):
    status, document, _ = comparison({"noise": 0.3}, {"noise": 0.3})
    assert status == 12 and judgement(document, A)["verdict"] == "inconclusive"


def test_invalid_where_a_control_moved(comparison):
    status, document, _ = comparison({}, {"factors": {A: 1.3, CONTROL: 1.3}})
    assert status == 13 and judgement(document, A)["verdict"] == "invalid"
    assert CONTROL in judgement(document, A)["reason"]


def test_invalid_where_threads_ran_elsewhere(comparison):
    status, document, _ = comparison({}, {"off_plan": 1.0, "factors": {A: 1.3}})
    assert status == 13 and "elsewhere" in judgement(document, A)["reason"]


def test_invalid_where_the_quota_throttled(comparison, monkeypatch):
    told = {"disturbances": ["the CPU quota stopped the process in 3 periods"]}
    monkeypatch.setattr(environment.Environment, "finish", lambda self: told)
    status, document, _ = comparison({}, {"factors": {A: 1.3}})
    assert status == 13 and "quota" in judgement(document, A)["reason"]


def test_nothing_measured(comparison):
    reasons = {name: "wrong result" for name in (A, B, PASS)}
    status, document, _ = comparison({"reasons": reasons}, {})
    assert status == 14 and document["verdict"] == "nothing measured"
    assert "wrong result" in judgement(document, A)["reason"]


def test_nothing_measured_where_programs_are_too_old(comparison):
    status, document, _ = comparison({"protocol": 0}, {})
    assert status == 14 and "protocol" in judgement(document, A)["reason"]


def test_nothing_measured_where_no_row_matches(comparison):
    assert comparison({}, {}, "--rows", "no such row")[0] == 14


@pytest.mark.parametrize("side, turns, slow", [("head", 30, 1.0), ("base", 30, 1.0), ("head", 70, 1.1), ("head", 3, 1.0)])
def test_a_row_that_breaks_while_it_is_measured_blocks(comparison, side, turns, slow):
    """In the measurement, in the confirmation, and at calibration."""
    behaviours = {"base": {}, "head": {"factors": {A: slow}}}
    behaviours[side]["breaks"] = {A: turns}
    status, document, printed = comparison(behaviours["base"], behaviours["head"])
    assert status == 15 and judgement(document, A)["verdict"] == "unmeasured" and "wrong result at last" in judgement(document, A)["reason"]
    fact, = document["facts"]["differ"]
    assert fact["name"] == f"{A}: can be measured" and fact["blocks"] and fact["says"].endswith("wrong result at last")
    assert judgement(document, B)["verdict"] == "equivalent" and "wrong result at last" in printed.out


def test_a_row_that_fails_on_head_only_blocks(comparison):
    status, document, _ = comparison({}, {"reasons": {A: "wrong result of thread 0"}})
    assert status == 15
    assert [fact["name"] for fact in document["facts"]["differ"]] == [f"{A}: can be measured"]


def test_facts_differ(comparison):
    status, document, printed = comparison({}, {"model_hash": "beef", "work": {B: 2e8}, "factors": {A: 1.2}})
    assert status == 15
    names = [fact["name"] for fact in document["facts"]["differ"] if fact["blocks"]]
    assert names == ["job: model hash", f"{B}: flops"]
    assert "b866 became beef" in printed.out
    assert judgement(document, A)["verdict"] == "regressed", "the clock is asked all the same"


def test_a_model_that_depends_on_the_instruction_set_blocks(comparison):
    status, document, _ = comparison({}, {"scalar_hash": "dead"}, "--exact-only")
    assert status == 15 and document["facts"]["differ"][0]["says"] == "does not hold for head"


def test_accepted_facts_do_not_block(comparison):
    status, document, _ = comparison({}, {"model_hash": "beef"}, "--accept", "model hash", "--exact-only")
    assert status == 0 and document["facts"]["differ"][0]["accepted"] is True and document["rows"] == []


def test_facts_of_rows_need_no_blocks(comparison):
    status, document, _ = comparison({}, {"work": {B: 2e8}}, "--exact-only")
    assert status == 15 and [fact["name"] for fact in document["facts"]["differ"]] == [f"{B}: flops"]


def test_a_control_may_do_another_amount_of_work(comparison):
    status, document, _ = comparison({}, {"work": {CONTROL: 2e8}, "factors": {CONTROL: 2.0}})
    assert status == 0, document["facts"]["differ"]


def test_scaling_is_a_row_of_its_own(comparison, tmp_path):
    """Two threads that lost a third of what they gave, where one is as fast as before; timed, confirmed and shown as an efficiency."""
    two = A.replace("t:1", "t:2")
    rows = tmp_path / "two.txt"
    rows.write_text(fake_bench.ROWS.replace("pass/a/{isa}/native/t:1 ", "forward/a/{isa}/native/t:{T} "))
    status, document, printed = comparison({}, {"factors": {two: 1.3}}, "--row-file", str(rows))
    found = {row["name"]: row["judgement"]["verdict"] for row in document["rows"]}
    assert status == 10 and found[A] == "equivalent" and found[two] == found[f"efficiency/{two}"] == "regressed"
    row = next(row for row in document["rows"] if row["kind"] == "efficiency")
    assert row["confirmation"] and row["judgement"]["ratio"] == pytest.approx(1.3, abs=0.03)
    # Half of two threads, as the fake's time is one thread's; its noise is drawn anew, and 49.9 is a half as well as 50.1.
    shown = re.search(r"efficiency/\S+ +(\d+\.\d) % +(\d+\.\d) % +\+(\d+\.\d) %", printed.out)
    assert [float(number) for number in shown.groups()] == pytest.approx([50, 50 / 1.3, 30], abs=1), printed.out
    # Where a machine slows down both, scaling is what it was.
    _, document, _ = comparison({}, {"factors": {two: 1.3, A: 1.3}}, "--row-file", str(rows))
    assert next(row for row in document["rows"] if row["kind"] == "efficiency")["judgement"]["verdict"] == "equivalent"


def test_rows_of_unchanged_programs_need_no_clock(comparison):
    """Their work is not asked for either; what differs in another program is timed."""
    code = {"bench_kernels": ["1", "2", "3"]}
    status, document, printed = comparison({"code": code}, {"code": code, "factors": {A: 1.5}})
    assert status == 0 and all(row["same_code"] and not row["blocks"] for row in document["rows"])
    assert "same code" in printed.out and "3 rows need no clock" in printed.err
    assert comparison({"code": code}, {"code": code, "factors": {A: 1.5}}, "--clock", "all")[0] == 10
    assert comparison({"code": code}, {"code": {"bench_kernels": ["1", "2", "4"]}, "factors": {A: 1.5}})[0] == 10


# --------------------------------------------------------------------------------------------------------------------- in CI

def test_ci(comparison, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    status, document, printed = comparison({}, {"factors": {A: 1.2}}, "--ci", "advisory", "--junit", str(tmp_path / "junit.xml"))
    assert document["exit_status"] == 10 and status == 0, "advisory"
    assert "::warning title=Slower::" in printed.out
    assert summary.read_text().startswith("## Performance: regressed")
    assert (tmp_path / "junit.xml").read_text().startswith("<?xml")
    for kind, blocking, wanted in (("regressed", True, 10), ("regressed", False, 0), ("facts differ", False, 15),
                                   ("nothing measured", False, 14), ("inconclusive", True, 0), ("invalid", True, 0),
                                   ("improved", True, 0), ("equivalent", True, 0)):
        document.update(verdict=kind, exit_status=verdict.STATUS[kind])
        assert ci(document, blocking, environ={}) == wanted, kind


# ------------------------------------------------------------------------------------------------------------ builds and usage

@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with a commit that builds nothing useful and one that does not build."""
    folder = tmp_path / "repository"
    folder.mkdir()
    do = functools.partial(perf_tools.git, folder)
    do("init", "-q")
    # Without a language: configuring is quick.
    (folder / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.20)\nproject(a LANGUAGES NONE)\n"
                                           "add_custom_target(rhm_command COMMAND ${CMAKE_COMMAND} -E make_directory "
                                           "bin COMMAND ${CMAKE_COMMAND} -E touch bin/rhm)\n")
    do("add", "-A")
    do("commit", "-qm", "builds")
    do("tag", "good")
    (folder / "CMakeLists.txt").write_text("message(FATAL_ERROR \"cannot be built\")\n")
    do("commit", "-qam", "does not build")
    do("tag", "bad")
    monkeypatch.setattr(git, "ROOT", folder)
    monkeypatch.setattr(snapshots, "CACHE", tmp_path / "cache")
    return folder


@pytest.mark.parametrize("sides", [("good", "bad"), ("bad", "good")])
def test_a_failing_build_is_an_error(repository, tmp_path, capsys, sides):
    assert command.main(["compare", *sides, "--cache", str(tmp_path / "cache")]) == 1
    printed = capsys.readouterr().err
    assert "failed, so nothing was compared" in printed and "cannot be built" in printed
    assert ("the build of head" if sides[1] == "bad" else "the build of base") in printed


def test_a_state_is_built_once_and_the_work_tree_is_a_state(repository, tmp_path):
    say = []
    for _ in range(2):
        built = snapshots.build(snapshots.of_commit("base", "good"), programs.RECIPE, ["bench_kernels"], say.append, tmp_path / "cache")
    assert len(say) == 1 and built.cached and (built.programs / "rhm").exists()
    (repository / "CMakeLists.txt").write_text(perf_tools.git(repository, "show", "good:CMakeLists.txt") + "\n")
    (repository / "new file").write_text("x")
    index = (repository / ".git" / "index").read_bytes()
    tree = snapshots.of_work_tree("head")
    assert tree.dirty and tree.tree != built.tree
    assert (repository / ".git" / "index").read_bytes() == index, "the index is not touched"
    built = snapshots.build(tree, programs.RECIPE, ["bench_kernels"], say.append, tmp_path / "cache")
    assert len(say) == 2 and (built.programs.parent.parent).exists()
    (repository / "new file").unlink()
    assert snapshots.of_work_tree("head").tree == snapshots.of_commit("base", "good").tree


def test_usage(repository, capsys):
    assert command.main(["compare", "no-such-commit"]) == 2
    assert "is not a commit" in capsys.readouterr().err
    assert perf_tools.status_of(["compare", "good", "--threshold", "0"]) == 2
    assert len(set(verdict.STATUS.values())) == len(verdict.STATUS), "statuses are distinct"
    for name, status in verdict.STATUS.items():
        assert f"{status}  {name.split()[0]}" in compare.__doc__ or name == "usage"


def test_slowdown_is_refused_outside_of_test_builds(tmp_path):
    """The option that slows a kernel down stops every build that is not one for tests."""
    for options, says in ((["-DRHM_TESTS=OFF", "-DRHM_TEST_SLOWDOWN=forward:10"], "needs RHM_TESTS=ON"),
                          (["-DRHM_TESTS=ON", "-DRHM_TEST_SLOWDOWN=forward:100"], "allowed are"),
                          (["-DRHM_TESTS=ON", "-DRHM_TEST_SLOWDOWN=tests:10"], "allowed are")):
        script = tmp_path / "check.cmake"
        script.write_text(f"cmake_policy(VERSION 3.25)\ninclude({ROOT}/cmake/slowdown.cmake)\n")
        done = subprocess.run(["cmake", *options, "-P", str(script)], capture_output=True, text=True)
        assert done.returncode != 0 and says in " ".join(done.stderr.split())


def test_the_workflow_runs_what_there_is(tmp_path):
    """The script of perf/github without GitHub: the options it passes are options of `perf compare`."""
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    seen = tmp_path / "seen"
    fake = tmp_path / "perf"
    fake.write_text(f"#!{sys.executable}\nimport json, sys\nopen({str(seen)!r}, 'w').write(json.dumps(sys.argv[1:]))\nsys.exit(10)\n")
    fake.chmod(0o755)
    environ = {**os.environ, "RHM_PERF": str(fake), "BASE": "main", "TIMING": "blocking", "ACCEPT": "model hash",
               "LABELS": "bug|accept: peak memory|docs"}
    script = ROOT / "perf" / "github" / "compare"
    done = subprocess.run([script, "--seconds", "60"], env=environ, capture_output=True, text=True)
    assert done.returncode == 10, "the status of the comparison is that of the step"
    words = json.loads(seen.read_text())
    assert words[0] == "compare"
    parsed = parser.parse_args(words[1:])
    assert (parsed.base, parsed.head, parsed.ci, parsed.seconds) == ("main", "HEAD", "blocking", 60)
    assert parsed.accept == ["model hash", "peak memory"]
    assert all(getattr(parsed, name.replace("-", "_")) for name in formats.FORMATS)
    del environ["ACCEPT"], environ["LABELS"], environ["BASE"], environ["TIMING"]
    subprocess.run([script], env=environ)
    parsed = parser.parse_args(json.loads(seen.read_text())[1:])
    assert (parsed.base, parsed.ci, parsed.accept) == ("HEAD^1", "advisory", [])
    workflow = (ROOT / "perf" / "github" / "performance.yml").read_text()
    assert "run: bash perf/github/compare" in workflow
    for variable in ("BASE", "TIMING", "ACCEPT", "LABELS"):
        assert f"      {variable}: ${{{{" in workflow and f"${{{variable}" in script.read_text()
