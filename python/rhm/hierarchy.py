"""Random hierarchies: rules, exact analysis, samples, exact inference."""
import ctypes
import weakref
from ctypes import byref, c_double, c_uint32, c_void_p

import numpy as np

from . import _arrays as arrays
from . import _structures as c
from ._library import InvalidError, call, library, path_bytes
from .engine import engine_or_default
from .inference import Bayes, infer

SAMPLINGS = ("first-token-uniform", "uniform", "independent", "given")
PURPOSES = {"training": 1, "validation": 2, "test": 3, "export": 4}
_EXPLANATION_NBYTES = 4096
_SEED_BOUND = 1 << 64
_STREAM_BOUND = 1 << 28
_NUMBER_BOUND = 1 << 128
_MOST_ELEMENTS = 1 << 62
MOST_FRESH = 10**12  # sequences that are drawn and looked at, one after the other
_LONG = 1 << 28  # tokens that take a second or so
_SAMPLERS = 16  # that a hierarchy keeps


def stream_number(stream):
    """The number of a stream: an integer, or "export" (what `rhm sample` writes), "test", ("training", level), ("validation", level)."""
    if isinstance(stream, (int, np.integer)):
        return arrays.whole(stream, "stream", 0, _STREAM_BOUND - 1)
    purpose, level = stream if isinstance(stream, tuple) and len(stream) == 2 else (stream, 0)
    if not isinstance(purpose, str) or purpose not in PURPOSES:
        raise InvalidError(f"the stream {stream!r} is unknown: allowed are a number, {', '.join(map(repr, PURPOSES))}, or one of these with a level")
    return PURPOSES[purpose] << 8 | arrays.whole(level, "the level of a stream", 0, c.MAX_LEVELS)


def seed_number(seed):
    return arrays.whole(seed, "seed", 0, _SEED_BOUND - 1)


def _law_text(law, name):
    """As the command has laws."""
    laws = [law] if isinstance(law, str) else law
    if not isinstance(laws, (list, tuple)) or not laws or not all(isinstance(one, str) for one in laws):
        raise InvalidError(f"{name} is {law!r}: allowed are 'uniform', 'zipf:A' and 'dirichlet:A', or a list of these by level")
    return ",".join(laws).encode()


class _Sampler:
    """A sampler of one seed, as ctypes takes it; whoever uses one holds it."""

    def __init__(self, grammar, seed):
        self._as_parameter_ = c_void_p()
        call("rhm_sampler_create", byref(self._as_parameter_), grammar, seed)

    def __del__(self):
        if self._as_parameter_:
            library.rhm_sampler_destroy(self._as_parameter_)


