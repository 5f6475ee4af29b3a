"""The project around the harness, and how whatever is wrong ends a subcommand."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = re.search(r"^project\((\w+)", (ROOT / "CMakeLists.txt").read_text(), re.M).group(1)


class PerfError(Exception):
    """Something that ends a subcommand with one sentence; `status` is its exit status."""
    status = 1

    def __init__(self, message, status=None):
        super().__init__(message)
        if status is not None:
            self.status = status


def relative(path):
    """A path for a line that reproduces: from the project's root where it lies inside."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)
