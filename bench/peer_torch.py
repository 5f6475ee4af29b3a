#!/usr/bin/env python3
"""The forward operation and whole sequences in eager PyTorch, beside bench_kernels and bench_sampling.

usage: peer_torch.py BIN_DIR REPORT.json      (bench/run --torch calls it; needs torch, uses no other package)

Both sides run the same sizes in float32 on the same number of threads, in alternation, ROUNDS times; the best trial of
each counts. PyTorch is written as a careful user would: no autograd, results into memory that exists, the best of several
chunk sizes; "plain" is the same on whole arrays, as most people write it. rhm computes features from the embeddings, as PyTorch
does, and, in rows of their own, from phasors of the few different ones, and not at all, with turned weights. PyTorch's sampler looks rules up by index, level by level. A small run checks each against plain arithmetic.
"""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

ROUNDS = 4
TRIALS = 12  # of PyTorch per chunk size and round
CHUNKS = (24, 48, 96, 384)
PLAIN = 4096  # patches of a call where nobody thought of chunks
SHAPES = {f"v{v}": {"vocab": v, "branching": 2, "width": 2048, "rows": 4 * v} for v in (8, 16, 32, 64)}
INSTANCES = {"default": (16, 4, 2, 4), "v16-m4-l8": (16, 4, 2, 8)}  # V, m, s, L of shapes/sampling.txt
TOKENS = (1 << 15, 1 << 17)  # drawn by one call of PyTorch's sampler


class Forward:
    """y = (cos z, sin z) w^T with z = h W + b, for `chunk` patches at a time."""

    def __init__(self, shape, chunk, generator):
        vocab, tokens, width = shape["vocab"], shape["branching"], shape["width"]
        self.table = torch.rand(shape["rows"], vocab, generator=generator) - 0.5
        self.ids = torch.randint(shape["rows"], (chunk, tokens), generator=generator)
        self.frequencies = 6 * torch.rand(tokens * vocab, width, generator=generator) - 3
        self.offset = 3 * torch.rand(width, generator=generator)
        self.weights = torch.rand(2 * width, vocab, generator=generator) - 0.5
        self.z, self.x = torch.empty(chunk, width), torch.empty(chunk, 2 * width)
        self.y, self.width, self.chunk = torch.empty(chunk, vocab), width, chunk

    def plain(self):
        z = self.table[self.ids].view(self.chunk, -1) @ self.frequencies + self.offset
        return torch.cat([torch.cos(z), torch.sin(z)], 1) @ self.weights

    def __call__(self):
        h = self.table[self.ids].view(self.chunk, -1)
        torch.addmm(self.offset, h, self.frequencies, out=self.z)
        torch.cos(self.z, out=self.x[:, :self.width])
        torch.sin(self.z, out=self.x[:, self.width:])
        return torch.mm(self.x, self.weights, out=self.y)

    def in_halves(self):
        """The same with dense operands: cosines, their product, sines in the place of the phases, theirs."""
        h = self.table[self.ids].view(self.chunk, -1)
        torch.addmm(self.offset, h, self.frequencies, out=self.z)
        cosines = self.x.view(-1, self.width)[: self.chunk]
        torch.cos(self.z, out=cosines)
        torch.mm(cosines, self.weights[: self.width], out=self.y)
        return self.y.addmm_(self.z.sin_(), self.weights[self.width :])

    def check(self):
        h = self.table.double()[self.ids].view(self.chunk, -1)
        z = h @ self.frequencies.double() + self.offset.double()
        right = torch.cat([z.cos(), z.sin()], 1) @ self.weights.double()
        for call in (self, self.in_halves, self.plain):
            error = (call().double() - right).abs().max() / right.square().mean().sqrt()
            assert error < 1e-4, f"PyTorch's forward is off by {error:g}"


