"""Whole batches, which the library writes straight into tensors: for DataLoader(..., batch_size=None), or a loop of one's own."""
import os
import sys
import threading

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from .. import _arrays as arrays
from .._library import InvalidError
from ..engine import Engine, engine_or_default
from ..hierarchy import stream_number
from .encoding import Encoding, Rows, integers

MOST_RECYCLED = 4
MOST_BATCH = 1 << 40
BLOCK_NBYTES = 1 << 20  # batches are made so many bytes at a time, and are views of that: about what a cache holds


_of_workers = {}  # the engine of a process that is a worker


def engine_here(engine):
    """The engine that is asked for, or the default; in a worker of a DataLoader one thread, for there are others."""
    if get_worker_info() is None:
        return engine_or_default(engine)
    return _of_workers.setdefault(os.getpid(), Engine(threads=1))


def _holders(arrays, i):
    return sys.getrefcount(arrays[i])


_NOBODY = _holders([np.empty(1)], 0)  # but the list; a tensor would hold an array, too


class Recycled:
    """Memory for tensors of one size after the other: what no tensor uses any more is used again, and need not be had from the system
    page by page."""

    def __init__(self):
        self.arrays = []
        self.lock = threading.Lock()
        self.process = os.getpid()

    def __reduce__(self):
        return Recycled, ()

    def __call__(self, shape):
        if self.process != os.getpid():
            self.__init__()  # a child of fork: another thread of its parent's may have had the lock
        with self.lock:
            for i in range(len(self.arrays)):
                if self.arrays[i].shape == shape and _holders(self.arrays, i) == _NOBODY:
                    return torch.from_numpy(self.arrays[i])
            array = np.empty(shape, np.float32)
            self.arrays = self.arrays[-(MOST_RECYCLED - 1):] + [array]
            return torch.from_numpy(array)


def _batch_size(batch_size):
    return arrays.whole(batch_size, "batch_size", 1, MOST_BATCH)


