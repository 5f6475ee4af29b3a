"""What the command refuses, how it stops, what it shows."""
import os
import pty
import re
import resource
import select
import signal
import subprocess

import pytest

import python_tools  # noqa: F401: where rhm is
import rhm
from command_tools import RHM, SMALL, refused, rows, run, wait_for_work

# ---- bad usage ---------------------------------------------------------------------------------------------------------

BAD_USAGE = [
    # arguments, words of the sentence
    (["frobnicate"], ["frobnicate", "--help"]),
    (["train", "--frobnicate"], ["--frobnicate", "--help"]),
    (["train", "--frobnicate=3"], ["--frobnicate"]),
    (["train", "-x", "3"], ["-x"]),
    (["train", "--level", "3"], ["--level"]),
    (["train", "--resume"], ["--resume", "--checkpoint"]),
    (["train", "--draw", "half"], ["--draw", "samples", "counts"]),
    (["train", "--draw", "counts", "--distinct", "off"], ["--distinct"]),
    (["train", "--levels", "4", "--draw", "counts"], ["level 1", "table"]),
    (["train", "stray"], ["stray"]),
    (["train", "--learner", "nobody"], ["--learner nobody", "layerwise"]),
    (["train", "--positions", "0"], ["--positions", "1 to 65536"]),
    (["train", "--", "--stray"], ["--stray"]),
    (["plan", "--nodes", "2"], ["--nodes 2", "--ranks"]),
    (["plan", "--ranks", "2", "--nodes", "3"], ["--nodes 3", "1 to 2"]),
    (["plan", "--ranks", "0"], ["--ranks '0'", "1 to 65536"]),
    (["plan", "--ranks", "2", "--network-latency", "0"], ["--network-latency '0'"]),
    (["inspect"], ["FILE"]),
    (["inspect", "a", "b"], ["b"]),
    (["inspect", "g.h5", "--branching", "2"], ["--branching 2", "data set"]),
    (["predict", "m.h5"], ["MODEL DATA"]),
    (["predict", "m.h5", "d.h5"], ["-o"]),
    (["sample", "--samples", "5"], ["-o"]),
    (["sample", "-o", "x"], ["--samples"]),
    (["sample", "-o", "x", "--samples", "0"], ["--samples '0'", "1"]),
    (["sample", "-o", "x", "--samples", "auto"], ["--samples 'auto'"]),
    (["train", "--levels"], ["--levels", "value"]),
    (["train", "--levels", "--seed", "3"], ["--levels", "value"]),
    (["train", "-o"], ["-o", "value"]),
    (["train", "--report="], ["--report", "empty"]),
    (["sample", "--latents=yes", "-o", "x", "--samples", "3"], ["--latents", "yes"]),
    (["train", "--levels", "0"], ["--levels '0'", "1 to 32"]),
    (["train", "--levels", "33"], ["--levels '33'", "1 to 32"]),
    (["train", "--levels", "three"], ["--levels 'three'", "whole number"]),
    (["train", "--levels", "2.5"], ["--levels '2.5'", "whole number"]),
    (["train", "--levels", "0x3"], ["--levels '0x3'", "whole number"]),
    (["train", "--levels", " 3"], ["--levels ' 3'"]),
    (["train", "--levels", ""], ["--levels ''"]),
    (["train", "--levels", "3,3"], ["--levels '3,3'"]),
    (["train", "--levels", "99999999999999999999999"], ["too large"]),
    (["train", "--branching", "1"], ["--branching '1'", "2 to 64"]),
    (["train", "--branching", "65"], ["--branching '65'", "2 to 64"]),
    (["train", "--vocab", "0"], ["--vocab '0'", "65536"]),
    (["train", "--vocab", "65537"], ["--vocab '65537'", "65536"]),
    (["train", "--vocab", "8,,8"], ["--vocab '8,,8'", "empty"]),
    (["train", "--vocab", "8,8,"], ["--vocab", "empty"]),
    (["train", "--vocab", ",".join(["4"] * 40)], ["--vocab"]),
    (["train", "--vocab", "8,8,8", "--levels", "3"], ["--vocab 8,8,8", "3 values", "4"]),
    (["train", "--rules", "0"], ["--rules '0'"]),
    (["train", "--rules", "2,2", "--levels", "3"], ["--rules 2,2", "2 values", "3"]),
    (["train", "--vocab", "4,4,4", "--rules", "2,2,2"], ["--rules 2,2,2"]),
    (["train", "--vocab", "2", "--rules", "3", "--levels", "2"], ["6", "2^2 = 4"]),
    (["train", "--vocab", "6,5,6", "--rules", "2"], ["first-token-uniform", "5"]),
    (["train", "--vocab", "65536", "--rules", "4294967295"], ["level 1"]),
    (["train", "--vocab", "4", "--branching", "64", "--levels", "32"], ["64"]),
    (["train", "--seed", "-1"], ["--seed '-1'"]),
    (["train", "--seed", "9223372036854775808"], ["--seed '9223372036854775808'", "from 0 to 9223372036854775807"]),
    (["sample", "-o", "x", "--samples", "1", "--data-seed", "1e20"], ["--data-seed '1e20'", "too large"]),
    (["train", "--memory-limit", "5e6T"], ["--memory-limit '5e6T'", "too large", "from 1 to 4611686018427387904"]),
    (["train", "--seed", "1", "--seed", "2"], ["--seed", "1", "2", "twice"]),
    (["train", "--rule-sampling", "zipf"], ["--rule-sampling 'zipf'", "first-token-uniform, uniform"]),
    (["train", "--samples", "1,2,3"], ["--samples 1,2,3", "3 values", "4"]),
    (["train", "--samples", "0"], ["--samples '0'", "auto"]),
    (["train", "--samples", "1e3,x", "--levels", "2"], ["--samples '1e3,x'"]),
    (["train", "--samples", "1.5"], ["--samples '1.5'", "whole number"]),
    (["train", "--samples", "1e16"], ["--samples '1e16'", "1e+15"]),
    (["train", "--width", "0"], ["--width '0'", "auto"]),
    (["train", "--width", "1e9"], ["--width '1e9'", "1048576"]),
    (["train", "--bandwidth", "0"], ["--bandwidth '0'", "greater than 0"]),
    (["train", "--bandwidth", "nan"], ["--bandwidth 'nan'"]),
    (["train", "--bandwidth", "inf"], ["--bandwidth 'inf'"]),
    (["train", "--bandwidth", "paper"], ["--bandwidth 'paper'", "auto"]),
    (["train", "--bandwidth", "1,2"], ["--bandwidth 1,2"]),
    (["train", "--ridge", "-0.1"], ["--ridge '-0.1'", "paper"]),
    (["train", "--ridge", "1e400"], ["--ridge '1e400'", "too large"]),
    (["train", "--ridge", "paper,1,1"], ["--ridge paper,1,1"]),
    (["train", "--solver", "lu"], ["--solver 'lu'", "cg, gd, gd-paper, cholesky"]),
    (["train", "--tolerance", "0"], ["--tolerance '0'", "greater than 0"]),
    (["train", "--tolerance", "2"], ["--tolerance '2'"]),
    (["train", "--test-samples", "0"], ["--test-samples '0'"]),
    (["train", "--max-samples", "0"], ["--max-samples '0'"]),
    (["train", "--max-seconds", "0"], ["--max-seconds '0'"]),
    (["train", "--samples", "100", "--max-samples", "200"], ["--max-samples 200", "--samples"]),
    (["train", "--samples", "100", "--max-seconds", "2"], ["--max-seconds 2", "--samples"]),
    (["train", "--width", "64", "--max-width", "128"], ["--max-width 128", "--width"]),
    (["train", "--threads", "0"], ["--threads '0'", "1 to 4096"]),
    (["train", "--threads", "4097"], ["--threads '4097'"]),
    (["train", "--placement", "diagonal"], ["diagonal", "compact", "scatter", "none"]),
    (["train", "--isa", "sse"], ["sse", "scalar"]),
    (["train", "--backend", "abacus"], ["abacus", "native"]),
    (["train", "--memory-limit", "2x"], ["--memory-limit '2x'"]),
    (["train", "--memory-limit", "0"], ["--memory-limit '0'"]),
    (["train", "--progress", "maybe"], ["--progress 'maybe'", "auto, on, off"]),
    (["train", "--report", "new.json", "--ceilings", "auto"], ["--ceilings 'auto'", "on, off"]),
    (["train", "--ceilings", "off"], ["--ceilings off", "--report"]),
    (["oracle", "--data", "d.h5", "--data-seed", "5"], ["--data-seed 5", "--mask"]),
    (["oracle", "--data", "d.h5", "--grammar", "g.h5", "--seed", "5"], ["--seed 5", "--mask"]),
    (["train", "--parents", "8"], ["--parents 8", "--data"]),
    (["train", "--grammar", "g.h5", "--vocab", "8"], ["--vocab 8", "--grammar"]),
    (["train", "--grammar", "g.h5", "--rule-sampling", "uniform"], ["--rule-sampling uniform", "--grammar"]),
    (["grammar", "--grammar", "g.h5", "--seed", "3"], ["--seed 3", "--grammar"]),
    (["train", "--data", "d.h5", "--grammar", "g.h5"], ["--grammar g.h5", "--data"]),
    (["train", "--data", "d.h5", "--rules", "4"], ["--rules 4", "--data"]),
    (["train", "--data", "d.h5", "--require-identifiable"], ["--require-identifiable", "--data"]),
    (["eval", "m.h5", "--data", "d.h5", "--vocab", "8"], ["--vocab 8", "--data"]),
    (["eval", "m.h5", "--data", "d.h5", "--data-seed", "8"], ["--data-seed 8", "--data"]),
    (["eval", "m.h5", "--vocab", "4", "--levels", "3"], ["4", "8"]),
    (["train", "-o", "same", "--report", "same"], ["same"]),
    # inputs that are missing or of the wrong kind
    (["inspect", "missing.h5"], ["missing.h5", "No such file"]),
    (["inspect", "."], ["directory"]),
    (["inspect", "r.json"], ["r.json", "HDF5"]),
    (["train", "--grammar", "missing.h5"], ["missing.h5", "No such file"]),
    (["train", "--grammar", "d.h5/x"], ["d.h5/x"]),
    (["train", "--data", "missing.h5"], ["missing.h5", "No such file"]),
    (["train", "--data", "g.h5"], ["g.h5"]),
    (["train", "--grammar", "p.h5"], ["p.h5"]),
    (["eval", "g.h5"], ["g.h5"]),
    (["eval", "missing.h5"], ["missing.h5", "No such file"]),
    (["predict", "m.h5", "missing.h5", "-o", "x"], ["missing.h5"]),
    (["predict", "d.h5", "d.h5", "-o", "x"], ["d.h5"]),
    (["predict", "m.h5", "m.h5", "-o", "x"], ["m.h5"]),
]


