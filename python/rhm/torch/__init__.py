"""Data sets for PyTorch, with the names, shapes, dtypes and conventions of the public codes (root first: level 0 is the label).

RandomHierarchyModel has the interfaces of the 2024 codes and of the one before them (Phys. Rev. X 14, 031001); RHM, sample_rules,
sample_trees, resample_rules and resample_symbols those of the 2025 code. Streams and epochs of whole batches, which the library writes
straight into tensors with all threads: StreamBatches and RandomHierarchyModel.batches."""
try:
    import torch  # noqa: F401
except ImportError as failure:
    raise ImportError("rhm.torch needs PyTorch, which is not installed: pip install torch") from failure

from .batches import EpochBatches, StreamBatches
from .dataset import RandomHierarchyModel
from .encoding import Encoding
from .trees import RHM, resample_rules, resample_symbols, sample_rules, sample_trees, sample_trees_unif

__all__ = ["Encoding", "EpochBatches", "RHM", "RandomHierarchyModel", "StreamBatches", "resample_rules", "resample_symbols", "sample_rules",
           "sample_trees", "sample_trees_unif"]
