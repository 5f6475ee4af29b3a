"""How all pictures look: one palette that colour-blind readers can tell apart, labels on the things themselves, few lines."""
import io
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402, after the choice of the backend
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator  # noqa: E402

# Okabe and Ito's colours, darkened where text is written in them.
INK, MUTED, FAINT, PAPER = "#1b1f24", "#5b6570", "#d5dae0", "#ffffff"
BLUE, VERMILION, GREEN, PURPLE, OCHRE, SKY = "#0067a5", "#c2410c", "#00795c", "#a3447f", "#a66a00", "#3f8fc4"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, OCHRE, SKY)
MARKERS = ("o", "s", "D", "^", "v", "P")
GLYPHS = ("●", "■", "◆", "▲", "▼", "✚")

WIDTH = 8.4  # inches; the page shows it at 840 pixels

plt.rcParams.update({
    "font.family": "DejaVu Sans", "font.size": 9, "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.titlepad": 10, "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "xtick.major.size": 3, "ytick.major.size": 3, "axes.grid": False, "grid.color": "#eaedf0",
    "grid.linewidth": 0.8, "axes.axisbelow": True, "lines.linewidth": 1.6, "lines.markersize": 5.5, "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER, "svg.fonttype": "path", "svg.hashsalt": "perf", "figure.constrained_layout.use": True,
})


def figure(height, columns=1, rows=1, **more):
    return plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **more)


def number(value, digits=3):
    """"0.047", "3.1", "210", "12 000": as many digits as say something."""
    if value == 0:
        return "0"
    if abs(value) >= 10000:
        return f"{value:,.0f}".replace(",", "\u2009")
    if abs(value) >= 100:
        return f"{value:.0f}"
    text = f"{value:.{digits}g}"
    return f"{value:.5f}".rstrip("0") if "e" in text else text


def seconds(value):
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if abs(value) * factor >= 1:
            return f"{number(value * factor)} {unit}"
    return f"{number(value * 1e9)} ns"


def short(value):
    """"0.1", "100", "10 k", "1 M"."""
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= factor:
            return f"{number(value / min(factor, 1e3 if suffix == 'k' else factor))} {suffix}"
    return number(value)


def plain_log(axis, ticks=None):
    """Ticks of a logarithmic axis as plain numbers."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_formatter(NullFormatter())
    if ticks is not None:
        axis.set_ticks(ticks)
        axis.set_minor_locator(NullLocator())


def spread(wanted, gap, low=None, high=None):
    """Positions near the wanted ones that are `gap` apart: labels that would overlap move up and down alike."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups = []  # of indices that touch each other; each is centred on the mean of what its members want
    for i in order:
        groups.append([i])
        while len(groups) > 1:
            middle = lambda group: sum(wanted[j] for j in group) / len(group)
            lower, upper = groups[-2], groups[-1]
            if middle(upper) - middle(lower) >= gap * (len(lower) + len(upper)) / 2:
                break
            groups[-2:] = [lower + upper]
    found = [0.0] * len(wanted)
    for group in groups:
        middle = sum(wanted[j] for j in group) / len(group)
        first = middle - gap * (len(group) - 1) / 2
        if high is not None:
            first = min(first, high - gap * (len(group) - 1))
        if low is not None:
            first = max(first, low)
        for place, j in enumerate(group):
            found[j] = first + place * gap
    return found


def label_ends(axes, x, values, texts, colours, size=8.5, offset=8):
    """Write texts at the right of the points (x, value), apart from each other, with a thin line where one had to move."""
    if not values:
        return
    figure = axes.figure
    figure.canvas.draw()  # limits and layout are known from here on
    to_points = lambda value: axes.transData.transform((x, value))[1] * 72 / figure.dpi
    wanted = [to_points(value) for value in values]
    bottom, top = (y * 72 / figure.dpi for y in (axes.bbox.y0, axes.bbox.y1))
    places = spread(wanted, size * 1.35, bottom + size / 2, None)
    for value, text, colour, want, place in zip(values, texts, colours, wanted, places):
        moved = abs(place - want) > 3
        axes.annotate(text, (x, value), xytext=(offset + (6 if moved else 0), place - want), textcoords="offset points", va="center", ha="left",
                      color=colour, fontsize=size, annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3} if moved else None)


def svg(figure, prefix):
    """The picture as an SVG element for a page: no prologue, no metadata, ids that do not clash with other pictures'."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r'\s(xmlns(:\w+)?|version)="[^"]*"', "", text, count=4)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    # Three decimals of a point are finer than any screen.
    return re.sub(r"(\d+\.\d{3})\d+", r"\1", text).strip()


def save_png(figure, path, dpi=150):
    figure.savefig(path, format="png", dpi=dpi, metadata={"Software": None})


def close(figure):
    plt.close(figure)
