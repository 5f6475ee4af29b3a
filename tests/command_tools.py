"""Running the command from tests. RHM_COMMAND names the binary."""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np

RHM = os.environ["RHM_COMMAND"]
SMALL = ["--vocab", "8", "--rules", "4", "--branching", "2", "--levels", "3", "--seed", "2"]
QUICK = ["--vocab", "8", "--rules", "4", "--levels", "2", "--samples", "4000", "--width", "64", "--test-samples", "500"]


def run(*arguments, cwd, expect=0, **more):
    """Ceilings take seconds to measure: a report has none unless the test says --ceilings on."""
    if arguments[:1] == ("train",) and "--report" in arguments and "--ceilings" not in arguments:
        arguments += "--ceilings", "off"
    done = subprocess.run([RHM, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == expect, f"exit {done.returncode}, wanted {expect}: {arguments}\n{done.stdout}\n{done.stderr}"
    return done


def worked(process):
    """Seconds of processors that it has taken: they go by as its work does, however busy the machine is."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_work(process, seconds, number=signal.SIGINT):
    """Until it catches a signal, and has worked for so long."""
    def catches():
        caught = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("SigCgt:"))
        return int(caught.split()[1], 16) >> (number - 1) & 1

    while not catches() or worked(process) < seconds:
        assert process.poll() is None
        time.sleep(0.02)


def refused(*arguments, cwd, expect=2, says=(), **more):
    """One line on standard error, nothing on standard output, no new file."""
    before = sorted(os.listdir(cwd))
    done = run(*arguments, cwd=cwd, expect=expect, **more)
    assert done.stdout == ""
    assert done.stderr.endswith("\n") and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("rhm"), done.stderr
    for words in says:
        assert words in done.stderr, done.stderr
    assert sorted(os.listdir(cwd)) == before
    return done.stderr


def report_of(cwd, *arguments, command=QUICK):
    """The report of a training run."""
    run("train", *command, *arguments, "--report", "h.json", cwd=cwd)
    return json.loads((cwd / "h.json").read_text())


def rows(text):
    """Levels whose rows are there, in the order in which they came."""
    lines = text.replace("\x1b[K", "").replace("\r", "\n").split("\n")
    return [int(line.split()[0]) for line in lines if re.match(r" +\d+ +[\d.e+]+( +\S+){12}$", line)]


def rules_of(path):
    with h5py.File(path) as f:
        g = f["grammar"]
        levels = int(g.attrs["levels"])
        return [g[f"rules_{l}"][()] for l in range(1, levels + 1)], [g[f"probability_{l}"][()] for l in range(1, levels + 1)]


def parse(tokens, rules):
    """Symbols of the levels L-1..0 by bottom-up parsing; fails on a patch that no rule writes."""
    found = []
    for table in reversed(rules):
        parents = {tuple(patch): nu for nu, patches in enumerate(table.tolist()) for patch in patches}
        s = table.shape[2]
        tokens = np.array([[parents[tuple(row[i:i + s])] for i in range(0, len(row), s)] for row in tokens.tolist()])
        found.append(tokens)
    return found


def write_grammar(path, rules, probability=None, label=None, vocab=None, **attributes):
    with h5py.File(path, "w") as f:
        g = f.create_group("grammar")
        g.attrs["vocab"] = [len(rules[0])] + [len(r) for r in rules[1:]] + [6] if vocab is None else vocab
        g.attrs["levels"] = len(rules)
        g.attrs["branching"] = len(rules[0][0][0])
        for name, value in attributes.items():
            g.attrs[name] = value
        for l, table in enumerate(rules, 1):
            g[f"rules_{l}"] = np.array(table)
            if probability is not None:
                g[f"probability_{l}"] = np.array(probability[l - 1], dtype=float)
        if label is not None:
            g["label_probability"] = np.array(label, dtype=float)


def foreign_grammar():
    """3 labels, 4 symbols below, 6 tokens; two and three rules per symbol, not equally probable."""
    rules = [[[[0, 1], [1, 0]], [[2, 2], [3, 1]], [[0, 3], [2, 0]]],
             [[[0, 0], [1, 1], [2, 2]], [[3, 0], [4, 1], [5, 2]], [[0, 3], [1, 4], [2, 5]], [[3, 3], [4, 4], [5, 5]]]]
    probability = [[[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]], [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4], [1 / 3] * 3]]
    return rules, probability, [0.5, 0.3, 0.2]
