"""Progress on a terminal that can move its cursor, and plain lines elsewhere."""
import os
import sys


def can_rewrite(stream=None):
    stream = stream or sys.stderr
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def show(text, last=False):
    """Write `text` over the line that was written before. For terminals that can."""
    print(f"\r\033[K{text}", end="\n" if last else "", file=sys.stderr, flush=True)
