"""The Python package: what it hands over is what the library, the command and the definitions say."""
import json
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
from command_tools import foreign_grammar, parse, run
from python_tools import ENVIRONMENT

import rhm

SMALL = {"vocab": 8, "rules": 4, "branching": 2, "levels": 3, "seed": 2}
OPTIONS = ["--vocab", 8, "--rules", 4, "--branching", 2, "--levels", 3, "--seed", 2]
UNEVEN = {"vocab": [3, 4, 5, 6], "rules": [2, 1, 3], "branching": [2, 2, 2], "rule_sampling": "uniform", "seed": 5}


@pytest.fixture(scope="module")
def small():
    return rhm.Hierarchy(**SMALL)


def same_rules(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.rules, b.rules)) and all(np.array_equal(x, y) for x, y in zip(a.probability, b.probability))


# ---- hierarchies --------------------------------------------------------------------------------------------------------


def test_a_hierarchy_is_the_command_s(small, tmp_path):
    run("grammar", *OPTIONS, "-o", "g.h5", cwd=tmp_path)
    run("sample", *OPTIONS, "--samples", 3000, "--data-seed", 7, "--latents", "-o", "d.h5", cwd=tmp_path)
    assert same_rules(rhm.Hierarchy.load(tmp_path / "g.h5"), small)
    tokens, labels, latents = small.sample(3000, latents=True, seed=7)
    with h5py.File(tmp_path / "d.h5") as file:
        assert np.array_equal(file["data/tokens"], tokens) and np.array_equal(file["data/labels"], labels)
        assert all(np.array_equal(file[f"data/latents_{l}"], latents[l]) for l in (1, 2))
    assert tokens.dtype == labels.dtype == latents[1].dtype == np.uint16
    rhm.write_samples(small, tmp_path / "ours.h5", 3000, latents=True, seed=7)
    data = rhm.Data.load(tmp_path / "ours.h5", latents=True)
    assert np.array_equal(data.tokens, tokens) and np.array_equal(data.latents[2], latents[2]) and same_rules(data.hierarchy, small)
    small.save(tmp_path / "saved.h5")
    assert same_rules(rhm.Hierarchy.load(tmp_path / "saved.h5"), small)


def test_samples_parse(small):
    tokens, labels, latents = small.sample(500, start=10**15, latents=True)
    above = parse(tokens, small.rules)
    assert np.array_equal(above[-1][:, 0], labels) and np.array_equal(above[0], latents[2]) and np.array_equal(above[1], latents[1])


def test_samples_do_not_depend_on_how_they_are_asked_for(small):
    tokens, labels = small.sample(1000)
    for engine in (rhm.Engine(threads=1), rhm.Engine(threads=3, isa="scalar")):
        pieces = [small.sample(n, start, engine=engine) for start, n in ((0, 1), (1, 599), (600, 400))]
        assert np.array_equal(np.concatenate([p[0] for p in pieces]), tokens) and np.array_equal(np.concatenate([p[1] for p in pieces]), labels)
    out = np.zeros((10, 8), np.uint16), np.zeros(10, np.uint16)
    assert small.sample(10, 5, out=out)[0] is out[0] and np.array_equal(out[0], tokens[5:15])
    assert not np.array_equal(small.sample(1000, seed=1)[0], tokens) and not np.array_equal(small.sample(1000, stream="test")[0], tokens)


def test_long_samples_are_the_same(small, monkeypatch):
    """They are drawn where Ctrl-C can end them."""
    short = small.sample(300, latents=True), small.sample(300, replacement=False), small.sample_below([1, 2, 3])
    monkeypatch.setattr(rhm.hierarchy, "_LONG", 0)
    long = small.sample(300, latents=True), small.sample(300, replacement=False), small.sample_below([1, 2, 3])
    assert np.array_equal(short[0][0], long[0][0]) and np.array_equal(short[0][2][2], long[0][2][2])
    assert np.array_equal(short[1][0], long[1][0]) and np.array_equal(short[2], long[2])


