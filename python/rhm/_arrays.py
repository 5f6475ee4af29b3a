"""Between NumPy arrays and the library's pointers."""
import ctypes
from ctypes import byref, c_uint32, c_void_p

import numpy as np

from . import _structures as c
from ._library import InvalidError, call

MOST_SYMBOLS = 1 << 16
MOST_BRANCHING = 64


def address(array):
    """Of its first element; None for None. The array must outlive the call."""
    return None if array is None else array.ctypes.data


def pointers(arrays):
    """A C array of their addresses."""
    return (c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])


def latent_pointers(latents):
    """{level: array} as the library takes hidden symbols; None for {}."""
    if not latents:
        return None
    found = (c_void_p * c.BY_LEVEL)()
    for level, array in latents.items():
        found[level] = array.ctypes.data
    return found


def copy_of(pointer, shape):
    return np.ctypeslib.as_array(pointer, shape).copy()


def outputs(n, tokens, out):
    """(tokens (n, d), labels (n)), new or the caller's."""
    if out is None:
        return np.empty((n, tokens), np.uint16), np.empty(n, np.uint16)
    if not isinstance(out, (tuple, list)) or len(out) != 2 or not all(isinstance(array, np.ndarray) for array in out):
        raise InvalidError(f"out is {type(out).__name__}: two arrays, for tokens and labels, are wanted")
    for array, shape in zip(out, ((n, tokens), (n,))):
        if array.dtype != np.uint16 or array.shape != shape or not array.flags.c_contiguous or not array.flags.writeable:
            raise InvalidError(f"out has an array {array.dtype} {array.shape}: writable, C-contiguous uint16 {shape} is wanted")
    return out


def symbols(values, what, rank, below=MOST_SYMBOLS):
    """A C-contiguous uint16 array of an integer one, which is checked; no copy where it is one already."""
    array = np.asarray(values)
    if array.ndim != rank:
        raise InvalidError(f"{what} have {array.ndim} dimensions: {rank} are wanted")
    if array.dtype == np.uint16:
        return np.ascontiguousarray(array)
    if array.dtype.kind not in "iub":
        raise InvalidError(f"{what} are {array.dtype}: integers from 0 on are wanted; of one-hot ones take argmax over the axis of the vocabulary")
    if array.size and (array.min() < 0 or array.max() >= below):
        raise InvalidError(f"{what} are from {array.min()} to {array.max()}: allowed are 0 to {below - 1}")
    return np.ascontiguousarray(array, dtype=np.uint16)


def accuracy(predicted, labels):
    """Share of predictions (n) that are the labels (n)."""
    labels = np.asarray(labels)
    if labels.shape != predicted.shape or not len(predicted):
        raise InvalidError(f"labels have the shape {labels.shape}: {predicted.shape}, a label for each of at least one sequence, is wanted")
    texts = [array.dtype.kind in "SU" for array in (predicted, labels)]
    if texts[0] != texts[1]:
        raise InvalidError(f"labels are {labels.dtype}: predictions are {predicted.dtype}, which nothing of that kind can equal")
    return float(np.mean(predicted == labels))


# ---- shapes of hierarchies ----------------------------------------------------------------------------------------------


def _list(value, name):
    if np.ndim(value) == 0:
        return [value]
    return list(value)


def _levels(vocab, rules, branching, levels):
    """As the command has it: said, or implied by a list."""
    if levels is None:
        levels = len(vocab) - 1 if len(vocab) > 1 else len(rules) if len(rules) > 1 else len(branching) if len(branching) > 1 else 4
    levels = whole(levels, "levels", 1, c.MAX_LEVELS)
    for name, values, wanted in (("vocab", vocab, levels + 1), ("rules", rules, levels), ("branching", branching, levels)):
        if len(values) not in (1, wanted):
            raise InvalidError(f"{name} has {len(values)} values: with {levels} levels allowed are one, or {wanted}")
    return levels


