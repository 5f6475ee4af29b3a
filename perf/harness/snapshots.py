"""Two states of the sources, built where they can be compared: same place, same compiler, same flags.

A state is a git tree: of a commit, or of the work tree with everything that git does not ignore. Trees are checked out one after
the other into the same directory ("slot"), so that paths, which end up in programs, are equal and only what differs is compiled
again. Programs are then linked again in other orders (layouts.py). What was built is kept by the tree's name in the cache; a state is built once."""
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from perf.harness import flags, layouts
from perf.harness.git import commit_of, git
from perf.harness.project import ROOT, PerfError

CACHE = ROOT / "build" / "perf"
KEPT = 16  # built states in the cache


@dataclass(frozen=True)
class Recipe:
    """How a state becomes programs."""
    options: tuple        # for CMake
    targets: dict         # {target: its program in bin/}, of every state
    source: str           # of a program that a state may lack, such as "bench/{}.c"; its target has its name
    kept: dict            # {folder of the sources: its name beside bin/}, where a state has it


@dataclass
class Snapshot:
    arm: str      # "base" or "head"
    name: str     # as asked for, or "work tree"
    commit: str   # of the tree, or the one that the work tree started from
    tree: str
    dirty: bool   # the tree is not that of the commit
    options: list = field(default_factory=list)  # for CMake, besides the recipe's
    programs: Path = None
    build_seconds: float = 0.0
    cached: bool = False
    inventory: dict = field(default_factory=dict, repr=False)
    layouts: list = field(default_factory=list)  # directories of the same programs in other orders; one at least

    def code_of(self, program):
        """What a program maps into memory, in every layout; [] where that is not known."""
        return self.inventory.get("code", {}).get(program, [])

    def label(self):
        short = f"{self.name} ({self.commit[:12]})" if self.name != self.commit else self.commit[:12]
        return short + (" with uncommitted changes" if self.dirty else "") + (f" {shlex.join(self.options)}" if self.options else "")

    def record(self):
        return {"name": self.name, "commit": self.commit, "tree": self.tree, "dirty": self.dirty, "cmake": self.options,
                "build_seconds": round(self.build_seconds, 1), "from_cache": self.cached,
                "compiler": self.inventory.get("compiler"), "flags": flags.commonest(self.inventory.get("flags", {})),
                "identity": self.inventory.get("identity"), "layouts": len(self.layouts),
                **({"no_layouts": self.inventory["no_layouts"]} if self.inventory.get("no_layouts") else {})}


def of_commit(arm, revision, options=()):
    commit = commit_of(revision)
    return Snapshot(arm, revision, commit, git("rev-parse", f"{commit}^{{tree}}"), False, list(options))


def of_work_tree(arm, options=()):
    """What would be committed if everything were added; the index itself stays as it is."""
    CACHE.mkdir(parents=True, exist_ok=True)
    index = CACHE / f"index-{os.getpid()}"
    try:
        real = Path(git("rev-parse", "--path-format=absolute", "--git-path", "index"))
        if real.exists():
            shutil.copyfile(real, index)
        env = {"GIT_INDEX_FILE": str(index)}
        git("add", "--all", ".", env=env)
        tree = git("write-tree", env=env)
    finally:
        index.unlink(missing_ok=True)
    commit = git("rev-parse", "HEAD")
    return Snapshot(arm, "work tree", commit, tree, tree != git("rev-parse", "HEAD^{tree}"), list(options))


def _compiler(options):
    """The version of the compiler that these options choose."""
    command = flags.value_of(options, "CMAKE_C_COMPILER") or os.environ.get("CC", "cc")
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True)
    except OSError:
        raise PerfError(f"there is no compiler {command}") from None
    return done.stdout.splitlines()[0] if done.stdout else command


