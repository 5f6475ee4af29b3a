"""The wheel: what it says of itself; and, with RHM_LONG_TESTS=1, that it and the sdist build, install and run in environments of their own."""
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from python_tools import BUILD, ENVIRONMENT, ROOT

tomllib = pytest.importorskip("tomllib", reason="Python before 3.11 has no tomllib")
LONG = pytest.mark.skipif(not os.environ.get("RHM_LONG_TESTS"), reason="takes minutes: RHM_LONG_TESTS=1 runs it")


@pytest.fixture(scope="module")
def project():
    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)


def test_metadata(project):
    tool = project["tool"]["scikit-build"]
    assert project["project"]["name"] == "rhm" and project["build-system"]["build-backend"] == "scikit_build_core.build"
    assert tool["wheel"]["py-api"] == "py3" and [(ROOT / folder / "__init__.py").exists() for folder in tool["wheel"]["packages"]] == [True]
    for folder in tool["sdist"]["include"]:
        assert (ROOT / folder.lstrip("/")).exists(), folder
    lists = (ROOT / "CMakeLists.txt").read_text()
    assert all(f"add_library(${{target}}" in lists and target == "rhm_shared" for target in tool["build"]["targets"])
    assert all(f"COMPONENT {component}" in lists for component in tool["install"]["components"])


def test_the_package_finds_the_library_beside_it(tmp_path):
    """As a wheel lays it out, without variables of the environment."""
    shutil.copytree(ROOT / "python/rhm", tmp_path / "rhm", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "rhm/librhm.so").symlink_to(BUILD / "lib/librhm.so")
    plain = {name: value for name, value in ENVIRONMENT.items() if name not in ("RHM_LIBRARY", "PYTHONPATH")}
    done = subprocess.run([sys.executable, "-c", "import rhm; print(rhm.__version__, rhm.Hierarchy().sample(3)[0].shape)"], cwd=tmp_path, env=plain,
                          capture_output=True, text=True)
    version = next(line for line in (ROOT / "CMakeLists.txt").read_text().splitlines() if line.startswith("project(rhm")).split()[2]
    assert done.stdout.split(" ", 1)[0].startswith(version) and done.stdout.endswith("(3, 16)\n"), done.stderr


def test_a_missing_library_is_said(tmp_path):
    done = subprocess.run([sys.executable, "-c", "import rhm"], env={**ENVIRONMENT, "RHM_LIBRARY": str(tmp_path / "none.so")}, capture_output=True,
                          text=True)
    assert "ImportError: librhm.so cannot be loaded" in done.stderr and "none.so" in done.stderr


def environment_with(package, folder):
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "-q", package], check=True)
    example = (ROOT / "README.md").read_text().split("```python\n")[1].split("```")[0]
    plain = {name: value for name, value in os.environ.items() if name not in ("RHM_LIBRARY", "PYTHONPATH")}
    return subprocess.run([folder / "bin/python", "-c", example], cwd=folder, env=plain, check=True, capture_output=True, text=True).stdout


@LONG
def test_wheel_and_sdist(tmp_path):
    subprocess.run([ROOT / "python/make_wheel", tmp_path / "made"], check=True)
    (wheel,), (sdist,) = (tmp_path / "made").glob("*.whl"), (tmp_path / "made").glob("*.tar.gz")
    assert wheel.name.endswith("-py3-none-linux_x86_64.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "rhm/librhm.so" in names and not [name for name in names if pathlib.PurePath(name).suffix in (".h", ".a", ".cmake", ".pc")]
    assert any("libhdf5" in name for name in names) and any("libgomp" in name for name in names)
    assert environment_with(wheel, tmp_path / "of_wheel") == environment_with(sdist, tmp_path / "of_sdist")
