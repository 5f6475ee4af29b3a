"""Where threads go, as `rhm machine` plans it, and the edges of the topology that a growing team crosses."""
import json
import math

from perf.harness import process, project
from perf.harness.session import is_available

# From the smallest domain to the largest: key of a planned place, how a person calls it.
DOMAINS = (("core", "core"), ("l3", "L3"), ("node", "NUMA node"), ("package", "socket"))


def plan(binaries, threads, placement, environment=None):
    """The planned place of each thread, None for threads that are not placed."""
    done = process.run([binaries / "rhm", "machine", "--json", "--threads", threads, "--placement", placement],
                        environment=environment)
    if done.status:
        raise project.PerfError(f"rhm machine --placement {placement} failed: {done.errors.strip()}", done.status)
    record = json.loads(done.output)
    return [seat["planned"] for seat in record["team"]]


def edges(places):
    """Edges that a team crosses as it grows along `places`: [{"threads": n, "domains": [...], "label"}], where thread n + 1 is the
    first outside one core, one L3, ... or the first to share a core with another.

    Only what the machine has more than one of is an edge; those at the same count are one edge, named by all."""
    found = {}
    for n in range(1, len(places)):
        before, now = places[:n], places[n]
        for key, name in DOMAINS:
            values = {place[key] for place in before}
            if now[key] is not None and len(values) == 1 and now[key] not in values:
                found.setdefault(n, []).append(name)
        cores = [place["core"] for place in before]
        if now["core"] in cores and len(cores) == len(set(cores)):
            found.setdefault(n, []).append("SMT")
    return [{"threads": n, "domains": names, "label": label(names)} for n, names in sorted(found.items())]


def label(names):
    outer = [name for name in names if name not in ("core", "SMT")]
    if "SMT" in names:
        return "cores full, SMT siblings next"
    return f"one {outer[-1]} full" if outer else "one core full"


def thread_counts(places, quota_cpus=None):
    """1, 2, 4, ..., the edges and all: what a sweep measures. A quota that gives fewer CPUs ends it there."""
    most = len(places)
    if quota_cpus:
        most = max(1, min(most, math.floor(quota_cpus)))
    counts = {1, most} | {2**i for i in range(most.bit_length()) if 2**i <= most}
    counts |= {edge["threads"] for edge in edges(places) if edge["threads"] <= most}
    # Between powers of two the law of scaling bends: a middle point each, where there is room.
    counts |= {3 * 2**i for i in range(most.bit_length()) if 3 * 2**i <= most}
    return sorted(counts)


def cpus(places):
    return [place["cpu"] for place in places]


def nearest_edge(threads, known):
    """The edge at this thread count, or None."""
    return next((edge for edge in known if edge["threads"] == threads), None)


def astray(record):
    """Why the threads of a machine record are not where they were planned, or "" when they are."""
    team = record.get("team", [])
    wrong = [seat for seat in team if seat["as_planned"] is False]
    if not wrong:
        return ""
    first = wrong[0]
    where = first["actual"].get("cpus", first["actual"].get("unavailable")) if is_available(first["actual"]) else "nowhere"
    return (f"{len(wrong)} of {len(team)} threads were off their plan: thread {first['thread']} was planned on CPU "
            f"{first['planned']['cpu']} and was on {where}")


def unknowable(places, counts, machine, system):
    """Sentences about what this machine cannot tell, however well it is measured."""
    sentences = []
    if len(counts) < 4:
        sentences.append(f"Only {len(counts)} thread count{'s' if len(counts) > 1 else ''} fit in the allowed CPUs: the scalability law "
                         "(three parameters) is not identifiable, and neither is a knee nor the thread count at which more would hurt.")
    crossed = {name for edge in edges(places) for name in edge["domains"]}
    absent = [name for _, name in DOMAINS if name not in crossed]
    if absent:
        sentences.append(f"There is one {' and one '.join(absent)}: what leaving it costs is not tested here.")
    if "SMT" not in crossed:
        sentences.append("No two allowed CPUs share a core: what SMT siblings give is not tested here.")
    if len(places) < 2:
        sentences.append("One CPU is allowed: nothing about scaling can be measured.")
    if system.get("hypervisor"):
        sentences.append("This is a virtual machine: CPUs may be siblings of one physical core, shared with neighbours, and move; "
                         "the topology is what the hypervisor shows.")
    if not is_available(system.get("governor")) and not is_available(system.get("turbo")):
        sentences.append("Governor and turbo are not shown: clock frequency may differ between one thread and all, and efficiency "
                         "contains that difference.")
    quota = machine.get("quota", {}).get("cpus")
    if quota and quota < len(places):
        sentences.append(f"A quota of {quota:g} CPUs ends the sweep below the {len(places)} allowed ones.")
    return sentences
