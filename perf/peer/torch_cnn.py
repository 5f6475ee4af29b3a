"""Steps of a hierarchical CNN in PyTorch, as the field trains it: the rate of the best of several ways.

usage: torch_cnn.py VOCAB BRANCHING LEVELS WIDTH BATCH [threads=N] [compile=0|1] [seconds=S] [way=NAME]

Non-overlapping convolutions with a bias per channel and position, ReLU, readout, cross-entropy plus 5e-4 mean(p^2) per tensor, SGD with
momentum 0.9. One-hot inputs exist beforehand and are not timed. Prints {"library", "way", "step_seconds" (best), "median_seconds",
"peak_rss_bytes", "ways"} as the last line."""
import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional


class Convolution(nn.Module):
    def __init__(self, inputs, outputs, positions, patch, way):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, patch))
        self.bias = nn.Parameter(torch.randn(1, outputs, positions))
        self.inputs, self.patch, self.way = inputs, patch, way

    def forward(self, x):
        if self.way == "conv1d":
            y = functional.conv1d(x, self.weight, stride=self.patch)
        else:  # patches as rows of one product
            rows = x.unflatten(2, (-1, self.patch)).permute(0, 2, 1, 3).flatten(2)
            y = functional.linear(rows, self.weight.flatten(1)).transpose(1, 2)
        return functional.relu(y / self.inputs ** 0.5 + 0.1 * self.bias)


class Network(nn.Module):
    def __init__(self, vocab, patch, levels, width, way):
        super().__init__()
        self.levels = nn.Sequential(*(Convolution(vocab if level == levels else width, width, patch ** (level - 1), patch, way)
                                      for level in range(levels, 0, -1)))
        self.readout = nn.Parameter(torch.randn(width, vocab))
        self.width = width

    def forward(self, x):
        return self.levels(x).mean(2) @ self.readout / self.width


def encode(tokens, vocab):
    """One-hot of mean zero and variance one, channels first."""
    spread = (vocab - 1) ** -0.5
    return (functional.one_hot(tokens, vocab).float() * (1 + spread) - spread).transpose(1, 2).contiguous()


def penalty(network):
    return 5e-4 * sum(p.square().mean() for p in network.parameters())


def measure(way, compiled, vocab, patch, levels, width, batch, seconds):
    torch.manual_seed(1)
    network = Network(vocab, patch, levels, width, way)
    x = encode(torch.randint(vocab, (batch, patch ** levels)), vocab)
    labels = torch.randint(vocab, (batch,))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)

    def loss_of(x, labels):
        return functional.cross_entropy(network(x), labels) + penalty(network)

    loss = torch.compile(loss_of) if compiled else loss_of

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss(x, labels).backward()
        optimiser.step()

    for _ in range(5):
        step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return times


def main():
    numbers = [int(argument) for argument in sys.argv[1:6]]
    options = dict(argument.split("=", 1) for argument in sys.argv[6:])
    torch.set_num_threads(int(options.get("threads", torch.get_num_threads())))
    ways = [options["way"]] if "way" in options else ["conv1d", "linear"]
    compiled = options.get("compile", "0") == "1"
    times = {way: measure(way, compiled, *numbers, float(options.get("seconds", 2))) for way in ways}
    best = min(times, key=lambda way: min(times[way]))
    print(json.dumps({"library": f"torch {torch.__version__}", "way": best + (" compiled" if compiled else ""),
                      "step_seconds": min(times[best]), "median_seconds": statistics.median(times[best]),
                      "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "ways": {way: min(of) for way, of in times.items()}}))


if __name__ == "__main__":
    main()
