"""A result as text and in the formats of other tools. The canonical JSON is the source; nothing is measured here.

Google Benchmark's tools/compare.py reads the files of two arms: `compare.py benchmarks base.json head.json`."""
import json
import math
import xml.etree.ElementTree as ElementTree

from perf.harness import statistics
from perf.harness.project import NAME

FORMATS = {
    "google-benchmark": "JSON as Google Benchmark writes it, blocks as repetitions, of the arm head",
    "junit": "JUnit XML: a test case for every row and every fact that differs",
    "markdown": "Markdown for a step summary",
    "bigger-is-better": "customBiggerIsBetter JSON of github-action-benchmark: rates",
}
ARMS = ("head", "base", "again")
VERDICTS = {"regressed": "slower", "improved": "faster", "equivalent": "=", "inconclusive": "~", "invalid": "invalid",
            "unmeasured": "not measured"}


# ---------------------------------------------------------------------------------------------------------------------- text

def ratio_text(row):
    """"+9.8 % (+8.9 % to +10.4 %)" of a row of a comparison: how much longer head takes."""
    judgement = row["judgement"]
    if judgement.get("ratio") is None:
        return "-"
    text = statistics.percent(math.log(judgement["ratio"]))
    if judgement.get("interval"):
        low, high = (statistics.percent(math.log(end)) for end in judgement["interval"])
        text += f" ({low} to {high})"
    return text


def seconds_text(seconds):
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _median(row, arm="head"):
    return row.get("median", {}).get(arm)


def arms_text(document):
    base, head = document["arms"]["base"], document["arms"]["head"]
    name = lambda arm: (f"{arm['name']} " if arm["name"] != arm["commit"] else "") + f"({arm['commit'][:12]}" + \
        (", uncommitted changes" if arm["dirty"] else "") + (f", {' '.join(arm['cmake'])}" if arm["cmake"] else "") + ")"
    return f"{name(head)} against {name(base)}"


def headline(document):
    """One sentence for people who read no further."""
    subjects = [row for row in document["rows"] if row["kind"] != "control"]
    by_verdict = {}
    for row in subjects:
        by_verdict.setdefault(row["judgement"]["verdict"], []).append(row)
    parts = []
    blocking = [fact["name"] for fact in document["facts"]["differ"] if fact["blocks"]]
    if blocking:
        parts.append(f"{len(blocking)} exact fact{'s' * (len(blocking) > 1)} differ{'s' * (len(blocking) == 1)}")
    for verdict in VERDICTS:
        if by_verdict.get(verdict):
            parts.append(f"{len(by_verdict[verdict])} {verdict}")
    if document["plan"]["exact_only"]:
        parts.append("nothing was timed")
    return f"{document['verdict']}: " + ", ".join(parts or ["no rows"])


def power_text(document):
    seen = [row["judgement"]["resolvable"] for row in document["rows"] if row["judgement"].get("resolvable") is not None
            and row["kind"] != "control"]
    if not seen:
        return ""
    worst = f"{100 * max(seen):.1f} %" if max(seen) < 1 else "more than 100 %"
    return (f"With this noise a slow-down of {100 * min(seen):.1f} % (best row) to {worst} (worst row) would have been seen; changes "
            f"below {100 * document['plan']['practical']:.1f} % are not looked for.")


def _cells(document):
    rows = [["row", "base", "head", "change", "threshold", "verdict"]]
    for row in document["rows"]:
        judgement = row["judgement"]
        verdict = VERDICTS[judgement["verdict"]]
        if row["kind"] == "control":
            verdict = {"=": "still", "~": "~"}.get(verdict, "moved" if verdict in ("slower", "faster") else verdict)
        threshold = f"{100 * judgement['threshold']:.1f} %" if judgement.get("threshold") is not None else "-"
        rows.append([row["name"] + (" (control)" if row["kind"] == "control" else ""),
                     *(seconds_text(_median(row, arm)) if _median(row, arm) and row["kind"] != "control" else "-"
                       for arm in ("base", "head")),
                     ratio_text(row), threshold, verdict])
    return rows


def _facts_lines(document):
    for fact in document["facts"]["differ"]:
        mark = "BLOCKS" if fact["blocks"] else "accepted" if fact["accepted"] else "told"
        yield mark, fact["name"], fact["says"]


def _footer(document):
    took, plan = document["took"], document["plan"]
    lines = [f"{took.get('blocks', 0)} blocks, seed {plan['seed']}; building {took['build_seconds']:.0f} s, "
             f"measuring {took.get('seconds', took.get('first_seconds', 0)):.0f} s, in all {took['total_seconds']:.0f} s"]
    base, head = (document["arms"][arm].get("flags") for arm in ("base", "head"))
    if base or head:
        lines.append(f"flags: {head}" if base == head else f"flags of base: {base}; of head: {head}")
    if document["arms"].get("identical_programs"):
        lines.append("The programs of both sides are identical, byte for byte.")
    for name, reason in document["facts"]["unavailable"].items():
        lines.append(f"unavailable: {name}: {reason}")
    return [line for line in [power_text(document), *lines] if line]


def columns(cells, left):
    """Rows of text below each other; columns with an index in `left` begin together, the others end together."""
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  ".join(cell.ljust(width) if i in left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in cells]


def text(document):
    """For a terminal."""
    cells = _cells(document)
    lines = [arms_text(document), ""]
    if len(cells) > 1:
        lines += [*columns(cells, (0, 5)), ""]
    for row in document["rows"]:
        if row["judgement"]["verdict"] not in ("equivalent",) and row["kind"] != "control":
            lines.append(f"{row['name']}: {row['judgement']['verdict']}: {row['judgement']['reason']}")
        lines += [f"    {sentence}" for sentence in row.get("moved", [])]
    facts = list(_facts_lines(document))
    lines.append(f"{document['facts']['compared']} exact facts compared, {len(facts)} differ")
    lines += [f"    {mark}: {name}: {says}" for mark, name, says in facts]
    return "\n".join([*lines, *_footer(document), "", headline(document)])


