"""The first tier of a comparison: what needs no clock. Exact facts of either build, and what differs between them.

A fact is {"name", "unit", "value", "judged"}; `judged` says what may differ: "exact" nothing, "at most" a growth of the stated share
and of the stated amount, "told" anything (it is shown, and blocks nothing)."""
import json
import math
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from perf import programs
from perf.harness import process

# Small, with every stage; samples and bandwidths fixed, so that it does the same on every machine.
JOB = ("train --vocab 8 --rules 4 --branching 2 --levels 3 --samples 20000,10000,2000 --width 128 --bandwidth 0.25,0.1,0.2 "
       "--ridge 0.001 --test-samples 1000").split()
COUNTED_JOB = ("train --vocab 8 --rules 4 --branching 2 --levels 3 --samples 5000,5000,2000 --width 64 --bandwidth 0.25,0.1,0.2 "
               "--ridge 0.001 --test-samples 500 --threads 1 --isa avx2").split()

# Growth that is let through: (share, amount), both must be exceeded to block.
ALLOCATION_CALLS = (0.02, 16)
ALLOCATION_BYTES = (0.02, 64 << 10)
PEAK_MEMORY = (0.05, 4 << 20)
INSTRUCTIONS = (0.01, 0)

# Numbers of a benchmark row that are its work, not its speed.
EXACT_COUNTERS = ("flops", "bytes", "patches", "samples", "items", "distinct", "working_set_bytes", "resident_bytes")


@dataclass
class Fact:
    name: str
    unit: str
    value: object
    judged: str = "exact"
    share: float = 0.0
    amount: float = 0.0


def _train(binaries, arguments, **more):
    return programs.run_train(Path(binaries) / "rhm", [word for word in arguments if word != "train"], **more)


def _preload(cache):
    """The counting library, compiled once; None with the reason where that fails."""
    source = Path(__file__).resolve().parent / "count_allocations.c"
    library = Path(cache) / "count_allocations.so"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        try:
            done = subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", str(library), str(source)],
                                  capture_output=True, text=True)
        except OSError as failure:
            return None, str(failure)
        if done.returncode:
            return None, f"the counting library does not compile: {done.stderr.strip()[-300:]}"
    return library, ""


def _allocations(binaries, library):
    """Calls and bytes of the job on one thread, from two runs; what the runs disagree on is not exact."""
    seen = []
    for _ in range(2):
        with tempfile.TemporaryDirectory(prefix="rhm-perf-") as folder:
            counts = Path(folder) / "counts"
            process.run([Path(binaries) / "rhm", *JOB, "--threads", "1", "--progress", "off"],
                         environment={"LD_PRELOAD": str(library), "RHM_COUNT_FILE": str(counts)})
            if not counts.exists():
                return []
            seen.append([int(word) for word in counts.read_text().split()])
    facts = []
    for i, (name, unit, allowed) in enumerate((("allocations", "calls", ALLOCATION_CALLS), ("bytes allocated", "B", ALLOCATION_BYTES))):
        judged = "at most" if abs(seen[0][i] - seen[1][i]) <= allowed[1] else "told"
        facts.append(Fact(f"job: {name}", unit, min(run[i] for run in seen), judged, *allowed))
    return facts


def _job(binaries, cpus, isa):
    """What the job says of itself, and that its model depends on neither threads nor instruction set."""
    one = _train(binaries, [*JOB, "--threads", "1"])
    report = one.report
    hashes = {f"t:1/{isa}": report["model_hash"]}
    hashes[f"t:{cpus}/{isa}"] = _train(binaries, [*JOB, "--threads", str(cpus)]).report["model_hash"]
    hashes[f"t:{cpus}/scalar"] = _train(binaries, [*JOB, "--threads", str(cpus), "--isa", "scalar"]).report["model_hash"]
    machine = report.get("machine", {})
    facts = [
        Fact("job: model hash", "", report["model_hash"]),
        Fact("job: model is the same on any threads and instruction set", "", len(set(hashes.values())) == 1),
        Fact("job: kernels", "", machine.get("kernels")),
        Fact("job: backend", "", machine.get("backend")),
        Fact("job: peak memory", "B", one.peak_rss_bytes, "at most", *PEAK_MEMORY),
        Fact("job: accuracy", "", report.get("test", {}).get("accuracy")),
    ]
    for level in report.get("levels", []):
        for key in ("solver", "iterations", "distinct_patches", "flops", "bytes", "kernel_flops", "kernel_bytes"):
            if key in level:
                facts.append(Fact(f"job: level {level.get('level')}: {key}", "", level[key]))
    return facts


def instructions(binaries, isa):
    """Instructions of a small job on the AVX2 path, or why they cannot be had. Valgrind knows no AVX-512."""
    if isa == "scalar":
        return None, "this machine has no AVX2"
    if not shutil.which("valgrind"):
        return None, "valgrind is not installed"
    done = process.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", Path(binaries) / "rhm", *COUNTED_JOB,
                         "--progress", "off"])
    found = re.search(r"Collected : (\d+)", done.errors)
    if done.status or not found:
        return None, f"valgrind ended with status {done.status}: {done.errors.strip()[-200:]}"
    return int(found.group(1)), ""


