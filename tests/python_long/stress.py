"""DataLoaders, again and again: fork and spawn, workers that persist or not, two data sets at a time, Ctrl-C in the middle. Nothing may hang.

    PYTHONPATH=python RHM_LIBRARY=... python tests/python_long/stress.py [ROUNDS]

Every round is a process of its own with a time limit; after the last the number of rounds that hung or failed is printed, and is the exit
status."""
import os
import signal
import subprocess
import sys
import threading
import time

LIMIT_SECONDS = 300
METHODS = ("fork", "spawn")


def batches_of(loader, most=None):
    import itertools

    return [y for _, y in itertools.islice(loader, most)]


def one_round(number):
    import torch
    from torch.utils.data import DataLoader

    import rhm
    import rhm.torch as rt

    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start what runs in the background without
    torch.manual_seed(number)
    method, persistent = METHODS[number % 2], number // 2 % 2 == 1
    data = rt.RandomHierarchyModel(num_features=16, num_classes=16, num_synonyms=4, num_layers=3, train_size=3000, seed_rules=number)
    other = rt.StreamBatches(rhm.Hierarchy(vocab=8, rules=4, levels=4, seed=number), 64, batches=20)
    rhm.train(data.hierarchy, "table", test_samples=100)      # the library's threads have been at work,
    torch.randn(300, 300) @ torch.randn(300, 300)             # and PyTorch's,
    busy = threading.Thread(target=lambda: [data.hierarchy.sample(20000) for _ in range(20)])
    busy.start()                                              # and are, while processes fork
    how = {"num_workers": 2, "multiprocessing_context": method, "persistent_workers": persistent}
    items, whole, stream = (DataLoader(data, batch_size=100, **how), DataLoader(data.batches(100), batch_size=None, **how),
                            DataLoader(other, batch_size=None, **how))
    for _ in range(2):
        for a, b in zip(whole, stream):
            assert len(a[1]) == 100 and len(b[1]) == 64
    assert torch.equal(torch.cat(batches_of(items)), data.labels)
    busy.join()
    caught = threading.Event()

    def interrupt():
        """Again and again: Python drops what is raised while an object is deleted, such as an iterator of a DataLoader."""
        while not caught.wait(0.05 + 0.05 * (number % 5)):
            os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    sender.start()
    while not caught.is_set():
        try:
            batches_of(stream)
            rhm.train(data.hierarchy, "table", test_samples=1000)
        except KeyboardInterrupt:
            caught.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what may still be on its way
    sender.join()
    assert len(batches_of(DataLoader(other, batch_size=None))) == 20
    print("fine")


def main(rounds):
    bad = 0
    for number in range(rounds):
        start = time.monotonic()
        process = subprocess.Popen([sys.executable, "-W", "ignore", __file__, "--round", str(number)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, start_new_session=True)
        try:
            output, errors = process.communicate(timeout=LIMIT_SECONDS)
            good = process.returncode == 0 and output.endswith("fine\n")
            verdict = "fine" if good else f"failed ({process.returncode}): {errors[-2000:]}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            good, verdict = False, "HUNG"
        bad += not good
        print(f"round {number + 1} of {rounds}: {METHODS[number % 2]}{', persistent' if number // 2 % 2 else ''}, {time.monotonic() - start:.1f} s, {verdict}",
              flush=True)
    print(f"{bad} of {rounds} rounds hung or failed")
    return min(bad, 255)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--round"]:
        one_round(int(sys.argv[2]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