def _escape(cell):
    return cell.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def markdown_compare(document):
    cells = _cells(document)
    lines = [f"## Performance: {document['verdict']}", "", f"{_escape(headline(document))}. {_escape(arms_text(document))}.", ""]
    facts = list(_facts_lines(document))
    if facts:
        lines += ["| exact fact | what differs | |", "|---|---|---|"]
        lines += [f"| {_escape(name)} | {_escape(says)} | {mark} |" for mark, name, says in facts] + [""]
    if len(cells) > 1:
        lines += ["| " + " | ".join(cells[0]) + " |", "|---|--:|--:|--:|--:|---|"]
        lines += ["| " + " | ".join(map(_escape, row)) + " |" for row in cells[1:]] + [""]
    for row in document["rows"]:
        if row.get("moved"):
            lines += [f"**{row['name']}** is {row['judgement']['verdict']}; `{row['reproduce']}`", ""]
            lines += [f"- {_escape(sentence)}" for sentence in row["moved"]] + [""]
    return "\n".join([*lines, *_footer(document)]) + "\n"


def markdown(document):
    if document["kind"] == "compare":
        return markdown_compare(document)
    lines = [f"## {document['kind']}", "", "| row | value | unit | |", "|---|--:|---|---|"]
    for row in document["rows"]:
        value = row.get("value")
        note = row.get("reason", "") if row.get("valid") is False else ""
        lines.append(f"| {_escape(row['name'])} | {value:.4g} | {_escape(row['unit'])} | {_escape(note)} |" if _number(value)
                     else f"| {_escape(row['name'])} | - | {_escape(row['unit'])} | {_escape(note)} |")
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------------------------ Google Benchmark

def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _context(document):
    """Extras are strings only, in every release of the library."""
    source = document["environment"].get("source", {})
    machine = document["environment"].get("machine", {})
    context = {"date": document["started"], "executable": document["command"], "num_cpus": 0, "mhz_per_cpu": 0,
               "cpu_scaling_enabled": False, "caches": [], "load_avg": [], "library_build_type": "release"}
    extras = {"cpu": machine.get("cpu"), f"{NAME}_schema": document["schema"], f"{NAME}_kind": document["kind"], "commit": source.get("commit")}
    return {**context, **{key: str(value) for key, value in extras.items() if value is not None}}


def _repetitions(name, seconds, family, counters):
    """Runs of a row, and the library's aggregates of them."""
    common = {"run_name": name, "family_index": family, "per_family_instance_index": 0, "repetitions": len(seconds), "threads": 1,
              "time_unit": "ns"}
    runs = []
    for i, each in enumerate(seconds):
        rates = {f"{key}_per_second": value / each for key, value in counters.items() if each > 0}
        runs.append({"name": name, **common, "run_type": "iteration", "repetition_index": i, "iterations": 1,
                     "real_time": 1e9 * each, "cpu_time": 1e9 * each, **counters, **rates})
    if len(seconds) > 1:
        mean = sum(seconds) / len(seconds)
        deviation = math.sqrt(sum((each - mean) ** 2 for each in seconds) / (len(seconds) - 1))
        for aggregate, value in (("mean", mean), ("median", statistics.median(seconds)), ("stddev", deviation)):
            runs.append({"name": f"{name}_{aggregate}", **common, "run_type": "aggregate", "aggregate_name": aggregate,
                         "aggregate_unit": "time", "iterations": len(seconds), "real_time": 1e9 * value, "cpu_time": 1e9 * value})
    return runs


def google_benchmark(document, arm="head"):
    runs = []
    for row in document["rows"]:
        if row.get("blocks"):
            seconds = [block[arm] for block in row["blocks"]]
        elif isinstance(row.get("values"), list) and row["unit"] == "s" and all(map(_number, row["values"])) and row["values"]:
            seconds = row["values"]
        elif row["unit"] == "s" and _number(row.get("value")):
            seconds = [row["value"]]
        else:
            continue
        counters = {key: value for key, value in row.get("work", {}).items() if key in ("flops", "bytes") and _number(value)}
        runs += _repetitions(row["name"], seconds, len(runs), counters)
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
        case = _case(suite, f"perf.{row.get('program', document['kind'])}", row["name"], _median(row))
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
    seconds = _median(row) or (row.get("value") if row["unit"] == "s" else None)
    if _number(seconds) and seconds > 0:
        flops = row.get("work", {}).get("flops")
        return (flops / seconds / 1e9, "GFLOP/s") if _number(flops) and flops > 0 else (1 / seconds, "1/s")
    per_second = row["unit"].endswith(("/s", "per second"))
    return (row["value"], row["unit"]) if per_second and _number(row.get("value")) else None


def bigger_is_better(document):
    entries = []
    for row in document["rows"]:
        rate = _rate(row)
        if not rate or row.get("valid") is False:
            continue
        entry = {"name": row["name"], "unit": rate[1], "value": rate[0], "extra": row["reproduce"]}
        times = sorted(block["head"] for block in row.get("blocks", []))
        if len(times) > 3:
            spread = (statistics.quantile(times, 0.75) - statistics.quantile(times, 0.25)) / 2 / statistics.median(times)
            entry["range"] = f"± {100 * spread:.1f} %"
        entries.append(entry)
    return json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render(document, form, arm="head"):
    if form == "google-benchmark":
        return google_benchmark(document, arm)
    return {"junit": junit, "markdown": markdown, "bigger-is-better": bigger_is_better}[form](document)
