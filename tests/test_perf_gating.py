"""What lets a pull request be judged: layouts of the same code, rows that need no clock, scaling as a row, and benchmark programs of other
projects. Times are made up: no verdict depends on a real clock."""
import json
import math
import random
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from perf import __main__ as command
from perf import compare
from perf.harness import blocks, comparison, foreign, frequency, layouts, process, verdict
from perf.harness.snapshots import Snapshot

SEED = 20261128

# ---------------------------------------------------------------------------------------------------------------------- layouts


def test_an_order_follows_from_names_and_number():
    names = [f"src/{i}.c.o" for i in range(40)]
    assert layouts.order(names, 0) == layouts.order(reversed(names), 0) != layouts.order(names, 1)
    more = layouts.order([*names, "src/new.c.o"], 2)
    assert [name for name in more if name != "src/new.c.o"] == layouts.order(names, 2), "a new object moves no other"


def built(folder, sources):
    """A Ninja build of a program with a static library whose sources come in this order."""
    for name in ("a", "b", "c", "d"):
        (folder / f"{name}.c").write_text(f"int {name}(int x) {{ return x * {ord(name)} + 1; }}\n")
    (folder / "main.c").write_text("#include <stdio.h>\nint a(int), b(int), c(int), d(int);\nint main(void) { printf(\"%d\\n\", a(b(c(d(1))))); }\n")
    (folder / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.20)\nproject(p C)\nset(CMAKE_RUNTIME_OUTPUT_DIRECTORY bin)\n"
                                           f"add_library(l STATIC {sources})\nadd_executable(p main.c)\ntarget_link_libraries(p l)\n")
    for words in (["-G", "Ninja", "-S", folder, "-B", folder / "build", "-DCMAKE_BUILD_TYPE=Release"], ["--build", folder / "build"]):
        subprocess.run(["cmake", *map(str, words)], check=True, capture_output=True)
    return folder / "build"


@pytest.mark.skipif(not shutil.which("ninja"), reason="Ninja is not installed")
def test_reordering_objects_changes_no_layout(tmp_path):
    """The same path for both, as states of the sources have: where a program is built ends up in it."""
    codes = []
    for sources in ("a.c b.c c.c d.c", "d.c b.c c.c a.c"):
        shutil.rmtree(tmp_path / "p", ignore_errors=True)
        (tmp_path / "p").mkdir()
        build = built(tmp_path / "p", sources)
        for number in range(layouts.COUNT):
            layouts.link(build, "bin/p", number, tmp_path / f"p{number}", tmp_path)
        codes.append([layouts.machine_code(build / "bin/p"), *(layouts.machine_code(tmp_path / f"p{number}") for number in range(layouts.COUNT))])
        said = [subprocess.run([program], capture_output=True, text=True).stdout for program in (build / "bin/p", tmp_path / "p0", tmp_path / "p2")]
        assert len(set(said)) == 1
    assert codes[0][0] != codes[1][0], "as the linker was told"
    assert codes[0][1:] == codes[1][1:] and len(set(codes[0][1:])) > 1
    with pytest.raises(layouts.NoLayout, match="bin/none"):
        layouts.link(build, "bin/none", 0, tmp_path / "x", tmp_path)


def test_only_programs_of_the_same_code_need_no_clock():
    make = lambda **code: Snapshot("base", "a", "1", "1", False, inventory={"code": code})
    assert compare.same_code(make(p=["1", "2"]), make(p=["1", "2"]), "p")
    assert not compare.same_code(make(p=["1", "2"]), make(p=["1", "3"]), "p")
    assert not compare.same_code(make(), make(), "p"), "what is not known is not the same"
    other = make(p=["1", "2"])
    other.inventory["kept"] = {"shapes/kernels.txt": "another"}
    assert not compare.same_code(make(p=["1", "2"]), other, "p"), "other shapes are other work"
    judged = verdict.judge([{"name": "a", "kind": "row", "blocks": [], "same_code": True}], verdict.Rules(), ["throttled"])["a"]
    assert judged.verdict == "equivalent" and "no clock" in judged.reason


