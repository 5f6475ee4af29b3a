"""The three arms of a comparison (base, head, and base again) as processes that take turns.

A benchmark program that serves (bench/session_serve.h) stays alive and runs a row when asked; a job is started anew each time.
Nothing runs while another arm is measured."""
import itertools
import json
import re
import select
import shlex
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from perf.harness import frequency, process
from perf.harness.project import PerfError

PROTOCOL = 1           # of bench/session_serve.h
ANSWER_SECONDS = 60    # a row that takes longer hangs
JOB_SECONDS = 600      # and a whole job
SPIN_SECONDS = 0.008   # OpenMP's threads spin for some milliseconds after their work, on CPUs that the next arm needs


# What a row is timed by. One thread that computes cannot hide anything from the processor's account of it, and that account leaves
# out what other processes on the machine take; several threads wait for each other, which only the wall clock sees.
CPU, WALL = "cpu", "wall"


@dataclass(frozen=True)
class Row:
    kind: str
    program: str
    name: str
    directories: tuple
    options: tuple = ()
    asked_clock: str = ""  # where the threads do not decide it

    @property
    def threads(self):
        found = re.search(r"/t(?:hreads)?:(\d+)", self.name)
        return int(found.group(1)) if found else 1

    @property
    def clock(self):
        return self.asked_clock or (CPU if self.threads == 1 else WALL)


def read_rows(path):
    rows = []
    for number, line in enumerate(Path(path).read_text(errors="replace").splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) < 4 or words[0] not in ("row", "job", "control") or (words[0] == "job") != (len(words) > 4):
            raise PerfError(f"{path}, line {number}: wanted is kind, program, name, directories and, for a job, its options")
        directories = () if words[3] == "-" else tuple(words[3].split(","))
        rows.append(Row(words[0], words[1], words[2], directories, tuple(words[4:])))
    return rows


def expand(rows, values):
    """The rows of a machine, without those that come out twice. `values`: {name: list of what may stand for "{name}"}."""
    expanded = {}
    for row in rows:
        names = [name for name in values if "{" + name + "}" in " ".join((row.name, *row.options))]
        for chosen in itertools.product(*(values[name] for name in names)):
            def fill(text):
                for name, value in zip(names, chosen):
                    text = text.replace("{" + name + "}", str(value))
                return text
            full = Row(row.kind, row.program, fill(row.name), row.directories, tuple(map(fill, row.options)))
            expanded.setdefault(full.name, full)
    return list(expanded.values())


@dataclass
class Sample:
    """What one turn of an arm gave."""
    passes: dict              # {clock: seconds of each pass, of the row's own amount of work}
    seconds: float = 0.0      # of everything, preparation included
    cpu_seconds: float = 0.0
    system_seconds: float = None  # of these, in the kernel; None: the program does not say
    hertz: float = None       # cycles a second of its processor; None: it cannot be told
    counters: dict = field(default_factory=dict)
    label: str = ""
    reason: str = ""          # why there are no passes
    skipped: bool = False
    off_plan: bool = False    # threads were not where they should have been
    verifies_anew: bool = False  # every process of this build verifies its result before its first turn
    involuntary_switches: int = 0  # times that the processor was taken away


def nothing(reason, **more):
    return Sample({CPU: [], WALL: []}, reason=reason, **more)


class Unservable(Exception):
    """This build cannot be asked: it lacks the program, or the program is older than the protocol."""


class Server:
    """A benchmark program that serves."""

    def __init__(self, program, arguments=()):
        self.command = [str(program), *arguments, "--serve"]
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)
        self.buffer = b""
        try:
            self.hello = self._answer()
        except PerfError as failure:
            self.close()
            raise Unservable(f"it does not serve rows: {failure}") from None
        except BaseException:
            self.close()
            raise
        if self.hello.get("protocol") != PROTOCOL:
            self.close()
            raise Unservable(f"it serves by protocol {self.hello.get('protocol')}, not {PROTOCOL}")

    def _died(self, what):
        self.process.kill()
        status = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().strip()[-500:]
        return PerfError(f"{shlex.join(self.command)} {what} (status {status}){': ' + said if said else ''}")

    def _answer(self):
        deadline = time.monotonic() + ANSWER_SECONDS
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise self._died(f"gave no answer for {ANSWER_SECONDS} s")
            part = self.process.stdout.read(65536)
            if not part:
                raise self._died("ended")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\n", 1)
        try:
            return json.loads(line)
        except ValueError:
            raise self._died(f"does not serve: it answered {line[:80]!r}") from None

    def run(self, row, passes, verify):
        # Older programs know "run" alone, which verifies what it gives at its first turn.
        always = "time" not in self.hello.get("requests", ())
        try:
            self.process.stdin.write(f"{'run' if verify or always else 'time'} {passes} {row.name}\n".encode())
        except BrokenPipeError:
            raise self._died("ended") from None
        answer = self._answer()
        if "error" in answer:
            return nothing(answer["error"])
        own = counters = answer["counters"]
        off_plan = counters.pop("threads_off_plan", 0) > 0
        passes = {WALL: answer["passes"], CPU: answer["cpu_passes"]} if not answer["reason"] else {WALL: [], CPU: []}
        if row.kind == "control":
            # Ceilings choose their own amount of work in every process: seconds are of one unit of it.
            work = counters.get("flops") or counters.get("bytes") or 1.0
            passes, counters = {clock: [each / work for each in seconds] for clock, seconds in passes.items()}, {}
        cpu_seconds, system_seconds, switches = answer["cpu_seconds"], answer.get("system_seconds"), answer["preempted"]
        if "system_share" in own:
            # Of the trials alone, without what was prepared for them.
            cpu_seconds = sum(answer["cpu_passes"])
            system_seconds, switches = own["system_share"] * cpu_seconds, round(own["involuntary_switches"])
        return Sample(passes, answer["seconds"], cpu_seconds, system_seconds, answer.get("hertz") or frequency.by_additions(), counters,
                      answer["label"], answer["reason"], answer["skipped"], off_plan, always, switches)

    def close(self):
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Arm:
    """One build and its processes, which are started when they are first needed. `arguments`: {program: its arguments}."""

    def __init__(self, binaries, arguments):
        self.binaries, self.arguments, self.servers = Path(binaries), arguments, {}

    def server(self, program):
        if program not in self.servers:
            path = self.binaries / program
            if not path.exists():
                raise Unservable(f"there is no {program}")
            self.servers[program] = Server(path, self.arguments(program))
        return self.servers[program]

    def run(self, row, passes, verify=False):
        """A turn of a row; `verify`: its result, before anything is timed."""
        if row.kind != "job":
            return self.server(row.program).run(row, passes, verify)
        return run_job([self.binaries / row.program, *row.options], passes)

    def close(self):
        for server in self.servers.values():
            server.close()
        self.servers = {}


def run_job(command, passes):
    sample = Sample({CPU: [], WALL: []}, system_seconds=0.0)
    for _ in range(passes):
        done = process.run(command, timeout=JOB_SECONDS)
        sample.seconds += done.seconds
        if done.stopped:
            return nothing(f"it had not ended after {done.seconds:.0f} s, and was stopped")
        if done.status:
            return nothing(f"status {done.status}: {done.errors.strip()[-300:]}")
        sample.passes[CPU].append(done.cpu_seconds)
        sample.passes[WALL].append(done.seconds)
        sample.cpu_seconds += done.cpu_seconds
        sample.system_seconds += done.system_seconds
        sample.involuntary_switches += done.involuntary_switches
        sample.hertz = done.hertz
    return sample
