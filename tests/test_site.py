"""The site of the documentation: the C interface from the headers is complete, and all of it builds without a warning."""
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs/site"))
import headers  # noqa: E402

HEADERS = [path for path in sorted((ROOT / "include/rhm").glob("*.h")) if path.name != "rhm.h"]


def squeezed(text):
    return " ".join(re.sub(r"[\\`*/]", "", text).split())


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name)
def test_headers_are_shown_completely(path):
    text = path.read_text()
    page = headers.page(path.name, text)
    titles = set(re.findall(r"^## `(\w+)`$", page, re.M))
    code = "\n".join(re.findall(r"^```c\n(.*?)^```$", page, re.M | re.S))
    for name in re.findall(r"^RHM_API [^(;]*?(\w+)\(", text, re.M):
        assert re.search(rf"\b{name}\(", code), name
    for name in re.findall(r"^typedef (?:enum|struct) (\w+)", text, re.M):
        assert name in titles, name
    for comment in re.findall(r"^/\*(.*?)\*/", text, re.M | re.S):
        assert squeezed(re.sub(r"^ \* ?", "", comment, flags=re.M)) in squeezed(page), comment
    for block in re.findall(r"^```c\n(.*?)^```$", page, re.M | re.S):
        bare = re.sub(r"/\*.*?\*/", "", block, flags=re.S)
        assert bare.count("{") == bare.count("}") and (bare.startswith("#define") or bare.rstrip()[-1] in ";}"), block


def test_a_header():
    page = headers.page("a.h", "/* What it is of_x. */\n#ifndef RHM_A_H\n#define RHM_A_H\n\n/* Adds `a` to\n * b. */\nRHM_API int rhm_add(int a,\n"
                               "                    int b);\n\ntypedef struct rhm_pair {\n    int a; /* one { */\n\n    int b;\n} rhm_pair;\n\n#endif\n")
    assert page.split("\n") == ["# a.h", "", r"What it is of\_x.", "", "## `rhm_add`", "", "Adds `a` to b.", "", "```c", "RHM_API int rhm_add(int a,",
                                "                    int b);", "```", "", "## `rhm_pair`", "", "```c", "typedef struct rhm_pair {", "    int a; /* one { */", "",
                                "    int b;", "} rhm_pair;", "```", ""]


def test_the_site_builds(tmp_path):
    for module in ("mkdocs", "material", "mkdocstrings"):
        if not importlib.util.find_spec(module):
            pytest.skip(f"{module} is not installed; ./dev docs has an environment of its own")
    done = subprocess.run([sys.executable, "-B", ROOT / "docs/site/build.py", "--rhm", os.environ["RHM_COMMAND"], "--into", tmp_path / "site"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site/docs/tour.html").exists() and "rhm_train" in (tmp_path / "site/reference/c/learner.html").read_text()
    for path in (tmp_path / "site").rglob("*.html"):
        assert not re.search(r'<(?:script|link|img)[^>]*(?:src|href)="https?://', path.read_text()), path
