"""The Python package of this tree over the library of this build."""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ["RHM_COMMAND"]).resolve().parent.parent
ENVIRONMENT = {**os.environ, "RHM_LIBRARY": str(BUILD / "lib/librhm.so"), "PYTHONPATH": str(ROOT / "python"), "PYTHONDONTWRITEBYTECODE": "1"}

os.environ["RHM_LIBRARY"] = ENVIRONMENT["RHM_LIBRARY"]
sys.path.insert(0, str(ROOT / "python"))
