"""The documentation as a static site: `./dev docs` runs this in an environment that has what requirements.txt names.

The pages are the Markdown files of the repository where they lie, so that links hold there too. What is generated is not kept: the C
interface from the headers, the Python interface from its docstrings (mkdocstrings), the commands from `rhm COMMAND --help`."""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

import headers

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CHANGELOG.md", "docs/*.md", "docs/images/*", "perf/*.md", "perf/images/*", "bench/README.md", "tests/fuzz/README.md", "src/*/README.md",
         "src/learners/*/README.md", "examples/**/*.md", "examples/notebooks/*.ipynb", "LICENSE"]


def stage(into):
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            copy = into / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def outside_links(into):
    """Links to files that are no pages, such as sources, become words: the site has no sources."""
    for path in into.rglob("*.md"):
        def keep(match):
            target = match[2].split("#")[0]
            there = not target or re.match(r"\w+:", target) or (path.parent / target).is_file()
            return match[0] if there else match[1]
        path.write_text(re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", keep, path.read_text()))


def write_c(into):
    rows = []
    for path in sorted((ROOT / "include/rhm").glob("*.h")):
        text = path.read_text()
        if path.name != "rhm.h":
            (into / f"{path.stem}.md").write_text(headers.page(f"rhm/{path.name}", text))
            rows.append(f"| [`rhm/{path.name}`]({path.stem}.md) | {headers.summary(text)} |")
    (into / "index.md").write_text("# Interface in C\n\n`rhm/rhm.h` includes all of these; [the C library](../../docs/library.md) says how to build with them, and "
                                   "what holds for all functions.\n\n| header | |\n|---|---|\n" + "\n".join(rows) + "\n")


def write_python(into):
    modules = {"rhm": "rhm", "torch": "rhm.torch"}
    for name, module in modules.items():
        (into / f"{name}.md").write_text(f"# {module}\n\n::: {module}\n")


def write_commands(into, command):
    overview = subprocess.run([command, "--help"], check=True, capture_output=True, text=True).stdout
    rows = []
    for name, what in re.findall(r"^  ([a-z][a-z-]*) +(.*)$", overview, re.M):
        text = subprocess.run([command, name, "--help"], check=True, capture_output=True, text=True).stdout
        (into / f"{name}.md").write_text(f"# rhm {name}\n\n```text\n{text}```\n")
        rows.append(f"| [`rhm {name}`]({name}.md) | {what} |")
    (into / "index.md").write_text("# Commands\n\nThe same is in `man rhm-train` and so on.\n\n| | |\n|---|---|\n" + "\n".join(rows) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rhm", required=True, help="the command")
    parser.add_argument("--into", type=pathlib.Path, required=True, help="directory of the site; its neighbour `pages` is made too")
    arguments = parser.parse_args()
    pages = arguments.into.resolve().parent / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    stage(pages)
    outside_links(pages)
    for name, write in (("c", write_c), ("python", write_python), ("commands", lambda into: write_commands(into, arguments.rhm))):
        (pages / "reference" / name).mkdir(parents=True)
        write(pages / "reference" / name)
    shutil.copyfile(ROOT / "docs/site/extra.css", pages / "extra.css")
    configuration = (ROOT / "docs/site/mkdocs.yml").read_text().replace("@PYTHON@", str(ROOT / "python"))
    for mark, folder in (("@C@", "c"), ("@COMMANDS@", "commands")):
        configuration = configuration.replace(mark, "\n".join(f"          - reference/{folder}/{path.name}" for path in sorted((pages / "reference" / folder).glob("*.md"))
                                                              if path.name != "index.md"))
    more = [f"      - docs/{path.name}" for path in sorted((pages / "docs").glob("*.md")) if f"docs/{path.name}\n" not in configuration]
    configuration = configuration.replace("@MORE@", "\n".join(more))  # pages that the list does not name yet
    made = pages.parent / "mkdocs.yml"
    made.write_text(configuration)
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    return subprocess.run([sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-f", made, "-d", arguments.into.resolve()]).returncode


if __name__ == "__main__":
    sys.exit(main())
