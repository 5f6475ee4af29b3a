"""Files of other programs, and ours after other programs had them: understood, noted, or refused with what to do."""
import gzip
import json
import os
import pickle
import shlex
import shutil
import subprocess

import h5py
import numpy as np
import pytest

from command_tools import foreign_grammar, refused, run

QUICK = ["--samples", "500", "--width", "64"]


def noted(*arguments, cwd, says):
    """Done, with one note that holds these words."""
    done = run(*arguments, cwd=cwd)
    assert done.stderr.count("note:") == 1 and all(words in done.stderr for words in says), done.stderr
    return done


# ---- what is no HDF5 at all --------------------------------------------------------------------------------------------


def npy(folder):
    np.save(folder / "f", np.zeros((10, 4), "uint8"))
    (folder / "f.npy").rename(folder / "f")


def npz(folder):
    np.savez(folder / "f", tokens=np.zeros((10, 4), "uint8"))
    (folder / "f.npz").rename(folder / "f")


@pytest.mark.parametrize("write, says", [
    (npy, "an array of NumPy: numpy.load"), (npz, "a ZIP archive, as .npz files are: numpy.load"),
    (lambda folder: (folder / "f").write_bytes(b"\xef\xbb\xbfa;b\r\n1;2\r\n"), "text: numpy.loadtxt"), (lambda folder: (folder / "f").write_text("1,2"), "text: numpy.loadtxt"),
    (lambda folder: (folder / "f").write_bytes(gzip.compress(b"abc")), "gzip: gunzip"), (lambda folder: (folder / "f").write_bytes(pickle.dumps([1])), "a pickle of Python"),
])
def test_what_is_no_hdf5_is_called_what_it_is(tmp_path, write, says):
    write(tmp_path)
    for arguments in (["train", "--data"], ["inspect"], ["oracle", "--data"], ["grammar", "--grammar"], ["eval"]):
        refused(*arguments, "f", cwd=tmp_path, says=[f"f: not an HDF5 file but {'compressed by ' if 'gzip' in says else ''}{says}"])
    (tmp_path / "f").write_bytes(b"\0\1\2")
    assert refused("inspect", "f", cwd=tmp_path).endswith("f: not an HDF5 file\n")


