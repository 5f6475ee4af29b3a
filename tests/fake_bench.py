"""Stand-ins for built programs, so that `perf compare` can be run end to end in seconds, on times that are made up.

make() writes a bin/ directory with scripts for rhm and the benchmark programs. What they are to do is a dictionary:
  "factors": {row: times the seconds of that row}, "work": {row: flops}, "reasons": {row: why it fails},
  "breaks": {row: turns of all processes after which it fails}, "off_plan": share of samples,
  "noise": deviation of the log of all times of one turn, "protocol": number, "model_hash",
  "neighbour": {row: [first, last of the turns of all processes at which times are anything from half to twice as long]},
  "code": {program: what it maps into memory, in every layout}"""
import json
import stat
import sys
from pathlib import Path

SERVER = '''#!{python}
import json, math, pathlib, random, sys
behaviour = {behaviour}
with open(__file__ + ".starts", "a") as starts:
    starts.write(".")
    seed = pathlib.Path(__file__).parent.parent.name, {name!r}, starts.tell()
print(json.dumps({{"serves": {name!r}, "protocol": behaviour.get("protocol", 1), "version": "0", "isa_widest": "avx2",
                  "cpus_allowed": 2}}), flush=True)
for turn, line in enumerate(sys.stdin):
    _, passes, row = line.split()
    # Other times in each process and turn; the same on every run, however many passes a busy machine leaves time for.
    generator = random.Random(repr((seed, turn)))
    factor = behaviour.get("factors", {{}}).get(row, 1.0)
    reason = behaviour.get("reasons", {{}}).get(row, "")
    level = math.exp(generator.gauss(0, behaviour.get("noise", 0.002)))
    if row in {{**behaviour.get("breaks", {{}}), **behaviour.get("neighbour", {{}})}}:
        with open(__file__ + ".turns", "a") as turns:
            turns.write(".")
            if turns.tell() > behaviour.get("breaks", {{}}).get(row, math.inf):
                reason = "wrong result at last"
            first, last = behaviour.get("neighbour", {{}}).get(row, (1, 0))
            level *= 2 ** generator.uniform(-1, 1) if first <= turns.tell() <= last else 1
    times = [1e-3 * factor * level * (1 + 0.1 * generator.random()) for _ in range(int(passes))]
    counters = {{"flops": behaviour.get("work", {{}}).get(row, 1e8), "best_flops_per_second": generator.random()}}
    counters["threads_off_plan"] = float(generator.random() < behaviour.get("off_plan", 0))
    print(json.dumps({{"row": row, "passes": times, "cpu_passes": times, "counters": counters, "label": "resident", "reason": reason,
                      "skipped": False, "seconds": sum(times), "cpu_seconds": sum(times), "system_seconds": 0.0, "preempted": 0, "cpus": [0, 0]}}), flush=True)
'''

RHM = '''#!{python}
import json, random, sys, time
behaviour = {behaviour}
if sys.argv[1] == "machine":
    print(json.dumps({{"cpu": "made up"}}))
if sys.argv[1] == "train" and "--report" in sys.argv:
    report = {{"model_hash": behaviour.get("model_hash", "b866"), "machine": {{"kernels": "avx2", "backend": "native"}}, "levels": [],
              "test": {{"accuracy": 1.0}}}}
    if "scalar" in sys.argv and behaviour.get("scalar_hash"):
        report["model_hash"] = behaviour["scalar_hash"]
    open(sys.argv[sys.argv.index("--report") + 1], "w").write(json.dumps(report))
'''


def make(folder, **behaviour):
    binaries = Path(folder) / "bin"
    binaries.mkdir(parents=True)
    for name in ("bench_kernels", "bench_ceilings", "rhm"):
        text = (RHM if name == "rhm" else SERVER).format(python=sys.executable, name=name, behaviour=repr(behaviour))
        path = binaries / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    inventory = {"compiler": "cc 1", "flags": {"src/kernels/avx2.c.o": behaviour.get("flags", "-O3 -mavx2")},
                 "objects": {"CMakeFiles/rhm_objects.dir/src/kernels/operator.c.o": behaviour.get("object", "1")}, "identity": "1",
                 "code": behaviour.get("code", {})}
    (Path(folder) / "inventory.json").write_text(json.dumps(inventory))
    return binaries


ROWS = """
row      bench_kernels   forward/a/{isa}/native/t:1   kernels
row      bench_kernels   forward/b/{isa}/native/t:1   kernels
row      bench_kernels   pass/a/{isa}/native/t:1      kernels
control  bench_ceilings  ceiling/fma/f32/{isa}/t:1    -
"""
