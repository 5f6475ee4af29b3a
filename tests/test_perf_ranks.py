"""`perf scaling --ranks`: points, accounts and rows of a made-up job. No clock decides here."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from perf import __main__ as command  # noqa: E402
from perf import programs, ranks  # noqa: E402
from perf.harness import project, session  # noqa: E402


def told(sent, seconds):
    none = {"sent": 0, "sent_bytes": 0, "received": 0, "received_bytes": 0, "seconds": 0.0}
    return {"other": none, "gather": {**none, "sent": 2, "sent_bytes": 10, "seconds": seconds}, "broadcast": none,
            "reduce": {**none, "sent": sent, "sent_bytes": 100 * sent, "seconds": 2 * seconds}, "waited_seconds": seconds}


def sample(seconds, sent=3):
    return ranks.Sample(seconds, 1 / seconds, [told(sent, 0.1), told(sent + 1, 0.3)], 2 * seconds)


def test_points_have_one_process_to_compare_with():
    points = ranks.points_of([2, 4], [1, 2])
    assert [(p.ranks, p.threads) for p in points if p.mode == "strong"] == [(1, 1), (2, 1), (2, 2), (4, 1), (4, 2)]
    assert len(points) == 10
    assert "--samples 600,60" in " ".join(ranks.words_of(ranks.Point("weak", 2, 3), "--samples 1e2,10", 8))
    assert "--samples 400,40" in " ".join(ranks.words_of(ranks.Point("weak", 2, 3), "--samples 1e2,10", 4)), "no more than there are cores"


def test_accounts_are_exact_and_shares_are_of_time():
    account = ranks.account([sample(1.0), sample(2.0), sample(4.0)])
    assert account["messages"] == 4 + 7 and account["bytes"] == 20 + 700
    assert account["by_kind"]["reduce"] == {"messages": 7, "bytes": 700}
    assert account["communication_share"] == pytest.approx((0.3 + 0.9) / 2 / 2) and account["tree_share"] == pytest.approx(0.4 / 2)
    with pytest.raises(project.PerfError, match="other messages"):
        ranks.account([sample(1.0), sample(1.0, sent=4)])


def test_rows_are_ratios_within_rounds():
    base = [ranks.Sample(s, 1 / s, [], None) for s in (2.0, 4.0, 8.0)]
    row = ranks.row_of(ranks.Point("strong", 2, 1), [sample(1.0), sample(2.0), sample(4.0)], base, "run", 8)
    assert row["speed_up"]["value"] == 2 and row["efficiency"]["value"] == 1 and row["predicted_over_measured"] == 2
    one = ranks.row_of(ranks.Point("strong", 1, 1), base, base, "run", 8)
    assert not session.is_available(one["exchanged"]) and not session.is_available(one["predicted_over_measured"])
    assert "strong/job/r:2/t:1" in ranks.summary({"rows": [row, one]})


def test_runs_that_were_throttled_are_invalid():
    good, bad = ranks.Sample(2.0, 0.5, [], None), ranks.Sample(9.0, 1 / 9, [], None, reason="the CPU quota stopped the process in 3 periods")
    point = ranks.Point("strong", 1, 2)
    row = ranks.row_of(point, [bad, good, good], [good, good, bad], "run", 8)
    assert row["valid"] and row["value"] == 2.0 and row["speed_up"]["count"] == 1 and row["speed_up"]["value"] == row["best_speed_up"] == 1
    gone = ranks.row_of(point, [good, bad, bad], [bad, good, good], "run", 8)
    assert not gone["valid"] and gone["reason"] == "2 of 3 runs are invalid: the CPU quota stopped the process in 3 periods"
    assert not session.is_available(gone["speed_up"]) and not session.is_available(gone["efficiency"]) and gone["best_speed_up"] == 1
    lost = ranks.row_of(point, [good, good, bad], [bad, bad, bad], "run", 8)
    assert lost["valid"] and not session.is_available(lost["best_speed_up"])
    said = ranks.summary({"rows": [row, gone, lost]}).splitlines()
    assert "INVALID: 2 of 3 runs" in said[2] and "INVALID" not in said[1] + said[3]


def launcher(folder, text):
    """A directory of programs in which `rhm` does this, and is its own launcher."""
    (folder / "rhm").write_text(f"#!{sys.executable}\n{text}\n")
    (folder / "rhm").chmod(0o755)
    return [str(folder / "rhm")], folder / "rhm"


def test_ranks_that_hang_are_stopped(tmp_path):
    words, rhm = launcher(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(project.PerfError, match="had not ended after"):
        ranks.run_point(ranks.Point("strong", 2, 1), words, rhm, "--samples 100", 2, False, {}, timeout=0.3)


@pytest.mark.parametrize("troubles", [[], ["the CPU quota stopped the process in 3 periods", "heat"]])
def test_a_run_says_what_disturbed_it(tmp_path, monkeypatch, troubles):
    report = {"model_hash": "1", "machine": {"ranks": None}, "levels": [], "seconds": 2.0, "predicted": None}
    words, rhm = launcher(tmp_path, f"import sys; open(sys.argv[sys.argv.index('--report') + 1], 'w').write({json.dumps(report)!r})")
    monkeypatch.setattr(ranks.host, "disturbed", lambda grown: troubles)
    found = ranks.run_point(ranks.Point("strong", 1, 1), words, rhm, "--samples=1e2", 2, False, {})
    assert found.seconds == 2 and found.reason == (troubles or [""])[0]


@pytest.mark.parametrize("words, says", [
    (["--ranks", "1", "--job", ""], "needs fixed samples"), (["--ranks", "1", "--job", "--samples auto"], "needs fixed samples"),
    (["--ranks", "1", "--job=--samples"], "needs fixed samples"), (["--ranks", "1", "--job=--samples=inf"], "needs fixed samples"),
    (["--ranks", "1", "--kernels", "pass/v8"], "--kernels is about threads"), (["--ranks", "1", "--placements", "none"], "--placements is about"),
    (["--ranks", "1", "--min-time", "1"], "--min-time is about"), (["--timeout", "5"], "need --ranks"), (["--mpi", "mpich"], "need --ranks"),
    (["--ranks", "1", "--timeout", "0"], "'0' is too small"),
])
def test_bad_usage(words, says, capsys, monkeypatch):
    def never(*_, **__):
        raise AssertionError("nothing is built or run")

    monkeypatch.setattr(programs, "programs", never)
    try:
        status = command.main(["scaling", *words])
    except SystemExit as ended:
        status = ended.code
    assert status == 2 and says in capsys.readouterr().err


def test_samples_may_be_given_with_an_equals_sign():
    weak = ranks.words_of(ranks.Point("weak", 2, 1), "--samples=1e2,10 --width 64", 8)
    assert weak == ["--samples", "200,20", "--width", "64", "--threads", "1"]


def test_a_small_job(tmp_path):
    rhm = Path(os.environ.get("RHM_COMMAND", ROOT / "build/release/bin/rhm")).resolve()
    try:
        ranks.find_launcher(rhm.parent)
    except project.PerfError as reason:
        pytest.skip(str(reason))
    job = "--samples 2000,500 --vocab 6 --rules 3 --levels 2 --width 64 --test-samples 100"
    done = subprocess.run([sys.executable, ROOT / "perf", "scaling", "--bin", rhm.parent, "--ranks", "1,2", "--rounds", "1", "--job", job,
                           "--output", tmp_path / "ranks.json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    document = session.read(tmp_path / "ranks.json", "ranks")
    assert [row["name"] for row in document["rows"]] == [f"{mode}/job/r:{n}/t:1" for mode in ("strong", "weak") for n in (1, 2)]
    two = document["rows"][1]["exchanged"]
    assert two["messages"] == sum(kind["messages"] for kind in two["by_kind"].values()) > 0
    assert two["by_kind"]["reduce"]["bytes"] % 8 == 0 and json.dumps(document)
