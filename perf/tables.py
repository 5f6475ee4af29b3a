"""Tables to read of what the benchmark programs measured: a row each, its rates with one thread and with most."""
from perf.harness.text import columns


class Rates:
    """The best of each row over repetitions: {name split at "/": {threads: values}}."""

    def __init__(self, rows, key, scale=1.0, least=False):
        self.slots, self.key, self.scale = {}, key, scale
        for row in rows:
            slot = self.slots.setdefault(tuple(row.name.split("/")), {})
            other = slot.get(row.threads)
            if other is None or (row.values[key] < other[key] if least else row.values[key] > other[key]):
                slot[row.threads] = row.values
        self.most = max(threads for slot in self.slots.values() for threads in slot)

    def value(self, parts, threads=1, key=None):
        values = self.slots.get(tuple(parts), {}).get(threads, {})
        return values.get(key, 0.0) if key else values.get(self.key, 0.0) / self.scale

    def last(self, parts):
        """Values with most threads."""
        slot = self.slots[parts]
        return slot[max(slot)]

    def pair(self, parts, form):
        """With one thread, with most, and their ratio, as text."""
        one, most = self.value(parts), self.value(parts, self.most)
        return [number(one, form), number(most, form), ratio(most, one)]


def number(value, form="{:.1f}"):
    return form.format(value) if value else "-"


def ratio(a, b, form="{:.2f}"):
    return form.format(a / b) if a and b else "-"


def ceilings(rows):
    rates, counts = {}, sorted({row.threads for row in rows})
    for row in rows:
        unit = "GFLOP/s" if "best_flops_per_second" in row.values else "GB/s"
        rate = row.values.get("best_flops_per_second", row.values.get("best_bytes_per_second", 0)) / 1e9
        slot = rates.setdefault((row.name.partition("/")[2], unit), {})
        slot[row.threads] = max(rate, slot.get(row.threads, 0))
    return (["ceiling", "unit", *(f"t={t}" for t in counts)],
            [[name, unit, *(number(slot.get(t)) for t in counts)] for (name, unit), slot in rates.items()], "Ceilings", "")


def kernels(rows):
    rates = Rates(rows, "best_flops_per_second", 1e9)
    most, lines = rates.most, []
    wide = any(isa != "scalar" for _, _, isa, _ in rates.slots)
    for operation, shape, isa, backend in rates.slots:
        if backend != "native" or (wide and isa == "scalar"):
            continue
        own, peer, scalar = ((operation, shape, which, how) for which, how in ((isa, "native"), (isa, "onednn"), ("scalar", "native")))
        one, many = rates.value(own), rates.value(own, most)
        lines.append([operation, shape, isa, number(one), number(rates.value(own, 1, "share"), "{:.1%}"), number(many),
                      number(rates.value(own, most, "share"), "{:.1%}"), ratio(many, one), number(rates.value(peer)), number(rates.value(peer, most)),
                      ratio(one, rates.value(peer)), ratio(many, rates.value(peer, most)), ratio(one, rates.value(scalar), "{:.1f}") if isa != "scalar" else ""])
    lines.sort(key=lambda line: line[2] != "avx512")
    return (["operation", "shape", "isa", "GFLOP/s", "share", f"t={most}", "share", "scaling", "oneDNN", f"t={most}", "vs oneDNN", f"t={most}",
             "vs scalar"], lines, "Operations of a level",
            "Products only are counted; share is of the multiply-adds of the same instruction set and threads, measured in\n"
            "alternation; oneDNN and t are GFLOP/s; 'vs oneDNN' is native / oneDNN.")


def solvers(rows):
    rates, lines = Rates(rows, "best_seconds", 1e-3, least=True), []
    for parts in rates.slots:
        last, one = rates.last(parts), rates.value(parts)
        lines.append([*parts, *rates.pair(parts, "{:.1f}")[:2], number(last.get("share"), "{:.1%}"),
                      ratio(rates.value((*parts[:2], "passes")), one), number(last.get("steps"), "{:.0f}"), last.get("label", "")])
    return ["work", "shape", "way", "ms", f"t={rates.most}", "share", "vs passes", "steps", "rule"], lines, "The regression of a level", ""


def sampling(rows):
    rates = Rates(rows, "best_items_per_second", 1e6)
    lines = [[*parts, rates.last(parts)["label"], *rates.pair(parts, "{:.1f}"),
              ratio(rates.value(parts), rates.value((*parts[:2], "scalar")), "{:.1f}") if parts[2] != "scalar" else ""] for parts in rates.slots]
    return ["drawing", "instance", "isa", "of", "million/s", f"t={rates.most}", "scaling", "vs scalar"], lines, "Sampling", ""


def patches(rows):
    rates = Rates(rows, "best_items_per_second", 1e6)
    lines = [[*parts, last["label"], *rates.pair(parts, "{:.2f}"), f"{last['samples']:.3g}", f"{last['distinct_patches']:.0f}"]
             for parts in rates.slots for last in [rates.last(parts)]]
    return ["collecting", "instance", "of", "million/s", f"t={rates.most}", "scaling", "samples", "distinct"], lines, "First patches", ""


def inference(rows):
    rates = Rates(rows, "best_items_per_second", 1e3)
    lines = [[*parts, *rates.pair(parts, "{:.1f}"), f"{last['best_flops_per_second'] / 1e9:.1f}", f"{last['share']:.1%}"]
             for parts in rates.slots for last in [rates.last(parts)]]
    return ["inference", "model", "thousand/s", f"t={rates.most}", "scaling", "GFLOP/s", "share"], lines, "Sequences through a model", ""


def jobs(rows):
    rates, lines = Rates(rows, "best_seconds", least=True), []
    for parts in rates.slots:
        last, (one, most, _) = rates.last(parts), rates.pair(parts, "{:.3f}")
        lines.append([*parts, one, most, ratio(rates.value(parts), rates.value(parts, rates.most)),
                      *(number(last.get(key), "{:.3f}") for key in ("seconds_sampling", "seconds_kernels", "seconds_test", "accuracy")),
                      number(last.get("share"), "{:.1%}")])
    return ["job", "name", "seconds", f"t={rates.most}", "scaling", "sampling", "kernels", "test", "accuracy", "share"], lines, "Whole jobs and start-up", ""


TABLES = {"bench_ceilings": ceilings, "bench_kernels": kernels, "bench_sampling": sampling, "bench_patches": patches, "bench_solvers": solvers,
          "bench_inference": inference, "bench_job": jobs}


def text(program, rows):
    """The table of a program's measured rows; "" for a program that has none, or no rows."""
    if not rows or program not in TABLES:
        return ""
    header, lines, title, note = TABLES[program](rows)
    words = [i for i in range(len(header)) if not any(line[i][:1].isdigit() or line[i] == "-" for line in lines)]
    return "\n\n".join(filter(None, [title, "\n".join(columns([header, *lines], words)), note]))
