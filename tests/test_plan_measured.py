"""rhm plan --measured: a plan for several ranks from times that were written down, the same wherever and whenever it is made."""
import copy
import json
import re
from pathlib import Path

import pytest

from command_tools import SMALL, refused, run

DOCS = Path(__file__).resolve().parent.parent / "docs"
LEARNERS = {"layerwise": [], "raw": ["--distinct", "off", "--samples", "2000", "--width", "64"], "table": ["--learner", "table"]}


@pytest.fixture(scope="module", params=LEARNERS)
def learner(request):
    return LEARNERS[request.param]


@pytest.fixture(scope="module")
def one(learner, tmp_path_factory):
    """A plan of one process, in a file."""
    folder = tmp_path_factory.mktemp("plan")
    (folder / "one.json").write_text(run("plan", *SMALL, *learner, "--json", cwd=folder).stdout)
    return folder / "one.json"


def times(file, *more):
    return json.loads(run("plan", "--measured", file, "--json", *more, cwd=file.parent).stdout)


def test_what_was_written_down_is_what_is_read(one):
    assert times(one) == json.loads(one.read_text())


def without_messages(level):
    return {name: value for name, value in level["seconds"].items() if name not in ("messages", "epoch")}


def test_times_of_ranks_follow_from_those_of_one_process(one, tmp_path):
    ranks = ["--ranks", 4, "--nodes", 2, "--node-cores", 6]
    first = times(one, *ranks)
    assert first == times(one, *ranks), "nothing is measured"
    slower = copy.deepcopy(json.loads(one.read_text()))
    practice = slower["practice"]
    for level in practice["levels"]:
        level["seconds"] = {name: value and 3 * value for name, value in level["seconds"].items()}
        level["shared"] |= {name: 3 * level["shared"][name] for name in ("merge_seconds", "fit_seconds")}
    practice["test_seconds"] *= 3
    (tmp_path / "slower.json").write_text(json.dumps(slower))
    second = times(tmp_path / "slower.json", *ranks)
    assert second["practice"]["memory_bytes"] == first["practice"]["memory_bytes"]
    assert second["practice"]["test_seconds"] == pytest.approx(3 * first["practice"]["test_seconds"])
    for before, now in zip(first["practice"]["levels"], second["practice"]["levels"]):
        assert now["seconds"]["messages"] == before["seconds"]["messages"]
        assert without_messages(now) == pytest.approx({name: 3 * value for name, value in without_messages(before).items()})


def test_the_file_has_all_that_a_plan_for_ranks_is_made_of(learner, one, tmp_path):
    """What a plan for ranks says without measuring is the same, whether it was made at once or from the file."""
    ranks = ["--ranks", 4, "--nodes", 2]
    at_once = json.loads(run("plan", *SMALL, *learner, *ranks, "--json", cwd=tmp_path).stdout)["practice"]
    later = times(one, *ranks)["practice"]
    assert later["ranks"] == at_once["ranks"]
    for before, now in zip(at_once["levels"], later["levels"]):
        for name in ("messages", "message_bytes", "memory_bytes", "partial_sums"):
            assert now[name] == before[name], (now["level"], name)


def test_any_number_of_ranks_may_divide_patches(one, tmp_path):
    """JSON has no infinity: null, as of raw samples."""
    plans = []
    for most in (None, 65536):
        plan = json.loads(one.read_text())
        for level in plan["practice"]["levels"]:
            level["shared"]["division_ranks"] = most
        (tmp_path / "x.json").write_text(json.dumps(plan))
        plans.append(times(tmp_path / "x.json", "--ranks", 4)["practice"])
        for level in plans[-1]["levels"]:
            del level["shared"]["division_ranks"]
    assert plans[0] == plans[1]


def test_ranks_share_steps_of_a_network_only_where_that_is_faster(tmp_path):
    cnn = ["--learner", "cnn", "--sequences", "256", "--epochs", "2", "--width", "16"]
    (tmp_path / "cnn.json").write_text(run("plan", *SMALL, *cnn, "--json", cwd=tmp_path).stdout)
    slow = times(tmp_path / "cnn.json", "--ranks", 2, "--nodes", 2, "--network-latency", "1e9")["practice"]
    assert [level["messages"] for level in slow["levels"]] == [0] * 3
    assert slow["memory_bytes"] == times(tmp_path / "cnn.json")["practice"]["memory_bytes"]


def damaged(one, change):
    plan = json.loads(one.read_text())
    change(plan["practice"])
    return json.dumps(plan)


def test_what_is_no_such_plan_is_refused(one, tmp_path):
    level = lambda practice: practice["levels"][0]
    for text, says in [
            ("{", "line 1"), ("[]", "schema"), ('{"schema": "rhm-plan/1"}', "not measured"),
            (run("plan", *SMALL, "--learner", "table", "--ranks", 2, "--json", cwd=tmp_path).stdout, "of several ranks"),
            (damaged(one, lambda practice: level(practice).pop("positions")), "'positions' is missing"),
            (damaged(one, lambda practice: level(practice).update(draw="dice")), "'draw' is not what it should be"),
            (damaged(one, lambda practice: level(practice)["seconds"].update(fit=None)), "was not measured"),
            (damaged(one, lambda practice: level(practice)["shared"].update(sum_rows=1e15)), "make no sense"),
            (damaged(one, lambda practice: level(practice).update(level=33)), "level 33"),
            (damaged(one, lambda practice: practice.update(levels=practice["levels"][:1] * 2)), "there twice"),
            (damaged(one, lambda practice: practice.update(threads=0)), "not measured")]:
        (tmp_path / "x.json").write_text(text)
        refused("plan", "--measured", "x.json", "--ranks", 2, cwd=tmp_path, says=["x.json", says])
    refused("plan", "--measured", "none.json", cwd=tmp_path, expect=1, says=["none.json"])


def test_the_training_is_that_of_the_file(one, tmp_path):
    refused("plan", "--measured", one, "--vocab", 8, cwd=tmp_path, says=["--vocab 8 has no effect with --measured"])
    refused("plan", "--measured", one, "--isa", "scalar", cwd=tmp_path, says=["--isa scalar has no effect with --measured"])
    refused("plan", "--measured", one, "--threads", 2, cwd=tmp_path, says=["without --ranks"])


def rounded(number):
    """Two digits, as the page has them."""
    return float(f"{number:.2g}")


@pytest.mark.parametrize("name", ("levels-12", "raw-1e10"))
def test_the_page_says_what_the_recorded_machine_gives(name, tmp_path):
    page = (DOCS / "several-machines.md").read_text()
    row, = re.findall(rf"^\|[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\| `{name}\.json` \|$", page, re.M)
    said = [float(number) for cell in row for number in re.findall(r"[0-9.]+", cell)]
    found = {}
    for nodes in (1, 8, 64):
        words = ["--ranks", nodes, "--nodes", nodes, "--node-cores", 64, "--network-latency", 2, "--network-bandwidth", 12, "--json"]
        found[nodes] = json.loads(run("plan", "--measured", DOCS / f"plans/{name}.json", *words, cwd=tmp_path).stdout)["practice"]
    messages = sum(level["seconds"]["messages"] for level in found[64]["levels"])
    assert said == [*(rounded(practice["seconds"]) for practice in found.values()), rounded(messages),
                    *(rounded(practice["memory_bytes"] / 2**30) for practice in found.values())]
