"""Roofline: what cores and memory allow, and where every kernel and every operation of the whole job lies below it.

Ceilings come from the session of the dots. Left the kernels alone (bench), right the operations of the job (profile), where an open
circle is the same kernel running alone."""
import math

from perf import model
from perf.harness import session, style

LEAST = 0.02  # of the job's time: smaller operations are left out


def bench_panel(document):
    """(title, {isa: GFLOP/s}, {level: GB/s}, dots) of a bench document."""
    ceilings, dots = document.get("ceilings", {}), []
    for row in document["rows"]:
        if row.get("flops") and row.get("bytes") and row.get("valid", True):
            operation, shape = (row["name"].split("/") + [""])[:2]
            dots.append({"label": "", "group": operation, "intensity": row["flops"] / row["bytes"], "rate": row["value"]})
    threads = document.get("threads", 1)
    isa = document.get("isa")
    return (f"Kernels alone, {threads} thread{'s' * (threads > 1)}", {k: v for k, v in ceilings.get("gflops", {}).items() if k == isa},
            ceilings.get("gbs", {}), dots)


def profile_panel(document):
    ceilings, summary = document["ceilings"], document["summary"]
    alone = {(r["operation"], r["tokens"], r["embedding"], r["classes"], r["width"]): r["flops_per_second"] / 1e9
             for r in document.get("kernel_rates", [])}
    benchmark = lambda operation: "{1}{0}".format(*model.kernel_of(operation))
    dots = []
    for row in document["rows"]:
        if row.get("flops") and row.get("bytes") and row["seconds"] > LEAST * summary["seconds"]:
            dots.append({"label": f"level {row['level']}" if row.get("level") else "test", "group": row["operation"],
                         "intensity": row["flops"] / row["bytes"], "rate": row["flops"] / row["seconds"] / 1e9,
                         "weight": row["seconds"] / summary["seconds"], "alone": alone.get((benchmark(row["operation"]), *(row.get("shape") or ())))})
    threads = document["job"]["threads"]
    bandwidths = {name: cache["bytes_per_second"] / 1e9 for name, cache in zip(("L1", "L2", "L3"), ceilings.get("caches", []))}
    bandwidths["DRAM"] = ceilings["bytes_per_second"] / 1e9
    return (f"Operations of the whole job, {threads} thread{'s' * (threads > 1)}", {document["job"]["isa"]: ceilings["flops_per_second"] / 1e9},
            bandwidths, dots)


def limits(panels):
    """(left, right, bottom, top) of all panels, so that they can be compared."""
    dots = [dot for panel in panels for dot in panel[3]]
    peak = max(rate for panel in panels for rate in panel[1].values())
    slowest = min((rate for panel in panels for rate in panel[2].values()), default=peak)
    decade = lambda value, round_: 10.0 ** round_(math.log10(value))
    left = 0.4 * decade(min([dot["intensity"] for dot in dots] + [peak / slowest / 20]), math.floor)
    right = 2 * max([dot["intensity"] for dot in dots] + [peak / slowest * 10])
    bottom = 0.6 * min([dot["rate"] for dot in dots] + [dot["alone"] for dot in dots if dot.get("alone")] + [peak / 20])
    return left, right, bottom, 1.9 * peak


def draw_roofs(axes, flops, bandwidths, box):
    left, right, bottom, _ = box
    peak = max(flops.values())
    for name, rate in flops.items():
        axes.plot([rate / max(bandwidths.values()) if bandwidths else left, right], [rate, rate], color=style.INK, linewidth=1.4, zorder=1)
        axes.annotate(f"{name} multiply-adds {style.number(rate)} GFLOP/s", (right, rate), xytext=(-3, 4), textcoords="offset points", ha="right",
                      va="bottom", fontsize=8)
    for rate in bandwidths.values():
        start = max(left, bottom / rate)
        axes.plot([start, peak / rate], [start * rate, peak], color=style.MUTED, linewidth=1, zorder=1)


