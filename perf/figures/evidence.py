"""The pictures of docs/results, a function each, from the records of `perf evidence`."""
import math

import numpy as np

from perf.harness import style
from perf.results.findings import by_rho, by_rival, found, grouped, kinds_of_bandwidth, rows_of

LEARNERS = {"table": style.BLUE, "latent": style.GREEN, "layerwise": style.VERMILION, "one-step": style.PURPLE, "shallow": style.OCHRE, "cnn": style.SKY}
LEVEL_COLOURS = (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.OCHRE, style.SKY, style.MUTED)


def log_axes(axes, x=True, y=True):
    if x:
        axes.set_xscale("log")
    if y:
        axes.set_yscale("log")
    axes.grid(True)


def powers(axis):
    """Ticks of a logarithmic axis over many decades as powers of ten."""
    from matplotlib.ticker import LogLocator, NullLocator
    axis.set_major_locator(LogLocator(numticks=9))
    axis.set_minor_locator(NullLocator())


def mean(values):
    return np.mean(values)


def geometric_mean(values):
    return math.exp(np.mean(np.log(values)))


def draw_means(axes, series, of, look, dots=False, **how):
    """A line through the means of {x: values}; `dots`: with all values beside it."""
    x = sorted(series)
    if dots:
        for at in x:
            axes.plot([at] * len(series[at]), series[at], ".", color=how["color"], markersize=4, alpha=0.6)
    axes.plot(x, [of(series[at]) for at in x], look, **how)


def legend(axes, **where):
    axes.legend(frameon=False, fontsize=8, handlelength=2.6, labelcolor=style.INK, **where)


# ---- E1 --------------------------------------------------------------------------------------------------------------------------

SERIES = {"table": ("table, first patch", style.BLUE, "o"), "table_auto": ("table, auto", style.SKY, "D"),
          "layerwise_ids": ("layerwise (ids), first patch", style.VERMILION, "s"), "layerwise_ids_auto": ("layerwise (ids), auto", style.OCHRE, "^"),
          "layerwise": ("layerwise, first patch", style.PURPLE, "v"), "layerwise_auto": ("layerwise, auto", style.GREEN, "P")}


def draw_thresholds(axes, record):
    for name, (label, colour, marker) in SERIES.items():
        rows = found(record["sweeps"][name]["thresholds"])
        fit = record["findings"]["fits"][name]
        x = [row["V_mL"] for row in rows]
        for row in rows:
            if row.get("low") and row.get("high"):
                axes.plot([row["V_mL"]] * 2, [row["low"], row["high"]], color=colour, linewidth=0.8, alpha=0.5)
        axes.plot(x, [row["threshold"] for row in rows], marker, color=colour, markersize=3.5,
                  label=f"{label}: slope {fit['slope']}")
        ends = np.array([min(x), max(x)])
        axes.plot(ends, fit["factor"] * ends ** fit["slope"], color=colour, linewidth=1)
    axes.set_xlabel("V m^L")
    axes.set_title("Samples that half of the trainings need")


def draw_by_rho(axes, record):
    points, fit = by_rho(record["sweeps"]["layerwise_ids"]), record["findings"]["layerwise_ids_against_rho"]
    for i, rules in enumerate(sorted({point[0] for point in points})):
        own = record["findings"]["layerwise_ids_by_rules"][f"m = {rules}"]["2 V m / rho^2"]
        axes.plot(*zip(*[point[2:] for point in points if point[0] == rules]), style.MARKERS[i], color=LEVEL_COLOURS[i], markersize=3.5,
                  label=f"m = {rules}: slope {own['slope']}")
    ends = np.array([min(point[2] for point in points), max(point[2] for point in points)])
    axes.plot(ends, fit["factor"] * ends ** fit["slope"], color=style.INK, linewidth=1, label=f"all: {fit['slope']} ({fit['low']} to {fit['high']})")
    axes.set_xlabel("2 V m / rho^2, with the exact rho of level L")
    axes.set_title("Layerwise (ids): against the closest symbols")


def finish_thresholds(axes):
    ends = np.array([60, 1e12])
    axes.plot(ends, ends, color=style.MUTED, linewidth=1, linestyle=":", label="slope 1")
    log_axes(axes)
    powers(axes.xaxis)
    powers(axes.yaxis)
    axes.set_ylabel("samples a level, N*")
    axes.set_ylim(top=axes.get_ylim()[1] * 1e4)
    legend(axes, loc="upper left")


