"""A comparison, row by row: how much longer head takes, with its interval, against the threshold of the row."""
import math

from perf.harness import style

LOOKS = {"regressed": (style.VERMILION, ">", "slower"), "improved": (style.GREEN, "<", "faster"), "equivalent": (style.BLUE, "o", "equal"),
         "inconclusive": (style.MUTED, "D", "not resolved"), "invalid": (style.MUTED, "X", "invalid"),
         "unmeasured": (style.MUTED, "X", "not measured")}
FARTHEST = math.log(3)  # a wider interval is cut


def percent(ratio):
    return f"{100 * (ratio - 1):+.1f} %"


def draw(documents):
    document = documents.get("compare")
    if not document:
        return None
    rows = [row for row in document["rows"] if row.get("judgement", {}).get("ratio") is not None]
    if not rows:
        return None
    rows.sort(key=lambda row: (row["kind"] == "control", -row["judgement"]["ratio"]))
    picture, grid = style.figure(1.35 + 0.26 * len(rows))
    axes = grid[0][0]
    log = lambda ratio: max(-FARTHEST, min(FARTHEST, math.log(ratio)))
    for i, row in enumerate(rows):
        judged = row["judgement"]
        colour, marker, word = LOOKS[judged["verdict"]]
        control = row["kind"] == "control"
        if judged.get("threshold") is not None:
            edge = log(1 + judged["threshold"])
            axes.barh(i, 2 * edge, left=-edge, height=0.8, color="#eef1f4", zorder=0)
        if judged.get("interval"):
            axes.plot([log(end) for end in judged["interval"]], [i, i], color=colour, linewidth=1.6)
        axes.plot(log(judged["ratio"]), i, marker=marker, color=colour, markersize=6, markerfacecolor=style.PAPER if control else colour)
        if control:
            word = "still" if judged["verdict"] == "equivalent" else word
        axes.annotate(percent(judged["ratio"]), (1, i), xycoords=("axes fraction", "data"), xytext=(46, 0), textcoords="offset points", va="center",
                      ha="right", fontsize=8, color=colour)
        axes.annotate(word, (1, i), xycoords=("axes fraction", "data"), xytext=(56, 0), textcoords="offset points", va="center", fontsize=8, color=colour)
    axes.axvline(0, color=style.MUTED, linewidth=1)
    axes.set_yticks(range(len(rows)), [row["name"] + (" (control)" if row["kind"] == "control" else "") for row in rows], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    reach = max(abs(end) for end in axes.get_xlim())
    reach = max(reach, 0.06)
    axes.set_xlim(-reach, reach)
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if reach / step <= 5)
    ratios = [1 + step * k for k in range(-9, 20) if 1 + step * k > 0 and abs(math.log(1 + step * k)) <= reach]
    axes.set_xticks([math.log(ratio) for ratio in ratios], [f"{100 * (ratio - 1):+.0f} %" if ratio != 1 else "0" for ratio in ratios])
    axes.set_xlabel("faster  ←  time of head against base  →  slower      (grey: the threshold of the row)")
    axes.grid(axis="x")
    base, head = (document["arms"][arm] for arm in ("base", "head"))
    axes.set_title(f"{head['name'][:24]} against {base['name'][:24]}: {document['verdict']}")
    return picture
