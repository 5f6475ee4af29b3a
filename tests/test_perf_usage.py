"""What `perf` refuses, and that nothing of what other programs say is lost: bad usage ends with 2 and a sentence that names the value,
a failure of Git, a compiler or a benchmark program is told in its own words, and there is never a traceback."""
import ast
import json
import os
import re
import shutil
import sys

import pytest

import perf_tools
from perf import __main__ as command, environment, programs
from perf.harness import flags, git, google_benchmark, host, process, project, snapshots, terminal
from perf.harness.project import ROOT


@pytest.mark.parametrize("words, says", [
    (["compare", "HEAD", "--rows", "("], "'(' is not a regular expression"),
    (["compare", "HEAD", "--base-cmake", "'"], "cannot be split into words"),
    (["scaling", "--job", "'"], "cannot be split into words"),
    (["compare", "HEAD", "--row-file", "missing.txt"], "'missing.txt' cannot be read"),
    (["compare", "HEAD", "--seconds", "nan"], "'nan' is not a finite number"),
    (["compare", "HEAD", "--seconds", "0"], "'0' is too small"),
    (["compare", "HEAD", "--blocks", "0"], "from 1"),
    (["compare", "HEAD", "--blocks", "1.5"], "'1.5' is not a whole number"),
    (["compare", "HEAD", "--threshold", "101"], "up to 100"),
    (["compare", "HEAD", "--alpha", "1"], "up to 0.5"),
    (["compare", "HEAD", "--seed", "-1"], "from 0"),
    (["compare", "HEAD", "--output", "/dev/null/x"], "/dev/null is not a directory"),
    (["compare", "HEAD", "--junit", "."], "is a directory"),
    (["compare", "HEAD", "--cache", "/dev/null"], "is not a directory"),
    (["compare", "--program", "/no/such/bench"], "is not a program"), (["compare", "main", "--program", "true"], "no commits"),
    (["compare", "--program", "true", "true", "true"], "one or two"), (["compare"], "what to compare with is missing"),
    (["compare", "--program", "true", "--exact-only"], "--exact-only is about commits"),
    (["bench", "--filter", "[a"], "'[a' is not a regular expression"),
    (["bench", "--rounds", "many"], "'many' is not a whole number"),
    (["bench", "--threads", "0"], "'0' is too small"),
    (["bench", "--isa", "sse"], "'sse'"),
    (["bench", "--bin", "missing"], "'missing' is not a directory"),
    (["bench", "--min-time", "inf"], "'inf' is not a finite number"),
    (["scaling", "--threads", "1,x"], "'x' is not a whole number"),
    (["scaling", "--threads", "0,1"], "'0' is too small"),
    (["scaling", "--rounds", "0"], "from 1"),
    (["scaling", "--min-time", "-1"], "'-1' is too small"),
    (["scaling", "--ranks", "1", "--job", ""], "needs fixed samples"), (["scaling", "--ranks", "1", "--job", "--samples auto"], "needs fixed samples"),
    (["scaling", "--ranks", "1", "--job=--samples"], "needs fixed samples"), (["scaling", "--ranks", "1", "--job=--samples=inf"], "needs fixed samples"),
    (["scaling", "--ranks", "1", "--kernels", "pass/v8"], "--kernels is about threads"),
    (["scaling", "--ranks", "1", "--placements", "none"], "--placements is about"), (["scaling", "--ranks", "1", "--min-time", "1"], "--min-time is about"),
    (["scaling", "--timeout", "5"], "need --ranks"), (["scaling", "--mpi", "mpich"], "need --ranks"),
    (["scaling", "--ranks", "1", "--timeout", "0"], "'0' is too small"),
    (["profile", "--runs", "0"], "from 1"),
    (["profile", "--job", "huge"], "'huge'"),
    (["profile", "--trace", "/dev/null/trace"], "/dev/null is not a directory"),
    (["peers", "--scale", "2"], "up to 1"),
    (["peers", "--peer", "abacus"], "'abacus'"),
    (["history", "missing.json"], "'missing.json' cannot be read"),
    (["history", "--rounds", "0"], "from 1"),
    (["report", "--only", "weather"], "known are"),
    (["report", "--output", "."], "is a directory"),
    (["export", "missing.json", "--format", "junit"], "'missing.json' cannot be read"),
    (["export", str(ROOT / "tests/perf/compare.json"), "--format", "nonsense"], "'nonsense'"),
    (["rates", "missing.json"], "'missing.json' cannot be read"),
    (["rates"], "results"),
    (["predict", "--check", "1"], "'1' is too small"),
    (["predict", "--check", "2", "--runs", "5"], "--runs 5: --check needs 6 or more"),
    (["frobnicate"], "unknown subcommand 'frobnicate'"),
])
def test_bad_usage(words, says, capsys, tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("nothing is built or run")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(programs, "programs", never)
    status = perf_tools.status_of(words)
    said = capsys.readouterr().err
    assert status == 2 and says in said and "Traceback" not in said
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["export", "rates"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "rhm-perf/9"}', '{"schema": "rhm-perf/1", "kind": "bench"}', "\0", *(
    json.dumps({"schema": "rhm-perf/1", "kind": "compare", "environment": {}, "command": "", "started": "", **more}) for more in (
        {"rows": []}, {"rows": [], "facts": {"differ": [1]}}, {"rows": [{"name": "a", "unit": "s", "reproduce": "x", "kind": 3}], "plan": []}))])
