"""What the system says of the machine, the build and the sources, and what grew while something was measured."""
import ctypes
import os
import platform
import re
import subprocess
from pathlib import Path

from perf.harness import flags
from perf.harness.git import ask
from perf.harness.project import NAME
from perf.harness.session import is_available, now, unavailable

NOT_SHOWN = "the kernel does not show it"


def read(path, root="/"):
    """Text of a file of the system without the last newline, or None."""
    try:
        return (Path(root) / str(path).lstrip("/")).read_text(errors="replace").rstrip("\n")
    except OSError:
        return None


def setting(path, root="/"):
    """Of "always [madvise] never" the word in brackets."""
    text = read(path, root)
    if text is None:
        return unavailable(NOT_SHOWN)
    chosen = re.search(r"\[(.*?)\]", text)
    return chosen.group(1) if chosen else text


def unescape(text):
    return re.sub(r"\\(\d{3})", lambda octal: chr(int(octal.group(1), 8)), text)


def cgroup_directories(controller, root="/"):
    """Directories of our control group and its ancestors, ours first, as far up as the mount shows them.

    `controller` is that of version 1, None for version 2."""
    group = None
    for line in (read("/proc/self/cgroup", root) or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3 and (controller in parts[1].split(",") if controller else parts[1] == ""):
            group = parts[2]
            break
    if group is None:
        return []
    found = None
    for line in (read("/proc/self/mountinfo", root) or "").splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = (right.split() + ["", "", ""])[:3]
        if kind != ("cgroup" if controller else "cgroup2") or (controller and controller not in options.split(",")):
            continue
        mounted, point = map(unescape, left.split()[3:5])
        inside = group[len(mounted.rstrip("/")):] if group.startswith(mounted.rstrip("/")) and "/.." not in group else ""
        found = (Path(point), Path(inside.strip("/")))
    if not found:
        return []
    point, inside = found
    return [point / step for step in [inside, *inside.parents]] if inside.parts else [point]


def cgroup_file(name, root="/", controller="cpu"):
    """(path, text) of a file of every group from ours upwards, of version 2, then of version 1."""
    for which in (None, controller):
        for directory in cgroup_directories(which, root):
            text = read(directory / name, root)
            if text is not None:
                yield str(directory / name), text


def quota(root="/"):
    """The smallest CPU quota from our control group upwards: {"cpus": number or null, "file": its path}."""
    smallest = {"cpus": None, "file": None}
    limits = []
    for path, text in cgroup_file("cpu.max", root):
        limit, period = (text.split() + ["100000"])[:2]
        if limit != "max":
            limits.append((int(limit) / int(period), path))
    for path, text in cgroup_file("cpu.cfs_quota_us", root):
        period = read(path.replace("quota", "period"), root)
        if int(text) > 0 and period:
            limits.append((int(text) / int(period), path))
    for cpus, path in limits:
        if smallest["cpus"] is None or cpus < smallest["cpus"]:
            smallest = {"cpus": cpus, "file": path}
    return smallest


def throttling(root="/"):
    """How often the quota stopped us so far: {"periods", "throttled_periods", "throttled_usec"}, largest over the ancestors."""
    largest = None
    for _, text in cgroup_file("cpu.stat", root):
        values = dict(line.split()[:2] for line in text.splitlines() if len(line.split()) >= 2)
        if "nr_throttled" not in values:
            continue
        usec = int(values["throttled_usec"]) if "throttled_usec" in values else int(values.get("throttled_time", 0)) // 1000
        here = {"periods": int(values.get("nr_periods", 0)), "throttled_periods": int(values["nr_throttled"]), "throttled_usec": usec}
        if largest is None or here["throttled_usec"] > largest["throttled_usec"]:
            largest = here
    return largest or unavailable("no control group counts it")


def counters(root="/"):
    """Numbers that only grow, and the load now; what is not there is unavailable."""
    ticks = os.sysconf("SC_CLK_TCK")
    fields = (read("/proc/stat", root) or "").splitlines()[:1]
    fields = fields[0].split()[1:] if fields and fields[0].startswith("cpu ") else []
    load = read("/proc/loadavg", root)
    pressure = re.search(r"some .*total=(\d+)", read("/proc/pressure/cpu", root) or "")
    hot = [int(text) for path in sorted(Path(root).glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"))
           if (text := read(path.relative_to(root), root))]
    return {
        "time": now(),
        "throttling": throttling(root),
        "steal_seconds": int(fields[7]) / ticks if len(fields) > 7 else unavailable(NOT_SHOWN),
        "busy_seconds": sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / ticks if len(fields) > 6 else unavailable(NOT_SHOWN),
        "thermal_throttles": sum(hot) if hot else unavailable(NOT_SHOWN),
        "cpu_pressure_usec": int(pressure.group(1)) if pressure else unavailable(NOT_SHOWN),
        "load_average": [float(x) for x in load.split()[:3]] if load else unavailable(NOT_SHOWN),
    }


def change(before, after):
    """What grew between two counters()."""
    grown = {}
    for key in ("steal_seconds", "busy_seconds", "thermal_throttles", "cpu_pressure_usec"):
        known = is_available(before[key]) and is_available(after[key])
        grown[key] = round(after[key] - before[key], 6) if known else after[key] if not is_available(after[key]) else before[key]
    then, since = before["throttling"], after["throttling"]
    grown["throttling"] = ({key: since[key] - then[key] for key in since} if is_available(then) and is_available(since)
                           else unavailable("no control group counts it"))
    return grown


def disturbed(grown):
    """Sentences about what disturbed a measurement, from change(); none when it was quiet or nothing can be known."""
    sentences = []
    stopped = grown["throttling"]
    if is_available(stopped) and stopped["throttled_periods"] > 0:
        sentences.append(f"the CPU quota stopped the process in {stopped['throttled_periods']} periods")
    if is_available(grown["thermal_throttles"]) and grown["thermal_throttles"] > 0:
        sentences.append(f"the processor throttled {grown['thermal_throttles']} times because of heat")
    return sentences


def cpu_list(cpus):
    """"0-3,8" of a set of numbers."""
    parts, cpus = [], sorted(cpus)
    for i, cpu in enumerate(cpus):
        if i and cpu == cpus[i - 1] + 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in parts)


def system(root="/"):
    """Settings that change how fast the machine is."""
    cpus = sorted(Path(root).glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"))
    governors = sorted({read(path.relative_to(root), root) for path in cpus})
    boost, no_turbo = read("/sys/devices/system/cpu/cpufreq/boost", root), read("/sys/devices/system/cpu/intel_pstate/no_turbo", root)
    huge = "/sys/kernel/mm/transparent_hugepage"
    reserved = {path.parent.name: read(path.relative_to(root), root)
                for path in sorted(Path(root).glob("sys/kernel/mm/hugepages/hugepages-*/nr_hugepages"))}
    information = read("/proc/cpuinfo", root) or ""
    find = lambda key: (m := re.search(rf"^{key}\s*:\s*(.+)$", information, re.M)) and m.group(1)
    return {
        "kernel": platform.release(),
        "distribution": (m := re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release", root) or "", re.M)) and m.group(1),
        "cpu_model": find("model name") or unavailable(NOT_SHOWN),
        "microcode": find("microcode") or unavailable(NOT_SHOWN),
        "hypervisor": "hypervisor" in (find("flags") or "").split(),
        "governor": governors[0] if len(governors) == 1 else "mixed" if governors else unavailable(NOT_SHOWN),
        "turbo": (boost != "0") if boost is not None else (no_turbo == "0") if no_turbo is not None else unavailable(NOT_SHOWN),
        "smt": setting("/sys/devices/system/cpu/smt/control", root),
        "transparent_huge_pages": setting(f"{huge}/enabled", root),
        "transparent_huge_pages_defrag": setting(f"{huge}/defrag", root),
        "huge_pages_reserved": reserved or unavailable(NOT_SHOWN),
        "numa_balancing": setting("/proc/sys/kernel/numa_balancing", root),
        "clocksource": setting("/sys/devices/system/clocksource/clocksource0/current_clocksource", root),
        "perf_event_paranoid": setting("/proc/sys/kernel/perf_event_paranoid", root),
    }


def topology_xml():
    """hwloc's XML of the machine, restricted to what this process may use. Any lstopo reads it back."""
    try:
        hwloc = ctypes.CDLL("libhwloc.so.15")
    except OSError as failure:
        return unavailable(f"libhwloc.so.15 cannot be loaded: {failure}")
    topology, text, length = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
    hwloc.hwloc_topology_init(ctypes.byref(topology))
    try:
        if hwloc.hwloc_topology_load(topology):
            return unavailable("hwloc could not read the topology")
        if hwloc.hwloc_topology_export_xmlbuffer(topology, ctypes.byref(text), ctypes.byref(length), ctypes.c_ulong(0)):
            return unavailable("hwloc could not write XML")
        xml = ctypes.string_at(text).decode(errors="replace")
        hwloc.hwloc_free_xmlbuffer(topology, text)
        # The host's name says nothing about its speed.
        return re.sub(r'\s*<info name="(HostName|DMI[A-Za-z]*Serial|DMI[A-Za-z]*UUID)" value="[^"]*"/>', "", xml)
    finally:
        hwloc.hwloc_topology_destroy(topology)


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def source(directory=None):
    """The commit and whether the work tree differs from it."""
    git = lambda *words: ask(*words, directory=directory)[0]
    commit, said = ask("rev-parse", "HEAD", directory=directory)
    if commit is None:
        return unavailable(said)
    status = git("status", "--porcelain") or ""
    changed = [line for line in status.splitlines() if line[3:].startswith(("src/", "include/", "bench/", "cmake/", "CMake"))]
    return {"commit": commit, "subject": git("show", "-s", "--format=%s", commit), "time": git("show", "-s", "--format=%cI", commit),
            "describe": git("describe", "--always", "--tags", "--dirty"), "dirty": bool(status),
            "dirty_files_that_matter": [line[3:] for line in changed]}


def source_of(commit, directory=None):
    """Of a commit that is not checked out."""
    text, said = ask("show", "-s", "--format=%H%n%cI%n%s", commit, directory=directory)
    if text is None:
        return unavailable(said)
    full, when, subject = text.split("\n", 2)
    return {"commit": full, "subject": subject, "time": when, "dirty": False, "dirty_files_that_matter": []}


def flags_of_sources(directory):
    """{flags that change code: the sources of the library that are compiled with them}; all but the commonest set by name."""
    groups = {}
    try:
        for source, _, words in flags.commands(directory):
            inside = source.rpartition("/src/")
            if inside[1]:
                kept = " ".join(word for word in words if word.startswith(("-O", "-f", "-m", "-std", "-g")))
                groups.setdefault(kept, set()).add(inside[2])
    except (OSError, ValueError):
        return unavailable("compile_commands.json cannot be read")
    if not groups:
        return unavailable("there is no compile_commands.json that names a source of the library")
    most = max(groups, key=lambda kept: len(groups[kept]))
    return {kept: f"{len(names)} sources" if kept == most else ", ".join(sorted(names)) for kept, names in groups.items()}


def build(binaries):
    """Compiler and flags, from the CMake cache beside the programs."""
    text = read(Path(binaries).resolve().parent / "CMakeCache.txt")
    if text is None:
        return unavailable("there is no CMakeCache.txt beside the programs")
    cache = dict(re.findall(r"^([A-Za-z_0-9]+):[A-Z]+=(.*)$", text, re.M))
    kind = cache.get("CMAKE_BUILD_TYPE", "")
    compiler = cache.get("CMAKE_C_COMPILER", "")
    version = output_of(compiler, "--version") if compiler else None
    return {
        "type": kind,
        "compiler": version.splitlines()[0] if version else unavailable(f"{compiler or 'the compiler'} does not say"),
        "flags": " ".join(filter(None, [cache.get("CMAKE_C_FLAGS"), cache.get(f"CMAKE_C_FLAGS_{kind.upper()}")])),
        "flags_of_sources": flags_of_sources(Path(binaries).resolve().parent),
        "linker_flags": cache.get("CMAKE_EXE_LINKER_FLAGS", ""),
        "options": {key: value for key, value in sorted(cache.items()) if key.startswith(f"{NAME.upper()}_") and "DIR" not in key
                    and not value.startswith("/")},
    }


class Surroundings:
    """What is known of the machine and the moment; `finish()` gives the record, with the counters of both ends. `more` is known besides."""

    def __init__(self, **more):
        self.record = {"topology_xml": topology_xml(), "allowed": cpu_list(os.sched_getaffinity(0)), "quota": quota(), "system": system(),
                       "source": source(), **more}
        self.before = counters()

    def finish(self):
        after = counters()
        grown = change(self.before, after)
        self.record["counters"] = {"before": self.before, "after": after, "change": grown}
        self.record["disturbances"] = disturbed(grown)
        return self.record
