"""The Python that README and docs/python.md show runs as it stands."""
import re
import subprocess
import sys

import pytest
from python_tools import ENVIRONMENT, ROOT


def blocks(path, torch):
    found = re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(), re.S)
    return "".join(block for block in found if ("torch" in block) == torch)


def runs(text, folder):
    done = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_readme(tmp_path):
    assert runs(blocks("README.md", False), tmp_path) == "(100000, 8) uint16 262144 different sequences\naccuracy 1.0000\nTrue\n"


def test_python_page(tmp_path):
    assert runs(blocks("docs/python.md", False), tmp_path).startswith("262144 [1.414")


def test_torch_of_the_python_page(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    runs(blocks("docs/python.md", True), tmp_path)
