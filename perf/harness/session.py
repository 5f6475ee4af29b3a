"""The one canonical form of a result. Pages, pictures and the formats of other tools are made from it.

{"schema": "NAME-perf/1" with the project's name,
 "kind": "scaling" | "compare" | "profile" | "peers" | "training" | "cnn" | "bench" | "history" | "bisect" | "predict" | "ranks",
 "command": the command line that made it,
 "started", "finished": UTC, ISO 8601,
 "environment": what is known of the machine, the build and the moment,
 "rows": [{"name": unique, "unit": of its values, "reproduce": one shell line, from the project's root,
           "value": number (optional), "valid": false with "reason": why its numbers must not be used (optional), ...}],
 ...}    further keys belong to the kind

What cannot be had is {"unavailable": reason}, never zero or NaN. Lengths are bytes, times seconds, unless a unit says otherwise.
"""
import contextlib
import datetime
import json
import math
import os
import shlex
import sys
import tempfile
from pathlib import Path

from perf.harness.project import NAME, ROOT, PerfError

SCHEMA = f"{NAME}-perf/1"
KINDS = ("scaling", "compare", "profile", "peers", "training", "cnn", "bench", "history", "bisect", "predict", "ranks")
ABSOLUTE = ("bench", "scaling", "profile", "peers", "training", "cnn")  # their values mean something over commits
RESULTS = ROOT / "build" / "perf-results"


class SessionError(PerfError):
    """A document that is not what it should be."""
    status = 2


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def unavailable(reason):
    return {"unavailable": reason}


def is_available(value):
    return value is not None and not (isinstance(value, dict) and "unavailable" in value)


def command_line():
    """How this process was called, as a line that works from the project's root."""
    return shlex.join(["./dev", "perf", *sys.argv[1:]])


def new(kind, environment, **more):
    return {"schema": SCHEMA, "kind": kind, "command": command_line(), "started": now(), "finished": None,
            "environment": environment, "rows": [], **more}


def row(name, unit, reproduce, **more):
    return {"name": name, "unit": unit, "reproduce": reproduce, **more}


def _plain(value, where):
    """JSON of the value: NumPy numbers become Python's; what is not finite is refused by name."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise SessionError(f"{where}: the key {key!r} is not text")
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if hasattr(value, "tolist"):
        return _plain(value.tolist(), where)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise SessionError(f"{where} is {value}: numbers are finite; say unavailable(reason) instead")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SessionError(f"{where} is of type {type(value).__name__}, which JSON does not have")


def validate(document, where="the document"):
    """The document if it is one; SessionError with the first thing that is wrong."""
    if not isinstance(document, dict):
        raise SessionError(f"{where} is not a JSON object")
    if document.get("schema") != SCHEMA:
        raise SessionError(f"{where} has schema {document.get('schema')!r}, wanted {SCHEMA!r}")
    if document.get("kind") not in KINDS:
        raise SessionError(f"{where} is of kind {document.get('kind')!r}, known are {', '.join(KINDS)}")
    if not isinstance(document.get("environment"), dict):
        raise SessionError(f"{where} has no environment")
    if not isinstance(document.get("rows"), list):
        raise SessionError(f"{where} has no rows")
    names = set()
    for i, entry in enumerate(document["rows"]):
        if not isinstance(entry, dict):
            raise SessionError(f"{where}: row {i} is not an object")
        for key in ("name", "unit", "reproduce"):
            if not isinstance(entry.get(key), str) or (key != "unit" and not entry[key].strip()):
                raise SessionError(f"{where}: row {i} ({entry.get('name')}) has no {key}")
        if "\n" in entry["reproduce"]:
            raise SessionError(f"{where}: row '{entry['name']}': reproduce is more than one line")
        if entry.get("valid") is False and not entry.get("reason"):
            raise SessionError(f"{where}: row '{entry['name']}' is invalid without a reason")
        if entry["name"] in names:
            raise SessionError(f"{where}: two rows are named '{entry['name']}'")
        names.add(entry["name"])
    return document


def write(document, path=None):
    """Write the document, whole or not at all; by default to build/perf-results/KIND.json, and a copy for `perf history`.
    Returns the path."""
    if not document.get("finished"):
        document["finished"] = now()
    document = validate(_plain(document, "document"))
    if not path and document["kind"] in ABSOLUTE:
        write(document, archive_path(document))
    return write_text(path or RESULTS / f"{document['kind']}.json", json.dumps(document, indent=1, allow_nan=False) + "\n")


def write_text(path, text):
    """A file that is there whole or not at all; its folder is made where there is none."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def read(path, kind=None):
    try:
        document = json.loads(Path(path).read_text())
    except OSError as failure:
        raise SessionError(f"{path}: {failure.strerror}") from None
    except ValueError as failure:
        raise SessionError(f"{path} is not JSON: {failure}") from None
    validate(document, str(path))
    if kind and document["kind"] != kind:
        raise SessionError(f"{path} is of kind {document['kind']!r}, wanted {kind!r}")
    return document


@contextlib.contextmanager
def understood(where):
    """Around what looks into a document that was written elsewhere: where something is missing in it, that is said of the document."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as failure:
        raise SessionError(f"{where} is not what it says it is: {type(failure).__name__}: {failure}") from failure


def archive_path(document):
    """Of the copy for `perf history`: build/perf-results/history/COMMIT-KIND-TIME.json."""
    source = document["environment"].get("source", {})
    commit = source.get("commit") if isinstance(source.get("commit"), str) else "unknown"
    stamp = document["started"].replace(":", "").replace("-", "").split("+")[0]
    return RESULTS / "history" / f"{commit[:12]}-{document['kind']}-{stamp}.json"
