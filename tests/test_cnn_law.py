"""The example that finds how many sequences a network needs."""
import importlib.util
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "examples/cnn_law.py"
spec = importlib.util.spec_from_file_location("cnn_law", SCRIPT)
law = importlib.util.module_from_spec(spec)
sys.dont_write_bytecode = True
spec.loader.exec_module(law)


class Known:
    """Trainings whose error falls through 10 % of chance at `star` sequences."""

    def __init__(self, star):
        self.star, self.asked = star, []

    def error(self, vocab, levels, seed, sequences):
        self.asked.append(sequences)
        return 0.1 * (1 - 1 / vocab) * (self.star / sequences) ** 2


@pytest.mark.parametrize("star", [3, 40.5, 511, 1400, 30000])
def test_thresholds_are_found(star):
    known = Known(star)
    assert law.threshold(known, 8, 3, 1) == pytest.approx(star, rel=0.02 if star > 10 else 0.2)
    assert len(known.asked) == len(set(known.asked)) <= 14


def test_too_few_sequences_are_said():
    assert law.threshold(Known(1e9), 4, 2, 1) is None


def test_the_interval_covers_the_slope():
    random.seed(1)
    covered = 0
    for _ in range(400):
        points = [(x, 0.3 + 1.0 * x + random.gauss(0, 0.2)) for x in (4, 5, 6, 7) for _ in range(3)]
        found, low, high, _ = law.slope(points)
        covered += low <= 1 <= high
        assert low < found < high
    assert 0.92 <= covered / 400 <= 0.98
    assert law.slope([(x, 2 * x + 1) for x in range(9)])[0] == pytest.approx(2)
    assert law.student(10) == pytest.approx(2.228, abs=0.004) and law.student(10**6) == pytest.approx(1.96, abs=0.001)
    assert law.slope([(0, math.log(3)), (1, 1 + math.log(3))])[3] == pytest.approx(3)


def test_a_run_goes_on_with_what_it_has(tmp_path):
    command = [sys.executable, SCRIPT, "--rhm", os.environ["RHM_COMMAND"], "--vocab", "4", "--levels", "2", "--seeds", "1", "--jobs", "1"]
    first = subprocess.run([*command, "--", "--epochs", "5"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    lines = (tmp_path / "cnn_law.jsonl").read_text()
    assert lines.count("\n") == 4 and "4 trainings" in first  # 32, 64, 128 and 204 of the 256 sequences
    again = subprocess.run([*command, "--", "--epochs", "5"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert (tmp_path / "cnn_law.jsonl").read_text() == lines and again.splitlines()[:2] == first.splitlines()[:2]
    wrong = subprocess.run([*command, "--", "--epochs", "many"], cwd=tmp_path, capture_output=True, text=True)
    assert wrong.returncode == 1 and "--epochs" in wrong.stderr
