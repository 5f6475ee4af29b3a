"""A result in the formats of other tools. The canonical JSON is the source; nothing is measured here.

Google Benchmark's tools/compare.py reads the files of two arms: `compare.py benchmarks base.json head.json`."""
import json
import statistics
import xml.etree.ElementTree as ElementTree

from perf.harness import table
from perf.harness.project import NAME
from perf.harness.session import is_available
from perf.harness.text import is_number, markdown, median, ratio_text

FORMATS = {
    "google-benchmark": "JSON as Google Benchmark writes it, blocks as repetitions, of the arm head",
    "junit": "JUnit XML: a test case for every row and every fact that differs",
    "markdown": "Markdown for a step summary",
    "bigger-is-better": "customBiggerIsBetter JSON of github-action-benchmark: rates",
    "csv": "CSV with a line for every row",
    "csv-samples": "CSV with a line for every value that was measured",
    "openmetrics": "OpenMetrics text, as node_exporter's textfile collector and Prometheus read it",
}
ARMS = ("head", "base", "again")


# ------------------------------------------------------------------------------------------------------------ Google Benchmark

def _cpus(environment):
    """How many the process may use: of "0-3,8" five."""
    ends = [part.partition("-") for part in str(environment.get("allowed", "")).split(",") if part]
    return sum(int(last or first) - int(first) + 1 for first, _, last in ends)


