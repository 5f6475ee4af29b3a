"""How tokens become tensors."""
import math
from ctypes import byref

import numpy as np
import torch

from .. import _structures as c
from .._library import InvalidError

KINDS = ("onehot", "binary", "long", "decimal")
MOST_CHANNELS = 1 << 16


def _kind(input_format):
    """The word that the public codes look for, in their order."""
    for kind in ("binary", "long", "decimal", "onehot"):
        if kind in input_format:
            return kind
    if input_format in ("pairs", "tuples"):
        return "onehot"
    raise InvalidError(f"input_format {input_format!r} is unknown: allowed are {', '.join(KINDS)}, each with _pairs or _tuples, pairs, tuples")


class Encoding:
    """A format of inputs, by the words of the public codes.

    input_format: "onehot": float32 (n, V, d), channels first; "long": int64 (n, d), tokens plus 1; "decimal": float32 (n, 1, d),
    2 ((x + 1) / V - 1); "binary": float32 (n, bits, d), highest bit first. With "_pairs", or "_tuples", of numbers below V^2, or V^s, of
    neighbouring tokens, the first one most significant; d is then the number of these.

    whitening, of one-hot ones only: False; "shifted": x (1 + q) - q with q = (V - 1)^(-1/2), the 2023 code's; "standardized":
    (x - 1/V) / sqrt(1 - 1/V), the later codes'; True is "standardized". channels_last: (n, d, V) in place of (n, V, d). add: what "long"
    adds to tokens; 0 is the 2025 code's."""

    def __init__(self, vocab, input_format="onehot", whitening=False, *, tuple_size=2, channels_last=False, add=1):
        self.input_format, self.kind, self.features, self.channels_last, self.add = input_format, _kind(input_format), vocab, channels_last, add
        self.group = 2 if "pairs" in input_format else tuple_size if "tuples" in input_format else 1
        self.channels = vocab ** self.group
        if self.channels > MOST_CHANNELS:
            raise InvalidError(f"{input_format} of {vocab} tokens has {self.channels} channels: allowed are {MOST_CHANNELS} at most")
        if whitening and self.kind != "onehot":
            raise InvalidError(f"whitening is for one-hot inputs, not for {input_format!r}")
        if channels_last and self.kind != "onehot":
            raise InvalidError(f"channels_last is for one-hot inputs, not for {input_format!r}")
        self.whitening = {False: None, 0: None, None: None, True: "standardized", 1: "standardized"}.get(whitening, whitening)
        self.on, self.off = self._levels()

    def _levels(self):
        if self.whitening is None:
            return 1.0, 0.0
        if self.features < 2:
            raise InvalidError("one token alone cannot be whitened: it does not vary")
        if self.whitening == "shifted":
            return 1.0, -((self.features - 1) ** -0.5)
        if self.whitening == "standardized":
            inverse = (1.0 - 1.0 / self.features) ** -0.5
            return (1.0 - 1.0 / self.features) * inverse, -1.0 / self.features * inverse
        raise InvalidError(f"whitening {self.whitening!r} is unknown: allowed are False, True, 'shifted' and 'standardized'")

    def grouped(self, tokens):
        """(n, d) tokens as what is encoded: themselves, or numbers of pairs or tuples; C-contiguous uint16."""
        if self.group == 1:
            return np.ascontiguousarray(tokens, dtype=np.uint16)
        if tokens.shape[1] % self.group:
            raise InvalidError(f"{tokens.shape[1]} tokens are no tuples of {self.group}")
        weights = self.features ** np.arange(self.group - 1, -1, -1, dtype=np.int64)
        return (tokens.reshape(len(tokens), -1, self.group) * weights).sum(-1).astype(np.uint16)

    def width(self, tokens):
        """Positions of sequences of so many tokens."""
        return tokens // self.group

    def nbytes(self, tokens):
        """Of the tensor of one sequence."""
        width = self.width(tokens)
        return width * {"onehot": 4 * self.channels, "long": 8, "decimal": 4, "binary": 4 * self._bits()}[self.kind]

    def _bits(self):
        return max(1, math.ceil(math.log2(self.channels)))

    def __call__(self, engine, numbers):
        """A new tensor of the numbers (of `grouped`), written by the library with the engine's threads."""
        return self.of(engine, Rows(numbers), torch.empty)

    def of(self, engine, rows, memory):
        """A tensor of Rows. memory(shape): where a one-hot one lies."""
        if self.kind == "onehot":
            x = memory((rows.count, rows.width, self.channels) if self.channels_last else (rows.count, self.channels, rows.width))
            engine.call("rhm_encode_one_hot", self._one_hot(), rows.reference, x.data_ptr())
            return x
        x = rows.integers(engine, self.add if self.kind == "long" else 0)
        if self.kind == "long":
            return x
        if self.kind == "decimal":
            return ((x[:, None] + 1) / self.features - 1) * 2
        shifts = torch.arange(self._bits() - 1, -1, -1)
        return (x[:, None, :] >> shifts[:, None] & 1).float()

    def _one_hot(self):
        return byref(c.OneHot(self.channels, self.on, self.off, self.channels_last))


class Rows:
    """Numbers (N, width) uint16, or labels (N), and which rows of them are wanted."""

    def __init__(self, numbers):
        self.numbers = numbers
        self.width = numbers.shape[1] if numbers.ndim == 2 else 1
        self.structure = c.TokenRows(numbers.ctypes.data, len(numbers), self.width, None, len(numbers))
        self.reference = byref(self.structure)

    @property
    def count(self):
        return self.structure.count

    def pick(self, rows):
        """The rows of an int64 tensor, which must outlive what is done with them."""
        self.structure.row, self.structure.count = rows.data_ptr(), len(rows)
        return self

    def integers(self, engine, add=0):
        """int64 (n, width), or (n) of labels, plus `add`."""
        x = torch.empty((self.count, self.width) if self.numbers.ndim == 2 else self.count, dtype=torch.int64)
        engine.call("rhm_encode_integers", self.reference, add, x.data_ptr())
        return x


def integers(engine, numbers):
    """int64 of uint16."""
    return Rows(numbers).integers(engine)
