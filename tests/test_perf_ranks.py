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

from perf import ranks  # noqa: E402
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
