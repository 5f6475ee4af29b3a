"""Training: on samples of a hierarchy, on arrays, on files."""
import ctypes
import json
import os
import warnings
from ctypes import byref, c_uint32, c_void_p

import numpy as np

from . import _arrays as arrays
from . import _structures as c
from ._library import InvalidError, call, library, path_bytes, take_text
from .data import Data
from .engine import engine_or_default
from .hierarchy import Hierarchy, seed_number
from .model import Model


HELD_OUT = 5  # one sequence of a data set in so many, at most, is for the test


class NoteWarning(UserWarning):
    """What should be known of a run or a file that went on all the same."""


def learners():
    """{name: {"summary", "source", "needs", "model_kind", "latents", "options"}}, the default first."""
    found = {}
    for i in range(library.rhm_learner_count()):
        info = library.rhm_learner_at(i).contents
        options, k = [], 0
        while info.options[k]:
            options.append(info.options[k].decode().replace("-", "_"))
            k += 1
        found[info.name.decode()] = {name: getattr(info, name).decode() for name in ("summary", "source", "needs", "model_kind")}
        found[info.name.decode()].update(latents=info.latents, options=options)
    return found


def _word(value):
    if isinstance(value, (bool, np.bool_)):
        return "on" if value else "off"
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    return str(value)


def _text(name, value, levels):
    """As the command has it: a list has level L first, a dict the values by level."""
    if isinstance(value, dict):
        unknown = [level for level in value if level not in range(1, levels + 1)]
        if unknown:
            raise InvalidError(f"{name} has a value for level {unknown[0]}: levels are 1 to {levels}")
        value = [value.get(level, "auto") for level in range(levels, 0, -1)]
    if isinstance(value, (list, tuple, np.ndarray)):
        return ",".join(_word(v) for v in value)
    return os.fspath(value) if isinstance(value, os.PathLike) else _word(value)


class Options:
    """Options of training by name, as the library keeps them; texts live as long as this object."""

    def __init__(self, options, levels):
        self.handle = c_void_p()
        self.texts = []
        call("rhm_train_options_create", byref(self.handle))
        for name, value in options.items():
            if value is None:
                continue
            self.texts.append(ctypes.create_string_buffer(_text(name, value, levels).encode()))
            call("rhm_train_options_set", self.handle, name.replace("_", "-").encode(), ctypes.cast(self.texts[-1], ctypes.c_char_p), levels)
        self.notes = []
        self.listener = c.NOTE(lambda _, sentence: self.notes.append(sentence.decode()))
        library.rhm_train_options_listen(self.handle, self.listener, None)

    def __del__(self):
        if getattr(self, "handle", None):
            library.rhm_train_options_destroy(self.handle)
            self.handle = None


def _known_learner(learner):
    names = learners()
    if learner not in names:
        raise InvalidError(f"the learner {learner!r} is unknown: allowed are {', '.join(names)}")
    return names[learner]


def _parents(data, parents):
    """|V_{l-1}|, l = 1..L: given, or known from a grammar; else NULL."""
    levels = data.levels
    if parents is None and data.hierarchy is not None:
        parents = data.hierarchy.vocab[:-1]
    if parents is None:
        return None
    if not isinstance(parents, (list, tuple, np.ndarray)):
        raise InvalidError(f"parents is {parents!r}: a list of {levels} numbers of symbols is wanted, the labels' number first")
    if len(parents) != levels:
        raise InvalidError(f"parents has {len(parents)} values: {levels} are wanted, the labels' number first")
    return (c_uint32 * c.BY_LEVEL)(0, *(arrays.whole(p, "parents", 1, arrays.MOST_SYMBOLS) for p in parents))


def _command(learner, options):
    words = [f"learner={learner!r}"] + [f"{name}={value!r}" for name, value in options.items() if value is not None]
    return f"rhm.train({', '.join(words)})".encode()


def _ordered(data, shuffle, seed):
    """Takes the command's words too, as all options do."""
    shuffle = {"auto": None, "on": True, "off": False}.get(shuffle, shuffle) if isinstance(shuffle, str) else shuffle
    if shuffle not in (None, True, False):
        raise InvalidError(f"shuffle is {shuffle!r}: allowed are True, False and None")
    if shuffle is None and not data.is_mixed():
        warnings.warn("the sequences are in no random order: they are shuffled before a part of them becomes the test set", NoteWarning, stacklevel=3)
        shuffle = True
    return data.shuffled(seed) if shuffle else data


def _note_small_test(count, asked):
    most = count // HELD_OUT
    if isinstance(asked, (int, float, np.number)) and asked > most > 0:
        warnings.warn(f"test_samples {asked} is more than a fifth of the {count} sequences: {most} are held out", NoteWarning, stacklevel=3)


def _one_seed(seed, data_seed):
    """`seed`, which the command calls --data-seed; None: neither is given."""
    given = [seed_number(value) for value in (seed, data_seed) if value is not None]
    if len(set(given)) > 1:
        raise InvalidError(f"seed is {seed!r} and data_seed {data_seed!r}: they are the same option, so give one of them")
    return given[0] if given else None


