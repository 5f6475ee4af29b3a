"""Random Hierarchy Models: data without limits, layerwise learners, exact inference. All of it is done by the C library librhm.

    h = rhm.Hierarchy(vocab=16, rules=4, branching=2, levels=4, seed=1)
    tokens, labels = h.sample(100_000)
    model = rhm.train(h)
    model.score(tokens, labels)

rhm.torch, which needs PyTorch, has data sets with the names, shapes and conventions of the public codes."""
from ._library import InterruptedRun, InvalidError, MemoryRefused, RHMError
from ._library import version as _version
from .data import Data, write_samples
from .engine import Engine, default_engine, set_default_engine
from .hierarchy import Hierarchy
from .inference import Bayes, Beliefs
from .model import Model
from .training import Learner, NoteWarning, learners, train

__version__ = _version()
__all__ = ["Bayes", "Beliefs", "Data", "Engine", "Hierarchy", "InterruptedRun", "InvalidError", "Learner", "MemoryRefused", "Model",
           "NoteWarning", "RHMError", "default_engine", "learners", "set_default_engine", "train", "write_samples"]