def draw_collapse(axes, record, unit, name):
    levels = sorted({key[1] for key in unit})
    key_of = lambda row: (row["rules"], row["levels"], row["seed"])
    curves = grouped(rows_of(record["sweeps"]["table"]["errors"]), key_of, lambda row: (row["samples"] / unit[key_of(row)], row["error_of_chance"]))
    drawn = set()
    for key, points in sorted(curves.items()):
        colour = LEVEL_COLOURS[levels.index(key[1]) % len(LEVEL_COLOURS)]
        axes.plot(*zip(*sorted(points)), color=colour, linewidth=0.9, alpha=0.7, label=None if key[1] in drawn else f"L = {key[1]}")
        drawn.add(key[1])
    axes.axhline(0.1, color=style.MUTED, linewidth=1, linestyle=":")
    log_axes(axes, y=False)
    powers(axes.xaxis)
    axes.set_xlim(1e-3, 1e5)
    axes.set_ylim(0, 1.15)
    axes.set_xlabel(f"N / ({name})")
    axes.set_ylabel("test error / error of guessing")
    axes.set_title(f"The table's curves over {name}")
    legend(axes, loc="upper right")


def draw_e1(record):
    picture, grid = style.figure(7.4, columns=2, rows=2)
    draw_thresholds(grid[0][0], record)
    draw_by_rho(grid[0][1], record)
    for axes in grid[0]:
        finish_thresholds(axes)
    table = record["sweeps"]["table"]
    key = lambda row: (row["rules"], row["levels"], row["seed"])
    draw_collapse(grid[1][0], record, {key(row): row["V_mL"] for row in rows_of(table["thresholds"])}, "V m^L")
    vocab = rows_of(table["thresholds"])[0]["vocab"]
    draw_collapse(grid[1][1], record, {key(row): 2 * vocab * row["rules"] / row["rho"] ** 2 for row in rows_of(table["grammars"])}, "2 V m / rho^2")
    return {"": picture}


# ---- E2 --------------------------------------------------------------------------------------------------------------------------


def draw_rivals(axes, record, depth, top):
    """A line goes through the means of those f at which every grammar had enough; where one had not stands a triangle."""
    numbers = by_rival(record["sweeps"])
    for learner, colour in LEARNERS.items():
        levels = 1 if learner in ("latent", "shallow", "cnn") else depth
        own = {m / 8: values for m in range(2, 9) if (values := numbers.get(f"{learner}, L = {depth}, m = {m}"))}
        if not own:
            continue
        marker = style.MARKERS[list(LEARNERS).index(learner)]
        whole = [f for f, values in own.items() if None not in values]
        axes.plot(whole, [math.exp(np.mean(np.log(own[f]))) * levels for f in whole], marker + "-", color=colour, label=learner, markersize=4.5)
        for f, values in own.items():
            known = [value * levels for value in values if value is not None]
            axes.plot([f] * len(known), known, ".", color=colour, markersize=4, alpha=0.6)
            if len(known) < len(values):
                axes.plot(f, top, "^", color=colour, markersize=6, markerfacecolor="none")
                axes.annotate(f"{len(values) - len(known)} of {len(values)}", (f, top), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=7, color=colour)
    log_axes(axes, x=False)
    powers(axes.yaxis)
    axes.set_xlabel("f = m / V^(s-1)")
    axes.set_title(f"L = {depth} (△: not with what was tried)")


def draw_e2(record):
    picture, grid = style.figure(4.2, columns=2, sharey=True)
    for axes, depth, top in ((grid[0][0], 3, 1e6), (grid[0][1], 6, 1e8)):
        draw_rivals(axes, record, depth, top)
    grid[0][0].set_ylim(top=3e9)
    grid[0][0].set_ylabel("samples of all levels, or sequences")
    legend(grid[0][0], loc="upper left", ncols=2)
    legend(grid[0][1], loc="upper left", ncols=2)
    return {"": picture}


# ---- E3 --------------------------------------------------------------------------------------------------------------------------


