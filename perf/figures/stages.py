"""Where the time of the whole job goes, operation by operation, against what the model says it should take."""
from perf.harness import style

KINDS = ((("draw",), "drawing and counting samples", style.GREEN),
         (("forward", "features", "pass", "target", "gram", "gram product", "combine"), "kernels", style.BLUE),
         ((), "everything else", style.MUTED))
LEAST = 0.02  # of the job; what is smaller goes into one bar


def kind_of(operation):
    name = operation.partition(" (")[0]  # behind it stands where its features come from
    return next((text, colour) for names, text, colour in KINDS if name in names or not names)


def operations(document):
    """Rows of operations, largest first, and one for all small ones."""
    rows = [row for row in document["rows"] if "operation" in row and row.get("seconds")]
    total = document["summary"]["seconds"]
    large = [row for row in rows if row["seconds"] >= LEAST * total]
    small = [row for row in rows if row["seconds"] < LEAST * total]
    if small:
        known = [row["model_seconds"] for row in small if row.get("model_seconds") is not None]
        large.append({"operation": f"{len(small)} smaller ones", "level": 0, "seconds": sum(row["seconds"] for row in small),
                      "model_seconds": sum(known) if known else None, "ceiling_seconds": sum(row.get("ceiling_seconds") or 0 for row in small)})
    return large


def draw(documents):
    document = documents.get("profile")
    if not document or "summary" not in document:
        return None
    rows = operations(document)
    if not rows:
        return None
    summary = document["summary"]
    picture, grid = style.figure(1.4 + 0.28 * len(rows))
    axes = grid[0][0]
    most = max(max(row["seconds"], row.get("model_seconds") or 0) for row in rows)
    for i, row in enumerate(rows):
        _, colour = kind_of(row["operation"])
        axes.barh(i, row["seconds"], height=0.62, color=colour, alpha=0.85)
        if row.get("model_seconds") is not None:
            axes.plot([row["model_seconds"]] * 2, [i - 0.42, i + 0.42], color=style.INK, linewidth=2, solid_capstyle="butt")
        if row.get("ceiling_seconds"):
            axes.plot([row["ceiling_seconds"]] * 2, [i - 0.42, i + 0.42], color=style.VERMILION, linewidth=2, solid_capstyle="butt")
        text = f"{style.seconds(row['seconds'])}  {row['seconds'] / summary['seconds']:.0%}"
        if row.get("flops_per_second"):
            text += f"  {style.number(row['flops_per_second'] / 1e9)} GFLOP/s"
            if row.get("share_of_peak"):
                text += f", {row['share_of_peak']:.0%} of peak"
        axes.annotate(text, (max(row["seconds"], row.get("model_seconds") or 0), i), xytext=(7, 0), textcoords="offset points", va="center", fontsize=8)
    name = lambda row: f"{row['operation']}, level {row['level']}" if row.get("level") else (
        f"{row['operation']}, test" if row["operation"] in KINDS[0][0] + KINDS[1][0] else row["operation"])
    axes.set_yticks(range(len(rows)), [name(row) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, most * 1.42)
    axes.set_xlabel("seconds")
    axes.grid(axis="x")
    job = document["job"]
    axes.set_title(f"The whole job: {style.seconds(summary['seconds'])} on {job['threads']} thread{'s' * (job['threads'] > 1)}, "
                   f"{summary['explained_share']:.0%} explained by the model of its kernels")
    kinds = dict.fromkeys(kind_of(row["operation"]) for row in rows)
    entries = [(f"■ {text}", colour) for text, colour in kinds] + [("┃ model", style.INK), ("┃ ceiling", style.VERMILION)]
    axes.set_title(axes.get_title(loc="left"), pad=22)
    axes.figure.canvas.draw()
    x = 0.0
    for text, colour in entries:
        note = axes.annotate(text, (x, 1), xycoords="axes fraction", xytext=(0, 5), textcoords="offset points", va="bottom", fontsize=8, color=colour)
        x += (note.get_window_extent().width + 12) / axes.bbox.width
    return picture
