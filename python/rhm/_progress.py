"""Progress on a terminal, in a notebook, or handed to a function."""
import sys
import time

REFRESH_SECONDS = 0.1
BAR = 24


def _line(stage, done, total):
    if not total:
        return stage
    share = min(done / total, 1.0)
    full = int(BAR * share)
    return f"{stage} [{'#' * full}{'.' * (BAR - full)}] {100 * share:3.0f} %"


class Silent:
    def show(self, stage, done, total):
        pass

    def clear(self):
        pass


class Called(Silent):
    def __init__(self, function):
        self.function = function

    def show(self, stage, done, total):
        self.function(stage, done, total)


class Terminal(Silent):
    def __init__(self, stream):
        self.stream = stream
        self.shown = False

    def show(self, stage, done, total):
        self.stream.write(f"\r{_line(stage, done, total)}\x1b[K")
        self.stream.flush()
        self.shown = True

    def clear(self):
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.shown = False


class Notebook(Silent):
    """One output of the cell, rewritten in place and emptied at the end."""

    def __init__(self):
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def show(self, stage, done, total):
        self.handle.update({"text/plain": _line(stage, done, total)}, raw=True)

    def clear(self):
        self.handle.update({"text/plain": ""}, raw=True)


def _in_notebook():
    shell = sys.modules.get("IPython")
    shell = shell.get_ipython() if shell else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def display_of(progress):
    """None: where somebody looks; True, False; or a function of (stage, done, total), which is called now and then, on the thread that
    waits for the run."""
    if callable(progress):
        return Called(progress)
    if progress is None:
        if _in_notebook():
            return Notebook()
        progress = bool(sys.stderr) and sys.stderr.isatty()
    if not progress:
        return Silent()
    return Notebook() if _in_notebook() else Terminal(sys.stderr)


class Pace:
    """Lets through what is new, a few times a second."""

    def __init__(self, display):
        self.display = display
        self.last = None
        self.when = 0.0

    def offer(self, state):
        now = time.monotonic()
        if state is not None and state != self.last and now - self.when >= REFRESH_SECONDS:
            self.last, self.when = state, now
            self.display.show(*state)