@pytest.mark.parametrize("arguments, says", BAD_USAGE, ids=lambda value: " ".join(value)[:60])
def test_bad_usage_is_one_clear_line(here, arguments, says):
    refused(*arguments, cwd=here, says=says)


#: Of the instance options those that say what sequences are drawn: of a file none are.
DRAWN = {"--rules": 4, "--rule-sampling": "uniform", "--rule-law": "zipf:1", "--label-law": "zipf:1", "--ambiguity": 0.1, "--token-noise": 0.1,
         "--label-noise": 0.1, "--grammar": "g.h5"}


@pytest.mark.parametrize("command", ["train", "plan"])
def test_sequences_of_a_file_are_not_drawn(here, command):
    of_files = ["--vocab", "--branching", "--levels", "--seed"]
    assert sorted([*DRAWN, *of_files]) == sorted(OPTIONS["instance"])
    for option, value in DRAWN.items():
        refused(command, "--data", "d.h5", option, value, cwd=here, says=[f"{option} {value}", "--data"])


def test_no_command_prints_the_overview(tmp_path):
    done = run(cwd=tmp_path, expect=2)
    assert done.stdout == "" and done.stderr.startswith("usage: rhm COMMAND")


def test_the_same_value_twice_is_fine(tmp_path):
    run("grammar", *SMALL, "--seed=2", cwd=tmp_path)