class Hierarchy:
    """A Random Hierarchy Model: a label is rewritten L times, each symbol as a patch of s symbols by one of its m rules.

    vocab: V, or a list V_0 (labels), ..., V_L (tokens). rules: m, or a list m_1, ..., m_L. branching: s, or a list s_1, ..., s_L. levels:
    L; a list implies it. law: how probable the rules of a symbol are, "uniform", "zipf:A", "dirichlet:A", or a list of these by level.
    label_law: the same of the labels. seed: of the rules. rule_sampling: "first-token-uniform" (arXiv 2601.19756, Appendix B), "uniform"
    (arXiv 2307.02129: distinct patches of all V^s) or "independent" (symbols may share patches). ambiguity: share of the rules that take
    over the patch of another symbol. token_noise, label_noise: probability that a token, the recorded label, is replaced.

    Defaults are those of the command. Immutable; may be shared by threads and pickled. Failures are InvalidError (a ValueError) or another
    RHMError, with the library's sentence."""

    def __init__(self, vocab=16, rules=4, branching=2, levels=None, law="uniform", seed=1, *, label_law="uniform",
                 rule_sampling="first-token-uniform", ambiguity=0.0, token_noise=0.0, label_noise=0.0):
        shape = arrays.shape_of(vocab, rules, branching, levels)
        options = c.GrammarOptions(seed=seed_number(seed), ambiguity=ambiguity, token_noise=token_noise, label_noise=label_noise)
        if rule_sampling not in SAMPLINGS[:3]:
            raise InvalidError(f"rule_sampling {rule_sampling!r} is unknown: allowed are {', '.join(SAMPLINGS[:3])}")
        options.sampling = SAMPLINGS.index(rule_sampling)
        call("rhm_rule_laws_parse", ctypes.cast(byref(options.rule_law, ctypes.sizeof(c.RuleLaw)), ctypes.POINTER(c.RuleLaw)), shape.levels,
             _law_text(law, "law"))
        call("rhm_rule_laws_parse", byref(options.label_law), 1, _law_text(label_law, "label_law"))
        handle = c_void_p()
        call("rhm_grammar_draw_with", byref(handle), byref(shape), byref(options))
        self._adopt(handle)

    def _adopt(self, handle):
        self._handle = handle
        self._release = weakref.finalize(self, library.rhm_grammar_destroy, handle)
        self._samplers = {}
        self._analysis = None

    @classmethod
    def _of(cls, handle):
        made = cls.__new__(cls)
        made._adopt(handle)
        return made

    @classmethod
    def from_rules(cls, rules, probability=None, label_probability=None, *, vocab=None, ambiguous=False, seed=None, token_noise=0.0,
                   label_noise=0.0):
        """A hierarchy with the rules of others: a list of integer arrays (V_{l-1}, m_l, s_l), level 1 (that rewrites the labels) first, or
        a dict of them by level from 0 on, as the public PyTorch codes keep them. probability: a list or dict of arrays (V_{l-1}, m_l)
        or (m_l), rows that sum to 1; None: equal. label_probability: (V_0). vocab: number of tokens; None: the largest in the last array
        plus 1, or the number of symbols of the level above if that is larger. ambiguous: let a patch have several parents."""
        tables = arrays.tables_of(rules)
        shape = arrays.shape_of_tables(tables, vocab)
        laws = arrays.laws_of(probability, tables)
        labels = None if label_probability is None else np.ascontiguousarray(label_probability, dtype=np.float64)
        if labels is not None and labels.shape != (shape.vocab[0],):
            raise InvalidError(f"label_probability has the shape {labels.shape}: ({shape.vocab[0]},) is wanted")
        options = c.GrammarOptions(sampling=SAMPLINGS.index("independent" if ambiguous else "given"), seed=seed_number(seed or 0),
                                   token_noise=token_noise, label_noise=label_noise)
        handle = c_void_p()
        call("rhm_grammar_create_with", byref(handle), byref(shape), arrays.pointers(tables), arrays.pointers(laws) if laws else None,
             arrays.address(labels), byref(options))
        return cls._of(handle)

    @classmethod
    def load(cls, path):
        """From an HDF5 file: a grammar, a data set, or one that another program wrote (docs/data.md)."""
        handle = c_void_p()
        call("rhm_grammar_load", byref(handle), path_bytes(path))
        return cls._of(handle)

    def save(self, path):
        """Into an HDF5 file, with the exact analysis inside. A file that is there is replaced as a whole."""
        call("rhm_grammar_save", self._handle, path_bytes(path))

    def __reduce__(self):
        options = self._origin()
        return _restore, (self.rules, self.probability, self.label_probability, self.vocab[-1], bytes(options))

    def __repr__(self):
        show = lambda values: values[0] if len(set(values)) == 1 else list(values)
        return (f"Hierarchy(vocab={show(self.vocab)}, rules={show([r.shape[1] for r in self.rules])}, branching={show(self.branching)}, "
                f"levels={self.levels})")

    # ---- what it is -----------------------------------------------------------------------------------------------------

    def _shape(self):
        return library.rhm_grammar_shape(self._handle).contents

    def _origin(self):
        return library.rhm_grammar_origin(self._handle).contents

    @property
    def tree(self):
        return library.rhm_grammar_tree(self._handle).contents

    @property
    def levels(self):
        """L."""
        return self._shape().levels

    @property
    def vocab(self):
        """[V_0, ..., V_L]."""
        shape = self._shape()
        return list(shape.vocab[:shape.levels + 1])

    @property
    def branching(self):
        """[s_1, ..., s_L]."""
        shape = self._shape()
        return list(shape.branching[1:shape.levels + 1])

    @property
    def nodes(self):
        """[1, s_1, s_1 s_2, ...]: symbols of a sequence by level 0..L."""
        tree = self.tree
        return list(tree.nodes[:tree.levels + 1])

    @property
    def tokens(self):
        """d, the tokens of a sequence."""
        return self.tree.leaves[0]

    @property
    def seed(self):
        return self._origin().seed

    @property
    def rules(self):
        """[(V_{l-1}, m_l, s_l) uint32, l = 1..L]: copies."""
        shape = self._shape()
        return [arrays.copy_of(library.rhm_grammar_patches(self._handle, l), (shape.vocab[l - 1], shape.rules[l], shape.branching[l]))
                for l in range(1, shape.levels + 1)]

    @property
    def probability(self):
        """[(V_{l-1}, m_l) float64, l = 1..L]: copies."""
        shape = self._shape()
        return [arrays.copy_of(library.rhm_grammar_probability(self._handle, l), (shape.vocab[l - 1], shape.rules[l]))
                for l in range(1, shape.levels + 1)]

    @property
    def label_probability(self):
        """(V_0) float64: a copy."""
        return arrays.copy_of(library.rhm_grammar_label_probability(self._handle), (self._shape().vocab[0],))

    @property
    def notes(self):
        """Sentences on the file that it was loaded from."""
        return (library.rhm_grammar_notes(self._handle) or b"").decode().splitlines()

    @property
    def analysis(self):
        """Exact quantities of Assumption 6, made once: a dict with kappa, rho, k_rho, never_first and posterior ((V_{l-1}, V_0) float64:
        P[label | first level-l patch comes from this symbol], NaN where it never comes first), lists by level 1..L, assumption_6, and
        sentences in explanation."""
        if self._analysis is None:
            self._analysis = self._analyse()
        return self._analysis

    def _analyse(self):
        found = c.Analysis()
        call("rhm_analyse", byref(found), self._handle)
        try:
            text = ctypes.create_string_buffer(_EXPLANATION_NBYTES)
            library.rhm_analysis_explain(byref(found), text, _EXPLANATION_NBYTES)
            by_level = range(1, found.levels + 1)
            return {"kappa": found.kappa, "rho": [found.rho[l] for l in by_level], "k_rho": [found.k_rho[l] for l in by_level],
                    "closest": [tuple(found.closest[l]) for l in by_level], "never_first": [found.never_first[l] for l in by_level],
                    "ambiguous": [found.ambiguous[l] for l in by_level],
                    "posterior": [arrays.copy_of(found.posterior[l], (found.vocab[l - 1], found.vocab[0])) for l in by_level],
                    "assumption_6": found.assumption_6, "explanation": text.value.decode()}
        finally:
            library.rhm_analysis_clear(byref(found))

    # ---- samples --------------------------------------------------------------------------------------------------------

    def _sampler(self, seed):
        seed = seed_number(self.seed if seed is None else seed)
        sampler = self._samplers.get(seed)
        if sampler is None:
            sampler = _Sampler(self._handle, seed)
            self._samplers = {seed: sampler} if len(self._samplers) >= _SAMPLERS else {**self._samplers, seed: sampler}
        return sampler

    @property
    def size(self):
        """How many different sequences there are, V_0 m_1^(nodes of level 0) ... m_L^(nodes of level L-1), as an int. Refused where there
        are more than 2^127, or where sequences are not equally probable, or ambiguous."""
        number = c.Number()
        call("rhm_sequence_count", byref(number), self._sampler(None))
        return int(number)

    def _draw(self, engine, n, name, *arguments):
        """What takes seconds can be interrupted."""
        engine = engine_or_default(engine)
        if n * self.tokens > _LONG:
            engine.run(lambda handle: call(name, handle, *arguments), progress=False)
        else:
            engine.call(name, *arguments)

    @property
    def _most_sequences(self):
        """That an array or a file can have."""
        return _MOST_ELEMENTS // self.tokens

    def _range(self, n, start, bound):
        n = arrays.whole(n, "the number of sequences", 0, self._most_sequences)
        return n, arrays.whole(start, "start", 0, bound - n)

    def sample(self, n, start=0, latents=False, *, seed=None, stream="export", replacement=True, out=None, engine=None):
        """Sequences start..start+n-1: tokens (n, d) and labels (n), both uint16, written in place by all threads. With `latents` a third
        value, {level: (n, nodes of the level) uint16} for levels 1..L-1.

        Each is a function of (seed, stream, its number): the same for any threads, and for any cutting into calls. seed: None is the
        hierarchy's. replacement=False: entries start..start+n-1 of all sequences in an order that the seed shuffles, so that no sequence
        comes twice, and disjoint ranges are disjoint samples; "numbered": in order. out: (tokens, labels), C-contiguous arrays of these
        shapes, to fill instead of new ones."""
        n, start = self._range(n, start, _SEED_BOUND if replacement is True else _NUMBER_BOUND)
        tokens, labels = arrays.outputs(n, self.tokens, out)
        hidden = {l: np.empty((n, self.nodes[l]), np.uint16) for l in range(1, self.levels)} if latents else {}
        out = arrays.address(tokens), arrays.address(labels), arrays.latent_pointers(hidden)
        if replacement is True:
            self._draw(engine, n, "rhm_sample_with_engine", self._sampler(seed), stream_number(stream), start, n, *out)
        elif replacement is False or replacement == "numbered":
            name = "rhm_sample_numbered" if replacement else "rhm_sample_distinct"
            self._draw(engine, n, name, self._sampler(seed), c.Number.of(start), n, *out)
        else:
            raise InvalidError(f"replacement {replacement!r} is unknown: allowed are True, False and 'numbered'")
        return (tokens, labels, hidden) if latents else (tokens, labels)

    def sample_below(self, labels, start=0, latents=False, *, seed=None, stream="export", engine=None):
        """Sequences below labels that are given, an integer array (n): tokens (n, d) and, with `latents`, hidden symbols as in sample."""
        labels = arrays.symbols(labels, "labels", 1)
        n, start = self._range(len(labels), start, _SEED_BOUND)
        tokens, _ = arrays.outputs(n, self.tokens, None)
        hidden = {l: np.empty((n, self.nodes[l]), np.uint16) for l in range(1, self.levels)} if latents else {}
        self._draw(engine, n, "rhm_sample_below", self._sampler(seed), stream_number(stream), start, n, arrays.address(labels),
                   arrays.address(tokens), arrays.latent_pointers(hidden))
        return (tokens, hidden) if latents else tokens

    # ---- exact inference ------------------------------------------------------------------------------------------------

    def oracle(self, tokens, masked=None, marginals=False, *, precision="auto", engine=None, progress=None):
        """Belief propagation: what can be known of label, hidden symbols and hidden tokens. tokens (n, d) of any integer type; masked
        None or (n, d), true where a token is hidden. Returns Beliefs: posteriors (n, V_0), log_likelihood (n) and, if asked for,
        marginals {level: (n, nodes, V_level)}, all float64; rows of NaN are impossible sequences."""
        return infer(self, tokens, masked, marginals, precision, engine_or_default(engine), progress)

    def bayes(self, n=10000, start=0, *, seed=None, stream="test", engine=None, progress=None):
        """How well the most probable label does on fresh samples, which no predictor does better: a dict with accuracy, its 95 % interval
        accuracy_low and accuracy_high, expected_accuracy, cross_entropy (nats) and their standard errors."""
        found = c.Bayes()
        seed = seed_number(self.seed if seed is None else seed)
        n = arrays.whole(n, "n", 1, MOST_FRESH)
        start = arrays.whole(start, "start", 0, _SEED_BOUND - n)
        engine_or_default(engine).run(lambda handle: call("rhm_bayes_of_grammar", byref(found), handle, self._handle, seed,
                                                          stream_number(stream), start, n), progress)
        return Bayes.of(found)


def _restore(rules, probability, label_probability, vocab, options):
    shape = arrays.shape_of_tables(rules, vocab)
    handle = c_void_p()
    call("rhm_grammar_create_with", byref(handle), byref(shape), arrays.pointers(rules), arrays.pointers(probability),
         arrays.address(label_probability), byref(c.GrammarOptions.from_buffer_copy(options)))
    return Hierarchy._of(handle)
