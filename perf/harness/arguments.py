"""Types of options. What is refused is bad usage: one sentence with the value, the reason and what is allowed."""
import argparse
import math
import os
import re
import shlex
from pathlib import Path


def refuse(text, why):
    raise argparse.ArgumentTypeError(f"'{text}' {why}")


def regex(text):
    try:
        re.compile(text)
    except re.error as failure:
        refuse(text, f"is not a regular expression: {failure}")
    return text


def command_line(text):
    """Words as a shell splits them; the text itself is the value."""
    try:
        shlex.split(text)
    except ValueError as failure:
        refuse(text, f"cannot be split into words: {failure}")
    return text


def whole(least=1, most=None):
    """Of whole numbers from `least` to `most`."""
    allowed = f"a whole number from {least}" + (f" to {most}" if most is not None else "")

    def read(text):
        try:
            value = int(text)
        except ValueError:
            refuse(text, f"is not a whole number: allowed is {allowed}")
        if value < least or (most is not None and value > most):
            refuse(text, f"is too {'small' if value < least else 'large'}: allowed is {allowed}")
        return value
    return read


def real(above=0.0, most=math.inf):
    """Of finite numbers above `above`, up to `most`."""
    allowed = f"a number above {above:g}" + (f", up to {most:g}" if most < math.inf else "")

    def read(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            refuse(text, f"is not a finite number: allowed is {allowed}")
        if value <= above or value > most:
            refuse(text, f"is too {'small' if value <= above else 'large'}: allowed is {allowed}")
        return value
    return read


def percent(text):
    return real(0.0, 100.0)(text.rstrip("% "))


def whole_list(text):
    return [whole()(word) for word in text.split(",")]


def input_file(text):
    path = Path(text)
    try:
        with open(path, "rb"):
            return path
    except OSError as failure:
        refuse(text, f"cannot be read: {failure.strerror}")


def input_path(text):
    """A file or a directory."""
    return Path(text) if Path(text).is_dir() else input_file(text)


def directory(text):
    if not Path(text).is_dir():
        refuse(text, "is not a directory")
    return Path(text)


def output_file(text):
    """Told before hours of measuring, not after: what cannot be written."""
    path = Path(text)
    if not text or path.is_dir():
        refuse(text, "is a directory: a file is wanted" if text else "is empty: a file is wanted")
    _writable(text, path.absolute().parent)
    return path


def output_directory(text):
    if Path(text).exists() and not Path(text).is_dir():
        refuse(text, "is not a directory")
    _writable(text, Path(text).absolute())
    return Path(text)


def _writable(text, folder):
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        refuse(text, f"cannot be written: {folder} is not a directory")
    if not os.access(folder, os.W_OK | os.X_OK):
        refuse(text, f"cannot be written: there is no permission for {folder}")
