"""One training by rhm and, where it is installed, by PyTorch."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy")
ROOT = Path(__file__).resolve().parents[1]
BIN = Path(os.environ["RHM_COMMAND"]).parent


def perf(*arguments):
    return subprocess.run([sys.executable, "-B", ROOT / "perf", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=300)


def measured(tmp_path, *arguments):
    output = tmp_path / "training.json"
    done = perf("training", "--bin", BIN, "--rounds", 1, "--threads", 1, "--epochs", 3, "--sequences", 300, "--no-compile", "--output", output, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text()), done.stdout


def test_rhm_is_measured_without_others(tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\ncase "$*" in *torch*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    bare.chmod(0o755)
    document, said = measured(tmp_path, "--python", bare)
    row, = document["rows"]
    assert row["epochs"] == 3 and row["over_rhm"] == 1 and row["value"] > 0
    assert [len(curve["loss"]) for curve in document["curves"]] == [3]
    assert set(document["missing"]) == {"torch", "torch.compile"} and "torch cannot be imported" in said


def test_pytorch_comes_down_alike(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: no training is compared with it")
    document, _ = measured(tmp_path, "--python", sys.executable)
    ours, theirs = document["curves"]
    assert theirs["loss"] == pytest.approx(ours["loss"], rel=0.2)
