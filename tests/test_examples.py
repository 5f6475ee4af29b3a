"""Every example runs: as it is, or small where it is made for a cluster or somebody else's runner."""
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
BUILD = pathlib.Path(os.environ["RHM_COMMAND"]).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PATH": f"{BUILD / 'bin'}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(BUILD / "lib"),
               "PYTHONPATH": str(ROOT / "python"), "RHM_LIBRARY": str(BUILD / "lib/librhm.so"), "OMP_NUM_THREADS": "2"}
NOTEBOOKS = sorted(EXAMPLES.glob("notebooks/*.ipynb"))


def needs(*modules):
    for module in modules:
        if not importlib.util.find_spec(module):
            pytest.skip(f"{module} is not installed")


def call(*command, cwd, **environment):
    done = subprocess.run([str(word) for word in command], cwd=cwd, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_example_is_named():
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert set(re.findall(r"^\| \[\w+\]\((\w+)\)", (EXAMPLES / "README.md").read_text(), re.M)) == folders


def test_c(tmp_path):
    call("cmake", "-S", EXAMPLES / "c", "-B", tmp_path, f"-Drhm_DIR={BUILD}", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror", cwd=tmp_path)
    call("cmake", "--build", tmp_path, cwd=tmp_path)
    said = call(tmp_path / "sample_and_train", "model.h5", cwd=tmp_path)
    assert len(re.findall(r"^label \d(?=:( \d){8}$)", said, re.M)) == 4 and "accuracy 1.0000 on 2000" in said
    assert "accuracy" in call("rhm", "eval", "model.h5", "--test-samples", "100", cwd=tmp_path)


def test_python(tmp_path):
    needs("torch", "numpy")
    said = call(sys.executable, EXAMPLES / "python/train_cnn.py", "--vocab", "8", "--levels", "2", "--train", "384", "--test", "100", "--epochs", "12", "--batch", "32", cwd=tmp_path)
    losses = [float(value) for value in re.findall(r"loss ([\d.]+)", said)]
    assert len(losses) == 12 and losses[-1] < losses[0] / 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks(path, tmp_path, monkeypatch):
    """Cells assert what they claim."""
    needs("nbclient", "nbformat", "ipykernel", "matplotlib", *(["torch"] if "cnn" in path.stem else []))
    import nbclient
    import nbformat

    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert any(output.output_type == "display_data" for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    assert cells and all(cell.get("outputs", []) == [] and cell.get("execution_count") is None for cell in cells)
    for cell in cells:
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), str(path), "exec")


def test_slurm(tmp_path):
    """Tasks of the array, one of them twice, as after a preemption; then the table."""
    for task in ("1", "2", "6", "2"):
        call("bash", EXAMPLES / "slurm/array.sh", cwd=tmp_path, SLURM_ARRAY_TASK_ID=task, SLURM_CPUS_PER_TASK="2")
    table = call("bash", EXAMPLES / "slurm/collect.sh", cwd=tmp_path).splitlines()
    assert table[0] == "seed,samples,accuracy,seconds"
    assert [line.split(",")[:2] for line in table[1:]] == [["1", "1000"], ["1", "4000"], ["2", "1000"]]
    script = (EXAMPLES / "slurm/array.sh").read_text()
    last = int(re.search(r"^#SBATCH --array=1-(\d+)$", script, re.M)[1])
    assert last % len(re.search(r"^sizes=\((.*)\)$", script, re.M)[1].split()) == 0, "every seed has every size"


def test_slurm_ranks(tmp_path):
    """What sbatch would run, with an srun that keeps its words and starts one task; what is asked of Slurm goes together."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/srun").write_text('#!/bin/sh\nwhile case "$1" in -*) true ;; *) false ;; esac; do echo "$1" >> srun.log; shift; done\nexec "$@"\n')
    (tmp_path / "bin/srun").chmod(0o755)
    script = (EXAMPLES / "slurm/ranks.sh").read_text()
    words = ["--vocab", "6", "--levels", "2", "--test-samples", "100"]
    path = f"{tmp_path / 'bin'}:{ENVIRONMENT['PATH']}"
    call("bash", EXAMPLES / "slurm/ranks.sh", *words, cwd=tmp_path, PATH=path, SLURM_CPUS_PER_TASK="2", MPI="pmi2")
    assert (tmp_path / "srun.log").read_text().split() == ["--mpi=pmi2", "--kill-on-bad-exit=1", "--cpus-per-task=2", "--cpu-bind=cores"]
    assert json.loads((tmp_path / "ranks.json").read_text())["model_hash"] and (tmp_path / "ranks.h5").exists()
    assert "--rank-timeout" in call("rhm", "train", "--help", cwd=tmp_path) and script.count("--rank-timeout") == 1
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", script, re.M))
    assert asked["signal"] == "TERM@60" and asked["ntasks-per-node"] == "1" and int(asked["cpus-per-task"]) > 1


def test_github(tmp_path):
    """What the workflow runs, with a build that takes no time and a comparison that only reads its options."""
    needs("yaml")
    import yaml

    jobs = yaml.safe_load((EXAMPLES / "github/performance.yml").read_text())["jobs"]
    stub = tmp_path / "bin/cmake"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\necho "$@" >> log\n')
    stub.chmod(0o755)
    (tmp_path / "rhm").symlink_to(ROOT)
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    path = f"{stub.parent}:{ENVIRONMENT['PATH']}"
    for command in commands:
        program = "(?<=--program )\\S+ \\S+"
        words = re.sub(program, "/bin/true /bin/false", command) + " --help" if "compare" in command else command
        said = call("bash", "-euo", "pipefail", "-c", words, cwd=tmp_path, PATH=path)
        for option in re.findall(r"--[a-z-]+", command) if "compare" in command else ():
            assert option in said
    assert (tmp_path / "log").read_text().count("--target bench") == 2