# ---- interruption ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("command", [
    ["train", "--vocab", "32", "--rules", "8", "--levels", "4", "--samples", "1e9", "--width", "4096"],
    ["sample", *SMALL, "--samples", "1e9"],
], ids=lambda command: command[0])
def test_interruption_is_clean(tmp_path, command, number):
    # a shell may have started this test with SIGINT ignored
    process = subprocess.Popen([RHM, *command, "-o", "out.h5"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_for_work(process, 0.3, number)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    finished = rows(stdout)  # whatever levels a fast machine has finished by then
    assert finished == [4, 3, 2, 1][:len(finished)] and (finished or stdout == "")
    assert stderr == f"rhm {command[0]}: interrupted by signal {int(number)}\n"
    assert os.listdir(tmp_path) == []


# ---- what is shown -----------------------------------------------------------------------------------------------------


def on_a_terminal(*arguments, cwd, until=None, results=subprocess.DEVNULL, terminal="xterm"):
    """Standard error of a run whose standard error is a terminal; interrupted once `until` has shown. `results` None:
    standard output is the same terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([RHM, *map(str, arguments)], cwd=cwd, stdout=theirs if results is None else results,
                               stderr=theirs, env={**os.environ, "TERM": terminal})
    os.close(theirs)
    seen, status = b"", 0
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
        if until and until in seen:
            process.send_signal(signal.SIGINT)
            until, status = None, 130
    assert process.wait() == status
    os.close(ours)
    return seen.decode()


def test_progress_only_on_a_terminal(here, tmp_path):
    assert "\x1b" not in (here / "train.txt").read_text() and "\r" not in (here / "train.txt").read_text()
    endless = ["eval", str(here / "m.h5"), "--test-samples", "1e9"]
    seen = on_a_terminal(*endless, cwd=tmp_path, until=b"left")
    assert "evaluating" in seen and "%" in seen and "/s" in seen
    assert "\r\x1b[Krhm eval: interrupted by signal 2" in seen  # the bar is gone at the end
    short = ["sample", "--samples", "1000", "-o", "d.h5"]
    assert run(*short, cwd=tmp_path).stderr == ""
    assert on_a_terminal(*short, "--progress", "off", cwd=tmp_path) == ""
    assert "%" in run(*short, "--progress", "on", cwd=tmp_path).stderr


# Two levels are soon done; the first one then draws samples for minutes.
ENDLESS = ["train", "--vocab", 8, "--levels", 3, "--draw", "samples", "--samples", "4000,4000,1e9", "--width", 64]


def test_rows_come_as_levels_are_done(tmp_path):
    short = ["train", *SMALL, "--samples", 2000, "--width", 64, "--test-samples", 500]
    seen = on_a_terminal(*short, cwd=tmp_path, results=None)
    assert rows(seen) == [3, 2, 1] and seen.count("synonyms  ") == 1 and seen.count("instance ") == 1
    assert seen.index("test accuracy") > seen.index("level 1: ") > seen.index("elapsed") > seen.index("]")
    # Results elsewhere: the rows are on the terminal, and the whole table is where the results are.
    with open(tmp_path / "out.txt", "w") as out:
        seen = on_a_terminal(*short, cwd=tmp_path, results=out)
    text = (tmp_path / "out.txt").read_text()
    assert rows(seen) == rows(text) == [3, 2, 1] and "\x1b" not in text and "\r" not in text
    piped = run(*short, cwd=tmp_path)
    without = lambda words: [re.sub(r" +[\d.]+$", "", line) for line in words.split("\n") if "seconds  " not in line]
    assert without(piped.stdout) == without(text)


def test_an_interrupted_run_has_shown_what_it_knew(tmp_path):
    seen = on_a_terminal(*ENDLESS, cwd=tmp_path, results=None, until=b"left  level 1: sampling")
    assert rows(seen) == [3, 2] and seen.count("synonyms  ") == 1 and "interrupted by signal 2" in seen
    with open(tmp_path / "out.txt", "w") as out:
        seen = on_a_terminal(*ENDLESS, cwd=tmp_path, results=out, until=b"left  level 1: sampling")
    assert rows(seen) == rows((tmp_path / "out.txt").read_text()) == [3, 2]
    # Nor is a terminal needed.
    process = subprocess.Popen([RHM, *map(str, ENDLESS), "--progress", "on"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    said = b""
    while b"level 1: sampling" not in said:
        said += os.read(process.stderr.fileno(), 4096)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and rows(out.decode()) == [3, 2] and b"test accuracy" not in out


def test_a_dumb_terminal_gets_no_escape_sequences(tmp_path):
    seen = on_a_terminal(*ENDLESS, cwd=tmp_path, results=None, terminal="dumb", until=b"level 1: sampling")
    assert rows(seen) == [3, 2]
    assert "\x1b" not in seen and "\r" not in seen.replace("\r\n", "\n") and "elapsed" in seen
    seen = on_a_terminal("sample", "--samples", 1000, "-o", "d.h5", cwd=tmp_path, terminal="dumb")
    assert "\x1b" not in seen and "sampling" in seen


def test_training_shows_its_stages(tmp_path):
    seen = on_a_terminal("train", *SMALL, "--samples", "5000", "--width", "256", cwd=tmp_path)
    for level in (3, 2, 1):
        assert f"level {level}" in seen


OPTIONS = {
    "instance": ["--vocab", "--rules", "--branching", "--levels", "--seed", "--rule-sampling", "--rule-law", "--label-law",
                 "--ambiguity", "--token-noise", "--label-noise", "--grammar"],
    "threads": ["--threads", "--placement", "--progress"],
    "kernels": ["--isa", "--backend", "--memory-limit"],
}
#: What the registry says that one of the learners takes: it needs no entry here. The command's --width is `widths` there where it is a list.
OF_LEARNERS = {f"--{option.replace('_', '-')}" for learner in rhm.learners().values() for option in learner["options"]} - {"--widths"}
HELP = {
    "grammar": OPTIONS["instance"] + ["--output", "--require-identifiable"],
    "sample": OPTIONS["instance"] + OPTIONS["threads"] + ["--samples", "--latents", "--data-seed", "--output", "--rank-timeout"],
    "train": sum(OPTIONS.values(), []) + ["--learner", "--test-samples", "--data-seed", "--data", "--parents", "--shuffle", "--require-identifiable", "--output",
                                          "--report", "--ceilings", "--trace", "--rank-timeout"],
    "eval": OPTIONS["instance"] + OPTIONS["threads"] + OPTIONS["kernels"] + ["--data", "--test-samples", "--data-seed", "--report",
                                                                              "--json", "--rank-timeout"],
    "predict": OPTIONS["threads"] + OPTIONS["kernels"] + ["--output", "--rank-timeout"],
    "oracle": OPTIONS["instance"] + OPTIONS["threads"] + OPTIONS["kernels"] + ["--data", "--samples", "--data-seed", "--mask",
                                                                                "--precision", "--output", "--marginals",
                                                                                "--report", "--json", "--rank-timeout"],
    "inspect": ["--json", "--branching"],
    "sweep": ["--grid", "--grid-file", "--output", "--retry", "--threads", "--jobs", "--memory-limit", "--progress", "--find-threshold", "--error", "--least",
              "--greatest", "--trials", "--rank-timeout"],
    "plan": OPTIONS["instance"] + OPTIONS["threads"] + OPTIONS["kernels"] + ["--json", "--learner", "--data", "--parents", "--shuffle", "--test-samples", "--data-seed", "--ranks", "--nodes", "--node-cores", "--network-latency", "--network-bandwidth", "--measured"],
}


@pytest.mark.parametrize("command", HELP)
def test_help_lists_every_option_with_its_default(tmp_path, command):
    done = run(command, "--help", cwd=tmp_path)
    assert done.stderr == "" and done.stdout.startswith(f"usage: rhm {command} ")
    assert max(map(len, done.stdout.splitlines())) <= 100
    entries = {}
    for line in done.stdout.splitlines():
        words = line.replace("-o, ", "").replace("-h, ", "").split()
        if words and words[0].startswith("--") and line.startswith("  -"):
            name = words[0]
            entries[name] = ""
        elif entries and line.startswith("      "):
            entries[name] += line
    listed = set(HELP[command] + ["--help"])
    assert set(entries) == listed | OF_LEARNERS if command == "train" else listed <= set(entries) <= listed | OF_LEARNERS
    for name, text in entries.items():
        if name not in ("--help", "--latents", "--json", "--require-identifiable", "--resume", "--retry", "--marginals"):
            assert "Default: " in text, name
    assert run(command, "-h", cwd=tmp_path).stdout == done.stdout
    # --help wins over everything else on the line
    assert run(command, "--frobnicate", "--help", cwd=tmp_path).stdout == done.stdout


def test_overview_and_version(tmp_path):
    text = run("--help", cwd=tmp_path).stdout
    for command in HELP:
        assert f"  {command} " in text
    assert run("--version", cwd=tmp_path).stdout.split()[0] == "rhm"


def test_the_largest_seed(tmp_path):
    most = 2**63 - 1
    small = ["--vocab", "4", "--rules", "2", "--levels", "2"]
    assert f"seed {most}" in run("grammar", *small, "--seed", most, "-o", "g.h5", cwd=tmp_path).stdout
    assert f"from 0 to {most}." in " ".join(run("grammar", "--help", cwd=tmp_path).stdout.split())
    # The search for a seed ends with them.
    degenerate = ["--vocab", "20", "--rules", "2", "--levels", "4", "--rule-sampling", "uniform", "--require-identifiable"]
    for seed in range(most - 3, most + 1):
        done = subprocess.run([RHM, "grammar", *degenerate, "--seed", str(seed), "-o", f"{seed}.h5"], cwd=tmp_path, capture_output=True, text=True)
        found = int(done.stdout.partition("seed ")[2].split()[0]) if done.returncode == 0 else None
        assert seed <= found <= most if found is not None else f"no seed from {seed} on" in done.stderr


def test_cholesky_names_the_ridge_that_is_too_small(tmp_path):
    done = run("train", "--vocab", "8", "--levels", "2", "--samples", "4000", "--width", "128", "--bandwidth", "50", "--solver", "cholesky",
               "--ridge", "1e-18", cwd=tmp_path, expect=1)
    assert done.stderr.count("\n") == 1 and "with the ridge 1e-18" in done.stderr and "larger" in done.stderr


def test_threads_that_share_cpus_are_warned_about(tmp_path):
    cpus = len(os.sched_getaffinity(0))
    train = ["train", "--vocab", "4", "--rules", "2", "--levels", "1", "--samples", "100", "--width", "8"]
    many = run(*train, "--threads", 3 * cpus, cwd=tmp_path)
    assert f"rhm train: warning: {3 * cpus} threads for {cpus} allowed CPU" in many.stderr
    assert run(*train, "--threads", 1, cwd=tmp_path).stderr == ""
    listed = run(*train, "--placement", "0,0", cwd=tmp_path)
    assert "warning: 2 threads for" in listed.stderr and "2 of them share one" in listed.stderr


def test_stacks_that_no_memory_holds_are_refused(tmp_path):
    """In our words, not in OpenMP's, which would end the process."""
    train = ["train", "--vocab", "4", "--rules", "2", "--levels", "1", "--samples", "100", "--width", "8", "--threads", "2"]
    for variable in ("OMP_STACKSIZE", "GOMP_STACKSIZE"):
        refused(*train, cwd=tmp_path, expect=1, says=["2 threads are needed", "OMP_STACKSIZE"], env={**os.environ, variable: "1000000 G"})


@pytest.mark.parametrize("size", ["16k", "64k", "256k"])
def test_small_stacks_are_refused(tmp_path, size):
    train = ["train", "--vocab", "4", "--rules", "2", "--levels", "1", "--samples", "100", "--width", "8", "--threads", "2"]
    refused(*train, cwd=tmp_path, expect=1, says=["stack of OpenMP's threads", "384 KiB", "OMP_STACKSIZE"],
            env={**os.environ, "OMP_STACKSIZE": size})
    assert run(*train, cwd=tmp_path, env={**os.environ, "OMP_STACKSIZE": "512k"}).returncode == 0
    nbytes = 1024 * max(64, int(size[:-1]))
    refused(*train, cwd=tmp_path, expect=1, says=["stack of the calling thread", "ulimit -s"],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (nbytes, nbytes)))