def name_bandwidths(axes, bandwidths, box):
    """Along the diagonals, as steep as they are drawn; of lines that nearly coincide one name."""
    left, _, bottom, top = box
    last, lift = None, 1.5
    for name, rate in sorted(bandwidths.items(), key=lambda item: item[1]):
        if last and rate < 1.15 * last:
            continue
        # Names of close lines stand at different heights.
        lift = 1.5 if not last or rate > 2.5 * last or lift > 1.5 else 1.5 * (top / bottom) ** 0.3
        last = rate
        a, b = (axes.transData.transform((x, x * rate)) for x in (1.0, 10.0))
        angle = math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))
        at = min(max(1.3 * left, bottom / rate) * lift, top / 9 / rate)
        axes.annotate(f"{name} {style.number(rate)} GB/s", (at, at * rate), rotation=angle, rotation_mode="anchor", fontsize=7.5,
                      color=style.MUTED, xytext=(-2, 3), textcoords="offset points", ha="left", va="bottom",
                      bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.3})


def draw_dots(axes, dots, groups):
    for dot in dots:
        at = groups.index(dot["group"])
        colour, marker = style.SERIES[at % len(style.SERIES)], style.MARKERS[at % len(style.MARKERS)]
        if dot.get("alone"):
            axes.plot([dot["intensity"]] * 2, [dot["rate"], dot["alone"]], color=colour, linewidth=0.8, alpha=0.7, zorder=2)
            axes.scatter(dot["intensity"], dot["alone"], s=26, facecolor=style.PAPER, edgecolor=colour, linewidth=1.1, zorder=3)
        axes.scatter(dot["intensity"], dot["rate"], s=30 + 300 * dot.get("weight", 0), color=colour, marker=marker, alpha=0.9, linewidth=0.6,
                     edgecolor=style.PAPER, zorder=4)


def name_dots(axes, dots, groups):
    """Small names beside the dots, apart from each other in each half of the panel."""
    scale = 72 / axes.figure.dpi
    named = [dot for dot in dots if dot["label"]]
    place = lambda dot: axes.transData.transform((dot["intensity"], dot["rate"])) * scale
    middle = (axes.bbox.x0 + 0.75 * axes.bbox.width) * scale
    for side in (True, False):
        chosen = [dot for dot in named if (place(dot)[0] < middle) == side]
        heights = style.spread([place(dot)[1] for dot in chosen], 9.5)
        for dot, height in zip(chosen, heights):
            colour = style.SERIES[groups.index(dot["group"]) % len(style.SERIES)]
            reach = 7 + 9 * dot.get("weight", 0)
            axes.annotate(dot["label"], (dot["intensity"], dot["rate"]), xytext=(reach if side else -reach, height - place(dot)[1]),
                          textcoords="offset points", ha="left" if side else "right", va="center", fontsize=7, color=colour)


def draw_key(axes, groups):
    for i, group in enumerate(reversed(groups)):
        at = len(groups) - 1 - i
        colour = style.SERIES[at % len(style.SERIES)]
        axes.annotate(f"{group}  {style.GLYPHS[at % len(style.GLYPHS)]}", (1, 0), xycoords="axes fraction", xytext=(-6, 6 + 12 * i), textcoords="offset points", ha="right", va="bottom",
                      fontsize=8, color=colour)


def draw(documents):
    panels = []
    if documents.get("bench"):
        panels.append(bench_panel(documents["bench"]))
    if documents.get("profile") and session.is_available(documents["profile"].get("ceilings")):
        panels.append(profile_panel(documents["profile"]))
    panels = [panel for panel in panels if panel[1] and panel[3]]
    if not panels:
        return None
    box = limits(panels)
    picture, grid = style.figure(4.4, columns=len(panels), sharey=True)
    for axes, (title, flops, bandwidths, dots) in zip(grid[0], panels):
        groups = list(dict.fromkeys(dot["group"] for dot in dots))
        axes.set(xscale="log", yscale="log", xlim=box[:2], ylim=box[2:], title=title, xlabel="FLOP per byte that must move")
        style.plain_log(axes.xaxis)
        style.plain_log(axes.yaxis)
        axes.grid(True)
        draw_roofs(axes, flops, bandwidths, box)
        draw_dots(axes, dots, groups)
        draw_key(axes, groups)
    grid[0][0].set_ylabel("GFLOP/s")
    picture.canvas.draw()
    for axes, (_, _, bandwidths, dots) in zip(grid[0], panels):
        name_bandwidths(axes, bandwidths, box)
        name_dots(axes, dots, list(dict.fromkeys(dot["group"] for dot in dots)))
    return picture