def whole(value, name, least, most):
    """An int of this range: what ctypes would cut to the width of a member is refused."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or value != value or value in (np.inf, -np.inf) or int(value) != value \
            or not least <= int(value) <= most:
        raise InvalidError(f"{name} is {value!r}: allowed are whole numbers from {least} to {most}")
    return int(value)


def shape_of(vocab, rules, branching, levels):
    vocab, rules, branching = _list(vocab, "vocab"), _list(rules, "rules"), _list(branching, "branching")
    shape = c.Shape(levels=_levels(vocab, rules, branching, levels))
    at = lambda values, i: values[i if len(values) > 1 else 0]
    for level in range(shape.levels + 1):
        shape.vocab[level] = whole(at(vocab, level), "vocab", 0, (1 << 32) - 1)
        if level > 0:
            shape.rules[level] = whole(at(rules, level - 1), "rules", 0, (1 << 32) - 1)
            shape.branching[level] = whole(at(branching, level - 1), "branching", 0, (1 << 32) - 1)
    return shape


def branching_sizes(branching):
    """One s, or s_1, ..., s_L, as a list."""
    sizes = [whole(s, "branching", 2, MOST_BRANCHING) for s in _list(branching, "branching")]
    if not 1 <= len(sizes) <= c.MAX_LEVELS:
        raise InvalidError(f"branching has {len(sizes)} values: allowed are 1 to {c.MAX_LEVELS}")
    return sizes


def branching_of(branching, tokens, levels=None):
    """[s_1, ..., s_L] of sequences of so many tokens: a list, or one s, as often as it takes."""
    found = branching_sizes(branching)
    if np.ndim(branching) == 0:
        while np.prod(found, dtype=object) < tokens:
            found.append(found[0])
    if np.prod(found, dtype=object) != tokens or (levels is not None and len(found) != levels):
        raise InvalidError(f"sequences of {tokens} tokens do not fit branching {branching}" + (f" with {levels} levels" if levels else ""))
    return found


def tree_of(branching):
    tree = c.Tree()
    call("rhm_tree_make", byref(tree), len(branching), (c_uint32 * c.BY_LEVEL)(0, *branching[:c.MAX_LEVELS]))
    return tree


def tables_of(rules):
    """[(V_{l-1}, m_l, s_l) uint32] of a list, or of a dict by level."""
    if isinstance(rules, dict):
        rules = [rules[level] for level in sorted(rules)]
    tables = []
    for level, table in enumerate(rules, 1):
        array = np.asarray(table)
        if array.ndim != 3 or array.dtype.kind not in "iu" or array.size == 0:
            raise InvalidError(f"the rules of level {level} are {array.dtype} {array.shape}: integers (symbols of the level above, rules, branching) "
                               "are wanted")
        if array.min() < 0 or array.max() >= MOST_SYMBOLS:
            raise InvalidError(f"the rules of level {level} have symbols from {array.min()} to {array.max()}: allowed are 0 to {MOST_SYMBOLS - 1}")
        tables.append(np.ascontiguousarray(array, dtype=np.uint32))
    if not 1 <= len(tables) <= c.MAX_LEVELS:
        raise InvalidError(f"there are rules of {len(tables)} levels: allowed are 1 to {c.MAX_LEVELS}")
    return tables


def shape_of_tables(tables, tokens):
    shape = c.Shape(levels=len(tables))
    for level, table in enumerate(tables, 1):
        shape.vocab[level - 1], shape.rules[level], shape.branching[level] = table.shape
    shape.vocab[len(tables)] = whole(tokens, "vocab", 1, MOST_SYMBOLS) if tokens is not None else max(int(tables[-1].max()) + 1, tables[-1].shape[0])
    return shape


def laws_of(probability, tables):
    """[(V_{l-1}, m_l) float64] of a list or dict of arrays of this shape or (m_l); None for None."""
    if probability is None:
        return None
    if isinstance(probability, dict):
        probability = [probability[level] for level in sorted(probability)]
    if len(probability) != len(tables):
        raise InvalidError(f"there are probabilities of {len(probability)} levels and rules of {len(tables)}")
    laws = []
    for level, (law, table) in enumerate(zip(probability, tables), 1):
        array = np.asarray(law, dtype=np.float64)
        if array.shape not in (table.shape[:2], table.shape[1:2]):
            raise InvalidError(f"the probabilities of level {level} have the shape {array.shape}: {table.shape[:2]} or {table.shape[1:2]} is wanted")
        laws.append(np.ascontiguousarray(np.broadcast_to(array, table.shape[:2])))
    return laws
