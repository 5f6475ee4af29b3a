"""rhm probe from outside."""
import json

from command_tools import SMALL, refused, run


def test_text_and_json_say_the_same(here, tmp_path):
    text = run("probe", here / "m.h5", "--sequences", 200, "--report", "p.json", cwd=tmp_path).stdout
    report = json.loads((tmp_path / "p.json").read_text())
    assert report["schema"] == "rhm-probe/1" and report["model_kind"] == "random-features" and report["sequences"] == 200
    assert report["model_hash"] == json.loads((here / "r.json").read_text())["model_hash"]
    assert [level["level"] for level in report["levels"]] == [3, 2, 1]
    for level in report["levels"]:
        assert level["adjusted_rand"] > 0.95 and level["clustering_error"] < 0.05 and level["linear_accuracy"] > 0.95
        assert len(level["synonyms"]) == len(level["redrawn"]) == 3
        # Synonyms of the own level and of those below it are not seen; those above are.
        assert all((change < 0.05) == (k >= level["level"]) for k, change in enumerate(level["synonyms"], 1))
        assert f"{level['linear_accuracy']:.4f}" in text and f"{level['synonyms'][0]:.4f}" in text
    again = json.loads(run("probe", here / "m.h5", "--sequences", 200, "--threads", 1, "--isa", "scalar", "--json", cwd=tmp_path).stdout)
    assert again["levels"] == report["levels"]


def test_one_position(here, tmp_path):
    report = json.loads(run("probe", here / "m.h5", "--sequences", 100, "--position", 2, "--grammar", here / "g.h5", "--json", cwd=tmp_path).stdout)
    assert report["position"] == 2
    assert all(level["synonyms"][0] is None and level["redrawn"][0] is None for level in report["levels"])


def test_the_seed_of_the_sequences(here, tmp_path):
    """As elsewhere --seed is that of all that is drawn, where the grammar is a file's."""
    probe = lambda *seed: json.loads(run("probe", here / "m.h5", "--sequences", 20, "--grammar", here / "g.h5", *seed, "--json", cwd=tmp_path).stdout)["levels"]
    assert probe("--seed", 5) == probe("--data-seed", 5) != probe() == probe("--seed", 2)


def test_other_kinds(tmp_path):
    run("train", *SMALL, "--learner", "latent", "-o", "m.h5", cwd=tmp_path)
    report = json.loads(run("probe", "m.h5", "--json", cwd=tmp_path).stdout)
    assert report["model_kind"] == "table" and report["levels"][0]["adjusted_rand"] > 0.9
    run("train", *SMALL, "--learner", "shallow", "--samples", 500, "--width", 64, "-o", "s.h5", cwd=tmp_path)
    shallow = json.loads(run("probe", "s.h5", "--sequences", 100, "--json", cwd=tmp_path).stdout)["levels"]
    assert shallow[0]["width"] == 0 and shallow[0]["adjusted_rand"] is None and shallow[2]["linear_accuracy"] is not None
    assert "shows no outputs" in run("probe", "s.h5", "--sequences", 100, cwd=tmp_path).stdout


def test_refusals(here, tmp_path):
    refused("probe", "nowhere.h5", cwd=tmp_path, says=["nowhere.h5"])
    refused("probe", here / "m.h5", "--sequences", 3, cwd=tmp_path, says=["--sequences '3' is refused (too small)"])
    refused("probe", here / "m.h5", "--position", 5, cwd=tmp_path, says=["position 5", "1 to 4"])
    refused("probe", here / "m.h5", "--vocab", 8, "--levels", 2, cwd=tmp_path, says=["the grammar (2 levels, 4 tokens a sequence, 8 tokens, 8 labels) does not fit the model (3, 8, 8, 8)"])
