"""Exact label posteriors of a data set by belief propagation in PyTorch on the CPU, as a careful user would write it.

usage: torch_bp.py DATA.h5 [--threads T] [--batch B] [--double] [--posteriors FILE.h5]

DATA.h5 has sequences with their grammar, as `rhm sample --token-noise E` writes it. One upward pass in batches of sequences, all rules of
a level in one gather, messages scaled to sum 1, single precision unless --double. With --posteriors, what `rhm oracle --data DATA.h5 -o`
wrote is compared. The last line of standard output is a JSON object: {"sequences", "seconds", "sequences_per_second", "bayes_accuracy",
"worst_difference"}; the seconds are those of the passes, after one batch to warm up."""
import argparse
import json
import time

import h5py
import numpy as np
import torch


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256, help="sequences at a time")
    parser.add_argument("--double", action="store_true")
    parser.add_argument("--posteriors")
    return parser.parse_args()


class Tree:
    """Upward messages of one grammar: u(symbol) = sum over its rules of the probability times the children's messages."""

    def __init__(self, group, kind):
        self.rules, self.probability = [], []
        for level in range(1, int(group.attrs["levels"]) + 1):
            rules = group[f"rules_{level}"][()].astype(np.int64)
            self.rules.append(torch.from_numpy(rules.transpose(2, 0, 1).reshape(rules.shape[2], -1).copy()))  # (s, V m)
            self.probability.append(torch.from_numpy(group[f"probability_{level}"][()]).to(kind))
        self.label = torch.from_numpy(group["label_probability"][()]).to(kind)
        noise, tokens = float(group.attrs.get("token_noise", 0)), int(group.attrs["vocab"][-1])
        self.leaf = ((1 - noise) * torch.eye(tokens, dtype=torch.float64) + noise / tokens).to(kind)  # (seen, true)

    def posteriors(self, tokens):
        u = self.leaf[tokens]
        for rules, probability in zip(reversed(self.rules), reversed(self.probability)):
            u = u.view(len(tokens), -1, len(rules), u.shape[-1])
            product = u[:, :, 0].index_select(-1, rules[0])
            for child in range(1, len(rules)):
                product.mul_(u[:, :, child].index_select(-1, rules[child]))
            u = (product.view(*product.shape[:2], *probability.shape) * probability).sum(-1)
            u /= u.sum(-1, keepdim=True)
        joint = u[:, 0] * self.label
        return joint / joint.sum(-1, keepdim=True)


def main():
    given = arguments()
    torch.set_num_threads(given.threads)
    with h5py.File(given.data) as f:
        tree = Tree(f["grammar"], torch.float64 if given.double else torch.float32)
        tokens, labels = torch.from_numpy(f["data/tokens"][()]).long(), f["data/labels"][()]
    found = []
    with torch.inference_mode():
        tree.posteriors(tokens[: given.batch])
        begin = time.perf_counter()
        for first in range(0, len(tokens), given.batch):
            found.append(tree.posteriors(tokens[first : first + given.batch]))
        seconds = time.perf_counter() - begin
    found = torch.cat(found).double().numpy()
    result = {"sequences": len(tokens), "seconds": seconds, "sequences_per_second": len(tokens) / seconds,
              "bayes_accuracy": float((found.argmax(1) == labels).mean()), "worst_difference": None}
    if given.posteriors:
        with h5py.File(given.posteriors) as f:
            result["worst_difference"] = float(np.abs(f["oracle/posteriors"][()] - found).max())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