def laid_out(generator, spread, effect=0.0, noise=0.01, count=24, kinds=3):
    """Blocks of builds whose layouts shift their times by `spread`."""
    base, head = ([generator.gauss(0, spread) for _ in range(kinds)] for _ in range(2))
    found = []
    for i in range(count):
        k = i // blocks.LIFE
        used = {"base": k % kinds, "head": k % kinds, "again": (k + 1) % kinds}
        logs = {"base": base[used["base"]], "again": base[used["again"]], "head": head[used["head"]] + effect}
        found.append({**{arm: math.exp(log + generator.gauss(0, noise)) for arm, log in logs.items()}, "layouts": used})
    return found


def called(generator, trials, **more):
    """Share of trials in which a change is called, with its confirmation."""
    judged = [verdict.judge([{"name": "a", "kind": "row", "blocks": laid_out(generator, **more)}], verdict.Rules(), confirm=False)["a"]
              for _ in range(trials)]
    return sum(each.verdict in ("regressed", "improved") for each in judged) / trials


def test_layouts_are_the_floor_below_which_no_change_is_believed():
    generator = random.Random(SEED)
    single = called(generator, 300, spread=0.06, kinds=1)
    several = called(generator, 300, spread=0.06)
    assert single > 0.3, "one layout of each side: what the linker did is called a change"
    # Head's layouts are other ones than base's; three of each are a small sample, and a confirmation asks the same three.
    assert several < 0.1 < single / 3
    assert called(generator, 100, spread=0.01, effect=0.10) > 0.95, "a real change is found"
    # Many blocks are still of three layouts of each side.
    assert called(generator, 150, spread=0.06, count=blocks.LOOKS[-1]) < 0.1
    row = {"name": "a", "kind": "row", "blocks": laid_out(random.Random(1), spread=0.2)}
    judged = verdict.judge([row], verdict.Rules())["a"]
    assert judged.threshold >= judged.layout > 0.1 and judged.verdict == "inconclusive"


