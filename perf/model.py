"""What a run should have taken: the time of each operation in its trace, by two models.

The ceiling of an operation is max(flops / multiply-add peak, bytes / bandwidth): no program on this machine can be faster. The kernel
model replaces the peak by the rate that this session's benchmarks measured for that very operation and shape, alone and with the
same threads; it says what a run made of nothing but these kernels would take. What a run took beyond that is not explained by its
kernels: waiting for memory and other threads, small loops, and code that nobody models.

Time that threads had no processor, because others had it or because they slept, is no program's fault and no model's: it is shown by
itself, and shares are of what is left. On a quiet machine there is none."""
from dataclasses import dataclass, field

KERNELS = ("forward", "features", "pass", "target", "pass (features kept)", "target (features kept)", "gram", "gram product")
# Behind the names of those whose features are products of phasors, and of those that make none but rotate weights: before the benchmarks'.
PREFIXES = {" (phasors)": "shared_", " (rotated)": "rotated_"}
DRAWS = ("read", "read raw", "merge", "draw counts", "draw", "draw held-out")
WAYS = {"read": "empty", "read raw": "raw", "draw counts": "counts"}  # what bench_patches calls them


@dataclass
class Rates:
    """Of one session, per second."""
    peak_flops: float
    bandwidth: float  # loads from memory
    cache_bandwidth: list = field(default_factory=list)  # (bytes of all threads' working sets, bytes per second), small ones first
    kernels: dict = field(default_factory=dict)  # (operation, shape, patches of a thread, embeddings (and a run's patches) or 0) -> flops
    draws: dict = field(default_factory=dict)  # (way of bench_patches, level) -> items

    def bandwidth_of(self, nbytes):
        for capacity, rate in self.cache_bandwidth:
            if nbytes <= capacity:
                return max(rate, self.bandwidth)
        return self.bandwidth


def shape_of(total):
    return tuple(int(total.get(key, 0)) for key in ("tokens", "embedding", "classes", "width"))


def kept_patches(total):
    """How many patches a thread has of a pass over kept features, to the next power of two: they come from a cache or from memory."""
    each = total.get("items", 0) / max(1, total["spans"]) / len(total["thread_seconds"])
    return min(4096, max(32, 1 << max(0, int(each) - 1).bit_length()))


def kernel_of(name):
    """(operation, prefix of the benchmarks of the way in which it was done) of a span's name."""
    return next(((name.removesuffix(suffix), prefix) for suffix, prefix in PREFIXES.items() if name.endswith(suffix)), (name, ""))


def parts(total):
    """An operation of the trace as [((benchmark's operation, shape, patches of a thread or embeddings where these matter), flops)].
    Rotated sums of a target are taken to be as fast as those of a pass."""
    tokens, embedding, classes, width = shape_of(total)
    per_patch = 2.0 * total.get("items", 0) * width
    name, way = kernel_of(total["name"])
    project, product = per_patch * (3 * (tokens - 1) if way == "shared_" else tokens * embedding), per_patch * 2 * classes
    if way == "rotated_":
        return [(("rotated_pass", shape_of(total), (total.get("rows", 0), total.get("run", 0))), {"pass": 2, "target": 1}[name] * product)]
    listed = {
        "forward": [(f"{way}forward", project + product)],
        "features": [(f"{way}features", project)],
        "pass": [(f"{way}pass", project + 2 * product)],
        "target": [(f"{way}features", project), ("gradient", product)],
        "pass (features kept)": [("kept", 2 * product)],
        "target (features kept)": [("gradient", product)],
        "gram": [(f"{way}features", project), ("gram", per_patch * (2 * width + 1))],
    }.get(name, [])
    which = {"kept": kept_patches(total)} | dict.fromkeys(("shared_forward", "shared_pass", "shared_features"), total.get("rows", 0))
    return [((operation, shape_of(total), which.get(operation, 0)), flops) for operation, flops in listed]


def ceiling_seconds(total, rates):
    return max(total.get("flops", 0) / rates.peak_flops, total.get("bytes", 0) / rates.bandwidth)


def kernel_seconds(total, rates):
    """By measured rates; None where nobody has measured one."""
    name = total["name"]
    if name == "combine":
        return total.get("bytes", 0) / rates.bandwidth_of(total.get("bytes", 0) / max(1, total["spans"]) / 2)
    if name in WAYS:
        rate = rates.draws.get((WAYS[name], total["level"]))
        return total["items"] / rate if rate else None
    if name == "merge":
        return 0.0  # reading is measured with it
    listed = parts(total)
    if not listed:
        return ceiling_seconds(total, rates) if total.get("flops") else None
    seconds = 0.0
    for key, flops in listed:
        rate = rates.kernels.get(key)
        if not rate:
            return None
        seconds += flops / rate
    return max(seconds, total.get("bytes", 0) / rates.bandwidth_of(total.get("bytes", 0) / max(1, total["spans"])))


