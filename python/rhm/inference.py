"""What belief propagation returns."""
import ctypes
from ctypes import byref, c_void_p
from typing import NamedTuple, Optional

import numpy as np

from . import _arrays as arrays
from . import _structures as c
from ._library import InvalidError, call, library

PRECISIONS = ("auto", "single", "double")


class Beliefs(NamedTuple):
    """posteriors (n, V_0), log_likelihood (n), marginals {level: (n, nodes, V_level)} or None; float64."""

    posteriors: np.ndarray
    log_likelihood: np.ndarray
    marginals: Optional[dict]


class Bayes(dict):
    """How well the most probable label does."""

    @classmethod
    def of(cls, found):
        return cls({name: getattr(found, name) for name, _ in c.Bayes._fields_ if name != "sums"})


def _mask(masked, shape):
    if masked is None:
        return None
    array = np.ascontiguousarray(np.asarray(masked) != 0, dtype=np.uint8)
    if array.shape != shape:
        raise InvalidError(f"masked has the shape {array.shape}: that of the tokens, {shape}, is wanted")
    return array


def infer(hierarchy, tokens, masked, marginals, precision, engine, progress):
    tokens = arrays.symbols(tokens, "tokens", 2)
    if tokens.shape[1] != hierarchy.tokens:
        raise InvalidError(f"sequences have {tokens.shape[1]} tokens: the hierarchy writes {hierarchy.tokens}")
    if precision not in PRECISIONS:
        raise InvalidError(f"precision {precision!r} is unknown: allowed are {', '.join(PRECISIONS)}")
    n, vocab, nodes = len(tokens), hierarchy.vocab, hierarchy.nodes
    hidden = _mask(masked, tokens.shape)
    found = Beliefs(np.empty((n, vocab[0])), np.empty(n),
                    {l: np.empty((n, nodes[l], vocab[l])) for l in range(len(vocab))} if marginals else None)
    where = (c.F64 * c.BY_LEVEL)()
    pointer = lambda array: array.ctypes.data_as(c.F64)
    for level, array in (found.marginals or {}).items():
        where[level] = pointer(array)
    beliefs = c.Beliefs(pointer(found.posteriors), pointer(found.log_likelihood),
                        ctypes.cast(where, ctypes.POINTER(c.F64)) if marginals else None)

    def task(handle):
        oracle = c_void_p()
        call("rhm_oracle_create", byref(oracle), handle, hierarchy._handle, PRECISIONS.index(precision))
        try:
            call("rhm_oracle_infer", oracle, arrays.address(tokens), arrays.address(hidden), n, byref(beliefs))
        finally:
            library.rhm_oracle_destroy(oracle)

    engine.run(task, progress)
    return found
