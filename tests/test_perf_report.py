"""The page and its pictures from recorded results."""
import copy
import json
import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

from perf_tools import perf  # noqa: E402
from perf import history, report  # noqa: E402
from perf.figures import forest, roofline, scaling, stages  # noqa: E402
from perf.harness import session, style  # noqa: E402
from perf.harness.project import ROOT  # noqa: E402

RECORDED = ROOT / "tests/perf"

FIGURES = ("roofline", "scaling", "stages", "peers", "epochs", "forest", "history")


def recorded():
    documents = {kind: session.read(RECORDED / f"{kind}.json", kind) for kind in ("bench", "scaling", "profile", "peers", "training", "compare")}
    earlier = copy.deepcopy(documents["bench"])
    earlier["environment"]["source"].update(commit="0" * 40, time="2020-01-01T00:00:00+00:00", subject="The <first> one")
    for row in earlier["rows"]:
        row["value"] *= 0.8
    commits, _, rows = history.join([documents["bench"], earlier])
    documents["history"] = session.new("history", {"source": {}}, commits=[c["commit"] for c in commits], about_commits=commits, rows=rows)
    return documents


class Reader(HTMLParser):
    """Ids, references and whether elements are closed in order."""
    VOID = {"meta", "br", "link", "img", "use"}

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.references, self.images, self.tags = [], [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        attributes = dict(attributes)
        if attributes.get("id"):
            self.ids.append(attributes["id"])
        self.references += [attributes[key] for key in ("href", "src", "action", "data") if key in attributes]
        if attributes.get("role") == "img":
            self.images.append(attributes["aria-label"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    text = report.compose(recorded(), {}, folder)
    return text, folder


def test_page_has_every_picture_and_refers_to_nothing_outside(page):
    text, folder = page
    reader = Reader()
    reader.feed(text)
    assert reader.open == [] and len(reader.images) == len(FIGURES)
    assert not reader.tags & {"script", "link", "img", "iframe", "object"}
    assert all(reference.startswith("#") for reference in reader.references)
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert not re.search(r"\bfile:", text)
    assert not re.search(r"url\((?!#)", text)
    assert len(reader.ids) == len(set(reader.ids))
    missing = {reference[1:] for reference in reader.references} - set(reader.ids)
    assert not missing
    for name in FIGURES:
        png = (folder / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG") and len(png) < 200_000, name


def test_page_shows_every_row_with_its_line(page):
    import html

    text, _ = page
    for kind in ("bench", "scaling", "profile", "peers", "compare"):
        for row in session.read(RECORDED / f"{kind}.json")["rows"]:
            assert html.escape(row["reproduce"]) in text, row["name"]
    assert "The &lt;first&gt; one" in text and "The <first> one" not in text


def test_page_says_what_it_cannot_know(page):
    text, _ = page
    assert "not identifiable" in text and "not tested here" in text and "The machine was not quiet" in text


def test_missing_results_are_named(tmp_path):
    text = report.compose({"compare": recorded()["compare"]}, {"peers": "not measured: ./dev perf peers", "bench": "it <broke>"}, tmp_path)
    assert "not measured: ./dev perf peers" in text and "it &lt;broke&gt;" in text
    assert [path.name for path in tmp_path.iterdir()] == ["forest.png"]


def test_without_results_there_is_no_page(tmp_path):
    done = perf("report", "--no-run", "--results", tmp_path, "--output", tmp_path / "i.html")
    assert done.returncode == 1 and "nothing to report" in done.stderr and not list(tmp_path.iterdir())


def test_one_result_makes_a_page_that_says_what_is_missing(tmp_path):
    (tmp_path / "compare.json").write_text((RECORDED / "compare.json").read_text())
    (tmp_path / "bench.json").write_text("{")
    done = perf("report", "--no-run", "--results", tmp_path, "--output", tmp_path / "out/i.html", "--only", "compare,bench")
    assert done.returncode == 1 and "not JSON" in done.stderr
    assert "forest" in (tmp_path / "out/i.html").read_text() and (tmp_path / "out/forest.png").exists()


def test_readme_block_is_renewed(page, tmp_path):
    _, pictures = page
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}old\n{report.END}\nafter\n")
    documents = recorded()
    for kind in ("bench", "profile", "peers"):
        documents[kind]["environment"]["machine"] = documents["scaling"]["environment"]["machine"]
    for _ in range(2):
        report.renew_readme(documents, pictures, readme, tmp_path / "images")
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text and text.count("scaling.png") == 1
    assert "| small | torch |" in text and documents["scaling"]["command"] in text
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["roofline.png", "scaling.png"]
    readme.write_text("no marks")
    with pytest.raises(report.project.PerfError, match="lacks"):
        report.renew_readme(documents, pictures, readme, tmp_path / "images")


def test_results_page_has_the_marks():
    text = report.RESULTS_PAGE.read_text()
    assert 0 <= text.find(report.BEGIN) < text.find(report.END)
    for name in re.findall(r"perf/images/([a-z]+\.png)", text):
        assert (report.RESULTS_PICTURES / name).stat().st_size < 200_000


@pytest.mark.parametrize("draw", [roofline.draw, scaling.draw, stages.draw, forest.draw])
def test_nothing_to_draw_is_no_error(draw):
    assert draw({}) is None


def test_bare_results_are_drawn():
    documents = recorded()
    for row in documents["compare"]["rows"]:
        for key in ("interval", "floor", "threshold"):
            row["judgement"].pop(key, None)
    for row in documents["profile"]["rows"]:
        for key in ("model_seconds", "ceiling_seconds", "flops_per_second"):
            row.pop(key, None)
    for row in documents["scaling"]["rows"]:
        for key in ("speed_up", "efficiency"):
            row[key].update(low=None, high=None)
        row.pop("against_first_placement", None)
    for module in (forest, stages, scaling):
        picture = module.draw(documents)
        assert "<svg" in style.svg(picture, "x")
        style.close(picture)


def test_labels_move_apart_and_no_further():
    assert style.spread([1, 5, 9], 2) == [1, 5, 9]
    assert style.spread([5, 5], 2) == [4, 6]
    assert style.spread([0.5, 0.6, 10], 1, low=0.5) == pytest.approx([0.5, 1.5, 10])
    many = style.spread([3] * 5 + [3.5], 1)
    assert all(b - a >= 1 - 1e-9 for a, b in zip(sorted(many), sorted(many)[1:])) and sum(many) / 6 == pytest.approx(18.5 / 6)


@pytest.mark.parametrize("value, text", [(0, "0"), (0.0468, "0.0468"), (3.14159, "3.14"), (206.4, "206"), (12345, "12\u2009345"), (1e-5, "0.00001")])
def test_numbers(value, text):
    assert style.number(value) == text


def test_times():
    assert [style.seconds(x) for x in (12.3, 0.0123, 1.5e-5, 2e-9)] == ["12.3 s", "12.3 ms", "15 µs", "2 ns"]


def test_history_joins_by_name_and_orders_by_time():
    one = session.read(RECORDED / "bench.json")
    two = copy.deepcopy(one)
    two["environment"]["source"].update(commit="f" * 40, time="2000-01-01T00:00:00+00:00")
    two["rows"] = two["rows"][:3]
    two["rows"][0]["valid"], two["rows"][0]["reason"] = False, "moved"
    commits, _, rows = history.join([one, two, one])
    assert [c["commit"] for c in commits] == ["f" * 12, one["environment"]["source"]["commit"][:12]]
    points = {row["name"]: row["points"] for row in rows}
    assert len(points[f"bench: {one['rows'][0]['name']}"]) == 1 and len(points[f"bench: {one['rows'][1]['name']}"]) == 2
    assert points[f"bench: {one['rows'][1]['name']}"][1]["results"] == 2


def test_recorded_results_name_no_machine():
    for path in RECORDED.glob("*.json"):
        text = path.read_text()
        assert "/tmp/" not in text and "/home/" not in text and "host_name" not in text
        assert json.loads(text)["schema"] == session.SCHEMA