def train(source, learner="layerwise", *, seed=None, parents=None, shuffle=None, engine=None, progress=None, ceilings=False, **options):
    """Train a model on `source`: a Hierarchy, whose samples are drawn as needed; a Data; or the path of an HDF5 data set (of
    one that leaves its branching open hand over Data.load(path, branching=...)).

    learner: a name of rhm.learners(). seed: of samples and random features, the command's --data-seed; None: the hierarchy's, or 0. parents: for data, the numbers
    of symbols of level 0, ..., L-1, where they are known. shuffle: put data (a copy of them) into an order that the seed decides before
    the last sequences become the test set; None: where they are in no random order, as sorted ones are, with a NoteWarning. Other options are those of `rhm train --learner NAME --help` with underscores:
    samples, width, max_width, max_samples, positions, bandwidth, ridge, solver, between, tolerance, test_samples, max_seconds, checkpoint
    (a directory), resume (True), ... Options that have levels take a number, a list with level L first, or a dict by level.

    ceilings: measure for the report what the machine can do at most, and foresee what training takes; a second or more.

    progress: None shows it where somebody looks (a terminal, a notebook); True, False; or a function of (stage, done, total).

    Returns a Model, whose `report` says what happened. It is the same to the last bit for any threads and instruction set, and the model
    of the command for the same options. Ctrl-C raises InterruptedRun (a KeyboardInterrupt) once the library has come back; with a
    `checkpoint`, resume=True goes on from there. What should be known meanwhile comes as NoteWarning."""
    info = _known_learner(learner)
    if not isinstance(source, (Hierarchy, Data)):
        source = Data.load(source, latents=info["latents"])
    levels, asked_seed = source.levels, _one_seed(seed, options.pop("data_seed", None))
    seed = asked_seed if asked_seed is not None else source.seed if isinstance(source, Hierarchy) else 0
    choices = Options({"learner": learner, "data_seed": seed, **options}, levels)
    job = c.TrainJob(options=choices.handle, command=_command(learner, {"seed": asked_seed, "shuffle": shuffle, **options}), ceilings=ceilings)
    if isinstance(source, Hierarchy):
        if parents is not None:
            raise InvalidError("parents has no effect on a hierarchy, which knows: leave it out")
        if shuffle is not None:
            raise InvalidError("shuffle has no effect on a hierarchy, whose samples are drawn: leave it out")
        job.grammar = source._handle
    else:
        _note_small_test(len(source), options.get("test_samples"))
        source = _ordered(source, shuffle, seed)
        structure, known = source._structure(), _parents(source, parents)
        job.data = ctypes.pointer(structure)
        job.data_name = path_bytes(source.path) if source.path else None
        if known is not None:
            job.parents = known
    model, report = c_void_p(), c_void_p()
    try:
        engine_or_default(engine).run(lambda handle: call("rhm_train_reported", byref(model), byref(report), handle, byref(job)), progress)
    finally:
        for note in choices.notes:
            warnings.warn(note, NoteWarning, stacklevel=2)
    take_text(report)
    return Model(model)


class Learner:
    """A learner with the interface of scikit-learn: fit, predict, predict_proba, score, get_params, set_params.

    branching: s, or a list s_1, ..., s_L: how sequences are cut into patches. learner, seed and options as in rhm.train. Labels may be of
    any kind (classes_ sorts them); tokens are integers from 0 on."""

    _estimator_type = "classifier"

    def __init__(self, learner="layerwise", branching=2, seed=0, engine=None, progress=None, **options):
        self.learner, self.branching, self.seed, self.engine, self.progress = learner, branching, seed, engine, progress
        self._options = dict(options)

    def get_params(self, deep=True):
        return {"learner": self.learner, "branching": self.branching, "seed": self.seed, "engine": self.engine, "progress": self.progress,
                **self._options}

    def set_params(self, **params):
        for name, value in params.items():
            if name in ("learner", "branching", "seed", "engine", "progress"):
                setattr(self, name, value)
            else:
                self._options[name] = value
        return self

    def __sklearn_tags__(self):
        from sklearn.utils import ClassifierTags, Tags, TargetTags  # whose newer versions ask for it

        return Tags(estimator_type="classifier", target_tags=TargetTags(required=True), classifier_tags=ClassifierTags())

    def __repr__(self):
        return f"Learner({', '.join(f'{name}={value!r}' for name, value in self.get_params().items() if value is not None)})"

    def fit(self, X, y, *, latents=None, parents=None, token_vocab=None):
        """Train on sequences X (n, d) with labels y (n). A fifth of them at most, the last ones, are held out for the report's accuracy.
        latents: {level: (n, nodes)} for learners that are shown them. Sets model_, classes_ and report_."""
        self.classes_, labels = np.unique(np.asarray(y), return_inverse=True)
        data = Data(X, labels, branching=self.branching, latents=latents, token_vocab=token_vocab, label_vocab=len(self.classes_) or None)
        self.model_ = train(data, self.learner, seed=self.seed, parents=parents, engine=self.engine, progress=self.progress, **self._options)
        self.report_ = self.model_.report
        return self

    @property
    def n_features_in_(self):
        return self.model_.tokens

    def predict(self, X):
        """(n) labels, of the kind of those that it was fitted to."""
        return self.classes_[self.model_.predict(X, engine=self.engine, progress=self.progress)]

    def predict_proba(self, X):
        """(n, classes) float32, in the order of classes_."""
        return self.model_.predict_proba(X, engine=self.engine, progress=self.progress)

    def score(self, X, y):
        """Accuracy on sequences X (n, d) with labels y (n)."""
        return arrays.accuracy(self.predict(X), y)