def draw_e3(record):
    picture, grid = style.figure(3.4, columns=2)
    for i, (name, sweep) in enumerate(record["sweeps"].items()):
        for axes, table, column in ((grid[0][0], "cells", "accuracy"), (grid[0][1], "times", "train_seconds")):
            series = grouped(rows_of(sweep[table]), lambda row: row["levels"], lambda row: row[column])
            draw_means(axes, series, mean, style.MARKERS[i] + "-", dots=True, color=LEARNERS[name], label=name, markersize=4)
    accuracy, seconds = grid[0]
    accuracy.set_ylim(0, 1.05)
    accuracy.axhline(1 / 8, color=style.MUTED, linewidth=1, linestyle=":")
    accuracy.set_ylabel("test accuracy")
    accuracy.set_title("Accuracy (dotted: guessing)")
    legend(accuracy, loc="center left")
    seconds.set_yscale("log")
    style.plain_log(seconds.yaxis)
    seconds.set_ylabel("seconds of training and test, one core")
    seconds.set_title("Time")
    for axes in grid[0]:
        axes.grid(True)
        axes.set_xlabel("L; a sequence has 2^L tokens")
        axes.set_xticks(range(2, 21, 2))
    return {"": picture}


# ---- E4 --------------------------------------------------------------------------------------------------------------------------


def draw_rho(axes, rows, vocab):
    shapes = sorted({row["rules"] for row in rows if row["vocab"] == vocab})
    for i, rules in enumerate(shapes):
        own = [row for row in rows if (row["vocab"], row["rules"], row["positions"], row["rule-sampling"]) == (vocab, rules, 1, "first-token-uniform")
               and row["rho_50"] is not None]
        level = np.array([row["level"] for row in own])
        colour = style.SERIES[i]
        axes.errorbar(level + 0.06 * (i - 1), [row["rho_50"] for row in own],
                      yerr=[[row["rho_50"] - row["rho_25"] for row in own], [row["rho_75"] - row["rho_50"] for row in own]],
                      fmt=style.MARKERS[i], color=colour, markersize=4, linewidth=1, label=f"m = {rules}: median and quartiles")
        # From the exact sqrt(2) at level 1.
        axes.plot(level, math.sqrt(2) * rules ** (-(level - 1) / 2), color=colour, linewidth=1)
        axes.plot(level, (20.0 * rules) ** (-(level - 1) / 2), color=colour, linewidth=1, linestyle=":")
    log_axes(axes, x=False)
    powers(axes.yaxis)
    axes.set_xlabel("level l")
    axes.set_ylabel("rho^(l)")
    axes.set_title(f"V = {vocab}: rho, m^(-l/2) and Prop. 19 (dotted)")
    legend(axes, loc="lower left")


def draw_shares(axes, rows, sampling):
    positions = sorted({row["positions"] for row in rows})
    levels = sorted({row["level"] for row in rows})
    for i, k in enumerate(positions):
        for vocab, line in ((8, "-"), (16, "--")):
            values = [100 * np.mean([row["share_failed"] for row in rows if (row["vocab"], row["positions"], row["level"], row["rule-sampling"]) ==
                                     (vocab, k, level, sampling)]) for level in levels]
            axes.plot(levels, values, style.MARKERS[i] + line, color=style.SERIES[i], markersize=4, label=f"K = {k}, V = {vocab}")
    axes.grid(True)
    axes.set_ylim(-2, 102)
    axes.set_xlabel("L")
    axes.set_ylabel("grammars that cannot be told apart, %")
    axes.set_title(f"{sampling} rules, by positions K")
    legend(axes, loc="upper left", ncols=1)


def draw_e4(record):
    rows = rows_of(record["laws"])
    picture, grid = style.figure(6.6, columns=2, rows=2)
    draw_rho(grid[0][0], rows, 8)
    draw_rho(grid[0][1], rows, 16)
    draw_shares(grid[1][0], rows, "first-token-uniform")
    draw_shares(grid[1][1], rows, "uniform")
    return {"": picture}


# ---- E5 --------------------------------------------------------------------------------------------------------------------------


def exponent(law):
    return 0.0 if law == "uniform" else float(law.split(":")[1])