def needed(totals):
    """The benchmarks that a trace asks for: keys of Rates.kernels, and {(way, level): samples drawn at a time}."""
    kernels, draws = set(), {}
    whole = {}  # level -> [samples, draws] of its spans
    for total in totals:
        kernels.update(key for key, _ in parts(total))
        if total["name"] in ("draw", "draw held-out", "test"):
            at = whole.setdefault(total["level"], [0, 0])
            at[0] += total.get("items", 0)
            at[1] += total["spans"]
    for total in totals:
        if total["name"] in WAYS:
            samples, spans = whole.get(total["level"], (total["items"], total["spans"]))
            draws[(WAYS[total["name"]], total["level"])] = max(64, int(samples / max(1, spans)))
    return kernels, draws


def taken_seconds(total):
    """For how long the threads of an operation had no processor: in loops on average, outside the calling thread."""
    in_loops = [busy - worked for busy, worked in zip(total["thread_seconds"], total["thread_cpu_seconds"])]
    alone = total["self_seconds"] - total["loop_seconds"] - total["one_thread_cpu_seconds"]
    return max(0.0, sum(in_loops) / max(1, len(in_loops))) + max(0.0, alone)


def explain(totals, rates, seconds, threads):
    """Rows by operation and level, largest first, and the shares of `seconds` (the whole job's).

    A row explains no more than it took: an operation that ran faster than its model lends nothing to the others. Drawing is one
    operation of several spans."""
    grouped = {}
    for total in totals:
        name = "draw" if total["name"] in DRAWS else total["name"]
        key = (name, total["level"], *(shape_of(total) if name not in ("draw", "combine", "solve") else ()))
        grouped.setdefault(key, []).append(total)
    rows = []
    for (name, level, *shape), members in grouped.items():
        took = sum(member["self_seconds"] for member in members)
        modelled = [kernel_seconds(member, rates) for member in members]
        known = [value for value in modelled if value is not None]
        predicted = sum(known) if known else None
        busy = [sum(member["thread_seconds"][t] for member in members) for t in range(threads)]
        loops = sum(member["loop_seconds"] for member in members)
        taken = min(took, sum(map(taken_seconds, members)))
        rows.append({
            "operation": name, "level": level, "shape": shape if any(shape) else None,
            "spans": sum(member["spans"] for member in members), "seconds": took,
            "flops": sum(member.get("flops", 0) for member in members), "bytes": sum(member.get("bytes", 0) for member in members),
            "items": sum(member.get("items", 0) for member in members),
            "ceiling_seconds": sum(ceiling_seconds(member, rates) for member in members),
            "model_seconds": predicted, "taken_seconds": taken,
            "explained_seconds": min(predicted, took - taken) if predicted is not None else 0.0,
            "loop_seconds": loops, "thread_seconds": busy,
            # Of the time that the threads had in loops, the share they did not work in.
            "imbalance": 1 - sum(busy) / (threads * loops) if loops > 0 else None,
        })
    inside = sum(row["seconds"] for row in rows)
    if seconds > inside:
        rows.append({"operation": "outside the engine", "level": 0, "shape": None, "spans": 1, "seconds": seconds - inside, "flops": 0,
                     "bytes": 0, "items": 0, "ceiling_seconds": 0.0, "model_seconds": None, "taken_seconds": 0.0, "explained_seconds": 0.0, "loop_seconds": 0.0,
                     "thread_seconds": [0.0] * threads, "imbalance": None})
    rows.sort(key=lambda row: -row["seconds"])
    explained = sum(row["explained_seconds"] for row in rows)
    loops = sum(row["loop_seconds"] for row in rows)
    busy = [sum(row["thread_seconds"][t] for row in rows) for t in range(threads)]
    taken = sum(row["taken_seconds"] for row in rows)
    own = max(seconds - taken, 1e-9)
    return rows, {
        "seconds": seconds, "taken_seconds": taken, "explained_seconds": explained, "explained_share": explained / own,
        "unexplained_seconds": seconds - taken - explained,
        "ceiling_seconds": sum(row["ceiling_seconds"] for row in rows),
        "ceiling_share": sum(row["ceiling_seconds"] for row in rows) / own,
        "kernel_seconds": sum(row["seconds"] for row in rows if kernel_of(row["operation"])[0] in KERNELS),
        "sampling_seconds": sum(row["seconds"] for row in rows if row["operation"] == "draw"),
        "in_loops_share": loops / seconds, "thread_seconds": busy,
        "imbalance": 1 - sum(busy) / (threads * loops) if loops > 0 else None,
        "one_thread_seconds": seconds - loops,
    }
