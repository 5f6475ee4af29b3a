"""Results of `perf` that others wrote or changed, guided by coverage (atheris): whatever a document holds, `perf export`, `perf
history` and `perf rates` end with a status, and never with a traceback.

An input is a small program that changes one of the documents of tests/perf: where (a path of keys), and what stands there then.

usage: fuzz_perf.py [libFuzzer's options] [DIRECTORY of inputs]"""
import contextlib
import copy
import io
import json
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["perf"]):
    from perf import __main__ as perf
    from perf import export, history, rates, report  # noqa: F401: instrumented before perf imports them by name
    from perf.harness.formats import ARMS, FORMATS

DOCUMENTS = [json.loads(path.read_text()) for path in sorted((ROOT / "tests/perf").glob("*.json"))]
VALUES = [None, True, False, 0, -1, 1, 2**63, 1e308, -0.0, 1e-320, float("nan"), float("inf"), "", "a", "\ud800", "\n", "<b>&", "x" * 300, [], {},
          [None], {"a": None}, [[1]], "2026-01-01T00:00:00+00:00"]
KEYS = ["name", "unit", "value", "rows", "blocks", "environment", "kind", "schema", "valid", "reason", "verdict", "plan", "head", "base"]
MOST_STEPS = 6


def paths(value, here=()):
    """Of everything in a document."""
    yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from paths(item, (*here, key))


ALL_PATHS = [[path for path in paths(document) if path] for document in DOCUMENTS]


def change(document, path, data):
    for key in path[:-1]:
        document = document[key]
    action = data.ConsumeIntInRange(0, 5)
    if action == 0:
        del document[path[-1]]
    elif action == 1 and isinstance(document, dict):
        document[data.PickValueInList(KEYS)] = data.PickValueInList(VALUES)
    elif action == 2 and isinstance(document, list):
        document.append(copy.deepcopy(document[path[-1]]))
    elif action == 3:
        document[path[-1]] = data.ConsumeUnicode(8)
    elif action == 4:
        document[path[-1]] = data.ConsumeFloat()
    else:
        document[path[-1]] = copy.deepcopy(data.PickValueInList(VALUES))


def made(data):
    which = data.ConsumeIntInRange(0, len(DOCUMENTS) - 1)
    document = copy.deepcopy(DOCUMENTS[which])
    for _ in range(data.ConsumeIntInRange(0, MOST_STEPS)):
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier step has taken it away
            change(document, data.PickValueInList(ALL_PATHS[which]), data)
    return document


def command(data, path, folder):
    kind = data.ConsumeIntInRange(0, 3)
    if kind == 0:
        return ["history", path, "--output", f"{folder}/history.json"]
    if kind == 1:
        return ["rates", path, "--trials", "1"]
    return ["export", path, "--format", data.PickValueInList(list(FORMATS)), "--arm", data.PickValueInList(list(ARMS))]


def one_input(content):
    data = atheris.FuzzedDataProvider(content)
    path = f"{FOLDER}/result.json"
    raw = data.ConsumeIntInRange(0, 15) == 0
    words = command(data, path, FOLDER)
    Path(path).write_bytes(data.ConsumeBytes(200) if raw else json.dumps(made(data)).encode())
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = perf.main(words)
    if not isinstance(status, int):
        raise AssertionError(f"perf {words[0]} ended with {status!r}")


with tempfile.TemporaryDirectory() as FOLDER:
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
