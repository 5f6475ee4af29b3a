"""What the stages have of a data set: said, and refused where it means nothing."""
import json

from command_tools import refused, run

SMALL = ["--data", "data.h5", "--width", "64", "--positions", "1"]


def test_slices_are_said(tmp_path):
    run("sample", "--vocab", "8", "--rules", "4", "--levels", "2", "--seed", "2", "--samples", "3000", "-o", "data.h5", cwd=tmp_path)
    hashes = {}
    for how, said in [("auto", "shared"), ("shared", "shared"), ("disjoint", "disjoint")]:
        done = run("train", *SMALL, "--slices", how, "--report", "r.json", cwd=tmp_path)
        report = json.loads((tmp_path / "r.json").read_text())
        assert report["options"]["slices"] == said
        assert ("share the sequences" in done.stdout) == (said == "shared")
        assert ("sequences of its own" in done.stdout) == (said == "disjoint")
        hashes[how] = report["model_hash"]
    assert hashes["auto"] == hashes["shared"] != hashes["disjoint"]
    run("train", "--vocab", "8", "--rules", "4", "--levels", "2", "--seed", "2", "--width", "64", "--max-samples", "300", "--report",
        "r.json", cwd=tmp_path)
    assert json.loads((tmp_path / "r.json").read_text())["options"]["slices"] is None


def test_slices_mean_nothing_elsewhere(tmp_path):
    run("sample", "--vocab", "8", "--rules", "4", "--levels", "2", "--seed", "2", "--samples", "3000", "-o", "data.h5", cwd=tmp_path)
    assert "--data" in refused("train", "--slices", "shared", cwd=tmp_path)
    for other in (["--learner", "table"], ["--learner", "shallow"], ["--between", "ids"]):
        assert "--slices" in refused("train", "--data", "data.h5", "--slices", "shared", *other, cwd=tmp_path)
