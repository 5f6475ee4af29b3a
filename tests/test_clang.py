"""Clang reads every file of this build without a warning. Its own build takes minutes; what it says of the sources takes seconds."""
import json
import os
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

BUILD = Path(os.environ["RHM_COMMAND"]).resolve().parent.parent
NOT_CLANGS = "-Wdouble-promotion"  # cmake/options.cmake


def read(entry):
    """What Clang says of a file, compiled as this build compiles it."""
    words = shlex.split(entry["command"])
    at = words.index("-o")
    kept = [word for word in words[1:at] + words[at + 2:] if word != NOT_CLANGS]
    clang = "clang++" if entry["file"].endswith(".cc") else "clang"
    return subprocess.run([clang, "-fsyntax-only", "-Werror", *kept], cwd=entry["directory"], capture_output=True, text=True).stderr


@pytest.mark.skipif(not shutil.which("clang"), reason="there is no clang")
def test_no_warnings():
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    assert len(entries) > 50
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        said = [text for text in pool.map(read, entries) if text]
    assert not said, "\n".join(said)
