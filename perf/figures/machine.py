"""What `rhm machine --measure all` found, on one sheet."""
from perf.harness import style


def _caches(axes, caches):
    points = [(row["bytes"], row["ns"]) for row in caches["curve"] if row["ns"]]
    axes.plot(*zip(*points), color=style.BLUE, marker="o", markersize=3)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([1 << n for n in range(14, 40, 4) if points[0][0] <= 1 << n <= points[-1][0]])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 2**20:g} MiB" if value >= 2**20 else f"{value / 2**10:g} KiB")
    style.plain_log(axes.yaxis)
    axes.set_title("Latency of a load, ns, by working set")


def _threads(axes, threads):
    for key, colour in (("load_gbs", style.BLUE), ("triad_gbs", style.VERMILION)):
        points = [(row["threads"], row[key]) for row in threads if isinstance(row[key], (int, float))]
        if points:
            axes.plot(*zip(*points), color=colour, marker="o")
            axes.annotate(key.removesuffix("_gbs"), points[-1], xytext=(5, 0), textcoords="offset points", color=colour, fontsize=8, annotation_clip=False)
    axes.set_ylim(0)
    axes.set_xticks([row["threads"] for row in threads])
    axes.set_title("Bandwidth of memory, GB/s, by threads")


def _frequency(axes, frequency):
    for i, isa in enumerate(dict.fromkeys(row["isa"] for row in frequency)):
        points = [(row["cores"], 1e-9 * row["mean_hertz"]) for row in frequency if row["isa"] == isa]
        axes.plot(*zip(*points), color=style.SERIES[i], marker=style.MARKERS[i])
        axes.annotate(isa, points[-1], xytext=(5, 6 - 6 * i), textcoords="offset points", color=style.SERIES[i], fontsize=8, annotation_clip=False)
    axes.set_ylim(0)
    axes.set_xticks(sorted({row["cores"] for row in frequency}))
    axes.set_title("Frequency, GHz, by cores at work")


def _nodes(axes, nodes):
    values = nodes["load_gbs"]
    shown = [[value or 0 for value in row] for row in values]
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=1.4 * max(max(row) for row in shown))
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            latency = nodes["latency_ns"][i][j]
            text = "\n".join(f"{style.number(number)} {unit}" for number, unit in ((value, "GB/s"), (latency, "ns")) if number)
            axes.annotate(text, (j, i), ha="center", va="center", fontsize=8)
    axes.set_xticks(range(len(values)), nodes["nodes"])
    axes.set_yticks(range(len(values)), nodes["nodes"])
    axes.set_title("Cores of a node (rows), memory of a node")


def draw(record):
    found = record["measured"]
    drawn = [(part, panel) for part, panel in (("caches", _caches), ("threads", _threads), ("frequency", _frequency), ("nodes", _nodes)) if part in found]
    rows = -(-len(drawn) // 2) or 1
    picture, grid = style.figure(2.6 * rows, columns=2, rows=rows)
    for i, (part, panel) in enumerate(drawn):
        panel(grid[i // 2][i % 2], found[part])
    for i in range(len(drawn), 2 * rows):
        grid[i // 2][i % 2].set_axis_off()
    return picture