def draw_e5(record):
    picture, grid = style.figure(3.6, columns=2)
    left, right = grid[0]
    for i, learner in enumerate(("table", "latent")):
        a = lambda row: exponent(row["rule-law"])
        own = [row for row in found(record["sweeps"]["thresholds"]["thresholds"]) if row["learner"] == learner]
        draw_means(left, grouped(own, a, lambda row: row["threshold"]), geometric_mean, style.MARKERS[i] + "-", dots=True, color=LEARNERS[learner],
                   label=learner, markersize=4.5)
        for noise, line in ((0, "-"), (0.05, "--")):
            cells = [row for row in rows_of(record["sweeps"]["bayes"]["cells"])
                     if (row["learner"], row["token-noise"], row["samples"]) == (learner, noise, 64000)]
            draw_means(right, grouped(cells, a, lambda row: row["bayes_accuracy"] - row["accuracy"]), mean, style.MARKERS[i] + line,
                       color=LEARNERS[learner], markersize=4.5, label=f"{learner}, token noise {noise}")
    log_axes(left, x=False)
    style.plain_log(left.yaxis)
    left.set_ylabel("samples a level, or sequences")
    left.set_title("Samples that half of the trainings need")
    right.set_ylabel("Bayes accuracy - accuracy")
    right.set_title("Gap to the Bayes accuracy, N = 64 000")
    right.grid(True)
    right.set_ylim(bottom=min(0, right.get_ylim()[0]))
    for axes in grid[0]:
        axes.set_xlabel("a: the r-th rule in proportion to r^-a")
        legend(axes, loc="upper left")
    return {"": picture}


# ---- E6 --------------------------------------------------------------------------------------------------------------------------


def draw_widths(axes, record):
    rows = rows_of(record["sweeps"]["width"]["cells"])
    kinds = kinds_of_bandwidth(rows)
    colours = {"auto": style.BLUE, "printed": style.VERMILION, "corrected": style.GREEN}
    for (kind, ridge), own in grouped(rows, lambda row: (kinds[str(row["bandwidth"])], row["ridge"]), lambda row: row).items():
        draw_means(axes, grouped(own, lambda row: row["width"], lambda row: row["accuracy"]), mean, "o-" if ridge == "auto" else "s--",
                   color=colours[kind], markersize=4, label=f"bandwidth {kind}, ridge {'auto' if ridge == 'auto' else '1/|P_l|'}")
    axes.set_xscale("log", base=2)
    axes.grid(True)
    axes.set_ylim(0, 1.8)  # room for the legend
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_xticks(sorted({row["width"] for row in rows}), [str(width) for width in sorted({row["width"] for row in rows})])
    axes.set_xlabel("width M")
    axes.set_ylabel("test accuracy")
    axes.set_title("Bandwidth and ridge")
    legend(axes, loc="upper left")


def draw_solvers(axes, record):
    solvers = grouped(rows_of(record["sweeps"]["solver"]["levels"]), lambda row: row["solver"], lambda row: row)
    names = {"cg": "conjugate gradients", "gd": "gradient descent", "gd-paper": "gradient descent, the paper's step"}
    for i, (solver, own) in enumerate(solvers.items()):
        draw_means(axes, grouped(own, lambda row: row["tolerance"], lambda row: row["iterations"]), mean, style.MARKERS[i] + "-",
                   color=style.SERIES[i], markersize=4.5, label=names[solver])
    log_axes(axes)
    style.plain_log(axes.yaxis)
    axes.invert_xaxis()
    axes.set_xlabel("relative residual")
    axes.set_ylabel("iterations a level")
    axes.set_title("Steps, ridge 1/|P_l|, M = 1024")
    axes.set_ylim(top=axes.get_ylim()[1] * 8)
    legend(axes, loc="upper left")


def draw_levels(record):
    picture, grid = style.figure(3.2, columns=3)
    rows = rows_of(record["sweeps"]["levels"]["levels"])
    for axes, column, title in ((grid[0][0], "separation", "Separation of parents"), (grid[0][1], "radius", "Radius within a parent"),
                                (grid[0][2], "posterior_error", "Error of the posterior")):
        for i, level in enumerate((3, 2, 1)):
            own = [row for row in rows if row["level"] == level and row[column] is not None]
            draw_means(axes, grouped(own, lambda row: row["samples"], lambda row: max(row[column], 1e-12)), geometric_mean, style.MARKERS[i] + "-",
                       color=style.SERIES[i], markersize=4, label=f"level {level}")
        log_axes(axes)
        powers(axes.xaxis)
        style.plain_log(axes.yaxis)
        axes.set_xlabel("samples N of the level")
        axes.set_title(title)
    legend(grid[0][2], loc="upper right")
    return picture


def draw_e6(record):
    picture, grid = style.figure(3.6, columns=2)
    draw_widths(grid[0][0], record)
    draw_solvers(grid[0][1], record)
    return {"": picture, "-levels": draw_levels(record)}


DRAW = {"E1": draw_e1, "E2": draw_e2, "E3": draw_e3, "E4": draw_e4, "E5": draw_e5, "E6": draw_e6}