def test_rules_of_others():
    rules, probability, label = foreign_grammar()
    h = rhm.Hierarchy.from_rules(rules, probability, label)
    assert h.vocab == [3, 4, 6] and h.branching == [2, 2] and h.nodes == [1, 2, 4] and h.tokens == 4
    assert np.allclose(h.probability[0], probability[0]) and np.allclose(h.label_probability, label)
    tokens, labels = h.sample(20000)
    assert np.allclose(np.bincount(labels) / 20000, label, atol=0.02)
    same = rhm.Hierarchy.from_rules({0: rules[0], 1: rules[1]}, {0: [0.9, 0.1], 1: np.array([0.5, 0.25, 0.25])})
    assert np.allclose(same.probability[0], [[0.9, 0.1]] * 3)
    with pytest.raises(rhm.InvalidError, match="parent"):
        rhm.Hierarchy.from_rules([[[[0, 0], [1, 1]], [[0, 0], [1, 0]]]])
    ambiguous = rhm.Hierarchy.from_rules([[[[0, 0], [1, 1]], [[0, 0], [1, 0]]]], ambiguous=True)
    assert ambiguous.analysis["ambiguous"] == [1]


def test_analysis(small):
    found = small.analysis
    assert found["kappa"] == 1 and len(found["rho"]) == 3 and found["assumption_6"] in (True, False)
    assert found["posterior"][0].shape == (8, 8) and np.allclose(found["posterior"][2].sum(1), 1)
    assert np.array_equal(found["posterior"][0], np.eye(8))
    assert "Assumption 6" in found["explanation"]