def _caches(machine, cpus):
    listed = (machine.get("topology") or {}).get("caches", []) if is_available(machine) else []
    return [{"type": "Data" if cache["level"] == 1 else "Unified", "level": cache["level"], "size": cache["bytes"],
             "num_sharing": max(1, cpus // max(1, cache["count"]))} for cache in listed]


def _context(document):
    """Of the machine that measured, not of this one. Extras are strings only, in every release of the library."""
    environment = document["environment"]
    source, machine, build = (environment.get(key) or {} for key in ("source", "machine", "build"))
    cpus, load = _cpus(environment), environment.get("counters", {}).get("before", {}).get("load_average")
    governor = environment.get("system", {}).get("governor")
    hertz = [effort["effective_hertz"] for row in document["rows"] for effort in efforts_of(row).values()
             if is_number(effort.get("effective_hertz"))]
    kind = build.get("type") if is_available(build) else None
    context = {"date": document["started"], "executable": document["command"], "num_cpus": cpus,
               "mhz_per_cpu": round(statistics.median(hertz) / 1e6) if hertz else 0,
               "cpu_scaling_enabled": isinstance(governor, str) and governor != "performance", "caches": _caches(machine, cpus),
               "load_avg": load if isinstance(load, list) else [], "library_build_type": "debug" if kind == "Debug" else "release"}
    extras = {"cpu": machine.get("cpu") or environment.get("system", {}).get("cpu_model"), f"{NAME}_schema": document["schema"],
              f"{NAME}_kind": document["kind"], "commit": source.get("commit")}
    return {**context, **{key: str(value) for key, value in extras.items() if isinstance(value, str)}}


def efforts_of(row):
    """{arm or "": effort} of a row of any kind."""
    effort = row.get("effort") or {}
    return {"": effort} if "involuntary_switches" in effort else effort


def _repetitions(name, times, family, threads, counters):
    """Runs of a row, and the library's aggregates of them. `times`: (real, cpu) seconds of each."""
    common = {"run_name": name, "family_index": family, "per_family_instance_index": 0, "repetitions": len(times), "threads": threads,
              "time_unit": "ns"}
    runs = []
    for i, (real, cpu) in enumerate(times):
        rates = {f"{key}_per_second": value / real for key, value in counters.items() if real > 0}
        runs.append({"name": name, **common, "run_type": "iteration", "repetition_index": i, "iterations": 1,
                     "real_time": 1e9 * real, "cpu_time": 1e9 * cpu, **counters, **rates})
    if len(times) > 1:
        columns = list(zip(*times))
        for aggregate, function in (("mean", statistics.mean), ("median", statistics.median), ("stddev", statistics.stdev)):
            real, cpu = map(function, columns)
            runs.append({"name": f"{name}_{aggregate}", **common, "run_type": "aggregate", "aggregate_name": aggregate,
                         "aggregate_unit": "time", "iterations": len(times), "real_time": 1e9 * real, "cpu_time": 1e9 * cpu})
    return runs


RATES = {"GFLOP/s": ("flops", 1e9), "GB/s": ("bytes", 1e9)}


def _times(row, arm):
    """(real, cpu) seconds of everything that was measured of a row; processor time where it is not known is the other."""
    if row["unit"] == "s" and row.get("blocks"):
        return [(block.get("wall", block)[arm], block.get("cpu", block)[arm]) for block in row["blocks"]]
    listed = next((row[key] for key in ("values", "rates") if isinstance(row.get(key), list) and row[key]), [row.get("value")])
    if not all(map(is_number, listed)):
        return []
    if row["unit"] == "s":
        return [(each, each) for each in listed]
    work, scale = RATES.get(row["unit"], ("", 1))
    return [(row[work] / each / scale,) * 2 for each in listed if each > 0] if is_number(row.get(work)) else []


def google_benchmark(document, arm="head"):
    runs = []
    for row in document["rows"]:
        counters = {key: value for key, value in row.get("work", {}).items() if key in ("flops", "bytes") and is_number(value)}
        threads = row["threads"] if isinstance(row.get("threads"), int) else 1
        times = _times(row, arm)
        runs += _repetitions(row["name"], times, len(runs), threads, counters) if times else []
    return json.dumps({"context": _context(document), "benchmarks": runs}, indent=2, allow_nan=False) + "\n"


# ----------------------------------------------------------------------------------------------------------------------- JUnit

def _case(suite, group, name, seconds=None):
    attributes = {"classname": group, "name": name}
    if seconds is not None:
        attributes["time"] = f"{seconds:.6f}"
    return ElementTree.SubElement(suite, "testcase", attributes)


def _printable(content):
    """XML 1.0 has no control characters but these."""
    return "".join(c if c in "\t\n\r" or ord(c) >= 32 else "?" for c in str(content))


def junit(document):
    suite = ElementTree.Element("testsuite", {"name": f"perf {document['kind']}", "timestamp": document["started"]})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("command", document["command"]), ("verdict", document.get("verdict"))):
        if value is not None:
            ElementTree.SubElement(properties, "property", {"name": name, "value": _printable(value)})
    for row in document["rows"]:
        judgement = row.get("judgement", {})
        case = _case(suite, f"perf.{row.get('program', document['kind'])}", row["name"], median(row))
        verdict = judgement.get("verdict")
        if verdict == "regressed" and row.get("kind") != "control":
            failure = ElementTree.SubElement(case, "failure", {"type": "regressed", "message": _printable(ratio_text(row))})
            failure.text = _printable("\n".join([judgement["reason"], *row.get("moved", []), row["reproduce"]]))
        elif verdict in ("inconclusive", "invalid", "unmeasured") or row.get("valid") is False:
            reason = judgement.get("reason") or row.get("reason", "")
            ElementTree.SubElement(case, "skipped", {"message": _printable(f"{verdict or 'invalid'}: {reason}")})
    for fact in document.get("facts", {}).get("differ", []):
        case = _case(suite, "perf.facts", fact["name"])
        if fact["blocks"]:
            ElementTree.SubElement(case, "failure", {"type": "fact", "message": _printable(fact["says"])})
    counts = {"tests": "testcase", "failures": "testcase/failure", "skipped": "testcase/skipped"}
    for attribute, path in counts.items():
        suite.set(attribute, str(len(suite.findall(path))))
    suite.set("errors", "0")
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


# ------------------------------------------------------------------------------------------------------- customBiggerIsBetter

def _rate(row):
    """(value, unit) where more is better, or None."""
    seconds = median(row) or (row.get("value") if row["unit"] == "s" else None)
    if row.get("kind") == "efficiency" and is_number(seconds):
        return 1 / seconds, "of perfect scaling"
    if is_number(seconds) and seconds > 0:
        flops = row.get("work", {}).get("flops")
        return (flops / seconds / 1e9, "GFLOP/s") if is_number(flops) and flops > 0 else (1 / seconds, "1/s")
    per_second = row["unit"].endswith(("/s", "per second"))
    return (row["value"], row["unit"]) if per_second and is_number(row.get("value")) else None


def bigger_is_better(document):
    entries = []
    for row in document["rows"]:
        rate = _rate(row)
        if not rate or row.get("valid") is False:
            continue
        entry = {"name": row["name"], "unit": rate[1], "value": rate[0], "extra": row["reproduce"]}
        times = sorted(block["head"] for block in row.get("blocks", []))
        if len(times) > 3:
            low, middle, high = statistics.quantiles(times, method="inclusive")
            spread = (high - low) / 2 / middle
            entry["range"] = f"± {100 * spread:.1f} %"
        entries.append(entry)
    return json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


# ----------------------------------------------------------------------------------------------------------------- OpenMetrics

def _label(text):
    return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _line(name, labels, value):
    pairs = ",".join('%s="%s"' % (key, _label(text)) for key, text in labels.items())
    return f"{name}{{{pairs}}} {float(value)!r}"


def openmetrics(document):
    """Gauges: what a scrape sees is the last result. Rows that must not be used are left out."""
    prefix, kind = f"{NAME}_perf", document["kind"]
    families = {
        "row_seconds": ("seconds", "Median time of a row.", []), "row_value": ("", "Value of a row that is no time, in the unit of its label.", []),
        "row_ratio": ("ratio", "Time of head over that of base, median over blocks.", []),
        "row_verdict": ("", "1 for the verdict on the row.", []), "system_ratio": ("ratio", "Share of processor time that the kernel took.", []),
        "involuntary_switches": ("", "Times that the processor was taken away while the row was measured.", []),
        "effective_hertz": ("hertz", "Cycles a second while the row was measured.", []),
    }
    add = lambda family, labels, value: families[family][2].append(_line(f"{prefix}_{family}", labels, value)) if is_number(value) else None
    for row in document["rows"]:
        if row.get("valid") is False:
            continue
        labels = {"kind": kind, "row": row["name"]}
        if row.get("judgement"):
            for arm, value in row.get("median", {}).items():
                add("row_seconds" if row["unit"] == "s" else "row_value", {**labels, "arm": arm, **({} if row["unit"] == "s" else {"unit": row["unit"]})}, value)
            add("row_ratio", labels, row["judgement"].get("ratio"))
            add("row_verdict", {**labels, "verdict": row["judgement"]["verdict"]}, 1)
        elif row["unit"] == "s":
            add("row_seconds", labels, row.get("value"))
        else:
            add("row_value", {**labels, "unit": row["unit"]}, row.get("value"))
        for arm, effort in efforts_of(row).items():
            with_arm = {**labels, **({"arm": arm} if arm else {})}
            add("system_ratio", with_arm, effort.get("system_share"))
            add("involuntary_switches", with_arm, effort.get("involuntary_switches"))
            add("effective_hertz", with_arm, effort.get("effective_hertz"))
    lines = []
    for family, (unit, help_text, values) in families.items():
        if values:
            lines += [f"# TYPE {prefix}_{family} gauge", *([f"# UNIT {prefix}_{family} {unit}"] if unit else []),
                      f"# HELP {prefix}_{family} {help_text}", *values]
    if "exit_status" in document:
        lines += [f"# TYPE {prefix}_exit_status gauge", f"# HELP {prefix}_exit_status Of the comparison.",
                  _line(f"{prefix}_exit_status", {"kind": kind}, document["exit_status"])]
    return "\n".join([*lines, "# EOF"]) + "\n"


def render(document, form, arm="head"):
    if form == "google-benchmark":
        return google_benchmark(document, arm)
    return {"junit": junit, "markdown": markdown, "bigger-is-better": bigger_is_better, "csv": table.rows, "csv-samples": table.samples,
            "openmetrics": openmetrics}[form](document)
