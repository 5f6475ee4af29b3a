"""Parts of the job in eager PyTorch, as a careful user would write them: the rate of the best of several ways.

usage: torch_parts.py JOB.json [part=sequences|forward] [seconds=S]

sequences: whole sequences drawn by index, as published scripts do; forward: outputs of patches. Prints {"library", "rate", "way"} as the
last line, tokens or patches a second."""
import json
import time

from hierarchy import arguments, read_job

import torch

TOKENS = (1 << 15, 1 << 17, 1 << 20)  # of one call
CHUNKS = (24, 48, 96, 384, 4096)  # patches of one call


class Sequences:
    def __init__(self, job, tokens):
        self.tables = [torch.tensor(rules) for rules in job["rules_by_level"]]
        self.flat = [table.view(-1, table.shape[2]) for table in self.tables]
        length = job["branching"] ** job["levels"]
        self.count = max(1, tokens // length)
        self.work, self.about = self.count * length, f"{self.count * length} tokens a call"
        self.ways = (self.by_fancy_index, self.by_row)

    def by_fancy_index(self):
        symbols = torch.randint(len(self.tables[0]), (self.count, 1))
        for table in self.tables:
            symbols = table[symbols, torch.randint(table.shape[1], symbols.shape)].view(self.count, -1)
        return symbols

    def by_row(self):
        symbols = torch.randint(len(self.tables[0]), (self.count, 1))
        for table, flat in zip(self.tables, self.flat):
            rows = torch.randint(table.shape[1], symbols.shape).add_(symbols, alpha=table.shape[1])
            symbols = flat.index_select(0, rows.view(-1)).view(self.count, -1)
        return symbols

    def check(self, drawn):
        patches = drawn.view(-1, self.flat[-1].shape[1])[:1000].tolist()
        assert {tuple(row) for row in patches} <= {tuple(row) for row in self.flat[-1].tolist()}, "a patch was drawn that no rule produces"


class Forward:
    """y = (cos z, sin z) w^T with z = h W, for `chunk` patches at a time; h are rows of a table of embeddings."""

    def __init__(self, job, chunk):
        vocab, tokens, width = job["classes"], job["branching"], job["width"]
        self.table = torch.rand(4 * vocab, vocab) - 0.5
        self.ids = torch.randint(4 * vocab, (chunk, tokens))
        self.frequencies = 6 * torch.rand(tokens * vocab, width) - 3
        self.weights = torch.rand(2 * width, vocab) - 0.5
        self.z, self.x, self.y = torch.empty(chunk, width), torch.empty(chunk, 2 * width), torch.empty(chunk, vocab)
        self.width, self.work, self.about = width, chunk, f"chunks of {chunk}"
        self.ways = (self.plain, self.one_product, self.in_halves)

    def inputs(self):
        return self.table[self.ids].view(self.work, -1)

    def plain(self):
        z = self.inputs() @ self.frequencies
        return torch.cat([torch.cos(z), torch.sin(z)], 1) @ self.weights

    def one_product(self):
        torch.mm(self.inputs(), self.frequencies, out=self.z)
        torch.cos(self.z, out=self.x[:, :self.width])
        torch.sin(self.z, out=self.x[:, self.width:])
        return torch.mm(self.x, self.weights, out=self.y)

    def in_halves(self):
        """With dense operands: cosines, their product, sines in the place of the phases, theirs."""
        torch.mm(self.inputs(), self.frequencies, out=self.z)
        cosines = self.x.view(-1, self.width)[:self.work]
        torch.cos(self.z, out=cosines)
        torch.mm(cosines, self.weights[:self.width], out=self.y)
        return self.y.addmm_(self.z.sin_(), self.weights[self.width:])

    def check(self, y):
        z = self.inputs().double() @ self.frequencies.double()
        right = torch.cat([z.cos(), z.sin()], 1) @ self.weights.double()
        assert (y.double() - right).abs().max() < 1e-4 * right.square().mean().sqrt(), "the outputs are wrong"


PARTS = {"sequences": (Sequences, TOKENS), "forward": (Forward, CHUNKS)}


def main():
    path, options = arguments(__doc__)
    job = read_job(path)
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["data_seed"])
    part, sizes = PARTS[options.get("part", "sequences")]
    best, chosen = 0.0, ""
    with torch.inference_mode():
        for candidate in (part(job, size) for size in sizes):
            for way in candidate.ways:
                candidate.check(way())
                end = time.perf_counter() + float(options.get("seconds", "0.5"))
                while time.perf_counter() < end:
                    start = time.perf_counter()
                    way()
                    rate = candidate.work / (time.perf_counter() - start)
                    if rate > best:
                        best, chosen = rate, f"{way.__name__}, {candidate.about}"
    print(json.dumps({"library": f"torch {torch.__version__}", "rate": best, "way": chosen}))


if __name__ == "__main__":
    main()