def test_without_replacement_everything_comes_once():
    h = rhm.Hierarchy(**UNEVEN)
    assert h.size == 3 * 2 * 3**4
    tokens, labels = h.sample(h.size, replacement=False, seed=3)
    assert len(np.unique(tokens, axis=0)) == h.size and np.array_equal(np.bincount(labels), [h.size // 3] * 3)
    in_order, ordered = h.sample(h.size, replacement="numbered")
    assert np.array_equal(ordered, np.repeat(np.arange(3), h.size // 3))
    assert np.array_equal(np.unique(tokens, axis=0), np.unique(in_order, axis=0))
    part, _ = h.sample(100, start=h.size - 100, replacement=False, seed=3)
    assert np.array_equal(part, tokens[-100:])
    with pytest.raises(rhm.InvalidError, match="different sequences"):
        h.sample(1, start=h.size, replacement=False)
    huge = rhm.Hierarchy(vocab=32, rules=8, branching=2, levels=5, rule_sampling="uniform")
    assert huge.size == 32 * 8**31 and huge.sample(5, start=huge.size - 5, replacement=False)[0].shape == (5, 32)
    with pytest.raises(rhm.RHMError, match="2\\^127"):
        rhm.Hierarchy(vocab=32, rules=8, branching=2, levels=6, rule_sampling="uniform").size


def test_below_given_labels(small):
    wanted = np.arange(300) % 8
    tokens, latents = small.sample_below(wanted, latents=True)
    above = parse(tokens, small.rules)
    assert np.array_equal(above[-1][:, 0], wanted) and np.array_equal(above[0], latents[2])
    with pytest.raises(rhm.InvalidError, match="label 1 is 8: allowed are 0 to 7"):
        small.sample_below([0, 8])


def test_pickles_and_copies_are_the_same():
    h = rhm.Hierarchy(**{**UNEVEN, "law": "zipf:1", "token_noise": 0.1})
    copy = pickle.loads(pickle.dumps(h))
    assert copy.vocab == h.vocab and same_rules(h, copy) and np.array_equal(h.sample(100)[0], copy.sample(100)[0])
    engine = pickle.loads(pickle.dumps(rhm.Engine(threads=2)))
    assert engine.options["threads"] == 2


# ---- exact inference ----------------------------------------------------------------------------------------------------


def test_oracle_on_what_it_knows(small):
    tokens, labels, latents = small.sample(200, latents=True)
    sure = small.oracle(tokens, marginals=True)
    assert np.array_equal(sure.posteriors.argmax(1), labels) and np.allclose(sure.posteriors.max(1), 1, atol=1e-5)
    assert np.array_equal(sure.marginals[2].argmax(2), latents[2]) and sure.marginals[3].shape == (200, 8, 8)
    assert np.allclose(sure.log_likelihood, -np.log(small.size), rtol=1e-4)
    unknown = small.oracle(tokens, masked=np.ones_like(tokens))
    assert np.allclose(unknown.posteriors, 1 / 8, atol=1e-6) and np.allclose(unknown.log_likelihood, 0, atol=1e-5)
    bayes = small.bayes(1000)
    assert bayes["accuracy"] == 1 and bayes["samples"] == 1000
    noisy = rhm.Hierarchy(**{**SMALL, "label_noise": 0.5}).bayes(2000)
    assert abs(noisy["accuracy"] - (0.5 + 0.5 / 8)) < 0.05


# ---- training -----------------------------------------------------------------------------------------------------------


def test_a_model_is_the_command_s(small, tmp_path):
    run("train", *OPTIONS, "--learner", "table", "--data-seed", 9, "--test-samples", 500, "-o", "m.h5", "--report", "r.json", cwd=tmp_path)
    model = rhm.train(small, "table", seed=9, test_samples=500, ceilings=True)
    assert model.report["machine"]["fma_peak_gflops"] > 0 and model.report["predicted"]["seconds"] > 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert model.hash == report["model_hash"] == model.report["model_hash"]
    assert model.report["instance"] == report["instance"] and model.report["test"]["accuracy"] == report["test"]["accuracy"]
    assert rhm.Model.load(tmp_path / "m.h5").hash == model.hash
    model.save(tmp_path / "ours.h5")
    assert rhm.Model.load(tmp_path / "ours.h5").report == model.report and pickle.loads(pickle.dumps(model)).hash == model.hash
    assert (model.levels, model.tokens, model.n_classes, model.token_vocab, model.kind) == (3, 8, 8, 8, "table")
    assert [level["level"] for level in model.describe()] == [3, 2, 1]


def test_predictions(small):
    model = rhm.train(small, "layerwise", samples=4000, width=64, test_samples=100)
    tokens, labels = small.sample(400, seed=77)
    probabilities = model.predict_proba(tokens)
    assert np.array_equal(probabilities.argmax(1), model.predict(tokens)) and probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(1), 1, atol=1e-4)
    assert model.score(tokens, labels) == np.mean(model.predict(tokens) == labels)
    assert np.array_equal(model.embeddings(1, tokens)[:, 0], probabilities)
    assert model.embeddings(3, tokens).shape[:2] == (400, 4)
    assert 0 <= model.score(small, n=500) <= 1
    for wrong in (lambda: model.predict(tokens[:, :4]), lambda: model.predict(tokens.astype(float)), lambda: model.embeddings(4, tokens),
                  lambda: model.predict(np.full((1, 8), 8))):
        with pytest.raises(rhm.InvalidError):
            wrong()


def test_options_reach_the_library(small):
    by_dict = rhm.train(small, samples={3: 4000, 2: 3000, 1: 2000}, width=64, test_samples=10, ridge="paper")
    by_list = rhm.train(small, samples=[4000, 3000, 2000], width=64, test_samples=10, ridge="paper")
    assert by_dict.hash == by_list.hash and [level["samples"] for level in by_list.report["levels"]] == [4000, 3000, 2000]
    for options, says in (({"widht": 3}, "no option widht"), ({"width": "wide"}, "cannot be"), ({"learner": "none"}, "unknown"),
                          ({"samples": [1, 2]}, "2 values"), ({"learner": "table", "bandwidth": 1}, "no effect"), ({"parents": [1]}, "no effect")):
        with pytest.raises(rhm.InvalidError, match=says):
            rhm.train(small, **options)
    assert "samples" in rhm.learners()["layerwise"]["options"]


def test_training_on_arrays(small, tmp_path):
    tokens, labels, latents = small.sample(6000, latents=True)
    learner = rhm.Learner("table", branching=2, test_samples=500)
    assert learner.get_params()["test_samples"] == 500
    names = np.array([f"class {i}" for i in range(8)])
    assert learner.fit(tokens.astype(np.int64), names[labels]) is learner
    assert list(learner.classes_) == list(names) and learner.predict(tokens[:50])[0] in names
    assert learner.score(tokens, names[labels]) > 0.5 and learner.predict_proba(tokens[:5]).shape == (5, 8)
    learner.set_params(learner="tensor", branching=[2, 2, 2]).fit(tokens, labels, latents=latents)
    assert learner.score(tokens, labels) > 0.9 and learner.report_["options"]["data"] is None
    rhm.write_samples(small, tmp_path / "d.h5", 6000)
    of_file = rhm.train(tmp_path / "d.h5", "table", test_samples=500)
    of_arrays = rhm.train(rhm.Data(tokens, labels, hierarchy=small), "table", test_samples=500)
    assert of_file.hash == of_arrays.hash
    by_class = np.argsort(labels, kind="stable")
    ordered = rhm.Data(tokens[by_class], labels[by_class], hierarchy=small)
    before = ordered.tokens.copy()
    with pytest.warns(rhm.NoteWarning, match="no random order"):
        of_sorted = rhm.train(ordered, "table", seed=3, test_samples=500)
    assert of_sorted.report["options"]["shuffled"] is True and (ordered.tokens == before).all() and not ordered.is_mixed()
    mixed = ordered.shuffled(3)
    assert rhm.train(mixed, "table", seed=3, test_samples=500).hash == of_sorted.hash and mixed.is_mixed()
    for never in (False, "off"):
        assert rhm.train(ordered, "table", seed=3, test_samples=1200, shuffle=never).report["test"]["accuracy"] < 0.5
    for wrong in (lambda: rhm.Data(tokens, labels), lambda: rhm.Data(tokens, labels, 3), lambda: rhm.Data(tokens, labels[:-1], 2),
                  lambda: rhm.Data(tokens, labels, 2, latents={3: tokens}), lambda: rhm.Data(tokens.astype(float), labels, 2),
                  lambda: rhm.train(rhm.Data(tokens, labels, 2, token_vocab=2), "table"), lambda: rhm.train(rhm.Data(tokens, labels, 2, label_vocab=2), "table"),
                  lambda: rhm.train(mixed, "table", shuffle="perhaps"), lambda: rhm.train(small, "table", shuffle=True)):
        with pytest.raises(rhm.InvalidError):
            wrong()


def test_scikit_learn_takes_it(small):
    selection = pytest.importorskip("sklearn.model_selection", reason="scikit-learn is not installed")
    tokens, labels = small.sample(2000)
    search = selection.GridSearchCV(rhm.Learner("table", test_samples=100), {"learner": ["table", "latent"]}, cv=2).fit(tokens, labels)
    assert search.best_score_ > 0.5 and search.best_params_["learner"] in ("table", "latent")


def test_progress_is_handed_over(small):
    seen = []
    rhm.train(rhm.Hierarchy(vocab=16, rules=4, levels=3, seed=1), width=256, progress=lambda *state: seen.append(state))
    assert seen and all(isinstance(stage, str) and done >= 0 for stage, done, _ in seen)


def test_a_failing_progress_function_ends_the_run():
    def fail(*state):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        rhm.train(rhm.Hierarchy(vocab=16, rules=4, levels=8, seed=1), progress=fail)


# ---- failures, processes ------------------------------------------------------------------------------------------------


def test_failures_carry_the_sentence(tmp_path):
    with pytest.raises(ValueError, match="level 1 needs 16 distinct patches"):
        rhm.Hierarchy(vocab=2, rules=8)
    with pytest.raises(rhm.RHMError) as missing:
        rhm.Model.load(tmp_path / "none.h5")
    assert missing.value.status == "io" and "none.h5" in str(missing.value)
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(rhm.RHMError) as corrupt:
        rhm.Hierarchy.load(tmp_path / "text.h5")
    assert corrupt.value.status in ("corrupt", "invalid")
    assert pickle.loads(pickle.dumps(missing.value)).status == "io"
    for wrong in ({"seed": -1}, {"levels": 0}, {"vocab": 1.5}, {"law": "zipf"}, {"rules": [1, 2], "levels": 3}, {"rule_sampling": "given"}):
        with pytest.raises(rhm.InvalidError):
            rhm.Hierarchy(**wrong)


WRONG = {
    "sample(-1)": "from 0 to", "sample(1 << 62)": "from 0 to", "sample(5, start=-1)": "start is -1", "sample(5, start=2**64 - 4)": "start is",
    "sample(5, start=2**130, replacement=False)": "start is", "sample(5, seed=1.5)": "seed is 1.5", "sample('5')": "whole numbers",
    "sample(5, stream='none')": "unknown", "sample(5, stream=('training', 99))": "from 0 to 32", "sample(5, replacement='x')": "allowed are True",
    "sample(5, out=(np.zeros((5, 8)), np.zeros(5)))": "uint16", "oracle(np.full((1, 8), 9))": "tokens 0 to 7", "oracle([[0] * 7])": "7 tokens",
    "oracle(np.zeros((3, 8), int), masked=np.zeros((2, 8)))": "masked", "oracle(np.zeros((3, 8)))": "argmax", "oracle(-np.ones((1, 8), int))": "from -1",
    "oracle(np.zeros((1, 8), int), precision='half')": "auto, single, double", "sample_below([1.0])": "argmax",
}


@pytest.mark.parametrize("call", WRONG)
def test_wrong_arguments_are_refused(call, small):
    with pytest.raises(rhm.InvalidError, match=WRONG[call]):
        eval(f"small.{call}", {"small": small, "np": np})


#: What NumPy's broadcasting or a narrower C type would make something else of, without a word.
MISUNDERSTOOD = {
    "m.score(x, y[:, None])": "a label for each", "m.score(x, y[:-1])": "a label for each", "m.score(x)": "a label for each", "m.score(x[:0], y[:0])": "at least one",
    "m.score(x, y.astype(str))": "nothing of that kind", "m.score(h, n=-1)": "n is -1", "m.score(h, n=2**64 + 1)": "n is", "h.bayes(-1)": "n is -1",
    "h.bayes(5, start=-1)": "start is -1", "rhm.Learner('table').fit(x, y).score(x, y[None])": "a label for each",
    "rhm.Data(x, y, 2, token_vocab=2**32 + 8)": "token_vocab is", "rhm.Data(x, y, 2, label_vocab=-1)": "label_vocab is -1",
    "rhm.Data.load('d.h5', branching=2**32 + 2)": "branching is", "rhm.Data.load('d.h5', branching=[2] * 40)": "40 values",
    "rhm.Data.load('d.h5', token_vocab=-3)": "token_vocab is -3", "rhm.Data.load('d.h5', levels=2**32 + 3)": "levels is",
    "rhm.write_samples(h, 'd.h5', -1)": "n is -1", "m.save('m.h5\\0x')": "zero character", "rhm.Hierarchy(law='zipf:1\\0')": "zero character",
    "rhm.Hierarchy(label_law=None)": "label_law is None", "rhm.Hierarchy(law=['uniform', 3])": "law is", "rhm.Hierarchy.from_rules([[[[0, 1]]]], vocab=2**32 + 2)": "vocab is",
    "rhm.Engine(threads=2**32 + 1)": "threads is", "rhm.Engine(threads=-1)": "threads is -1", "rhm.Engine(memory_limit=-1)": "memory_limit is -1",
    "rhm.Engine(placement=[0, 1])": "placement is", "rhm.set_default_engine(None)": "rhm.Engine", "h.sample(3, engine=2)": "rhm.Engine",
    "h.sample(3, out=np.zeros((3, 8), np.uint16))": "two arrays", "h.sample(3, stream=[1, 2])": "unknown", "rhm.train(h, seed=1, data_seed=2)": "the same option",
    "rhm.train(rhm.Data(x, y, 2), 'table', parents=8)": "parents is 8", "rhm.train(h, resume=True)": "resume has no effect", "m.save('')": "empty",
    "rhm.train(h, checkpoint_seconds=5)": "checkpoint-seconds has no effect", "rhm.Learner('table').fit(x[:0], y[:0])": "0 sequences",
}


@pytest.mark.parametrize("call", MISUNDERSTOOD)
def test_what_could_be_misunderstood_is_refused(call, small, tmp_path, monkeypatch):
    x, y = small.sample(300)
    model = rhm.train(small, "table", samples=500, test_samples=10)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rhm.InvalidError, match=MISUNDERSTOOD[call]):
        eval(call, {"rhm": rhm, "np": np, "h": small, "x": x, "y": y, "m": model})
    assert list(tmp_path.iterdir()) == []


def test_a_test_that_the_data_are_too_few_for(small):
    with pytest.warns(rhm.NoteWarning, match="test_samples 5000 is more than a fifth of the 300 sequences: 60 are held out"):
        model = rhm.train(rhm.Data(*small.sample(300), 2), "table", test_samples=5000)
    assert model.report["test"]["samples"] == 60


def test_the_seed_has_two_names(small):
    """The command's, and that of everything in this package: the sequences of files are shuffled by it, too."""
    tokens, labels = small.sample(600)
    by_class = np.argsort(labels, kind="stable")
    data = rhm.Data(tokens[by_class], labels[by_class], 2)
    models = [rhm.train(data, "table", shuffle=True, **seed) for seed in ({"seed": 5}, {"data_seed": 5}, {"seed": 5, "data_seed": 5}, {})]
    assert models[0].hash == models[1].hash == models[2].hash != models[3].hash


def test_terminals_show_progress():
    """And are clean again at the end."""
    import io

    from rhm import _progress

    stream = io.StringIO()
    display = _progress.Terminal(stream)
    display.show("level 3: sampling", 5, 10)
    assert "level 3: sampling [############............]  50 %" in stream.getvalue()
    display.clear()
    assert stream.getvalue().endswith("\r\x1b[K")
    display.show("testing", 1, 0)
    assert "testing\x1b[K" in stream.getvalue()
    assert isinstance(_progress.display_of(False), _progress.Silent) and isinstance(_progress.display_of(True), _progress.Terminal)


def script(text, **more):
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, env=ENVIRONMENT, **more)


def test_ctrl_c_ends_a_run_cleanly(tmp_path):
    """Once the library has come back, with its checkpoint, and the process goes on."""
    done = script(f"""
import os, signal, threading, rhm
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start what runs in the background without
h = rhm.Hierarchy(vocab=16, rules=4, levels=9, seed=1)
stop = lambda *state: state[0].startswith("level") and os.kill(os.getpid(), signal.SIGINT)
try:
    rhm.train(h, checkpoint={str(tmp_path / 'c')!r}, progress=stop)
except KeyboardInterrupt as end:
    print(type(end).__name__, end.status, "|", end)
print(h.sample(3)[0].shape, [t.name for t in threading.enumerate()])
""")
    assert done.stdout.startswith("InterruptedRun interrupted |"), done.stdout + done.stderr
    assert done.stdout.endswith("(3, 512) ['MainThread']\n") and done.stderr == ""


def test_children_of_fork_go_on():
    """With engines of their own, whatever the parent has done, and while it does it."""
    done = script("""
import os, threading, numpy as np, rhm
h = rhm.Hierarchy(vocab=16, rules=4, levels=4, seed=1)
expected = h.sample(20000)[0]
threading.Thread(target=lambda: [h.sample(20000) for _ in range(50)], daemon=True).start()
bad = 0
for _ in range(8):
    child = os.fork()
    if child == 0:
        os._exit(not np.array_equal(h.sample(20000)[0], expected))
    bad += os.waitpid(child, 0)[1] != 0
print(bad, np.array_equal(h.sample(20000)[0], expected))
""")
    assert done.stdout == "0 True\n", done.stderr


def test_threads_share_an_engine(small):
    import threading

    expected, wrong = small.sample(5000)[0], []
    work = lambda: [wrong.append(1) for _ in range(10) if not np.array_equal(small.sample(5000)[0], expected)]
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_caller_is_never_bound():
    import os

    before = os.sched_getaffinity(0)
    rhm.train(rhm.Hierarchy(vocab=8, rules=4, levels=2), "table", test_samples=100)
    assert os.sched_getaffinity(0) == before
