"""One training of the hierarchical CNN in PyTorch, from the first step to the stop of the protocol.

usage: torch_cnn_training.py DATA.npz WIDTH [threads=N] [compile=0|1] [way=conv1d|linear] [epochs=E]

DATA.npz: tokens (P, d) and labels (P) to train on, test_tokens and test_labels, vocab, branching, levels. The protocol of Phys. Rev. X 14,
031001: SGD with momentum 0.9 and rate 0.1 WIDTH, cosine over 0.8 of at most 250 epochs, batches of 128, cross-entropy plus 5e-4 mean(p^2) per
tensor, until an epoch's mean cross-entropy is below 0.01. One-hot inputs of all sequences are made once. Prints {"library", "seconds",
"epochs", "loss" and "accuracy" (lists, by epoch), "test_accuracy", "startup", "peak_rss_bytes"} as the last line."""
import json
import resource
import sys
import time

BEGIN = time.perf_counter()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from torch_cnn import Network, encode, penalty  # noqa: E402

BATCH, THRESHOLD = 128, 0.01


def train(network, x, labels, width, epochs, compiled):
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1 * width, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=0.8 * epochs)

    def loss_of(x, labels):
        logits = network(x)
        return functional.cross_entropy(logits, labels), penalty(network), logits

    loss_of = torch.compile(loss_of) if compiled else loss_of
    losses, accuracies = [], []
    for _ in range(epochs):
        total, correct = 0.0, 0
        for rows in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad(set_to_none=True)
            loss, extra, logits = loss_of(x[rows], labels[rows])
            (loss + extra).backward()
            optimiser.step()
            total += loss.item() * len(rows)
            correct += (logits.detach().argmax(1) == labels[rows]).sum().item()
        schedule.step()
        losses.append(total / len(x))
        accuracies.append(correct / len(x))
        if losses[-1] < THRESHOLD:
            break
    return losses, accuracies


def main():
    options = dict(argument.split("=", 1) for argument in sys.argv[3:])
    torch.set_num_threads(int(options.get("threads", torch.get_num_threads())))
    torch.manual_seed(1)
    width = int(sys.argv[2])
    with np.load(sys.argv[1]) as data:
        vocab, branching, levels = (int(data[name]) for name in ("vocab", "branching", "levels"))
        tokens, test_tokens, labels, test_labels = (torch.from_numpy(data[name].astype(np.int64))
                                                    for name in ("tokens", "test_tokens", "labels", "test_labels"))
    x, test = encode(tokens, vocab), encode(test_tokens, vocab)
    network = Network(vocab, branching, levels, width, options.get("way", "conv1d"))
    startup = time.perf_counter() - BEGIN
    begin = time.perf_counter()
    losses, accuracies = train(network, x, labels, width, int(options.get("epochs", 250)), options.get("compile") == "1")
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        test_accuracy = (network(test).argmax(1) == test_labels).double().mean().item()
    print(json.dumps({"library": f"torch {torch.__version__}", "seconds": seconds, "epochs": len(losses), "loss": losses, "accuracy": accuracies,
                      "test_accuracy": test_accuracy, "startup": startup,
                      "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
