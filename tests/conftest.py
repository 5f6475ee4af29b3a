"""What several test files start from."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # of perf/


@pytest.fixture(scope="session")
def here(tmp_path_factory):
    """A grammar, a data set, a model trained on the grammar with its report, a prediction of the data set."""
    from command_tools import SMALL, run  # needs RHM_COMMAND, which tests of other things do without

    folder = tmp_path_factory.mktemp("command")
    run("grammar", *SMALL, "-o", "g.h5", cwd=folder)
    run("sample", "--grammar", "g.h5", "--data-seed", 7, "--samples", 30000, "--latents", "-o", "d.h5", cwd=folder)
    done = run("train", *SMALL, "-o", "m.h5", "--report", "r.json", "--ceilings", "on", cwd=folder)
    (folder / "train.txt").write_text(done.stdout + done.stderr)
    run("predict", "m.h5", "d.h5", "-o", "p.h5", cwd=folder)
    return folder