def _variables():
    """Of the environment, those that CMake reads when a directory is first configured."""
    return [f"{name}={os.environ[name]}" for name in ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS") if name in os.environ]


def _digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _step(snapshot, command, log, **more):
    """A command of the build; whatever goes wrong in it is an error of the comparison, with the end of its output."""
    with open(log, "a") as out:
        out.write(f"$ {shlex.join(command)}\n")
        out.flush()
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    if done.returncode:
        tail = "\n".join(Path(log).read_text(errors="replace").splitlines()[-25:])
        raise PerfError(f"the build of {snapshot.arm}, {snapshot.label()}, failed, so nothing was compared: {shlex.join(command)}\n{tail}")


def _check_out(snapshot, slot):
    """Make slot/src the tree; files that are the same keep their times, so that the build leaves them alone."""
    source = slot / "src"
    source.mkdir(parents=True, exist_ok=True)
    env = {"GIT_INDEX_FILE": str(slot / "index"), "GIT_WORK_TREE": str(source)}
    git(f"--work-tree={source}", "read-tree", "--reset", "-u", snapshot.tree, env=env)


def _sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _inventory(build, programs, compiler):
    """What can be compared without running anything."""
    objects = {str(path.relative_to(build)): _sha(path) for path in sorted(build.rglob("*.o"))}
    identity = {path.name: _sha(path) for path in sorted(programs.iterdir()) if path.is_file() and os.access(path, os.X_OK)}
    return {"compiler": compiler, "flags": flags.of_objects(build), "objects": objects, "programs": identity,
            "identity": _digest(*(f"{name}={sha}" for name, sha in identity.items()))}


def build(snapshot, recipe, programs, say=lambda text: None, cache=CACHE):
    """Fill in snapshot.programs and .inventory, with the recipe's targets and those of the named programs that this state has;
    PerfError, status 1, when a step fails."""
    cache.mkdir(parents=True, exist_ok=True)
    compiler = _compiler(snapshot.options)
    words = (*recipe.options, *snapshot.options, *sorted(programs), f"{layouts.COUNT} layouts")
    place = cache / f"built-{snapshot.tree[:16]}-{_digest(compiler, *_variables(), *words)}"
    # Options give a slot of their own: a CMake cache remembers those that are no longer asked for.
    slot = cache / f"slot-{_digest(compiler, *_variables(), *snapshot.options)}"
    slot.mkdir(parents=True, exist_ok=True)
    with open(slot / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "inventory.json").exists():
            say(f"building {snapshot.arm}, {snapshot.label()}")
            start = time.monotonic()
            _compile(snapshot, recipe, programs, slot, place, compiler)
            snapshot.build_seconds = time.monotonic() - start
        else:
            snapshot.cached = True
            os.utime(place)
    snapshot.programs = place / "bin"
    snapshot.inventory = json.loads((place / "inventory.json").read_text())
    snapshot.layouts = sorted(place.glob("layout-*")) or [snapshot.programs]
    _prune(cache)
    return snapshot


def _compile(snapshot, recipe, programs, slot, place, compiler):
    log = slot / "build.log"
    log.write_text("")
    _check_out(snapshot, slot)
    directory = slot / "build"
    source = slot / "src"
    _step(snapshot, ["cmake", "-G", "Ninja", "-S", str(source), "-B", str(directory), *recipe.options, *snapshot.options,
                     *flags.in_effect(snapshot.options)], log)
    wrong = flags.unused(snapshot.options, log.read_text(errors="replace")) or flags.overridden(snapshot.options, directory)
    if wrong:
        raise PerfError(f"--{snapshot.arm}-cmake: {wrong}: nothing was compared", 2)
    known = [name for name in sorted(programs) if (source / recipe.source.format(name)).exists()]
    _step(snapshot, ["cmake", "--build", str(directory), f"-j{len(os.sched_getaffinity(0))}", "--target", *recipe.targets, *known], log)
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "bin").mkdir(parents=True)
    for name in (*recipe.targets.values(), *known):
        shutil.copy2(directory / "bin" / name, partial / "bin" / name)
    for folder, name in recipe.kept.items():
        if (source / folder).is_dir():
            shutil.copytree(source / folder, partial / name)
    inventory = _inventory(directory, partial / "bin", compiler)
    inventory["kept"] = {str(path.relative_to(partial)): _sha(path) for name in recipe.kept.values()
                         for path in sorted((partial / name).rglob("*")) if path.is_file()}
    inventory.update(_link_layouts(directory, partial, (*recipe.targets.values(), *known), slot))
    (partial / "inventory.json").write_text(json.dumps(inventory))
    shutil.rmtree(place, ignore_errors=True)
    partial.rename(place)


def _link_layouts(directory, place, programs, slot):
    """place/layout-N with every program: what each maps into memory; or why there are none."""
    scratch = slot / "archives"
    scratch.mkdir(exist_ok=True)
    code = {name: [] for name in programs}
    try:
        for number in range(layouts.COUNT):
            folder = place / f"layout-{number}"
            folder.mkdir()
            for name in programs:
                layouts.link(directory, f"bin/{name}", number, folder / name, scratch)
                code[name].append(layouts.machine_code(folder / name))
    except (layouts.NoLayout, OSError) as why:
        for folder in place.glob("layout-*"):
            shutil.rmtree(folder)
        return {"no_layouts": str(why), "code": {}}
    return {"code": {name: digests for name, digests in code.items() if all(digests)}}


def _prune(cache):
    places = sorted((path for path in cache.glob("built-*") if path.is_dir()), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in places[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
