"""Code blocks of the documentation. A page is a story: its blocks run in order, in one folder, Python ones in one namespace.

Comments above a block, invisible to readers, say what is particular:
    <!-- file: NAME -->       it is the file NAME, which later blocks use
    <!-- slow: WHY -->        it runs in the long form only (RHM_SNIPPETS=long)
    <!-- not run: WHY -->     it never runs
A comment that begins with a language is a block that runs but is not shown, such as the check of a result.
"""
import dataclasses
import re

LANGUAGES = {"sh", "console", "python", "c", "cmake", "yaml", "json", "text"}
BLOCK = re.compile(r"(?P<marks>(?:^<!-- (?:file|slow|not run): .*? -->\n)*)^```(?P<language>\S*)\n(?P<body>.*?)^```$"
                   r"|^<!-- (?P<hidden>sh|python)\n(?P<code>.*?)^-->$", re.M | re.S)


@dataclasses.dataclass
class Block:
    language: str
    text: str
    line: int
    marks: dict
    hidden: bool = False


def blocks(page):
    found = []
    for match in BLOCK.finditer(page):
        marks = dict(re.findall(r"<!-- (file|slow|not run): (.*?) -->", match["marks"] or ""))
        hidden = match["hidden"] is not None
        start = match.start("code" if hidden else "body")
        found.append(Block(match["hidden"] or match["language"], match["code"] or match["body"], page.count("\n", 0, start) + 1, marks, hidden))
    return found


def commands(block):
    """(command, output that is shown or None) of a shell block."""
    if block.language == "sh":
        return [(block.text, None)]
    parts = re.split(r"^\$ ", block.text, flags=re.M)
    assert parts[0] == "", f"line {block.line}: a console block begins with a command"
    return [tuple(part.split("\n", 1)) for part in parts[1:]]


def without_numbers(text):
    """Lines as far as they are the same on every machine and at every time of day."""
    lines = [re.sub(r"(?<![\w.])-?\d[\d.]*(e[+-]?\d+)?(?![\w.])", "#", " ".join(line.split())) for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(("machine ", "seconds "))]