class _Batches(IterableDataset):
    """Batches 0, 1, ... of an epoch, shared out between the workers of a DataLoader so that they come in this order for any number of
    workers. Workers use one thread each, the process itself all."""

    def __init__(self, encoding, tokens, batch_size, engine):
        super().__init__()
        self.encoding, self.tokens, self.batch_size, self.engine = encoding, tokens, _batch_size(batch_size), engine
        self.epoch, self.told = 0, False
        self._memory = Recycled()

    def set_epoch(self, epoch):
        """Say which epoch the next iteration is: it decides the order, or the samples. Without it iterations count, in each process for
        itself; so for fresh epochs with workers use it, or persistent_workers=True."""
        self.epoch, self.told = int(epoch), True

    def _worker(self):
        """(its number, how many)."""
        info = get_worker_info()
        return (info.id, info.num_workers) if info else (0, 1)

    def __iter__(self):
        (worker, workers), engine = self._worker(), engine_here(self.engine)
        epoch = self.epoch
        if not self.told:
            self.epoch += 1
        each = self.batch_size * self.encoding.nbytes(self.tokens)
        # Batches of a worker are not neighbours: one at a time.
        together = max(1, BLOCK_NBYTES // max(1, each)) if workers == 1 else 1
        return self._generate(engine, epoch, worker, workers, together)

    def _generate(self, engine, epoch, worker, workers, together):
        batches, first, size = len(self) if self._finite() else None, worker, self.batch_size
        make = self._maker(engine, epoch, self._memory)
        while batches is None or first < batches:
            count = together if batches is None else min(together, batches - first)
            x, y = make(first, count)
            if len(y) == count * size:
                yield from zip(x.view(count, size, *x.shape[1:]).unbind(), y.view(count, size).unbind())
            else:
                yield from zip(x.split(size), y.split(size))
            first += count if workers == 1 else workers


class StreamBatches(_Batches):
    """Batches of fresh samples of a hierarchy, with replacement: no data set is kept, and none is ever exhausted.

    batches: how many an iteration yields; None: without end. Batch k of epoch e is samples start + (e batches + k) batch_size, ... of the
    hierarchy's stream, the same for any number of workers and threads. encoding: an Encoding, or the word of one. target: "class", the
    label (n) int64; or "last", the last token, which is then masked: its channels are V^(-1/2)."""

    def __init__(self, hierarchy, batch_size, batches=None, *, encoding="onehot", whitening=False, start=0, seed=None, stream="training",
                 target="class", engine=None):
        if not isinstance(encoding, Encoding):
            encoding = Encoding(hierarchy.vocab[-1], encoding, whitening, tuple_size=hierarchy.branching[-1])
        super().__init__(encoding, hierarchy.tokens, batch_size, engine)
        if target not in ("class", "last") or (target == "last" and (encoding.kind != "onehot" or encoding.group > 1)):
            raise InvalidError(f"target {target!r}: allowed are 'class' and, with one-hot tokens, 'last'")
        self.hierarchy, self.start, self.seed, self.stream, self.target = hierarchy, start, seed, stream_number(stream), target
        self.batches = None if batches is None else arrays.whole(batches, "batches", 0, MOST_BATCH)

    def _finite(self):
        return self.batches is not None

    def __len__(self):
        if self.batches is None:
            raise TypeError("batches of a stream without end have no number")
        return self.batches

    def _maker(self, engine, epoch, memory):
        origin = self.start + epoch * (self.batches or 0) * self.batch_size

        def make(first, count):
            n = count * self.batch_size
            tokens, labels = self.hierarchy.sample(n, origin + first * self.batch_size, seed=self.seed, stream=self.stream, engine=engine)
            x = self.encoding.of(engine, Rows(self.encoding.grouped(tokens)), memory)
            if self.target == "class":
                return x, integers(engine, labels)
            y = integers(engine, np.ascontiguousarray(tokens[:, -1]))
            (x[:, -1, :] if self.encoding.channels_last else x[:, :, -1]).fill_(self.hierarchy.vocab[-1] ** -0.5)
            return x, y

        return make


class EpochBatches(_Batches):
    """Batches of a data set in memory, whose tokens are kept as they are (two bytes each) and encoded when they are needed.

    numbers (N, d) uint16 as Encoding.grouped makes them, labels (N) uint16. rows: which of them, integers; None: all. shuffle: in a new
    order every epoch, which `seed` and the epoch decide. drop_last: leave out a last batch that is not full."""

    def __init__(self, encoding, numbers, labels, batch_size, *, rows=None, shuffle=True, drop_last=False, seed=0, engine=None):
        super().__init__(encoding, numbers.shape[1] * encoding.group, batch_size, engine)
        self.numbers, self.labels, self.shuffle, self.drop_last, self.seed = numbers, labels, shuffle, drop_last, seed
        self.rows = None if rows is None else torch.as_tensor(rows, dtype=torch.int64).contiguous()

    def _finite(self):
        return True

    def __len__(self):
        whole, rest = divmod(self._count(), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def _count(self):
        return len(self.labels) if self.rows is None else len(self.rows)

    def _seed(self, epoch):
        """Of the order: all workers must have the same, and processes that a DataLoader starts for every epoch another one."""
        info = get_worker_info()
        base = 0 if info is None or self.told else info.seed - info.id
        return (self.seed * 0x9E3779B97F4A7C15 + base + epoch) % (1 << 63)

    def _order(self, epoch):
        if not self.shuffle:
            return torch.arange(len(self.labels)) if self.rows is None else self.rows
        order = torch.randperm(self._count(), generator=torch.Generator().manual_seed(self._seed(epoch)))
        return order if self.rows is None else self.rows[order]

    def _maker(self, engine, epoch, memory):
        size, order, numbers = self.batch_size, self._order(epoch), Rows(self.numbers)
        labels = Rows(self.labels).pick(order).integers(engine)

        def make(first, count):
            part = slice(first * size, (first + count) * size)
            return self.encoding.of(engine, numbers.pick(order[part]), memory), labels[part]

        return make
