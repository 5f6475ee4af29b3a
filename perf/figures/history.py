"""Rows over commits, oldest left: one small picture per row, so that each has its own scale; a colour per series, broken lines at changes
of level."""
from perf.harness import style

MOST = 12  # pictures
COLUMNS = 3
LABELS = 16  # of commits


def draw(documents):
    document = documents.get("history")
    if not document:
        return None
    series = [row for row in document["rows"] if len(row["points"]) > 1]
    if not series:
        return None
    # Ceilings are the machine's: they come last, to show whether it stayed the same.
    # Rows whose level changed come first.
    series = sorted(series, key=lambda row: (not row.get("changes"), "ceiling" in row["name"], "job" not in row["name"], -len(row["points"])))[:MOST]
    rows = -(-len(series) // COLUMNS)
    columns = min(COLUMNS, len(series))
    picture, grid = style.figure(0.5 + 1.75 * rows, columns=columns, rows=rows, sharex=True)
    commits = document["commits"]
    for i, row in enumerate(series):
        axes = grid[i // columns][i % columns]
        y = [point["value"] for point in row["points"]]
        for number in dict.fromkeys(point.get("series", 0) for point in row["points"]):
            colour = style.SERIES[number % len(style.SERIES)]
            points = [point for point in row["points"] if point.get("series", 0) == number]
            x = [commits.index(point["commit"]) for point in points]
            for point, at in zip(points, x):
                if point.get("low") is not None:
                    axes.plot([at, at], [point["low"], point["high"]], color=colour, linewidth=1, alpha=0.6)
            axes.plot(x, [point["value"] for point in points], color=colour, marker=style.MARKERS[number % len(style.MARKERS)], markersize=4)
        for change in row.get("changes", []):
            worse = change["verdict"] == "regressed"
            axes.axvline(commits.index(change["commit"]) - 0.5, color=style.VERMILION if worse else style.GREEN, linewidth=1.2, linestyle="--")
            axes.annotate(f"{100 * (change['ratio'] - 1):+.0f} %", (commits.index(change["commit"]) - 0.5, 1), xycoords=("data", "axes fraction"),
                          xytext=(2, -8), textcoords="offset points", fontsize=7.5, color=style.VERMILION if worse else style.GREEN)
        axes.set_title(row["name"].removeprefix("bench: "), fontsize=8, fontweight="normal")
        axes.tick_params(axis="y", labelsize=7.5)
        axes.set_ylim(0, 1.22 * max(max(y), max(point.get("high") or 0 for point in row["points"])))
        axes.annotate(f"{style.number(y[-1])} {row['unit']}", (x[-1], y[-1]), xytext=(0, 6), textcoords="offset points", ha="right", fontsize=8,
                      color=style.BLUE)
        axes.grid(axis="y")
        shown = range(0, len(commits), -(-len(commits) // LABELS))
        axes.set_xticks(shown, [commits[at][:7] for at in shown], rotation=60, fontsize=6.5, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.4, len(commits) - 0.6)
        axes.tick_params(axis="x", labelbottom=i + columns >= len(series))  # nothing below it
    for i in range(len(series), rows * columns):
        grid[i // columns][i % columns].set_axis_off()
    return picture
