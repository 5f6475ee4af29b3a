"""What a release says of itself agrees. Building one, and using it in a clean root, takes minutes: ./dev release."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def agree(folder):
    return subprocess.run(["bash", "-c", ". release/version.sh && rhm_versions_agree"], cwd=folder, capture_output=True, text=True)


def test_versions_agree():
    done = agree(ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path, old", [("CMakeLists.txt", r"(rhm VERSION )[\d.]+"), ("CHANGELOG.md", r"(\n## )[\d.]+"),
                                       ("debian/changelog", r"(rhm \()[\d.]+")])
def test_versions_that_do_not_agree(path, old, tmp_path):
    for name in ("CMakeLists.txt", "CHANGELOG.md", "debian/changelog", "release/version.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    text, found = re.subn(old, r"\g<1>9.8.7", (tmp_path / path).read_text(), count=1)
    assert found == 1
    (tmp_path / path).write_text(text)
    done = agree(tmp_path)
    assert done.returncode == 1 and "9.8.7" in done.stderr


def test_debian_builds_with_what_dev_installs():
    words = re.search(r"base_packages=\((.*?)\)", (ROOT / "dev").read_text(), re.S).group(1).split()
    control = (ROOT / "debian/control").read_text()
    needed = re.search(r"^Build-Depends: (.*?)^Standards", control, re.M | re.S).group(1)
    needed = {re.sub(r"\s*\(.*", "", word.strip()) for word in needed.split(",")}
    assert set(words) - {"gcc", "libc6-dev"} == needed - {"debhelper-compat"}  # the compiler is there in every build of Debian's
    recommended = re.search(r"Package: librhm-dev.*?Recommends: (.*?)^Suggests", control, re.M | re.S).group(1)
    assert {word.strip() for word in recommended.split(",")} == {word for word in needed if "-dev" in re.sub(r"\s.*", "", word)}


def test_scripts_are_well_formed():
    for path in [ROOT / "dev", *(ROOT / "release").glob("*.sh"), ROOT / "debian/tests/build-with-library"]:
        subprocess.run(["bash", "-n", path], check=True)