def test_layouts_of_head_are_a_floor_too():
    """Copies of base are alike: only head's times show how far its layouts are apart."""
    def judged(*shifts):
        made = [{"base": 1.0, "again": 1.001 ** (-1) ** i, "head": math.exp(shifts[i // blocks.LIFE % 3]),
                 "layouts": {"base": i // blocks.LIFE % 3, "head": i // blocks.LIFE % 3, "again": (i // blocks.LIFE + 1) % 3}}
                for i in range(blocks.LOOKS[-1])]
        return verdict.judge([{"name": "a", "kind": "row", "blocks": made, "confirmation": made}], verdict.Rules())["a"]

    one = judged(0.0, 0.08, 0.12)
    assert one.verdict == "inconclusive" and one.layout == pytest.approx(math.expm1(0.12), abs=2e-3)
    assert judged(0.09, 0.10, 0.11).verdict == "regressed" and judged(0.0, 0.01, 0.02).verdict == "equivalent"


# ---------------------------------------------------------------------------------------------------------------------- scaling


def scaled(name, walls, work):
    return {"name": name, "kind": "row", "program": "p", "directories": [], "work": {"flops": work}, "disturbed": {}, "effort": {},
            "blocks": [{"base": 1, "head": 1, "again": 1, "layouts": {}, "wall": dict(zip(("base", "again", "head"), walls)), "cpu": {}}] * 12}


def test_efficiency_is_a_row():
    # Four times the work on four threads: perfect for base, half of it lost for head.
    rows = [scaled("k/t:1", (1.0, 1.0, 1.0), 10), scaled("k/t:4", (1.0, 1.0, 2.0), 40), scaled("other/t:4", (1, 1, 1), 1)]
    found = comparison.efficiencies(rows, lambda names: " ".join(names))
    assert [row["name"] for row in found] == ["efficiency/k/t:4"] and found[0]["reproduce"] == "k/t:4 k/t:1"
    assert found[0]["blocks"][0]["base"] == pytest.approx(1) and found[0]["blocks"][0]["head"] == pytest.approx(2)
    judged = verdict.judge([{**found[0], "confirmation": found[0]["blocks"]}], verdict.Rules())["efficiency/k/t:4"]
    assert judged.verdict == "regressed" and judged.ratio == pytest.approx(2)
    # Where both counts take twice as long, scaling is as good as before.
    both = comparison.efficiencies([scaled("k/t:1", (1, 1, 2), 10), scaled("k/t:4", (1, 1, 2), 40)], lambda names: "x")
    assert verdict.judge(both, verdict.Rules())["efficiency/k/t:4"].verdict == "equivalent"


def test_an_efficiency_is_asked_for_by_its_name(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text("row p a/t:1 -\nrow p a/t:{T} -\nrow p b/t:1 -\ncontrol p c/t:1 -\n")
    hello = {"isa_widest": "avx2", "cpus_allowed": 4}
    bench = SimpleNamespace(arms={"head": SimpleNamespace(server=lambda program: SimpleNamespace(hello=hello))})
    names = lambda pattern: [row.name for row in compare.choose_rows(pattern, path, bench)[0]]
    assert names("^efficiency/a/t:4$") == ["a/t:1", "a/t:4", "c/t:1"] and names("a/t:4") == ["a/t:4", "c/t:1"]


# -------------------------------------------------------------------------------------------------------------------- programs

SOURCE = r"""
#include <benchmark/benchmark.h>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

// Other noise in every process, and the same in every run of the test.
static unsigned seed() {
    std::ofstream starts(STARTS, std::ios::app);
    starts << '.';
    return 2 * unsigned(starts.tellp()) + (SLOWED > 1);
}

// Times are made up: a level, a little noise, and now and then a neighbour.
static void made_up(benchmark::State &state, double seconds) {
    static std::mt19937 random(seed());
    std::uniform_real_distribution<double> noise(0.0, 0.02);
    for (auto _ : state)
        state.SetIterationTime(seconds * (1 + noise(random) + (random() % 200 ? 0 : 0.5)));
}
template <class A, class B> static void pairs(benchmark::State &state) { made_up(state, 2e-3); }
BENCHMARK_CAPTURE(made_up, steady, 1e-3)->UseManualTime();
BENCHMARK_CAPTURE(made_up, slowed, 1e-3 * SLOWED)->UseManualTime()->Repetitions(3)->ReportAggregatesOnly();
BENCHMARK_TEMPLATE(pairs, int, double)->UseManualTime();
static int said = std::puts("a line of its own");
BENCHMARK_CAPTURE(made_up, odd, 1e-3)->Name("odd {name} [1] (a|b)+?")->UseManualTime();
static void failing(benchmark::State &state) { state.SkipWithError("no such device"); }
BENCHMARK(failing);
#ifdef MORE
static void crashing(benchmark::State &state) { made_up(state, 1e-3); }
#else
static void crashing(benchmark::State &) { std::abort(); }
#endif
BENCHMARK(crashing)->UseManualTime();
#ifdef MORE
BENCHMARK_CAPTURE(made_up, more, 1e-3)->UseManualTime();
#endif
BENCHMARK_MAIN();
"""


@pytest.fixture(scope="module")
def compiled_programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "bench.cc").write_text(SOURCE)
    for name, flags in (("base", ["-DSLOWED=1", "-DMORE"]), ("head", ["-DSLOWED=1.1"])):
        starts = f'-DSTARTS="{folder / name}.starts"'
        done = subprocess.run(["c++", "-O1", *flags, starts, "-o", name, "bench.cc", "-lbenchmark", "-lpthread"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"Google Benchmark cannot be compiled against: {done.stderr[-200:]}")
    return folder


@pytest.fixture
def foreign_programs(compiled_programs):
    for starts in compiled_programs.glob("*.starts"):
        starts.unlink()
    return compiled_programs


def test_ten_percent_of_a_foreign_program_are_found(foreign_programs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(blocks, "MOST_PASSES", 2)
    output = tmp_path / "result.json"
    words = ["compare", "--program", f"{foreign_programs}/base --benchmark_counters_tabular=true", f"{foreign_programs}/head", "--seed", "1", "--seconds", "600",
             "--output", str(output), "--blocks", "12"]
    assert command.main([*words, "--csv-samples", str(tmp_path / "samples.csv")]) == 15
    document = json.loads(output.read_text())
    assert [(fact["name"], fact["says"]) for fact in document["facts"]["differ"]] == [
        ("crashing/manual_time: can be measured", "head: status -6"), ("made_up/more/manual_time: exists", "head no longer has the row")]
    assert command.main([*words, "--accept", "more", "--accept", "crashing"]) == 10
    document = json.loads(output.read_text())
    found = {row["name"]: row["judgement"]["verdict"] for row in document["rows"]}
    assert found == {"made_up/steady/manual_time": "equivalent", "odd {name} [1] (a|b)+?/manual_time": "equivalent",
                     "crashing/manual_time": "unmeasured", "made_up/slowed/repeats:3/manual_time": "regressed", "pairs<int, double>/manual_time": "equivalent"}
    slowed = next(row for row in document["rows"] if row["judgement"]["verdict"] == "regressed")
    assert 1.08 < slowed["judgement"]["ratio"] < 1.12 and "'^made_up/slowed/repeats:3/manual_time$'" in slowed["reproduce"]
    assert "machine" not in document["environment"] and document["environment"]["system"]["kernel"], "nobody asked rhm"
    assert 0 <= slowed["effort"]["head"]["system_share"] <= 1 and slowed["effort"]["head"]["involuntary_switches"] >= 0
    lines = (tmp_path / "samples.csv").read_text().splitlines()
    assert lines[0].startswith("row,unit,what,index,arm,clock,layout,value") and sum(",head,wall," in line for line in lines) >= 3 * 12
    assert "regressed: " in capsys.readouterr().out


def test_a_program_is_compared_with_itself(foreign_programs, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "MOST_PASSES", 1)
    assert command.main(["compare", "--program", f"{foreign_programs}/head", "--rows", "steady/", "--seed", "1", "--seconds", "600", "--blocks", "12",
                         "--output", str(tmp_path / "r.json")]) == 0


SCRIPT = '''#!{python}
import json, os, sys
given = dict(word.partition("=")[::2] for word in sys.argv[1:])
if "--benchmark_list_tests" in given:
    print("a\\nb")
    sys.exit()
row = given["--benchmark_filter"].strip("^$")
with open(__file__ + row, "a") as turns:
    turns.write(".")
    if turns.tell() > {breaks}.get(row, 10**9):
        os.abort()
times = [1e-3 * (1 + 0.01 * i) for i in range(int(given["--benchmark_repetitions"]))]
report = {{"benchmarks": [{{"name": row, "run_type": "iteration", "real_time": t, "cpu_time": t, "time_unit": "s"}} for t in times]}}
json.dump(report, open(given["--benchmark_out"], "w"))
'''


def test_a_foreign_row_that_breaks_while_it_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(blocks, "MOST_PASSES", 5)
    for name in ("base", "head"):
        path = tmp_path / name
        path.write_text(SCRIPT.format(python=sys.executable + " -S", breaks={"a": 15} if name == "head" else {}))
        path.chmod(0o755)
    words = ["compare", "--program", str(tmp_path / "base"), str(tmp_path / "head"), "--seed", "1", "--seconds", "600", "--blocks", "12",
             "--output", str(tmp_path / "r.json")]
    assert command.main(words) == 15
    document = json.loads((tmp_path / "r.json").read_text())
    rows = {row["name"]: row for row in document["rows"]}
    assert rows["a"]["judgement"]["verdict"] == "unmeasured" and "status -6" in rows["a"]["judgement"]["reason"] and 0 < len(rows["a"]["blocks"]) < 12
    assert rows["b"]["judgement"]["verdict"] == "equivalent" and len(rows["b"]["blocks"]) == 12
    assert rows["b"]["passes"] == 5, "time that is spare goes to repetitions"
    assert f"{tmp_path / 'base'}" in capsys.readouterr().out


def test_rows_are_named_exactly():
    assert foreign.exactly("f<a, b>/8(x)[1]{2}") == r"^f<a, b>/8\(x\)\[1]\{2}$"
    assert foreign.clock_of("a/real_time") == foreign.clock_of("a/threads:12") == "wall"
    assert foreign.clock_of("a/threads:1") == foreign.clock_of("a/8") == "cpu"


def test_effort_of_a_process():
    done = process.run([sys.executable, "-c", "pass"])
    # The kernel accounts by the tick: a short process may have spent none of its time there.
    assert 0 <= done.system_seconds <= done.cpu_seconds and done.involuntary_switches >= 0
    hertz = frequency.by_additions()
    assert hertz is None or 1e8 < hertz < 1e10