def test_files_that_are_no_results(name, content, tmp_path, capsys):
    path = tmp_path / "bad.json"
    path.write_text(content)
    assert command.main([name, str(path), *(["--format", "markdown"] if name == "export" else [])]) == 2
    said = capsys.readouterr().err
    assert str(path) in said and said.count("\n") == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"traceEvents": []}', '{"traceEvents": {}, "otherData": {"threads": 1}}', '{"traceEvents": [], "otherData": {"threads": "1"}}'])
def test_files_that_are_no_traces(content, tmp_path, capsys):
    path = tmp_path / "bad.json"
    path.write_text(content)
    assert command.main(["predict", "--trace", str(path)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said and said.count("\n") == 1


def test_the_harness_knows_nothing_of_what_is_measured():
    """It could be taken to another project of programs that link Google Benchmark."""
    for path in sorted((ROOT / "perf/harness").glob("*.py")):
        text = path.read_text()
        assert "rhm" not in text.lower(), path.name
        imported = re.findall(r"^ *from (perf[\w.]*) import", text, re.M)
        assert all(name.startswith("perf.harness") for name in imported), (path.name, imported)


def test_the_result_is_not_overwritten_by_its_export(tmp_path, capsys):
    path = tmp_path / "compare.json"
    shutil.copy(ROOT / "tests/perf/compare.json", path)
    (tmp_path / "link").symlink_to(path)
    before = path.read_bytes()
    assert command.main(["export", str(path), "--format", "markdown", "--output", str(tmp_path / "link")]) == 2
    assert path.read_bytes() == before and "overwritten" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------------------- Git

@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Three commits of a C program whose build sets a flag of its own, as the project does."""
    folder = tmp_path / "repository"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.c").write_text("int main(void) { return 0; }\n")
    (folder / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.20)\nproject(a C)\nset(CMAKE_EXPORT_COMPILE_COMMANDS ON)\n"
                                           "set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)\nadd_compile_options(-ffp-contract=off)\n"
                                           "option(RHM_BENCH \"\" OFF)\noption(RHM_TESTS \"\" OFF)\noption(RHM_KNOWN \"\" OFF)\n"
                                           "add_executable(rhm_command src/main.c)\nset_target_properties(rhm_command PROPERTIES OUTPUT_NAME rhm)\n")
    perf_tools.git(folder, "init", "-q")
    for message in ("first", "second", "third"):
        (folder / "message").write_text(message)
        perf_tools.git(folder, "add", "-A")
        perf_tools.git(folder, "commit", "-qm", message)
    monkeypatch.setattr(git, "ROOT", folder)
    return folder


def compare(tmp_path, capsys, *words):
    status = command.main(["compare", *words, "--cache", str(tmp_path / "cache")])
    return status, capsys.readouterr().err


def test_an_unknown_commit_in_the_words_of_git(repository, tmp_path, capsys):
    status, said = compare(tmp_path, capsys, "no-such-commit")
    assert status == 2 and "no-such-commit is not a commit" in said and "fatal:" in said and "shallow" not in said


def test_a_shallow_clone_is_named(repository, tmp_path, capsys, monkeypatch):
    perf_tools.git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    monkeypatch.setattr(git, "ROOT", tmp_path / "shallow")
    status, said = compare(tmp_path, capsys, "HEAD~1")
    assert status == 2 and "shallow" in said and "git fetch --unshallow" in said
    assert command.main(["history", "--measure", "HEAD~2..HEAD"]) == 2
    assert "git fetch --unshallow" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_foreign_owner_in_the_words_of_git(repository, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # where no exception is configured
    for path in (repository, repository / ".git"):
        os.chown(path, 65534, 65534)
    status, said = compare(tmp_path, capsys, "HEAD")
    assert status == 1 and "ownership" in said and "safe.directory" in said
    assert "ownership" in host.source(repository)["unavailable"]


def test_no_git_at_all(repository, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, said = compare(tmp_path, capsys, "HEAD")
    assert status == 1 and "git cannot be run" in said


# ----------------------------------------------------------------------------------------------------------------------- flags

def built(tmp_path, *options):
    return snapshots.build(snapshots.of_commit("base", "HEAD", options), programs.RECIPE, [], cache=tmp_path / "cache")


def test_flags_that_are_asked_for_are_in_effect(repository, tmp_path):
    plain, slow, clear = built(tmp_path), built(tmp_path, "-DCMAKE_C_FLAGS=-O2"), built(tmp_path, "-DCMAKE_C_FLAGS:STRING=-O1 -fwrapv")
    of = lambda snapshot: next(iter(snapshot.inventory["flags"].values())).split()
    assert "-O3" in of(plain) and "-O2" in of(slow) and "-O3" not in of(slow) and "-DNDEBUG" in of(slow)
    assert {"-O1", "-fwrapv"} <= set(of(clear))
    changes = flags.changes(plain.inventory["flags"], slow.inventory["flags"])
    assert list(changes) == ["-[-O3] +[-O2]"] and "-O2" in slow.record()["flags"]
    # A later build in the same place forgets them.
    assert "-O3" in of(built(tmp_path))


@pytest.mark.parametrize("options, says", [
    (["-DCMAKE_C_FLAGS=-ffp-contract=fast"], "-ffp-contract=fast is asked for, but -ffp-contract=off is in effect in main.c"),
    (["-DCMAKE_BUILD_TYPE=Nonsense", "-DCMAKE_C_FLAGS=-fno-fast-math -ffp-contract=on"], "-ffp-contract=on"),
    (["-DRHM_KNOWN=ON", "-DRHM_UNKOWN=ON"], "the project does not know RHM_UNKOWN"),
])
def test_flags_that_cannot_be_in_effect_are_refused(repository, tmp_path, options, says):
    with pytest.raises(project.PerfError) as refused:
        built(tmp_path, *options)
    assert refused.value.status == 2 and says in str(refused.value) and "--base-cmake" in str(refused.value)


@pytest.mark.skipif(not shutil.which("clang"), reason="there is no clang")
def test_another_compiler_is_an_option(repository, tmp_path):
    assert "clang" in built(tmp_path, "-DCMAKE_C_COMPILER=clang").inventory["compiler"]
    assert "clang" not in built(tmp_path).inventory["compiler"]


def test_kinds_of_flags():
    assert flags.kind("-O2") == flags.kind("-Ofast") and flags.kind("-fno-wrapv") == flags.kind("-fwrapv")
    assert flags.kind("-ffp-contract=off") == flags.kind("-ffp-contract=fast") and flags.kind("-UNDEBUG") == flags.kind("-DNDEBUG=1")
    assert flags.kind("-march=native") != flags.kind("-mavx2") and flags.kind("-std=c11") == flags.kind("-std=gnu17")


# ------------------------------------------------------------------------------------------------------------- other programs

def program(folder, text):
    path = folder / "bench_kernels"
    path.write_text(f"#!{sys.executable}\nimport sys\n{text}")
    path.chmod(0o755)
    return path


def test_what_a_benchmark_program_says_of_a_filter(tmp_path):
    refuses = program(tmp_path, "print('Could not compile benchmark re: Parenthesis is not closed.', file=sys.stderr)\nsys.exit(2)\n")
    with pytest.raises(project.PerfError, match="Parenthesis is not closed") as refused:
        google_benchmark.list_rows(refuses, "(")
    assert refused.value.status == 2
    empty = program(tmp_path, "print('Failed to match any benchmarks against regex: x', file=sys.stderr)\nsys.exit(2)\n")
    assert google_benchmark.list_rows(empty, "x") == []


def test_a_report_that_is_no_json(tmp_path):
    broken = program(tmp_path, "open(sys.argv[-1].partition('=')[2], 'w').write('{')\n")
    with pytest.raises(project.PerfError, match="wrote no JSON"):
        process.run_json([broken], "--benchmark_out=")


REPORT = """
import ast
import json
path = next(word.partition('=')[2] for word in sys.argv if word.startswith('--benchmark_out='))
row = lambda name, **more: {'name': name, 'run_name': name, 'run_type': 'iteration', 'best_flops_per_second': 2e9, 'share': 0.5, **more}
json.dump({'context': {}, 'benchmarks': [row('forward/v16/avx2/native/t:1/process_time'), row('forward/v16/avx2/native/t:2', best_flops_per_second=3e9),
    row('forward/v16/avx512/native/t:1', error_occurred=True, error_message='skipped: no such unit'), *FAILED]}, open(path, 'w'))
"""


@pytest.mark.parametrize("failed, status", [("[]", 0), ("[row('pass/v16/avx2/native/t:1', error_occurred=True, error_message='wrong result')]", 1)])
def test_every_row_of_every_program(tmp_path, capsys, failed, status):
    program(tmp_path, "print('forward')\nif '--benchmark_list_tests' in sys.argv: sys.exit(0)\n" + REPORT.replace("FAILED", failed))
    out = tmp_path / "out"
    assert command.main(["bench", "--all", "--bin", str(tmp_path), "--out", str(out), "--benchmark_filter=forward", "--benchmark_repetitions=2"]) == status
    printed = capsys.readouterr()
    assert "forward    v16    avx2" in printed.out and " 1.50 " in printed.out and "skipped, such as forward/v16/avx512/native: no such unit" in printed.out
    assert ("pass/v16/avx2/native/t:1: wrong result" in printed.err) == (status == 1)
    assert (out / "summary.txt").read_text().strip() == printed.out.strip() and json.loads((out / "bench_kernels.json").read_text())["benchmarks"]


def test_commits_are_measured_for_history(repository, tmp_path, monkeypatch, capsys):
    record = {"machine": {"isa": {"in_use": "avx2"}}}
    monkeypatch.setattr(environment.Environment, "__init__", lambda self, binaries: setattr(self, "record", dict(record)))
    monkeypatch.setattr(environment.Environment, "finish", lambda self: self.record)
    monkeypatch.setattr(snapshots, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(snapshots.build, "__defaults__", (*snapshots.build.__defaults__[:-1], tmp_path / "cache"))
    output = tmp_path / "history.json"
    assert command.main(["history", "--measure", "HEAD~2..HEAD", "--rounds", "2", "--output", str(output)]) == 0
    document = json.loads(output.read_text())
    assert [entry["subject"] for entry in document["about_commits"]] == ["second", "third"]
    assert [len(row["points"]) for row in document["rows"] if row["name"] == "bench: whole job"] == [2]


def test_a_dumb_terminal_gets_no_escape_sequences(monkeypatch):
    class Terminal:
        def isatty(self):
            return True
    for name, wanted in (("dumb", False), ("", False), ("xterm", True)):
        monkeypatch.setenv("TERM", name)
        assert terminal.can_rewrite(Terminal()) is wanted
    monkeypatch.delenv("TERM")
    assert not terminal.can_rewrite(Terminal())
    sources = [path for path in (ROOT / "perf").rglob("*.py") if "\\033" in path.read_text()]
    assert [path.name for path in sources] == ["terminal.py"]


@pytest.mark.parametrize("name, package", [(name, package) for name, packages in command.NEEDS.items() for package in packages])
def test_missing_packages_are_named_before_anything_is_done(name, package, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = command.importlib.util.find_spec
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda wanted: None if wanted == package else found(wanted))
    monkeypatch.setattr(process, "run", lambda *_, **__: pytest.fail("something was run"))
    with pytest.raises(SystemExit) as ended:
        command.main([name])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and f"lacks {package}" in said and f"pip install {package}" in said and said.count("\n") == 1
    assert not os.listdir(tmp_path)


def imported(path, nodes):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_what_subcommands_import_is_looked_for():
    for name in command.COMMANDS:
        module = ROOT / "perf" / f"{name}.py"
        # Those two do without what some of their functions import: pictures, and what only `perf report` calls.
        own = ast.walk(ast.parse(module.read_text())) if module.exists() and name not in ("history", "environment") else []
        waiting = {f"perf.{name}", *imported(module, own)}
        seen, foreign = set(), set()
        while waiting:
            one = waiting.pop()
            path = ROOT.joinpath(*one.split("."))
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            if one.startswith("perf") and one not in seen and path.exists():
                seen.add(one)
                waiting.update(imported(path, ast.parse(path.read_text()).body))
            elif not one.startswith("perf"):
                foreign.add(one.split(".")[0])
        assert foreign & {"numpy", "scipy", "matplotlib", "h5py"} <= set(command.NEEDS.get(name, ())), name
