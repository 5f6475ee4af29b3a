"""A convolutional network on a Random Hierarchy Model, in plain PyTorch: the data set is ours, everything else could be yours.

    python train_cnn.py --vocab 16 --rules 4 --levels 3 --train 8192 --epochs 30
"""
import argparse

import torch
from torch import nn

from rhm.torch import RandomHierarchyModel


class HierarchicalCNN(nn.Module):
    """One convolution for each level, whose kernels and strides are the length of a patch."""

    def __init__(self, vocab, classes, branching, levels, channels):
        super().__init__()
        sizes = [vocab] + [channels] * levels
        self.convolutions = nn.ModuleList(nn.Conv1d(a, b, branching, stride=branching) for a, b in zip(sizes, sizes[1:]))
        self.readout = nn.Linear(channels, classes)

    def forward(self, x):
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        return self.readout(x.mean(-1))


def accuracy(network, x, y):
    with torch.no_grad():
        return (network(x).argmax(-1) == y).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, value in (("vocab", 16), ("rules", 4), ("branching", 2), ("levels", 3), ("train", 8192), ("test", 2000), ("channels", 128), ("epochs", 30),
                        ("batch", 128), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rate", type=float, default=2e-3)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    data = RandomHierarchyModel(num_features=args.vocab, num_classes=args.vocab, num_synonyms=args.rules, tuple_size=args.branching, num_layers=args.levels,
                                seed_rules=args.seed, train_size=args.train, test_size=args.test, input_format="onehot", whitening=1)
    x, y = data.features[args.train:], data.labels[args.train:]
    network = HierarchicalCNN(args.vocab, args.vocab, args.branching, args.levels, args.channels)
    optimizer = torch.optim.Adam(network.parameters(), lr=args.rate)
    batches = data.batches(args.batch, rows=range(args.train))  # a new order every epoch
    for epoch in range(1, args.epochs + 1):
        total = 0.0
        for inputs, labels in batches:
            loss = nn.functional.cross_entropy(network(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        print(f"epoch {epoch:3d}  loss {total / args.train:.4f}  test accuracy {accuracy(network, x, y):.4f}")


if __name__ == "__main__":
    main()
