"""Git, whose own words are passed on when it refuses: a foreign owner, a shallow clone, a name it does not know."""
import os
import subprocess

from perf.harness.project import ROOT, PerfError


def ask(*words, directory=None, env=None):
    """(answer, "") of a command, or (None, what Git said)."""
    try:
        done = subprocess.run(["git", "-C", str(directory or ROOT), *words], capture_output=True, text=True, env={**os.environ, **(env or {})})
    except OSError as failure:
        return None, f"git cannot be run: {failure.strerror}"
    if done.returncode:
        return None, done.stderr.strip() or f"git {words[0]} ended with status {done.returncode}"
    return done.stdout.rstrip("\n"), ""


def git(*words, env=None):
    answer, said = ask(*words, env=env)
    if answer is None:
        raise PerfError(f"git {' '.join(words)}: {said}")
    return answer


def shallow():
    """What is to be said where history ends early, or "". PerfError where Git reads nothing here at all."""
    if git("rev-parse", "--is-shallow-repository") != "true":
        return ""
    return "this clone is shallow, older commits are not in it: git fetch --unshallow"


def commit_of(revision):
    """The name of a commit; PerfError, as bad usage, with what Git said where there is none."""
    why = shallow()
    commit, said = ask("rev-parse", "--verify", f"{revision}^{{commit}}")
    if commit is None:
        raise PerfError(f"{revision} is not a commit of this repository: {said}" + (f"; {why}" if why else ""), 2)
    return commit
