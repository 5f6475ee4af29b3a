"""The convolutional network in NumPy, double precision: its gradients by back-propagation, written out, and steps of descent."""
import pathlib
import re

import h5py
import numpy as np

DATA_PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/data.md"


def documented(model, tokens):
    """What the block of docs/data.md that reads a network leaves behind."""
    block = re.search(r"A convolutional network.*?```python\n(.*?)```", DATA_PAGE.read_text(), re.S).group(1)
    found = {"np": np, "model": model, "tokens": tokens}
    exec(block, found)
    return found


class Network:
    """Parameters by name as in model files; the first trained, or all."""

    def __init__(self, path):
        with h5py.File(path) as f:
            model = f["model"]
            self.levels = int(model.attrs["levels"])
            self.vocab = int(model.attrs["token_vocab"])
            self.scale = {name: float(model.attrs[name]) for name in ("bias_scale", "readout_scale", "input_scale", "input_shift")}
            for l in range(1, self.levels + 1):
                self.scale[l] = float(model[f"weights_{l}"].attrs["scale"])
            self.p = {name: model[name][()].astype(float) for name in model}
        self.v = {name: np.zeros_like(p) for name, p in self.p.items()}

    def forward(self, tokens, top=1):
        """Inputs and outputs of the convolutions L..top, and the logits."""
        y, kept = self.scale["input_scale"] * np.eye(self.vocab)[tokens] + self.scale["input_shift"], {}
        for l in range(self.levels, top - 1, -1):
            w = self.p[f"weights_{l}"]
            x = y.reshape(len(y), -1, w.shape[0] * w.shape[1])
            z = self.scale[l] * (x @ w.reshape(-1, w.shape[2]))
            if f"bias_{l}" in self.p:
                z += self.scale["bias_scale"] * self.p[f"bias_{l}"][:z.shape[1]]
            y = np.maximum(z, 0)
            kept[l] = x, y
        return kept, self.scale["readout_scale"] * y.mean(1) @ self.p["readout"]

    def gradients(self, tokens, labels, top=1):
        kept, o = self.forward(tokens, top)
        q = np.exp(o - o.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
        loss = -np.log(q[np.arange(len(q)), labels]).mean()
        q[np.arange(len(q)), labels] -= 1
        q /= len(q)
        y = kept[top][1]
        g = {"readout": self.scale["readout_scale"] * y.mean(1).T @ q}
        dy = np.repeat((self.scale["readout_scale"] * q @ self.p["readout"].T)[:, None] / y.shape[1], y.shape[1], 1)
        for l in range(top, self.levels + 1):
            x, y = kept[l]
            dz = dy * (y > 0)
            w = self.p[f"weights_{l}"]
            g[f"weights_{l}"] = self.scale[l] * np.einsum("npi,npo->io", x, dz).reshape(w.shape)
            if f"bias_{l}" in self.p:
                g[f"bias_{l}"] = np.zeros_like(self.p[f"bias_{l}"])
                g[f"bias_{l}"][:dz.shape[1]] = self.scale["bias_scale"] * dz.sum(0)
            dy = (self.scale[l] * dz @ w.reshape(-1, w.shape[2]).T).reshape(len(x), -1, w.shape[1])
        return g, loss

    def step(self, tokens, labels, rate, momentum, regulariser, top=1, trained=None):
        g, loss = self.gradients(tokens, labels, top)
        for name in trained or g:
            gradient = g[name] + 2 * regulariser * self.p[name] / self.p[name].size
            self.v[name] = momentum * self.v[name] + gradient
            self.p[name] -= rate * self.v[name]
        return loss
