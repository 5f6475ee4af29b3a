"""What tests of perf/ share: the command in a process of its own, the status of one in this process, and Git."""
import subprocess
import sys

from perf import __main__ as command
from perf.harness.project import ROOT


def perf(*words):
    return subprocess.run([sys.executable, "-B", ROOT / "perf", *map(str, words)], capture_output=True, text=True, cwd=ROOT, timeout=300)


def status_of(words):
    """Of a command line in this process, whoever refuses it."""
    try:
        return command.main(words)
    except SystemExit as ended:
        return ended.code


def git(folder, *words):
    """What Git says, by an author of its own."""
    return subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder), *words], check=True, capture_output=True,
                          text=True).stdout.strip()
