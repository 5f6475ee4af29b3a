"""A result as people read it: on a terminal, and as Markdown."""
import math

from perf.harness import statistics

VERDICTS = {"regressed": "slower", "improved": "faster", "equivalent": "=", "inconclusive": "~", "invalid": "invalid",
            "unmeasured": "not measured"}


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


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


def median(row, arm="head"):
    return row.get("median", {}).get(arm)


def median_text(row, arm):
    value = median(row, arm)
    if not value or row["kind"] == "control":
        return "-"
    return f"{100 / value:.1f} %" if row["kind"] == "efficiency" else seconds_text(value)


def _arm_text(arm):
    if "commit" not in arm:
        return arm["name"]
    return (f"{arm['name']} " if arm["name"] != arm["commit"] else "") + f"({arm['commit'][:12]}" + \
        (", uncommitted changes" if arm["dirty"] else "") + (f", {' '.join(arm['cmake'])}" if arm["cmake"] else "") + ")"


def arms_text(document):
    return f"{_arm_text(document['arms']['head'])} against {_arm_text(document['arms']['base'])}"


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
    if document["plan"].get("exact_only"):
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
        change = "same code" if row.get("same_code") else ratio_text(row)
        rows.append([row["name"] + (" (control)" if row["kind"] == "control" else ""), *(median_text(row, arm) for arm in ("base", "head")),
                     change, threshold, verdict])
    return rows


def _facts_lines(document):
    for fact in document["facts"]["differ"]:
        mark = "BLOCKS" if fact["blocks"] else "accepted" if fact["accepted"] else "told"
        yield mark, fact["name"], fact["says"]


def _effort_lines(document):
    """What else went on while the rows were measured, in one line."""
    efforts = [effort for row in document["rows"] for effort in row.get("effort", {}).values() if isinstance(effort, dict)]
    shares = [effort["system_share"] for effort in efforts if is_number(effort.get("system_share"))]
    hertz = [effort["effective_hertz"] for effort in efforts if is_number(effort.get("effective_hertz"))]
    switches = sum(effort["involuntary_switches"] for effort in efforts if is_number(effort.get("involuntary_switches")))
    parts = [f"the kernel took {100 * max(shares):.1f} % of the worst row's processor time"] if shares else []
    parts += [f"a processor was taken away {switches:,} times"] if efforts else []
    parts += [f"processors ran at {min(hertz) / 1e9:.2f} to {max(hertz) / 1e9:.2f} GHz"] if hertz else []
    return [", ".join(parts) + "."] if parts else []


def _footer(document):
    took, plan = document["took"], document["plan"]
    counts = took.get("blocks", 0)
    told = " to ".join(map(str, sorted(set(counts)))) if isinstance(counts, list) else counts
    lines = [f"{told} blocks of a row, seed {plan['seed']}; building {took['build_seconds']:.0f} s, "
             f"measuring {took.get('seconds', took.get('first_seconds', 0)):.0f} s, in all {took['total_seconds']:.0f} s"]
    base, head = (document["arms"][arm].get("flags") for arm in ("base", "head"))
    if base or head:
        lines.append(f"flags: {head}" if base == head else f"flags of base: {base}; of head: {head}")
    if document["arms"].get("identical_programs"):
        lines.append("The programs of both sides are identical, byte for byte.")
    spreads = [row["judgement"]["layout"] for row in document["rows"] if row["judgement"].get("layout") is not None and row["kind"] != "control"]
    if spreads:
        lines.append(f"Each side was linked in {document['plan'].get('layouts', 1)} orders of its objects, which alone moves times by up to "
                     f"{100 * max(spreads):.1f} %.")
    lines += _effort_lines(document)
    for name, reason in document["facts"]["unavailable"].items():
        lines.append(f"unavailable: {name}: {reason}")
    return [line for line in [power_text(document), *lines] if line]


def columns(cells, left):
    """Rows of text below each other; columns with an index in `left` begin together, the others end together."""
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  ".join(cell.ljust(width) if i in left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in cells]


def text(document):
    """A comparison for a terminal."""
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


def escape(cell):
    return cell.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def markdown_compare(document):
    cells = _cells(document)
    lines = [f"## Performance: {document['verdict']}", "", f"{escape(headline(document))}. {escape(arms_text(document))}.", ""]
    facts = list(_facts_lines(document))
    if facts:
        lines += ["| exact fact | what differs | |", "|---|---|---|"]
        lines += [f"| {escape(name)} | {escape(says)} | {mark} |" for mark, name, says in facts] + [""]
    if len(cells) > 1:
        lines += ["| " + " | ".join(cells[0]) + " |", "|---|--:|--:|--:|--:|---|"]
        lines += ["| " + " | ".join(map(escape, row)) + " |" for row in cells[1:]] + [""]
    for row in document["rows"]:
        if row.get("moved"):
            lines += [f"**{row['name']}** is {row['judgement']['verdict']}; `{row['reproduce']}`", ""]
            lines += [f"- {escape(sentence)}" for sentence in row["moved"]] + [""]
    return "\n".join([*lines, *_footer(document)]) + "\n"


def markdown(document):
    if document["kind"] == "compare":
        return markdown_compare(document)
    lines = [f"## {document['kind']}", "", "| row | value | unit | |", "|---|--:|---|---|"]
    for row in document["rows"]:
        value = row.get("value")
        note = row.get("reason", "") if row.get("valid") is False else ""
        lines.append(f"| {escape(row['name'])} | {value:.4g} | {escape(row['unit'])} | {escape(note)} |" if is_number(value)
                     else f"| {escape(row['name'])} | - | {escape(row['unit'])} | {escape(note)} |")
    return "\n".join(lines) + "\n"
