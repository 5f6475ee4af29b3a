"""Speed-up and efficiency against threads, with the ideal line and the edges of the topology; below, what placement does."""
from perf.harness import laws, session, style

BEST_DIFFERS = 0.05  # from the median: then it is drawn as well
MANY = 8  # thread counts: with more, only powers of two are written

TITLES = {"strong": "Strong: the same work for all", "weak": "Weak: work grows with threads"}


def curves(document, mode):
    """[(about, rows)] of the first placement, valid rows only, in the order of the document."""
    first = next((curve["placement"] for curve in document["curves"]), None)
    found = {}
    for row in document["rows"]:
        if row["mode"] == mode and row["placement"]["policy"] == first and row["valid"] and session.is_available(row["speed_up"]):
            found.setdefault(row["what"], []).append(row)
    return [(rows[0]["about"], rows) for rows in found.values() if len(rows) > 1]


def whiskers(axes, rows, key, colour, place):
    """Intervals of a curve, at `place` times its thread counts: those of other curves stand beside them."""
    for row in rows:
        interval = row[key]
        if interval["low"] is not None and row["threads"] > 1:
            axes.plot([row["threads"] * place] * 2, [interval["low"], interval["high"]], color=colour, linewidth=1, alpha=0.7, solid_capstyle="butt")


