"""What a reader must know about the machine, the build and the moment before believing a number.

`rhm machine` knows the topology, the limits and the placement, and is asked. This adds the topology as hwloc's XML, the counters
that tell whether something disturbed the measurement, compiler and libraries, and the state of the sources."""
import json
import os
import platform
import re
import sys
from pathlib import Path

from perf import programs
from perf.harness import host, process
from perf.harness.session import is_available, unavailable

PREFIXES = ("OMP_", "GOMP_", "KMP_", "HWLOC_", "RHM_", "ONEDNN_", "DNNL_", "OPENBLAS_", "MKL_", "MALLOC_", "LD_PRELOAD", "GLIBC_TUNABLES")
LIBRARIES = ("hwloc", "hdf5", "jansson", "nettle", "lapacke", "blas", "benchmark", "cmocka")


def onednn_version(root="/"):
    for header in ("/usr/include/oneapi/dnnl/dnnl_version.h", "/usr/include/dnnl_version.h"):
        numbers = re.findall(r"#define DNNL_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", host.read(header, root) or "")
        if numbers:
            return ".".join(numbers)
    return unavailable("its header is not installed")


def libraries():
    versions = {name: host.output_of("pkg-config", "--modversion", name) or unavailable("pkg-config does not know it")
                for name in LIBRARIES}
    versions["onednn"] = onednn_version()
    versions["glibc"] = platform.libc_ver()[1]
    versions["python"] = platform.python_version()
    for name in ("numpy", "scipy", "matplotlib"):
        try:
            versions[name] = __import__(name).__version__
        except ImportError:
            versions[name] = unavailable("not installed")
    return versions


def machine(binaries):
    """`rhm machine --json`, ceilings included. It takes a second or two: they are measured."""
    done = process.run([Path(binaries) / "rhm", "machine", "--json"])
    if done.status:
        return unavailable(f"rhm machine ended with status {done.status}: {done.errors.strip()[-200:]}")
    return json.loads(done.output)


def variables():
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(PREFIXES)}


class Environment(host.Surroundings):
    """Taken when a measurement starts; `finish()` gives the record, with the counters of both ends."""

    def __init__(self, binaries):
        super().__init__(machine=machine(binaries), build=host.build(binaries), libraries=libraries(), variables=variables())


def section(record):
    """HTML of the record."""
    from perf.harness import page  # with Matplotlib behind it
    machine = record.get("machine") or {}
    rows = []
    add = lambda name, value: rows.append([page.escape(name), page.escape(page.shown(value))])
    if is_available(machine) and machine:
        topology = machine["topology"]
        count = lambda n, what: f"{n} {what}{'' if n == 1 else 's'}"
        add("processor", f"{machine['cpu']}, {count(topology['packages'], 'socket')}, {count(len(topology['numa_nodes']), 'NUMA node')}, "
                         f"{count(topology['cores'], 'core')}, {count(topology['pus'], 'CPU')} allowed ({machine['allowed']['cpus']})")
        add("caches", ", ".join(f"L{c['level']} {c['bytes'] >> 10} KiB x {c['count']}" for c in topology["caches"]))
        add("kernels", machine.get("kernels", machine["isa"]["in_use"]))
        add("placement", f"{machine['threads']['count']} threads, {machine['placement']['in_effect']}")
    names = {"cpu_model": "CPU model", "smt": "SMT", "numa_balancing": "NUMA balancing"}
    for key, value in (record.get("system") or {}).items():
        add(names.get(key, key.replace("_", " ")), value)
    add("CPU quota", (record.get("quota") or {}).get("cpus"))
    build = record.get("build") or {}
    add("build", build if not is_available(build) else f"{build.get('type')}, {page.shown(build.get('compiler'))}, {build.get('flags')}")
    if is_available(build) and build.get("options"):
        add("build options", {name: value for name, value in build["options"].items() if value})
    if is_available(build) and isinstance(build.get("flags_of_sources"), dict):
        flags = build["flags_of_sources"]
        add("compiled with", flags if not is_available(flags) else "; ".join(f"{words}: {names}" for words, names in flags.items()))
    add("libraries", record.get("libraries") or {})
    add("variables", record.get("variables") or {})
    change = (record.get("counters") or {}).get("change")
    if change:
        add("during the measurement", {key.replace("_", " "): value for key, value in change.items()})
        add("load average before", record["counters"]["before"]["load_average"])
    xml = record.get("topology_xml")
    more = page.details("topology (hwloc XML; lstopo -i reads it)", f"<pre>{page.escape(page.without_links(xml))}</pre>") if isinstance(xml, str) else ""
    return page.table(["", ""], rows) + more


def add_arguments(parser):
    programs.add_arguments(parser)


def run(arguments):
    json.dump(Environment(programs.programs(arguments)).finish(), sys.stdout, indent=1)
    print()
    return 0
