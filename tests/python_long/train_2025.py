"""A training loop as a user of the 2025 code writes it: that code's data set, a hierarchical CNN, SGD, cross-entropy; losses as JSON.

The line `from rhm.torch import RHM` is all that says whose data set it is."""
import argparse
import json

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from rhm.torch import RHM


class Convolution(nn.Module):
    """Non-overlapping patches, weights N(0, 1), divided by the root of what is summed up."""

    def __init__(self, channels, width, patch):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, channels, patch))
        self.patch, self.scale = patch, (channels * patch) ** -0.5

    def forward(self, x):
        return F.conv1d(x, self.weight, stride=self.patch) * self.scale


class HierarchicalCNN(nn.Module):
    def __init__(self, v, n, s, L, width):
        super().__init__()
        self.hidden = nn.Sequential(*(layer for l in range(L) for layer in (Convolution(v if l == 0 else width, width, s), nn.ReLU())))
        self.readout = nn.Parameter(torch.randn(width, n))

    def forward(self, x):
        return self.hidden(x).mean(-1) @ self.readout / self.readout.shape[0]


def inputs_of(tokens, v):
    x = F.one_hot(tokens.long(), num_classes=v).float()
    return ((x - 1 / v) * (1 - 1 / v) ** -0.5).permute(0, 2, 1)


def test(model, loader):
    with torch.no_grad():
        losses = [(F.cross_entropy(model(x), y, reduction="sum").item(), len(y)) for x, y in loader]
    return sum(loss for loss, _ in losses) / sum(count for _, count in losses)


def run(config):
    data = RHM(v=config.num_features, n=config.num_classes, m=config.num_synonyms, s=config.tuple_size, L=config.num_layers,
               seed_rules=config.seed_rules, seed_samples=config.seed_sample, num_data=config.train_size + config.test_size, probs=None, transform=None)
    x, y = inputs_of(data.trees[config.num_layers], config.num_features), data.trees[0]
    torch.manual_seed(config.seed_model)
    train_loader = DataLoader(TensorDataset(x[:config.train_size], y[:config.train_size]), batch_size=config.batch_size, shuffle=True, num_workers=0)
    test_loader = DataLoader(TensorDataset(x[config.train_size:], y[config.train_size:]), batch_size=1024, num_workers=0)
    model = HierarchicalCNN(config.num_features, config.num_classes, config.tuple_size, config.num_layers, config.width)
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr * config.width)
    curve = [test(model, test_loader)]
    for _ in range(config.max_epochs):
        for inputs, targets in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        curve.append(test(model, test_loader))
    return {"test_loss": curve, "rules": {str(l): table.tolist() for l, table in data.rules.items()}}


def main():
    parser = argparse.ArgumentParser()
    for name, value in {"num_features": 8, "num_classes": 8, "num_synonyms": 2, "tuple_size": 2, "num_layers": 2, "train_size": 1024,
                        "test_size": 2048, "batch_size": 32, "width": 64, "max_epochs": 12, "seed_rules": 1, "seed_sample": 1, "seed_model": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--lr", type=float, default=1.0)
    print(json.dumps(run(parser.parse_args())))


if __name__ == "__main__":
    main()
