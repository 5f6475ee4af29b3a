"""What more threads would make of a run that one thread has traced: pure functions of the trace and of a described machine.

A run is a sequence of parallel loops, each of chunks that any thread may take, and of what the calling thread does alone between them.
All times but that of the start are of a processor, not of the clock, so that neighbours on the machine are not taken for work, and neither is waiting for files.
With p threads a loop lasts as long as handing out its chunks in order to whoever is free takes, plus the start of p threads; no less than
memory takes to deliver what the loop reads where that exceeds the caches. What is between loops stays as it is. Work is the time of one
thread, the span that of any number of them (Cilkview: He, Leiserson, Leiserson, SPAA 2010)."""
import bisect
import heapq
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace

from perf.harness.project import PerfError

FORK_JOIN = 1.5e-6  # seconds a doubling of the threads: a line goes from core to core and back, while they look for work


@dataclass
class Machine:
    """Cores in the order in which they are given threads."""
    name: str
    nodes: int
    cores: int
    caches_bytes: float = 0.0     # of the last level, all nodes together; 0: unknown
    bandwidth: float = math.inf   # bytes a second that a node's memory delivers

    def nodes_of(self, threads):
        """NUMA nodes that `threads` threads are on, neighbouring cores first."""
        return min(self.nodes, max(1, math.ceil(threads * self.nodes / self.cores)))


SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
KINDS = {"pack": "package", "package": "package", "socket": "package", "numa": "node", "node": "node", "numanode": "node", "core": "core", "pu": "pu",
         "l3": "l3", "l3cache": "l3", "l2": "other", "l2cache": "other", "l1": "other", "l1d": "other", "l1cache": "other", "die": "other",
         "group": "other", "l1dcache": "other", "l1i": "other", "l1icache": "other"}


def machine_of(text, bandwidth=math.inf):
    """Of hwloc's synthetic notation: "pack:2 numa:1 l3:8(size=32M) core:8 pu:2"."""
    count, found, cache = 1, {}, 0.0
    for word in text.split():
        match = re.fullmatch(r"([A-Za-z0-9]+):(\d+)(?:\(([^)]*)\))?", word)
        kind = KINDS.get(match.group(1).lower()) if match else None
        if not kind or int(match.group(2)) < 1:
            raise PerfError(f"--topology '{text}': '{word}' is not KIND:COUNT of hwloc's synthetic notation, such as \"pack:2 numa:1 l3:8 core:8 pu:2\"", 2)
        count *= int(match.group(2))
        found[kind] = count
        size = re.search(r"size=(\d+)([kKmMgG]?)", match.group(3) or "")
        if kind == "l3" and size:
            cache = count * float(size.group(1)) * SIZES[size.group(2).lower()]
    cores = found.get("core") or found.get("pu")
    if not cores:
        raise PerfError(f"--topology '{text}' has no cores", 2)
    return Machine(text, found.get("node", found.get("package", 1)), cores, cache, bandwidth)


@dataclass
class Loop:
    name: str
    level: int
    chunks: list           # seconds of each
    around: float = 0.0    # of the loop's time on one thread, what was no chunk
    bytes: float = 0.0     # that it reads and writes, each operand once

    @property
    def work(self):
        return math.fsum(self.chunks)


@dataclass
class Job:
    seconds: float                              # of one thread
    loops: list
    serial: dict = field(default_factory=dict)  # {(name, level): seconds outside of loops}

    @property
    def span(self):
        return math.fsum(self.serial.values()) + math.fsum(max(loop.chunks, default=0.0) for loop in self.loops)


def slowed(job, factor):
    """The same job with chunks that take `factor` times as long."""
    loops = [replace(loop, chunks=[factor * chunk for chunk in loop.chunks]) for loop in job.loops]
    return Job(job.seconds + (factor - 1) * math.fsum(loop.work for loop in job.loops), loops, job.serial)


def makespan(chunks, threads):
    """Of chunks handed out in order to whoever is free."""
    if threads <= 1:
        return math.fsum(chunks)
    if len(chunks) <= threads:
        return max(chunks, default=0.0)
    ends = chunks[:threads]
    heapq.heapify(ends)
    for chunk in chunks[threads:]:
        heapq.heapreplace(ends, ends[0] + chunk)
    return max(ends)


# ---- from traces --------------------------------------------------------------------------------------------------------


def _bytes_of_loops(trace, loops):
    """What the innermost span around each loop says that it moves, shared by the span's loops."""
    spans = sorted((event["ts"], event["ts"] + event["dur"], event["args"].get("bytes", 0.0)) for event in trace["traceEvents"]
                   if event.get("cat") == "span" and event["args"].get("bytes"))
    starts, inside = [span[0] for span in spans], defaultdict(list)
    for i, loop in enumerate(loops):
        at = bisect.bisect_right(starts, loop["ts"]) - 1
        if at >= 0 and loop["ts"] + loop["dur"] <= spans[at][1] + 1:
            inside[at].append(i)
    found = [0.0] * len(loops)
    for at, members in inside.items():
        total = sum(loops[i]["dur"] for i in members)
        for i in members:
            found[i] = spans[at][2] * loops[i]["dur"] / total if total else 0.0
    return found


