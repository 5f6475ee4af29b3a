"""Loss and accuracy of a training from epoch to epoch, a line for each program."""
from perf.harness import style

COLOURS = (style.BLUE, style.VERMILION, style.GREEN)


def draw(documents):
    document = documents.get("training")
    if not document or not document["curves"]:
        return None
    picture, grid = style.figure(2.6, columns=2)
    for axes, key, title in zip(grid[0], ("loss", "accuracy"), ("mean cross-entropy, nats", "accuracy on the training sequences")):
        for curve, colour in zip(document["curves"], COLOURS):
            axes.plot(range(1, len(curve[key]) + 1), curve[key], color=colour, linewidth=1.4, label=f"{curve['name']}: {len(curve[key])} epochs")
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("epoch")
        axes.grid(axis="y")
    grid[0][0].set_yscale("log")
    grid[0][1].set_ylim(0, 1.03)
    grid[0][1].legend(fontsize=8, loc="lower right")
    return picture