def draw_edges(axes, document, most, named):
    for edge in document["edges"]:
        if 1 < edge["threads"] < most or (edge["threads"] == 1 and "core" not in edge["domains"]):
            axes.axvline(edge["threads"], color=style.MUTED, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
            if named:
                axes.annotate(edge["label"], (edge["threads"], 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=7,
                              color=style.MUTED, ha="right", va="bottom", xytext=(-2, 0), textcoords="offset points")


def look(document, what):
    """(colour, marker) of a subject, the same in every panel."""
    at = list(dict.fromkeys(row["what"] for row in document["rows"])).index(what)
    return style.SERIES[at % len(style.SERIES)], style.MARKERS[at % len(style.MARKERS)]


def speed_limits(document, counts):
    """Of both panels together, so that they can be compared."""
    intervals = [row["speed_up"] for mode in TITLES for _, rows in curves(document, mode) for row in rows]
    low = min([0.9] + [i["value"] if i["low"] is None else i["low"] for i in intervals])
    high = max([counts[-1]] + [i["value"] if i["high"] is None else i["high"] for i in intervals])
    return 0.95 * max(low, 0.06), 1.1 * high


def ticks_of(counts):
    return counts if len(counts) <= MANY else [n for n in counts if n & (n - 1) == 0]


def draw_mode(document, mode, top, bottom, counts):
    most = counts[-1]
    top.plot(counts, counts, color=style.MUTED, linewidth=1, linestyle=(0, (5, 3)), zorder=1)
    bottom.axhline(1, color=style.MUTED, linewidth=1, linestyle=(0, (5, 3)), zorder=1)
    ends, texts, colours = [], [], []
    for about, rows in curves(document, mode):
        colour, marker = look(document, rows[0]["what"])
        place = 1 + 0.008 * (style.SERIES.index(colour) - 2)
        n = [row["threads"] if row["threads"] == 1 else row["threads"] * place for row in rows]
        speed = [row["speed_up"]["value"] for row in rows]
        usl = next((curve["usl"] for curve in document["curves"] if curve["what"] == rows[0]["what"] and curve["mode"] == mode), {})
        fitted = "curve" in usl and "warning" not in usl
        if fitted:
            fine = [1 + (usl["threads"][-1] - 1) * k / 200 for k in range(201)]
            fit = laws.usl(fine, 1, usl["curve"]["contention"], usl["curve"]["coherence"])
            top.plot(fine, fit, color=colour, linewidth=1, alpha=0.6)
        top.plot(n, speed, color=colour, marker=marker, linestyle="none" if fitted else "-")
        bottom.plot(n, [row["efficiency"]["value"] for row in rows], color=colour, marker=marker)
        for at, row in zip(n, rows):
            best = row.get("best_speed_up", row["speed_up"]["value"])
            if abs(best / row["speed_up"]["value"] - 1) > BEST_DIFFERS:
                top.plot(at, best, marker=marker, color=colour, markerfacecolor=style.PAPER, markersize=4.5, linestyle="none")
        whiskers(top, rows, "speed_up", colour, place)
        whiskers(bottom, rows, "efficiency", colour, place)
        ends.append(speed[-1])
        texts.append(f"{speed[-1]:.2f}  {about}")
        colours.append(colour)
    for axes in (top, bottom):
        axes.set_xscale("log", base=2)
        style.plain_log(axes.xaxis, ticks=ticks_of(counts))
        axes.grid(axis="y")
        axes.set_xlim(0.93, most * 1.06)
    top.set_yscale("log", base=2)
    low, high = speed_limits(document, counts)
    style.plain_log(top.yaxis, ticks=[n for n in (0.125, 0.25, 0.5) if n >= low] + ticks_of(counts))
    top.set_ylim(low, high)
    top.set_title(TITLES[mode])
    bottom.set_xlabel("threads")
    bottom.set_ylim(0, min(1.6, max(1.1, bottom.get_ylim()[1])))
    bottom.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    draw_edges(top, document, most, True)
    draw_edges(bottom, document, most, False)
    middle = (len(counts) - 1) // 2
    at = counts[0] if len(counts) == 2 else counts[middle]
    shift = (most / counts[0]) ** 0.35 if len(counts) == 2 else 1
    top.annotate("ideal", (at * shift, at * shift), xytext=(-4, 5), textcoords="offset points", ha="right", va="bottom", color=style.MUTED, fontsize=8)
    return most, ends, texts, colours


def placement_rows(document):
    return [row for row in document["rows"] if row["valid"] and row.get("against_first_placement") and row["threads"] > 1
            and session.is_available(row["against_first_placement"])]


def draw(documents):
    document = documents.get("scaling")
    if not document:
        return None
    counts = document["thread_counts"]
    if len(counts) < 2 or not any(curves(document, mode) for mode in TITLES):
        return None
    placed = placement_rows(document)
    heights = [5.2] + ([0.85 + 0.24 * len(placed)] if placed else [])
    picture = style.plt.figure(figsize=(style.WIDTH, sum(heights)))
    # Parts of their own, so that long names below do not take width from above.
    parts = picture.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    grid = parts[0].add_gridspec(2, 2, height_ratios=[3, 1.6])
    ends = []
    for column, mode in enumerate(TITLES):
        top, bottom = parts[0].add_subplot(grid[0, column]), parts[0].add_subplot(grid[1, column])
        ends.append((top, *draw_mode(document, mode, top, bottom, counts)))
        if column == 0:
            top.set_ylabel("speed-up over one thread")
            bottom.set_ylabel("efficiency")
    if placed:
        draw_placements(parts[1].subplots(), document, placed)
    # Room for the labels at the right of both columns.
    widest = max(len(text) for _, _, _, texts, _ in ends for text in texts)
    for axes in parts[0].axes:
        left, right = axes.get_xlim()
        share = min(0.5, widest * 5.1 / 72 / (style.WIDTH / 2.35))
        axes.set_xlim(left, right * (right / left) ** (share / (1 - share)))
    for top, most, values, texts, colours in ends:
        style.label_ends(top, most, values, texts, colours)
    return picture


def draw_placements(axes, document, rows):
    first = document["curves"][0]["placement"]
    for i, row in enumerate(rows):
        ratio = row["against_first_placement"]
        if ratio["low"] is not None:
            axes.plot([ratio["low"], ratio["high"]], [i, i], color=style.BLUE, linewidth=1.4)
        axes.plot(ratio["value"], i, "o", color=style.BLUE)
        axes.annotate(f"×{ratio['value']:.3f}", (1.01, i), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.axvline(1, color=style.MUTED, linewidth=1, linestyle=(0, (5, 3)))
    axes.set_yticks(range(len(rows)), [f"{row['about']}, {row['placement']['policy']}, {row['threads']} threads" for row in rows], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_title(f"Placement: rate over that of {first} with as many threads")
    axes.set_xlabel(f"rate / rate of {first}, within a round")
    axes.grid(axis="x")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.95), max(high, 1.05))