def job_of(traces, threads=1):
    """Of several traces of the same run on so many threads: work goes the same way every time, so the least time of every chunk and of
    every part between loops is what others did not disturb. Which chunk is which is only known of one thread; of more, the longest come
    first."""
    first = traces[0]
    for trace in traces:
        if trace.get("otherData", {}).get("threads") != threads:
            raise PerfError(f"a trace of {trace.get('otherData', {}).get('threads')} threads, wanted one of --threads {threads}", 2)
        if trace["otherData"].get("ranks"):
            raise PerfError(f"a trace of {1 + len(trace['otherData']['ranks'])} ranks, wanted one of a single process", 2)
        if "loops" not in trace:
            raise PerfError("the trace says nothing of chunks: it was written by an older rhm", 2)
        if [(loop["name"], loop["chunks"]) for loop in trace["loops"]] != [(loop["name"], loop["chunks"]) for loop in first["loops"]]:
            raise PerfError("the runs did not do the same work: is a limit in seconds set?")
    moved = _bytes_of_loops(first, first["loops"])
    loops = []
    for i, one in enumerate(first["loops"]):
        same = [trace["loops"][i] for trace in traces]
        kept = [loop["chunk_ns"] if threads == 1 else sorted(loop["chunk_ns"], reverse=True) for loop in same if len(loop["chunk_ns"]) == one["chunks"]]
        if kept:
            chunks = [1e-9 * min(times) for times in zip(*kept)]
        else:  # more chunks than a trace keeps: the longest, and the others alike
            longest, total = min(loop["longest_us"] for loop in same), min(loop["sum_us"] for loop in same)
            chunks = [1e-6 * longest] + [1e-6 * (total - longest) / max(1, one["chunks"] - 1)] * (one["chunks"] - 1)
        around = min(loop["cpu_us"] - loop["sum_us"] for loop in same)
        loops.append(Loop(one["name"], one["level"], chunks, max(0.0, 1e-6 * around), moved[i]))
    serial, of_runs = {}, [_serial(trace) for trace in traces]
    for key in of_runs[0]:
        serial[key] = min(times.get(key, 0.0) for times in of_runs)
    seconds = math.fsum(serial.values()) + math.fsum(loop.work + loop.around for loop in loops)
    return Job(seconds, loops, serial)


def _serial(trace):
    times = defaultdict(float)
    for total in trace["otherData"]["totals"]:
        # What passed before the trace was begun has a time, but none on a processor.
        spent = total["seconds"] if total["name"] == "start" else total["one_thread_cpu_seconds"]
        times[total["name"], total["level"]] += max(0.0, spent)
    return times


# ---- a prediction -------------------------------------------------------------------------------------------------------


@dataclass
class Cause:
    """Why a part takes longer than its share of the work: `lost` seconds."""
    what: str
    lost: float


@dataclass
class Prediction:
    threads: int
    seconds: float
    speed_up: float
    causes: list  # most expensive first


def _where(name, level):
    return f"{name}, level {level}" if level else name


def predict(job, machine, threads, alone=None):
    """`alone`: seconds of one thread, where the job is one of more."""
    serial = math.fsum(job.serial.values())
    total, lost, counts = serial, defaultdict(float), defaultdict(list)
    start = FORK_JOIN * math.log2(threads) if threads > 1 else 0.0
    for loop in job.loops:
        work, key = loop.work, (loop.name, loop.level)
        useful = min(threads, len(loop.chunks)) or 1
        time = makespan(loop.chunks, threads)
        lost["few" if len(loop.chunks) < threads else "uneven", key] += time - work / threads
        counts[key].append(len(loop.chunks))
        if loop.bytes > machine.caches_bytes and machine.caches_bytes:
            least = loop.bytes / (machine.bandwidth * machine.nodes_of(useful))
            if least > time:
                lost["memory", key] += least - time
                time = least
        begin = start if useful > 1 else 0.0
        lost["start", key] += begin
        total += time + begin + loop.around / threads
    for key, seconds in job.serial.items():
        lost["serial", key] += seconds * (1 - 1 / threads)
    text = {"few": lambda key: f"too few chunks ({_counted(counts[key])}) in {_where(*key)}",
            "uneven": lambda key: f"chunks that do not come out even ({_counted(counts[key])}) in {_where(*key)}",
            "memory": lambda key: f"bandwidth shared by a node's cores in {_where(*key)}",
            "start": lambda key: f"starting {len(counts[key])} loops in {_where(*key)}",
            "serial": lambda key: f"one thread alone in {_where(*key)}"}
    causes = [Cause(text[kind](key), seconds) for (kind, key), seconds in lost.items() if seconds > 0 and threads > 1]
    return Prediction(threads, total, (alone or job.seconds) / total, sorted(causes, key=lambda cause: -cause.lost))


def _counted(counts):
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
