"""`rhm plan --data`: every learner, files with a grammar and of others, and the options and refusals of `rhm train`."""
import json
import subprocess

import h5py
import numpy as np
import pytest

import python_tools  # noqa: F401 (finds the package)
import rhm
from command_tools import RHM, run

GRAMMAR = ["--vocab", "6", "--rules", "2", "--levels", "2", "--seed", "3"]
SEQUENCES = 6000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("plans")
    run("sample", *GRAMMAR, "--samples", SEQUENCES, "--latents", "-o", "own.h5", cwd=path)
    with h5py.File(path / "own.h5") as own:
        tokens, labels = own["data/tokens"][()], own["data/labels"][()]
    with h5py.File(path / "bare.h5", "w") as bare:  # as others write it: from 1 on, int64, compressed
        bare.create_dataset("tokens", data=tokens.astype(np.int64) + 1, compression="gzip", chunks=(500, 4))
        bare["labels"] = labels.astype(np.int64)
    with h5py.File(path / "few.h5", "w") as few:
        few["tokens"], few["labels"] = tokens[:8], labels[:8]
    with h5py.File(path / "mute.h5", "w") as mute:
        mute["tokens"] = tokens
    return path


def plan(folder, *arguments):
    return json.loads(run("plan", *arguments, "--threads", "1", "--json", cwd=folder).stdout)


@pytest.mark.parametrize("learner", sorted(rhm.learners()))
@pytest.mark.parametrize("file", ["own.h5", "bare.h5"])
def test_every_learner_is_planned(folder, learner, file):
    if learner == "tensor" and file == "bare.h5":
        return  # it is refused, as below
    said = plan(folder, "--data", file, "--branching", "2", "--learner", learner, "--test-samples", "1000")
    assert said["learner"] == learner
    assert said["data"] == {"sequences": SEQUENCES, "test_sequences": 1000, "stand_in": file == "bare.h5"}
    assert said["instance"]["vocab"] == ([6, 7, 7] if file == "bare.h5" else 6) and (said["theorem"] is None) == (file == "bare.h5")
    practice = said["practice"]
    assert practice["seconds"] > 0 and practice["memory_bytes"] > 2**20
    for level in practice["levels"]:
        assert 0 < level["samples"] <= SEQUENCES - 1000 and level["draw"] == "samples" and level["memory_bytes"] > 0
        assert (level["at_most"]["searches"] is not None) == (learner == "layerwise")
    assert f"of the {SEQUENCES} sequences 1000 are for the test" in run("plan", "--data", file, "--branching", "2", "--learner", learner,
                                                                      "--test-samples", "1000", cwd=folder).stdout


def test_what_was_planned_is_what_is_done(folder):
    for arguments in (["--slices", "shared"], ["--slices", "disjoint"], ["--positions", "2,1"], ["--samples", "1500"], ["--ridge", "paper"]):
        command = ["--data", "bare.h5", "--branching", "2", *arguments]
        planned = plan(folder, *command)["practice"]["levels"]
        run("train", *command, "--report", "r.json", cwd=folder)
        for level, expected in zip(json.loads((folder / "r.json").read_text())["levels"], planned):
            assert level["search"]["multiply_adds"] <= level["search"]["allowed"] <= expected["at_most"]["multiply_adds"]
            assert level["positions"] <= expected["at_most"]["positions"]
            assert expected["first_samples"] <= level["samples"]
            assert 1 / 2 < expected["distinct_patches"] / level["distinct_patches"] < 2


def test_training_says_what_was_planned(folder):
    run("train", "--data", "bare.h5", "--branching", "2", "--report", "r.json", "--ceilings", "on", cwd=folder)
    report = json.loads((folder / "r.json").read_text())
    assert report["predicted"]["seconds"] > 0 and all(level["predicted"]["samples"] > 0 for level in report["levels"])


@pytest.mark.parametrize("arguments", [
    ["--data", "missing.h5"], ["--data", "mute.h5", "--branching", "2"], ["--data", "few.h5", "--branching", "2"],
    ["--data", "bare.h5"], ["--data", "own.h5", "--rules", "2"],
    ["--data", "own.h5", "--draw", "counts"], ["--data", "own.h5", "--seed", "1", "--rule-law", "zipf:1"], ["--shuffle", "on"],
    ["--slices", "shared"], ["--parents", "6"], ["--data", "own.h5", "--test-samples", "5000"], ["--data", "own.h5", "--parents", "5"],
    ["--data", "own.h5", "--samples", "5900"], ["--data", "own.h5", "--samples", "5900", "--learner", "table"],
    ["--data", "own.h5", "--samples", "5900", "--learner", "latent"], ["--data", "own.h5", "--samples", "5900", "--learner", "shallow"],
    ["--data", "own.h5", "--sequences", "5900", "--learner", "cnn"], ["--data", "own.h5", "--sampling", "fresh", "--learner", "cnn"],
    ["--data", "own.h5", "--slices", "shared", "--learner", "table"], ["--data", "bare.h5", "--branching", "2", "--learner", "tensor"],
    ["--data", "own.h5", "--positions", "2", "--learner", "latent"], ["--data", "own.h5", "--grammar", "own.h5"],
    ["--data", "bare.h5", "--branching", "2", "--vocab", "6", "--levels", "3"],
])
def test_what_training_refuses_plans_refuse(folder, arguments):
    told = [subprocess.run([RHM, command, *arguments], cwd=folder, capture_output=True, text=True, timeout=120) for command in ("plan", "train")]
    assert told[0].returncode == told[1].returncode == 2
    assert told[0].stderr.replace("rhm plan", "rhm train") == told[1].stderr


@pytest.mark.parametrize("option", ["--max-seconds", "--tolerance"])
def test_what_says_nothing_of_a_plan_is_refused(folder, option):
    told = subprocess.run([RHM, "plan", "--data", "own.h5", option, "0.5"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert told.returncode == 2 and option in told.stderr and "leave it out" in told.stderr