def test_labels_that_are_words_or_truths(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f["tokens"], f["labels"] = np.zeros((10, 4), "uint8"), [b"cat"] * 10
    refused("train", "--data", "d.h5", "--branching", 2, cwd=tmp_path, says=["/labels", "something else", "numpy.unique(words, return_inverse=True)[1]"])
    with h5py.File(tmp_path / "d.h5", "r+") as f:
        del f["labels"]
        f["labels"] = np.ones(10, bool)
    refused("train", "--data", "d.h5", "--branching", 2, cwd=tmp_path, says=["/labels", "astype(int) where they are whole numbers or true and false"])


# ---- how levels are numbered -------------------------------------------------------------------------------------------


def numbered(path, numbers, probabilities=(), **attributes):
    """Tables of three symbols, two rules each, under these numbers."""
    with h5py.File(path, "w") as f:
        g = f.create_group("grammar")
        for number in numbers:
            g[f"rules_{number}"] = [[[0, 0], [1, 1]], [[2, 2], [0, 1]], [[1, 2], [2, 0]]]
        for number in probabilities:
            g[f"probability_{number}"] = [[0.5, 0.5]] * 3
        g.attrs.update(attributes)


def test_levels_from_0_are_understood(tmp_path):
    rules, probability, label = foreign_grammar()
    with h5py.File(tmp_path / "from1.h5", "w") as one, h5py.File(tmp_path / "from0.h5", "w") as zero:
        for f, first in [(one, 1), (zero, 0)]:
            for level in range(2):
                f[f"grammar/rules_{level + first}"] = rules[level]
                f[f"grammar/probability_{level + first}"] = probability[level]
            f["grammar/label_probability"] = label
    one = json.loads(run("inspect", "from1.h5", "--json", cwd=tmp_path).stdout)
    zero = json.loads(noted("inspect", "from0.h5", "--json", cwd=tmp_path, says=["rules_0", "level 1"]).stdout)
    assert one["instance"] == zero["instance"] and one["instance"]["levels"] == 2
    assert one["notes"] == [] and len(zero["notes"]) == 1
    noted("grammar", "--grammar", "from0.h5", "-o", "ours.h5", cwd=tmp_path, says=["rules_0"])
    run("grammar", "--grammar", "from1.h5", "-o", "other.h5", cwd=tmp_path)
    assert (tmp_path / "ours.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()


@pytest.mark.parametrize("numbers, more, says", [
    ([1, 3], {}, ["rules_2"]),
    ([0, 2], {}, ["rules_1"]),
    ([2, 3], {}, ["rules_1", "rules_2"]),
    ([1, 2, 3], {"levels": 2}, ["2", "rules_3", "superfluous"]),
    ([0, 1, 2], {"levels": 2}, ["2", "rules_0", "superfluous"]),
    ([1, 2], {"levels": 3}, ["rules_3"]),
    ([0, 1], {"levels": 3}, ["rules_2"]),
    (["01", "02"], {}, ["rules_01"]),
    ([1, 2, 99], {}, ["rules_99"]),
    ([1, 2], {"probabilities": [1, 2, 3]}, ["probability_3"]),
    ([0, 1], {"probabilities": [1, 2]}, ["probability_2"]),
    ([1, 2], {"probabilities": [0, 1]}, ["probability_0"]),
], ids=str)
def test_missing_and_superfluous_levels_are_named(tmp_path, numbers, more, says):
    numbered(tmp_path / "g.h5", numbers, **more)
    for command in (["inspect", "g.h5"], ["plan", "--grammar", "g.h5"], ["sample", "--grammar", "g.h5", "--samples", 5, "-o", "x.h5"]):
        refused(*command, cwd=tmp_path, says=["g.h5", *says])


def test_one_probability_table_of_several_is_noted(tmp_path):
    numbered(tmp_path / "g.h5", [1, 2], [1])
    noted("inspect", "g.h5", cwd=tmp_path, says=["probability_2"])


def test_superfluous_levels_of_a_model_are_named(here, tmp_path):
    for name in ["weights_0", "weights_4", "frequencies_5"]:
        with h5py.File(here / "m.h5") as ours, h5py.File(tmp_path / "m.h5", "w") as f:
            ours.copy("model", f)
            f["model"][name] = f["model/weights_1"][()]
        refused("inspect", "m.h5", cwd=tmp_path, says=["m.h5", name])


# ---- probabilities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_single_precision_probabilities_are_renormalised(tmp_path, dtype):
    rules, _, _ = foreign_grammar()
    row = (np.array([1, 2, 4], np.float32) / np.float32(7)).astype(np.float32)
    assert 0 < abs(row.astype(float).sum() - 1) < 1e-6
    with h5py.File(tmp_path / "g.h5", "w") as f:
        for level in range(2):
            f[f"grammar/rules_{level + 1}"] = rules[level]
        f["grammar/probability_1"] = np.full((3, 2), 0.5, dtype)
        f["grammar/probability_2"] = np.array([row] * 4, dtype)
    noted("grammar", "--grammar", "g.h5", "-o", "ours.h5", cwd=tmp_path, says=["g.h5", "probability_2", "divided"])
    with h5py.File(tmp_path / "ours.h5") as f:
        found = f["grammar/probability_2"][()]
    assert np.abs(found.sum(-1) - 1).max() < 1e-15 and np.allclose(found, row, atol=1e-7)
    with h5py.File(tmp_path / "g.h5", "r+") as f:
        f["grammar/probability_2"][...] = row * 1.001
    refused("inspect", "g.h5", cwd=tmp_path, says=["g.h5", "sum to"])


# ---- data sets ---------------------------------------------------------------------------------------------------------


def data(path, tokens, labels=None, place="data/", **options):
    with h5py.File(path, "w") as f:
        f.create_dataset(f"{place}tokens", data=tokens, **options)
        if labels is not None:
            f[f"{place}labels"] = labels


@pytest.fixture(scope="module")
def sequences(here):
    with h5py.File(here / "d.h5") as f:
        return f["data/tokens"][:4000], f["data/labels"][:4000]


def test_arrays_at_the_top_are_a_data_set(here, tmp_path, sequences):
    data(tmp_path / "d.h5", *sequences, place="")
    found = json.loads(run("inspect", "d.h5", "--branching", 2, "--json", cwd=tmp_path).stdout)
    assert found["kind"] == "data" and found["sequences"] == 4000 and found["labelled"]
    run("train", "--data", "d.h5", "--branching", 2, *QUICK, cwd=tmp_path)
    run("predict", here / "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)
    with h5py.File(here / "g.h5") as ours, h5py.File(tmp_path / "d.h5", "r+") as f:
        ours.copy("grammar", f)
    assert json.loads(run("inspect", "d.h5", "--json", cwd=tmp_path).stdout)["kind"] == "data"


def test_unused_symbols_and_classes_are_said(here, tmp_path, sequences):
    tokens, labels = sequences
    data(tmp_path / "d.h5", tokens + 1, labels)
    for command in (["inspect", "d.h5", "--branching", 2], ["train", "--data", "d.h5", "--branching", 2, *QUICK]):
        noted(*command, cwd=tmp_path, says=["symbol 0 never occurs", "tokens", "from 1"])
    data(tmp_path / "d.h5", tokens, labels * 2)
    noted("inspect", "d.h5", "--branching", 2, cwd=tmp_path, says=["labels", "classes 1, 3, 5, 7, 9 and 2 more never occur"])
    data(tmp_path / "d.h5", tokens, np.where(labels == 3, 2, labels))
    noted("inspect", "d.h5", "--branching", 2, cwd=tmp_path, says=["class 3 never occurs"])
    noted("eval", here / "m.h5", "--data", "d.h5", cwd=tmp_path, says=["class 3 never occurs"])
    data(tmp_path / "d.h5", tokens[:5])  # too few for it to mean anything
    assert run("predict", here / "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path).stderr == ""
    assert run("inspect", here / "d.h5", cwd=tmp_path).stderr == ""


def test_numbers_are_printed_as_they_are(tmp_path, sequences):
    tokens, labels = sequences
    for dtype, value in [(np.uint64, 2**64 - 1), (np.uint64, 2**63 + 5), (np.int64, -2**63), (np.int64, 2**63 - 1), (np.uint32, 2**32 - 1)]:
        large = tokens.astype(dtype)
        large[7, 3] = value
        data(tmp_path / "d.h5", large, labels)
        refused("train", "--data", "d.h5", "--branching", 2, cwd=tmp_path, says=[f"tokens[7, 3] is {value};"])
    numbered(tmp_path / "g.h5", [1])
    with h5py.File(tmp_path / "g.h5", "r+") as f:
        rules = f["grammar/rules_1"][()].astype(np.uint64)
        rules[1, 1, 0] = 2**64 - 2
        del f["grammar/rules_1"]
        f["grammar/rules_1"] = rules
    refused("inspect", "g.h5", cwd=tmp_path, says=[f"rules_1[1, 1, 0] is {2**64 - 2};"])


@pytest.mark.parametrize("of", ["tokens", "labels"])
def test_what_is_not_symbols_is_refused_with_what_to_do(here, tmp_path, sequences, of):
    tokens, labels = sequences[0][:100], sequences[1][:100]
    plain = {"tokens": tokens, "labels": labels}
    one_hot = np.eye(8)[plain[of]]
    for wrong in [one_hot, one_hot.astype(np.float32), one_hot.astype(int), one_hot.astype(bool), np.moveaxis(one_hot, -1, 1),
                  plain[of].astype(float), one_hot[..., None]]:
        data(tmp_path / "d.h5", **{**plain, of: wrong})
        for command in (["train", "--data", "d.h5", "--branching", 2], ["inspect", "d.h5", "--branching", 2],
                        ["eval", here / "m.h5", "--data", "d.h5"], ["predict", here / "m.h5", "d.h5", "-o", "p.h5"]):
            refused(*command, cwd=tmp_path, says=["d.h5", of, "argmax"])


# ---- parts that are elsewhere ------------------------------------------------------------------------------------------


def virtual(path, sources, rows):
    """Tokens put together from the arrays /x of other files, 100 rows each."""
    layout = h5py.VirtualLayout(shape=(rows, 8), dtype="u1")
    for i, source in enumerate(sources):
        layout[100 * i:100 * (i + 1)] = h5py.VirtualSource(source, "x", shape=(100, 8))
    with h5py.File(path, "w", libver="latest") as f:
        f.create_virtual_dataset("tokens", layout)
        f["labels"] = np.zeros(rows, int)


def test_missing_parts_of_a_virtual_array_are_named(here, tmp_path, sequences):
    folder = tmp_path / "far"
    folder.mkdir()
    for name in ["one.h5", "two.h5"]:
        with h5py.File(folder / name, "w") as f:
            f["x"] = sequences[0][:100]
    virtual(folder / "d.h5", ["one.h5", "two.h5"], 200)
    predict = ["predict", here / "m.h5", "far/d.h5", "-o", "p.h5"]
    run(*predict, cwd=tmp_path)
    virtual(folder / "d.h5", ["one.h5", "two.h5"], 300)
    refused(*predict, cwd=tmp_path, says=["tokens", "1600 of its 2400"])
    virtual(folder / "d.h5", ["one.h5", "two.h5"], 200)
    with h5py.File(folder / "two.h5", "w") as f:
        f["y"] = 1
    refused(*predict, cwd=tmp_path, says=["tokens", "two.h5"])
    (folder / "two.h5").unlink()
    for command in (predict, ["inspect", "far/d.h5", "--branching", 2], ["train", "--data", "far/d.h5", "--branching", 2]):
        refused(*command, cwd=tmp_path, says=["tokens", "two.h5", "missing"])


def test_missing_files_of_an_external_array_are_named(here, tmp_path, sequences):
    raw = sequences[0][:100].astype("u1").tobytes()
    (tmp_path / "raw.bin").write_bytes(raw)
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f.create_dataset("tokens", (100, 8), "u1", external=[("raw.bin", 0, len(raw))])
    predict = ["predict", here / "m.h5", "d.h5", "-o", "p.h5"]
    run(*predict, cwd=tmp_path)
    (tmp_path / "raw.bin").write_bytes(raw[:-1])
    refused(*predict, cwd=tmp_path, says=["tokens", "raw.bin", "too few"])
    (tmp_path / "raw.bin").unlink()
    refused(*predict, cwd=tmp_path, says=["tokens", "raw.bin", "missing"])


def test_links_that_lead_nowhere_are_named(here, tmp_path, sequences):
    with h5py.File(tmp_path / "other.h5", "w") as f:
        f["x"] = sequences[0][:100]
    for link, says in [(h5py.ExternalLink("gone.h5", "/x"), ["/x", "gone.h5"]), (h5py.ExternalLink("other.h5", "/y"), ["/y", "other.h5"]),
                       (h5py.SoftLink("/gone"), ["/gone"])]:
        for place in ["tokens", "data/tokens", "data"]:
            with h5py.File(tmp_path / "d.h5", "w") as f:
                f[place] = link
            for command in (["inspect", "d.h5"], ["predict", here / "m.h5", "d.h5", "-o", "p.h5"]):
                refused(*command, cwd=tmp_path, says=["d.h5", f"/{place} is missing: it is a link", *says])
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f["tokens"] = h5py.ExternalLink("other.h5", "/x")
    run("predict", here / "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)


def test_what_was_never_written_is_said(here, tmp_path, sequences):
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f.create_dataset("tokens", (10, 8), "u1")
    noted("predict", here / "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path, says=["d.h5", "/tokens was never written"])
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f.create_dataset("tokens", (10, 8), "u1", chunks=(5, 8))
        f["tokens"][:5] = sequences[0][:5]
    noted("predict", here / "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path, says=["d.h5", "a part of /tokens was never written"])


def test_filters_that_are_not_there_are_named(here, tmp_path, sequences):
    if not h5py.h5z.filter_avail(h5py.h5z.FILTER_LZF):
        pytest.skip("h5py without lzf")
    data(tmp_path / "d.h5", *sequences, compression="lzf")
    for command in (["inspect", "d.h5", "--branching", 2], ["train", "--data", "d.h5", "--branching", 2],
                    ["predict", here / "m.h5", "d.h5", "-o", "p.h5"]):
        refused(*command, cwd=tmp_path, says=["d.h5", "tokens", "32000", "lzf"])
    data(tmp_path / "d.h5", *sequences, compression="gzip", shuffle=True, fletcher32=True)
    run("predict", here / "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)


# ---- our files, written anew by others ---------------------------------------------------------------------------------


def tool(name, *arguments, cwd):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    subprocess.run([name, *arguments], cwd=cwd, check=True, timeout=60, stdout=subprocess.DEVNULL)


def uses(name, here):
    """Commands that read a file of this kind, and how."""
    return {"g.h5": [["inspect", "x.h5"], ["plan", "--grammar", "x.h5"]],
            "d.h5": [["inspect", "x.h5"], ["train", "--data", "x.h5", *QUICK], ["eval", here / "m.h5", "--data", "x.h5"],
                     ["predict", here / "m.h5", "x.h5", "-o", "out.h5"]],
            "m.h5": [["inspect", "x.h5"], ["eval", "x.h5"], ["predict", "x.h5", here / "d.h5", "-o", "out.h5"]],
            "p.h5": [["inspect", "x.h5"]]}[name]


def repacked(here, tmp_path, name):
    tool("h5repack", "-f", "GZIP=4", here / name, "x.h5", cwd=tmp_path)


def modern(here, tmp_path, name):
    tool("h5repack", "-L", here / name, "x.h5", cwd=tmp_path)


def another_block(here, tmp_path, name):
    (tmp_path / "block").write_text("somebody else's notes")
    tool("h5repack", "-u", "block", here / name, "x.h5", cwd=tmp_path)


def block_in_front(here, tmp_path, name):
    (tmp_path / "block").write_text("somebody else's notes")
    tool("h5jam", "-i", here / name, "-u", "block", "-o", "x.h5", cwd=tmp_path)


def block_taken_off(here, tmp_path, name):
    tool("h5unjam", "-i", here / name, "-u", "block", "-o", "x.h5", cwd=tmp_path)


def annotated(here, tmp_path, name):
    shutil.copy(here / name, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "r+") as f:
        f.attrs["comment"] = "seen on Tuesday" * 200


def copied(here, tmp_path, name):
    with h5py.File(here / name) as ours, h5py.File(tmp_path / "x.h5", "w") as f:
        for key in ours:
            ours.copy(key, f)
        f.attrs.update(ours.attrs)


@pytest.mark.parametrize("name", ["g.h5", "d.h5", "m.h5", "p.h5"])
@pytest.mark.parametrize("rewrite", [repacked, modern, another_block, block_in_front, block_taken_off, annotated, copied], ids=lambda f: f.__name__)
def test_files_that_other_programs_wrote_anew_are_read_with_a_note(here, tmp_path, name, rewrite):
    rewrite(here, tmp_path, name)
    if rewrite is another_block and os.path.getsize(tmp_path / "x.h5") == os.path.getsize(here / name):
        refused("inspect", "x.h5", cwd=tmp_path, says=["x.h5", "changed by another program", "h5copy"])
        return  # of the same length by chance: it could as well be damage
    for command in uses(name, here):
        noted(*command, cwd=tmp_path, says=["x.h5", "checksum"])
    whole = (tmp_path / "x.h5").read_bytes()
    for size in [len(whole) - 1, len(whole) // 2]:
        (tmp_path / "x.h5").write_bytes(whole[:size])
        said = refused("inspect", "x.h5", cwd=tmp_path, says=["x.h5"])
        if rewrite in (repacked, modern, block_in_front, annotated):
            assert "truncated" in said


@pytest.mark.parametrize("name", ["g.h5", "d.h5", "m.h5", "p.h5"])
def test_contents_changed_in_place_are_refused_with_the_way_out(here, tmp_path, name):
    """The way out is taken word by word."""
    place = {"g.h5": "grammar/rho", "d.h5": "data/labels", "m.h5": "model/frequencies_1", "p.h5": "prediction/posteriors"}[name]
    shutil.copy(here / name, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "r+") as f:
        f[place][0] = f[place][1]
    assert os.path.getsize(tmp_path / "x.h5") == os.path.getsize(here / name)
    said = refused("inspect", "x.h5", cwd=tmp_path, says=["x.h5", "changed by another program", "h5copy"])
    assert "truncated" not in said
    if not shutil.which("h5copy"):
        pytest.skip("h5copy is not installed")
    command = shlex.split(said[said.index("h5copy"):])
    subprocess.run(command, cwd=tmp_path, check=True)
    found = run("inspect", "NEW.h5", cwd=tmp_path, expect=2 if name == "m.h5" else 0)
    if name == "m.h5":  # a model has a hash of its own
        assert "hash" in found.stderr


def test_a_checkpoint_that_another_program_wrote_anew_is_damaged(tmp_path):
    command = ["train", "--vocab", "8", "--rules", "4", "--levels", "3", *QUICK, "--checkpoint", "kept"]
    run(*command, cwd=tmp_path)
    for path in (tmp_path / "kept").glob("checkpoint-*.h5"):
        with h5py.File(path, "r+") as f:
            f.attrs["comment"] = "seen on Tuesday" * 200
    done = run(*command, "--resume", cwd=tmp_path, expect=2)
    assert "changed by another program" in done.stderr and "truncated" not in done.stderr
