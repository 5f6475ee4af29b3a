"""train_2025.py as it stands, and with the other data set in its place: the same loss curve within noise?

    PYTHONPATH=python RHM_LIBRARY=... python tests/python_long/compare_2025.py [SEEDS]

Prints mean test losses by epoch over SEEDS seeds of rules, samples and weights, and how many standard errors lie between the two. Exit
status 1 where these are more than 3.5 at some epoch: of 13 epochs that happens once in some two hundred times by chance."""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MOST = 3.5


def curves(script, seeds):
    found = []
    for seed in range(1, seeds + 1):
        done = subprocess.run([sys.executable, script, *(f"--seed_{what}={seed}" for what in ("rules", "sample", "model"))], check=True,
                              capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        found.append(json.loads(done.stdout)["test_loss"])
    return found


def mean_and_error(values):
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((x - mean) ** 2 for x in values) / (len(values) - 1) / len(values))


def main(seeds):
    text = (HERE / "train_2025.py").read_text()
    assert text.count("from rhm.torch import RHM\n") == 1
    with tempfile.TemporaryDirectory() as folder:
        other = pathlib.Path(folder) / "train.py"
        other.write_text(text.replace("from rhm.torch import RHM\n", f"import sys\nsys.path.insert(0, {str(HERE)!r})\nfrom rhm_2025 import RHM\n"))
        ours, theirs = curves(HERE / "train_2025.py", seeds), curves(other, seeds)
    worst = 0
    print("epoch   ours            theirs          standard errors apart")
    for epoch, (a, b) in enumerate(zip(zip(*ours), zip(*theirs))):
        (mean_a, error_a), (mean_b, error_b) = mean_and_error(a), mean_and_error(b)
        apart = abs(mean_a - mean_b) / max(math.hypot(error_a, error_b), 1e-12)
        worst = max(worst, apart)
        print(f"{epoch:>5}   {mean_a:.4f} +- {error_a:.4f}  {mean_b:.4f} +- {error_b:.4f}  {apart:.2f}")
    print(f"at most {worst:.2f} standard errors apart, allowed are {MOST}; learnt: {mean_and_error([c[-1] for c in ours])[0]:.4f} from {math.log(8):.4f}")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
