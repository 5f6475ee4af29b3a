"""A program run to its end, with what the system counted about it."""
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from perf.harness import frequency
from perf.harness.project import NAME, PerfError


@dataclass
class Run:
    """One finished process."""
    command: list
    status: int
    seconds: float  # wall
    user_seconds: float
    system_seconds: float
    peak_rss_bytes: int
    involuntary_switches: int
    output: str
    errors: str
    report: dict = field(default=None, repr=False)  # that it wrote
    hertz: float = None  # of our processor, when it ended
    stopped: bool = False  # it took longer than it was given

    @property
    def cpu_seconds(self):
        return self.user_seconds + self.system_seconds


GRACE_SECONDS = 10  # between a request to end, which launchers hand on to what they started, and an end by force


def run(command, environment=None, cwd=None, timeout=None):
    """Run a command to its end, or until `timeout` seconds are over, and account for it and its children. The status is not judged."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.monotonic()
        try:
            process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=cwd,
                                       env={**os.environ, **(environment or {})})
        except OSError as failure:
            raise PerfError(f"{command[0]}: {failure.strerror}") from None
        # wait4 accounts for this child alone; subprocess keeps only the status.
        usage, stopped = _wait(process, None if timeout is None else start + timeout)
        seconds = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        return Run(command, process.returncode, seconds, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024,
                   usage.ru_nivcsw, out.read(), err.read(), hertz=frequency.by_additions(), stopped=stopped)


def _wait(process, deadline):
    stopped = False
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, 0 if deadline is None else os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return usage, stopped
            if time.monotonic() > deadline:
                (process.kill if stopped else process.terminate)()
                deadline = None if stopped else time.monotonic() + GRACE_SECONDS
                stopped = True
            time.sleep(0.01)
    except BaseException:
        if process.returncode is None:
            process.kill()
            _, status, _ = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        raise


def run_json(command, option, keep=None, **more):
    """Run a program that writes a JSON file named by `option` (as in --report FILE or --benchmark_out=FILE); `keep`: a copy of it."""
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-perf-") as folder:
        path = Path(folder) / "report.json"
        named = [option + str(path)] if option.endswith("=") else [option, path]
        done = run([*command, *named], **more)
        if path.exists() and path.stat().st_size:
            if keep:
                shutil.copyfile(path, keep)
            try:
                done.report = json.loads(path.read_text())
            except ValueError as failure:
                if done.status:
                    return done  # what broke off says so itself
                raise PerfError(f"{shlex.join(done.command)} wrote no JSON: {failure}") from None
    return done


def succeeded(done):
    """The run, if it ended well; PerfError with the end of what it said if not."""
    if done.stopped:
        raise PerfError(f"{shlex.join(done.command)} had not ended after {done.seconds:.0f} s, and was stopped: {done.errors.strip()[-800:]}")
    if done.status:
        raise PerfError(f"{shlex.join(done.command)} ended with status {done.status}: {done.errors.strip()[-800:]}")
    return done


def reported(done):
    """The same of a run that wrote a report."""
    if not succeeded(done).report:
        raise PerfError(f"{shlex.join(done.command)} wrote no report")
    return done
