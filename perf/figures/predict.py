"""The speed-up that is foreseen on a larger machine, and where the rest of the time goes."""
from perf.harness import style

MOST = 6  # causes


def draw(documents):
    document = documents.get("predict")
    if not document or len(document["rows"]) < 2:
        return None
    rows, job = document["rows"], document["job"]
    threads = [row["threads"] for row in rows]
    picture, grid = style.figure(3.4, columns=2)
    axes, losses = grid[0]
    axes.plot(threads, threads, color=style.FAINT, linewidth=1)
    axes.axhline(job["parallelism"], color=style.VERMILION, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(f"parallelism {style.number(job['parallelism'])}", (threads[0], job["parallelism"]), xytext=(2, 3), textcoords="offset points",
                  fontsize=8, color=style.VERMILION)
    axes.plot(threads, [row["speed_up"] for row in rows], color=style.BLUE, marker="o")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    style.plain_log(axes.xaxis, threads)
    style.plain_log(axes.yaxis, [n for n in threads if n <= max(job["parallelism"], 2) * 2])
    axes.set_ylim(0.9, max(job["parallelism"], rows[-1]["speed_up"]) * 2)
    axes.set_xlabel("threads")
    axes.set_title("Predicted speed-up")
    last = rows[-1]
    causes = last["causes"][:MOST]
    losses.barh(range(len(causes)), [cause["lost_seconds"] for cause in causes], color=style.BLUE, alpha=0.35, height=0.7)
    for i, cause in enumerate(causes):
        losses.annotate(f"{style.seconds(cause['lost_seconds'])}  {cause['what']}", (0, i), xytext=(3, 0), textcoords="offset points", va="center",
                        fontsize=7.5)
    losses.set_yticks([])
    losses.set_ylim(len(causes) - 0.4, -0.6)
    losses.set_xlabel("seconds")
    losses.set_title(f"What holds back {last['threads']} threads, of {style.seconds(last['value'])}")
    return picture
