"""Whole sequences drawn by an index-based generator in PyTorch, as published scripts do: the rate of the best of several ways.

usage: torch_generator.py JOB.json [seconds=S]

Prints {"library", "tokens_per_second", "way"} as the last line."""
import json
import time

from hierarchy import arguments, read_job

import torch

TOKENS = (1 << 15, 1 << 17, 1 << 20)  # of one call


class Sequences:
    def __init__(self, job, tokens):
        self.tables = [torch.tensor(rules) for rules in job["rules_by_level"]]
        self.flat = [table.view(-1, table.shape[2]) for table in self.tables]
        length = job["branching"] ** job["levels"]
        self.count = max(1, tokens // length)
        self.tokens = self.count * length

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


def main():
    path, options = arguments(__doc__)
    job = read_job(path)
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["data_seed"])
    best, way = 0.0, ""
    with torch.inference_mode():
        for tokens in TOKENS:
            sequences = Sequences(job, tokens)
            for name in ("by_fancy_index", "by_row"):
                draw = getattr(sequences, name)
                last = draw().view(-1, job["branching"])[:1000].tolist()
                allowed = {tuple(row) for row in sequences.flat[-1].tolist()}
                assert {tuple(row) for row in last} <= allowed, "a patch was drawn that no rule produces"
                end = time.perf_counter() + float(options.get("seconds", "0.5"))
                while time.perf_counter() < end:
                    start = time.perf_counter()
                    draw()
                    rate = sequences.tokens / (time.perf_counter() - start)
                    if rate > best:
                        best, way = rate, f"{name}, {sequences.tokens} tokens a call"
    print(json.dumps({"library": f"torch {torch.__version__}", "tokens_per_second": best, "way": way}))


if __name__ == "__main__":
    main()
