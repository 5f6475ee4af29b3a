"""The documentation: every code block runs and shows what it shows, every link leads somewhere, words are those of the field."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

from snippets import LANGUAGES, Block, blocks, commands, without_numbers

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ["RHM_COMMAND"]).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERYWHERE = [path for path in sorted(ROOT.rglob("*.md")) if "build" not in path.relative_to(ROOT).parts]
LONG = os.environ.get("RHM_SNIPPETS") == "long"
ENVIRONMENT = {**os.environ, "PATH": f"{BUILD / 'bin'}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}", "PKG_CONFIG_PATH": str(BUILD),
               "LD_LIBRARY_PATH": str(BUILD / "lib"), "PYTHONPATH": str(ROOT / "python"), "RHM_LIBRARY": str(BUILD / "lib/librhm.so")}
sys.path.insert(0, str(ROOT / "python"))
os.environ["RHM_LIBRARY"] = ENVIRONMENT["RHM_LIBRARY"]


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def run_shell(block, cwd):
    for command, shown in commands(block):
        # The demo builds before it trains; here it is built.
        command = command.replace("./dev demo", "rhm train")
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=3600)
        assert done.returncode == 0, f"line {block.line}: {command}\n{done.stdout}{done.stderr}"
        if shown is not None:
            assert without_numbers(done.stdout) == without_numbers(shown), f"line {block.line}: {command}"


def run_python(block, path, cwd, namespace):
    code = compile("\n" * (block.line - 1) + block.text, str(path), "exec")
    before = os.getcwd()
    os.chdir(cwd)
    try:
        exec(code, namespace)
    except ModuleNotFoundError as error:
        pytest.skip(f"line {block.line} needs {error.name}, which is not installed")
    finally:
        os.chdir(before)


@pytest.mark.parametrize("path", PAGES, ids=names(PAGES))
def test_code_blocks(path, tmp_path):
    namespace, left_out = {"__name__": "__main__"}, []
    for block in blocks(path.read_text()):
        if "not run" in block.marks or ("slow" in block.marks and not LONG):
            left_out.append(block)
        elif "file" in block.marks:
            (tmp_path / block.marks["file"]).write_text(block.text)
        elif block.language in ("sh", "console"):
            run_shell(block, tmp_path)
        elif block.language == "python":
            run_python(block, path, tmp_path, namespace)
        else:
            assert block.language == "text", f"line {block.line}: {block.language} needs a mark that says what becomes of it"
    for block in left_out:
        assert_exists(block)


def assert_exists(block):
    """Of what is not run: commands and options are there."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = re.split(r"\s+#", line)[0].removeprefix("$ ").split()
        if words[:1] == ["rhm"]:
            said = subprocess.run([BUILD / "bin/rhm", words[1], "--help"], capture_output=True, text=True, check=True).stdout
        elif words[:1] == ["./dev"]:
            said = (ROOT / "dev").read_text()
            assert f"\n{words[1]})" in said, line
            words = words[:2]
        else:
            continue
        for option in [word.split("=")[0] for word in words[2:] if word.startswith("--")]:
            assert re.search(rf"{option}\b", said), line


@pytest.mark.parametrize("path", PAGES, ids=names(PAGES))
def test_no_code_escapes(path):
    """Every block is fenced and says its language, so that the test above sees it."""
    page = path.read_text()
    found = [block for block in blocks(page) if not block.hidden]
    assert page.count("\n```") == 2 * len(found)
    assert {block.language for block in found} <= LANGUAGES
    outside = re.sub(r"^```.*?^```$|^<!--.*?-->$", "", page, flags=re.M | re.S)
    assert re.findall(r"(?:\A|\n)\n(    .*)", outside) == []


def anchors(page):
    """Of headings, as the site and code hosts make them."""
    page = re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S)
    titles = re.findall(r"^#+ (.*)$", page, re.M)
    return {re.sub(r"[^\w -]", "", re.sub(r"[`*]", "", title)).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", EVERYWHERE, ids=names(EVERYWHERE))
def test_links(path):
    page = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", page):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text()), target


SOURCES = [path.relative_to(ROOT) for end in ("c", "h", "py") for path in sorted(ROOT.rglob(f"*.{end}")) if "build" not in path.relative_to(ROOT).parts]


def ends(paths):
    """A path may leave out the directories before a name."""
    return {"/".join(path.parts[i:]) for path in paths for i in range(len(path.parts))}


def missing_paths(text, known):
    named = re.findall(r"(?<![\w./-])((?:\.\./)*[\w-]+(?:/[\w-]+)*\.(?:c|h|py|md))(?![\w.])", text)
    return [name for name in named if re.sub(r"^(\.\./)+", "", name) not in known]


def test_files_that_are_named_exist():
    known = ends([*SOURCES, *(path.relative_to(ROOT) for path in EVERYWHERE)])
    for path in EVERYWHERE:
        page = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
        for code in re.findall(r"`([^`\n]+)`", page):
            assert re.search(r"\s", code) or missing_paths(code, known) == [], f"{path.relative_to(ROOT)}: {code}"
    for path in SOURCES:
        if path.suffix != ".py":
            for comment in re.findall(r"/\*.*?\*/", (ROOT / path).read_text(), flags=re.S):
                assert missing_paths(comment, known) == [], f"{path}: {missing_paths(comment, known)}"


# ---- the tests themselves --------------------------------------------------------------------------------------------

EXAMPLE = "<!-- file: a.c -->\n```c\nint a;\n```\n\ntext\n\n<!-- python\nassert x\n-->\n```console\n$ echo 1 a\n2 a\n```\n"


def test_blocks_are_found():
    found = blocks(EXAMPLE)
    assert [(block.language, block.text, block.line, block.hidden) for block in found] == [
        ("c", "int a;\n", 3, False), ("python", "assert x\n", 9, True), ("console", "$ echo 1 a\n2 a\n", 12, False)]
    assert found[0].marks == {"file": "a.c"}


def test_missing_paths_are_found():
    known = ends([pathlib.Path("src/core/fail.h"), pathlib.Path("docs/design.md")])
    assert missing_paths("src/core/fail.h, core/fail.h, ../core/fail.h, fail.h; a.b.c, x.h5", known) == []
    assert missing_paths("see fial.h (core/gone.c, design.md)", known) == ["fial.h", "core/gone.c"]


def test_blocks_that_fail_are_noticed(tmp_path):
    with pytest.raises(AssertionError, match="line 3: false"):
        run_shell(Block("sh", "false\n", 3, {}), tmp_path)
    with pytest.raises(AssertionError):
        run_shell(Block("console", "$ echo 1 a\n1 b\n", 1, {}), tmp_path)
    run_shell(Block("console", "$ echo 1 a\n2 a\n", 1, {}), tmp_path)
    with pytest.raises(AssertionError):
        assert_exists(Block("sh", "rhm train --no-such-option 3\n", 1, {}))
    with pytest.raises(AssertionError):
        assert_exists(Block("sh", "./dev frobnicate\n", 1, {}))
