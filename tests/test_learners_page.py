"""docs/learners.md and the registry name the same learners, with the same options."""
import re

from python_tools import ROOT

import rhm

PAGE = (ROOT / "docs/learners.md").read_text()


def rows(text):
    """Cells of the first table."""
    lines = re.search(r"(?:^\|.*\n)+", text, re.M).group().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not set(line) <= set("|-")]


def test_all_learners_have_a_row():
    assert {re.match(r"`([\w-]+)", row[0])[1] for row in rows(PAGE)[1:]} == set(rhm.learners())


def test_options_are_those_of_the_registry():
    head, *table = rows(PAGE.split("## What they take", 1)[1])
    learners = [cell.strip("`") for cell in head[1:]]
    said = {name: set() for name in learners}
    for options, *cells in table:
        for name, cell in zip(learners, cells, strict=True):
            assert cell in ("yes", ""), cell
            if cell:
                said[name] |= set(re.findall(r"--([\w-]+)", options))
    taken = {name: {option.replace("_", "-") for option in info["options"]} for name, info in rhm.learners().items()}
    assert said == {name: options - {"widths"} for name, options in taken.items()}  # for the command that is --width
