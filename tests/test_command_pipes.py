"""Readers that leave before the end: other results are whole all the same, and a result that is cut off is not called done."""
import json
import os
import signal
import subprocess

import pytest

from command_tools import QUICK, RHM, SMALL, run


def abandoned(*arguments, cwd, ignored=False, **more):
    """A run whose standard output nobody reads."""
    inlet, outlet = os.pipe()
    os.close(inlet)
    done = subprocess.run([RHM, *map(str, arguments)], cwd=cwd, stdout=outlet, stderr=subprocess.PIPE, text=True, timeout=120,
                          preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL), **more)
    os.close(outlet)
    return done


@pytest.mark.parametrize("command", [["plan", *SMALL], ["grammar", *SMALL], ["oracle", *SMALL, "--samples", "100"],
                                     ["inspect", "m.h5", "--json"], ["eval", "m.h5", "--test-samples", "100"], ["--help"],
                                     ["train", "--help"]],
                         ids=lambda command: command[0])
def test_words_that_nobody_reads_end_the_command_quietly(here, command):
    done = abandoned(*command, cwd=here)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")
    done = abandoned(*command, cwd=here, ignored=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "standard output: Broken pipe" in done.stderr


def test_files_are_whole_when_the_words_were_not_read(tmp_path):
    results = ["-o", "m.h5", "--report", "r.json", "--ceilings", "off", "--trace", "t.json", "--checkpoint", "kept"]
    done = abandoned("train", *QUICK, *results, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")
    assert sorted(os.listdir(tmp_path)) == ["kept", "m.h5", "r.json", "t.json"]
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    hashed = json.loads((tmp_path / "r.json").read_text())["model_hash"]
    assert json.loads(run("inspect", "m.h5", "--json", cwd=tmp_path).stdout)["model_hash"] == hashed


@pytest.mark.parametrize("command, option", [(["sample", *SMALL, "--samples", "100000"], "-o"), (["predict", "m.h5", "d.h5"], "-o"),
                                             (["oracle", *SMALL, "--samples", "9000"], "-o"), (["eval", "m.h5"], "--report"),
                                             (["train", *QUICK], "--trace")], ids=lambda value: value[0])
def test_a_result_that_nobody_reads_is_a_failed_run(here, tmp_path, command, option):
    before = sorted(os.listdir(here))
    done = abandoned(*command, option, "/dev/stdout", cwd=here)
    assert done.returncode == 1
    assert done.stderr.startswith(f"rhm {command[0]}: /dev/stdout: ") and done.stderr.endswith("Broken pipe\n")
    assert done.stderr.count("\n") == 1
    # A pipe with a name, whose reader takes one byte of much more than it holds.
    os.mkfifo(tmp_path / "fifo")
    reader = subprocess.Popen(["head", "-c", "1", tmp_path / "fifo"], stdout=subprocess.DEVNULL)
    if option != "--report":
        done = run(*command, option, tmp_path / "fifo", cwd=here, expect=1)
        assert "Broken pipe" in done.stderr and done.stderr.count("\n") == 1
    reader.kill()
    reader.wait()
    assert sorted(os.listdir(here)) == before