class Sequences:
    """Sequences of a hierarchy with uniform rules: symbol v becomes one of its m rules, a row of s symbols."""

    def __init__(self, sizes, tokens, generator):
        vocab, rules, branching, levels = sizes
        self.vocab, self.rules, self.levels = vocab, rules, levels
        self.count = tokens // branching**levels
        self.tokens = self.count * branching**levels
        tuples = [torch.randperm(vocab**branching, generator=generator)[: vocab * rules] for _ in range(levels)]
        digits = [torch.stack([t // vocab**i % vocab for i in range(branching)], 1) for t in tuples]
        self.tables = [d.view(vocab, rules, branching).contiguous() for d in digits]
        self.flat = [d.contiguous() for d in digits]

    def by_fancy_index(self):
        symbols = torch.randint(self.vocab, (self.count, 1))
        for table in self.tables:
            symbols = table[symbols, torch.randint(self.rules, symbols.shape)].view(self.count, -1)
        return symbols

    def by_row(self):
        symbols = torch.randint(self.vocab, (self.count, 1))
        for table in self.flat:
            rows = torch.randint(self.rules, symbols.shape).add_(symbols, alpha=self.rules)
            symbols = table.index_select(0, rows.view(-1)).view(self.count, -1)
        return symbols

    def check(self):
        for draw in (self.by_fancy_index, self.by_row):
            last = draw().view(-1, self.flat[-1].shape[1])
            allowed = {tuple(row) for row in self.flat[-1].tolist()}
            assert {tuple(row) for row in last[:1000].tolist()} <= allowed, "PyTorch drew a patch that no rule produces"


def best_seconds(call, trials):
    best = float("inf")
    for _ in range(trials):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def ours(program, row, key):
    """The best rate of a row of one of our programs, run for a moment."""
    done = subprocess.run([program, f"--benchmark_filter=^{row}/", "--benchmark_min_time=0.05", "--benchmark_format=json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"peer_torch: {program.name} {row}: {done.stderr.strip().splitlines()[-1]}")
    return max(entry[key] for entry in json.loads(done.stdout)["benchmarks"])


def widest_isa(program):
    """As the programs report it, less what RHM_ISA hides."""
    order = ["scalar", "avx2", "avx512"]
    out = subprocess.run([program, "--benchmark_filter=^sequences/default/scalar/t:1/", "--benchmark_min_time=0.001",
                          "--benchmark_format=json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    mask = os.environ.get("RHM_ISA", "avx512")
    widest = json.loads(out)["context"]["isa_widest"]
    return min(widest, mask if mask in order else widest, key=order.index)


def compare(threads, program, rows, key, candidates):
    """Alternate: each of our rows {name: (row, what a unit of `key` is worth)}, then each candidate (label, work of a call,
    function)."""
    torch.set_num_threads(threads)
    rates, peers = dict.fromkeys(rows, 0.0), {}
    for _ in range(ROUNDS):
        for own, (row, worth) in rows.items():
            rates[own] = max(rates[own], worth * ours(program, row, key))
        for label, work, call in candidates:
            call()
            peers[label] = max(peers.get(label, 0.0), work / best_seconds(call, TRIALS))
    winner = max(peers, key=peers.get)
    return [{"name": own, "threads": threads, "rhm": rate, "torch": peers[winner], "ratio": rate / peers[winner], "torch_variant": winner,
             "torch_plain": peers.get("plain"), "ratio_plain": rate / peers["plain"] if "plain" in peers else None}
            for own, rate in rates.items()]


def table(title, rows, scale, unit):
    plain = any(r["torch_plain"] for r in rows)
    lines = [title, "", f"{'what':<30} {'threads':>7} {'rhm ' + unit:>13} {'torch ' + unit:>15} {'ratio':>6}"
             + (f" {'plain':>8} {'ratio':>6}" if plain else "") + "  torch's best"]
    lines += [f"{r['name']:<30} {r['threads']:>7} {r['rhm'] / scale:>13.3g} {r['torch'] / scale:>15.3g} {r['ratio']:>6.2f}"
              + (f" {r['torch_plain'] / scale:>8.3g} {r['ratio_plain']:>6.2f}" if plain else "") + f"  {r['torch_variant']}" for r in rows]
    return "\n".join(lines)


def patches_of_a_flop(shape, way):
    """bench_kernels counts the multiply-adds of the products, and of phasors three a frequency and further token."""
    tokens, vocab = shape["branching"], shape["vocab"]
    features = {"": tokens * vocab, "shared_": 3 * (tokens - 1), "turned_": 0}[way]
    return 1 / (2 * shape["width"] * (features + 2 * vocab))


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    programs, report = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    kernels, sampling = programs / "bench_kernels", programs / "bench_sampling"
    isa, generator = widest_isa(sampling), torch.Generator().manual_seed(1)
    threads = sorted({1, len(os.sched_getaffinity(0))})
    forward, sequences = [], []
    with torch.inference_mode():
        for name, shape in SHAPES.items():
            runs = [Forward(shape, chunk, generator) for chunk in CHUNKS]
            runs[0].check()
            whole = Forward(shape, PLAIN, generator)
            for t in threads:
                candidates = [(f"{label}, chunks of {run.chunk}", run.chunk, call) for run in runs
                              for label, call in (("one product", run), ("in halves", run.in_halves))]
                candidates.append(("plain", whole.chunk, whole.plain))
                rows = {f"{way}forward/{name}/{isa}": (f"{way}forward/{name}/{isa}/native/t:{t}", patches_of_a_flop(shape, way))
                        for way in ("", "shared_", "turned_")}
                forward += compare(t, kernels, rows, "best_flops_per_second", candidates)
        for name, sizes in INSTANCES.items():
            runs = [Sequences(sizes, tokens, generator) for tokens in TOKENS]
            runs[0].check()
            for t in threads:
                candidates = [(f"{label}, {run.tokens} tokens a call", run.tokens, call) for run in runs
                              for label, call in (("fancy indexing", run.by_fancy_index), ("index_select", run.by_row))]
                rows = {f"sequences/{name}/{isa}": (f"sequences/{name}/{isa}/t:{t}", 1)}
                sequences += compare(t, sampling, rows, "best_items_per_second", candidates)
    report.write_text(json.dumps({"torch": torch.__version__, "forward": forward, "sequences": sequences}, indent=1))
    print(table(f"Beside PyTorch {torch.__version__}, eager, float32, best of alternating runs", forward, 1e6, "Mpatch/s"))
    print()
    print(table("Whole sequences beside an index-based PyTorch generator", sequences, 1e6, "Mtoken/s"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