def gather(snapshot, cpus, isa, callgrind, cache):
    """Facts of a build and what could not be had: ([Fact], {name: reason}). Kept beside the build, for they do not change."""
    place = snapshot.programs.parent / f"facts-{cpus}-{isa}.json"
    if place.exists():
        kept = json.loads(place.read_text())
        facts, missing = [Fact(**fact) for fact in kept["facts"]], kept["missing"]
    else:
        missing = {}
        facts = [Fact("compiler", "", snapshot.inventory.get("compiler"), "told"), *_job(snapshot.programs, cpus, isa)]
        library, why = _preload(cache)
        facts += _allocations(snapshot.programs, library) if library else []
        if not library:
            missing["job: allocations"] = why
    known = any(fact.name == "job: instructions" for fact in facts)
    if callgrind and not known:
        count, why = instructions(snapshot.programs, isa)
        missing.pop("job: instructions", None)
        if count is None:
            missing["job: instructions"] = why
        else:
            facts.append(Fact("job: instructions", "", count, "at most", *INSTRUCTIONS))
    place.write_text(json.dumps({"facts": [asdict(fact) for fact in facts], "missing": missing}))
    if not callgrind:
        facts = [fact for fact in facts if fact.name != "job: instructions"]
        missing = {**missing, "job: instructions": "not asked for: --callgrind"}
    return facts, missing


# ----------------------------------------------------------------------------------------------------- rows against the model

def read_shapes(path):
    shapes = {}
    for line in Path(path).read_text().splitlines():
        words = line.split("#", 1)[0].split()
        if words:
            shapes[words[0]] = {key: int(value) for key, value in (word.split("=") for word in words[1:])}
    return shapes


def model_flops(name, shape, patches):
    """Floating-point operations of a row of bench_kernels by the formulas of src/kernels/README.md, products only."""
    inputs, classes, features = shape["branching"] * shape["vocab"], shape["vocab"], 2 * shape["width"]
    project = 2 * shape["width"] * inputs
    product = 2 * features * classes
    phasors = 2 * shape["width"] * 3 * (shape["branching"] - 1)
    each = {"forward": project + product, "pass": project + 2 * product, "features": project, "product": product, "gradient": product,
            "shared_forward": phasors + product, "shared_pass": phasors + 2 * product, "shared_features": phasors,
            "rotated_forward": product, "rotated_pass": 2 * product}
    operation = name.split("/")[0]
    return each[operation] * patches if operation in each else None


def row_facts(measured, arm, shapes):
    """Facts of a row as `arm` reported it; for the kernels also that the reported operations are those of the model."""
    reported = measured.facts.get(arm, {})
    counters = reported.get("counters", {})
    facts = [Fact(f"{measured.row.name}: {key}", "", counters[key]) for key in EXACT_COUNTERS if key in counters]
    if reported.get("label"):
        facts.append(Fact(f"{measured.row.name}: label", "", reported["label"]))
    parts = measured.row.name.split("/")
    shape = shapes.get(parts[1]) if len(parts) > 1 and measured.row.program == "bench_kernels" else None
    if shape and "flops" in counters and "patches" in counters:
        wanted = model_flops(measured.row.name, shape, counters["patches"])
        if wanted is not None:
            facts.append(Fact(f"{measured.row.name}: operations are those of the model", "", counters["flops"] == wanted))
    return facts


# --------------------------------------------------------------------------------------------------------------- comparison

def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def difference(base, head):
    """What is to be said of two facts: (blocks, sentence), or None when there is nothing."""
    if base is None:
        return (head.value is False, f"only head has it: {head.value}")
    if head is None:
        return True, f"head no longer has it; base: {base.value}"
    if head.value is False and isinstance(head.value, bool):
        return True, "does not hold for head"
    if base.value == head.value:
        return None
    if _number(base.value) and _number(head.value):
        change = head.value - base.value
        share = change / abs(base.value) if base.value else math.inf
        sentence = f"{base.value:,} became {head.value:,}{' ' + head.unit if head.unit else ''} ({100 * share:+.2f} %)"
    else:
        change = share = math.inf
        sentence = f"{base.value} became {head.value}"
    if head.judged == "told" or base.judged == "told":
        return False, sentence
    if head.judged == "at most":
        within = abs(change) <= head.amount or abs(share) <= head.share
        return None if within else (change > 0, sentence)
    return True, sentence


def compare(base, head, accepted=()):
    """[{"name", "base", "head", "blocks", "says", "accepted"}] of all facts that differ. `accepted`: beginnings of names, or parts
    after "row: ", that a change is declared to alter."""
    bases, heads = ({fact.name: fact for fact in facts} for facts in (base, head))
    found = []
    for name in [*bases, *(name for name in heads if name not in bases)]:
        told = difference(bases.get(name), heads.get(name))
        if told:
            declared = any(word in name for word in accepted)
            found.append({"name": name, "base": bases[name].value if name in bases else None,
                          "head": heads[name].value if name in heads else None, "blocks": bool(told[0]) and not declared,
                          "accepted": declared, "says": told[1]})
    return found
