"""The same job in other programs: how many times as long they take, and as much memory."""
import html

from perf import peers
from perf.harness import style

LOOKS = {"rhm": style.BLUE, "rhm --distinct off": style.SKY}
PANELS = (("time_ratio", "value", "time", style.seconds), ("memory_ratio", "peak_rss_bytes", "memory", lambda b: f"{style.number(b / 2**20)} MiB"))


def is_part(row):
    """Of a job, which rhm and PyTorch did, and no other program."""
    return "ratio" in row


def jobs(document):
    """{job: rows of programs, fastest first}; parts of a job and invalid rows left out."""
    found = {}
    for row in document["rows"]:
        if row.get("program") and not is_part(row) and row.get("valid", True):
            found.setdefault(row["job"], []).append(row)
    return {job: sorted(rows, key=lambda row: row["value"]) for job, rows in found.items() if len(rows) > 1}


def draw_panel(axes, rows, ratio_key, key, what, form, titled):
    base = next(row for row in rows if row["program"] == "rhm")
    for i, row in enumerate(rows):
        ratio = row.get(ratio_key) or {"median": 1.0, "least": 1.0, "largest": 1.0}
        colour = LOOKS.get(row["program"], style.VERMILION)
        axes.plot([1, ratio["median"]], [i, i], color=style.FAINT, linewidth=2, zorder=1)
        axes.plot([ratio["least"], ratio["largest"]], [i, i], color=colour, linewidth=1.6)
        axes.plot(ratio["median"], i, "o", color=colour, markersize=6.5)
        text = form(row[key]) if row is base else f"{form(row[key])}, {style.number(ratio['median'], 2)}×"
        axes.annotate(text, (max(ratio["largest"], ratio["median"]), i), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8)
    axes.axvline(1, color=style.MUTED, linewidth=1)
    axes.set_xscale("log")
    style.plain_log(axes.xaxis)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.8), max(high, 3) * (max(high, 3) / min(low, 0.8)) ** 0.55)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.set_title(titled)
    axes.set_xlabel(f"{what} / {what} of rhm")


def draw(documents):
    document = documents.get("peers")
    found = jobs(document) if document else {}
    found = {job: rows for job, rows in found.items() if any(row["program"] == "rhm" for row in rows)}
    if not found:
        return None
    ratios = [len(rows) + 1.6 for rows in found.values()]
    picture, grid = style.figure(0.4 + 0.33 * sum(ratios), columns=2, rows=len(found), gridspec_kw={"height_ratios": ratios}, sharey="row")
    for line, (job, rows) in zip(grid, found.items()):
        for axes, (ratio_key, key, what, form) in zip(line, PANELS):
            draw_panel(axes, rows, ratio_key, key, what, form, f"Job “{job}”: {what}")
        line[0].set_yticks(range(len(rows)), [row["program"] for row in rows])
    return picture


def markdown(document):
    """The table for docs/measuring.md: times and memory as multiples of rhm's."""
    lines = ["| job | program | time | × rhm | memory | × rhm | accuracy |", "|---|---|--:|--:|--:|--:|--:|"]
    for job, rows in jobs(document).items():
        for row in rows:
            ratio = lambda key: style.number(row[key]["median"], 2) if key in row else "1"
            lines.append(f"| {job} | {row['program']} | {style.seconds(row['value'])} | {ratio('time_ratio')} | {row['peak_rss_bytes'] / 2**20:.0f} MiB "
                         f"| {ratio('memory_ratio')} | {row['accuracy']:.4f} |")
    return "\n".join(lines)


def table(document):
    """HTML: every program with what it took, and what the gains are made of."""
    from perf.harness import page

    rows = []
    for row in document["rows"]:
        if not row.get("program") or is_part(row):
            continue
        ratio = lambda key: f"{style.number(row[key]['median'], 2)}" if key in row else "1"
        name = html.escape(row["name"]) + (f'<br><span class="small">{html.escape(row["way"])}</span>' if row.get("way") else "")
        if row.get("valid") is False:
            name += f'<br><span class="small">invalid: {html.escape(row["reason"])}</span>'
        rows.append([name, style.seconds(row["value"]), ratio("time_ratio"), f"{row['peak_rss_bytes'] / 2**20:.0f}", ratio("memory_ratio"),
                     style.seconds(row["startup_seconds"]), f"{row['accuracy']:.4f}"])
    text = page.table(["program", "time", "x rhm", "MiB", "x rhm", "start-up", "accuracy"], rows, (1, 2, 3, 4, 5, 6))
    return text + "".join(f"<p>{html.escape(sentence)}.</p>" for sentence in peers.sentences(document))
