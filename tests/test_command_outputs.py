"""Where results go: never over an input or another result, through descriptors and links, and whole or not at all."""
import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import threading
import time

import pytest

from command_tools import QUICK, RHM, SMALL, refused, run

# ---- no result destroys another file -----------------------------------------------------------------------------------


@pytest.fixture
def files(here, tmp_path):
    """Inputs, and other names for them."""
    for name in ["g.h5", "d.h5", "m.h5"]:
        shutil.copy(here / name, tmp_path / name)
        os.link(tmp_path / name, tmp_path / f"hard-{name}")
        os.symlink(name, tmp_path / f"soft-{name}")
        os.symlink(f"soft-{name}", tmp_path / f"twice-{name}")
    return tmp_path


def names_of(name, folder):
    return [name, "./" + name, f"hard-{name}", f"soft-{name}", f"twice-{name}", folder / name, f"../{folder.name}/{name}"]


TRAIN = ["train", *QUICK]
EVAL = ["eval", "m.h5", "--test-samples", "100"]  # unlike train it measures no ceilings for its report
CLASHES = [
    (["predict", "m.h5", "d.h5", "-o", "?"], ["m.h5", "d.h5"]),
    (["grammar", "--grammar", "g.h5", "-o", "?"], ["g.h5"]),
    (["sample", "--grammar", "g.h5", "--samples", "5", "-o", "?"], ["g.h5"]),
    *((["train", "--data", "d.h5", option, "?"], ["d.h5"]) for option in ["-o", "--report", "--trace", "--checkpoint"]),
    *((["train", "--grammar", "g.h5", option, "?"], ["g.h5"]) for option in ["-o", "--report", "--trace", "--checkpoint"]),
    (["eval", "m.h5", "--data", "d.h5", "--report", "?"], ["m.h5", "d.h5"]),
    (["eval", "m.h5", "--grammar", "g.h5", "--report", "?"], ["g.h5"]),
]


@pytest.mark.parametrize("command, inputs", CLASHES, ids=lambda value: "-".join(value))
def test_a_result_never_replaces_an_input(files, command, inputs):
    for name in inputs:
        before = (files / name).read_bytes()
        for other in names_of(name, files):
            said = refused(*[str(other) if word == "?" else word for word in command], cwd=files, says=[str(other), "same file"])
            assert command[command.index("?") - 1] in said
            assert (files / name).read_bytes() == before


INPUTS = {"data", "grammar", "grid", "measured"}


def test_no_option_that_names_a_file_is_forgotten(tmp_path):
    """Every two of them, and every operand, by what --help says of each command."""
    commands = re.findall(r"^  (\w+) ", run("--help", cwd=tmp_path).stdout.split("Commands:")[1].split("Options:")[0], re.M)
    assert {"train", "eval", "predict", "grammar", "sample"} <= set(commands)
    for command in commands:
        text = run(command, "--help", cwd=tmp_path).stdout
        operands = re.match(r"usage: rhm \w+ ((?:[A-Z]+ )*)", text)[1].split()
        options = re.findall(r"^  (?:-\w, )?--([\w-]+) (?:FILE|DIR)$", text, re.M)
        if command == "train":
            assert {"output", "report", "trace", "checkpoint", *INPUTS} - set(options) == {"grid", "measured"}
        others = [f"other{i}" for i in range(len(operands))]
        for i, first in enumerate(options):
            for second in options[:i]:
                if not {first, second} <= INPUTS:
                    refused(command, *others, f"--{first}", "same", f"--{second}", "./same", cwd=tmp_path, says=["same file"])
            for j in range(len(operands)):
                if first not in INPUTS:
                    refused(command, *others[:j], "same", *others[j + 1:], f"--{first}", "./same", cwd=tmp_path, says=["same file", operands[j]])


@pytest.mark.parametrize("first, second", [("-o", "--report"), ("-o", "--trace"), ("--report", "--trace"), ("-o", "--checkpoint"),
                                           ("--report", "--checkpoint")])
def test_two_results_never_share_a_file(tmp_path, first, second):
    os.symlink("new", tmp_path / "soft")
    os.symlink("soft", tmp_path / "twice")
    for one, other in [("new", "new"), ("new", "./new"), ("soft", "new"), ("twice", "soft"), ("new", tmp_path / "new")]:
        refused(*TRAIN, first, one, second, other, cwd=tmp_path, says=[first, second, "same file"])
    refused(*TRAIN, first, "/dev/stdout", second, "/dev/fd/1", cwd=tmp_path, says=[first, second])
    if second == "--trace" and first == "-o":
        run(*TRAIN, first, "/dev/null", second, "/dev/null", cwd=tmp_path)


def test_files_with_the_names_of_checkpoints_are_kept_out_of_their_directory(here, tmp_path):
    (tmp_path / "kept").mkdir()
    shutil.copy(here / "d.h5", tmp_path / "kept" / "samples-7.h5")
    os.symlink("kept", tmp_path / "link")
    data = ["train", "--data", "kept/samples-7.h5", "--samples", 2000, "--width", 64]
    for directory in ["kept", "kept/", "./kept", "link"]:
        refused(*data, "--checkpoint", directory, cwd=tmp_path, says=["--data", "--checkpoint", "samples-7.h5"])
        refused(*TRAIN, "--checkpoint", directory, "-o", "link/checkpoint-1.h5", cwd=tmp_path, says=["-o", "--checkpoint"])
    shutil.move(tmp_path / "kept" / "samples-7.h5", tmp_path / "kept" / "mine.h5")
    before = (tmp_path / "kept" / "mine.h5").read_bytes()
    data[2] = "kept/mine.h5"
    run(*data, "--checkpoint", "kept", "-o", "kept/m.h5", cwd=tmp_path)
    assert (tmp_path / "kept" / "mine.h5").read_bytes() == before


def test_standard_output_is_never_an_input_nor_replaced(files):
    before = (files / "d.h5").read_bytes()

    def redirected(*command, to):
        with open(files / to, "ab") as out:
            done = subprocess.run([RHM, *command], cwd=files, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "standard output" in done.stderr and to in done.stderr

    redirected("inspect", "d.h5", to="d.h5")
    assert (files / "d.h5").read_bytes() == before
    redirected(*TRAIN, "--report", "log", to="log")
    redirected(*TRAIN, "-o", "log", to="log")


# ---- descriptors, pipes, devices ---------------------------------------------------------------------------------------


def decoded(text):
    return json.JSONDecoder().raw_decode(text[text.index("{"):])[0]


@pytest.mark.parametrize("mode", ["ab", "wb"])
def test_a_report_shares_standard_output_with_the_table(tmp_path, mode):
    """Both are there, and what others write before and after through the same descriptor."""
    with open(tmp_path / "log", mode) as log:
        log.write(b"earlier line\n")
        log.flush()
        run_to(log, *TRAIN, "--report", "/dev/stdout", cwd=tmp_path)
        log.write(b"later line\n")
    text = (tmp_path / "log").read_text()
    assert text.startswith("earlier line\n") and text.endswith("later line\n")
    assert "test accuracy" in text and decoded(text)["schema"] == "rhm-report/1"
    assert "}\n" in text


def run_to(out, *command, cwd, **more):
    done = subprocess.run([RHM, *map(str, command)], cwd=cwd, stdout=out, stderr=subprocess.PIPE, timeout=120, **more)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("command, schema", [([*EVAL, "--report"], "rhm-eval/1"), ([*TRAIN, "--trace"], "rhm-trace/1")],
                         ids=["report", "trace"])
def test_text_through_any_descriptor(here, tmp_path, command, schema):
    done = run(*command, "/dev/stderr", cwd=here)
    assert schema in done.stderr and "accuracy" in done.stdout
    os.symlink("/dev/stdout", tmp_path / "link")
    assert schema in run(*command, tmp_path / "link", cwd=here).stdout
    assert os.readlink(tmp_path / "link") == "/dev/stdout"
    with open(tmp_path / "log", "w") as log:
        log.write("earlier line\n")
        log.flush()
        for name in ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/thread-self/fd/{}"]:
            run(*command, name.format(log.fileno()), cwd=here, pass_fds=[log.fileno()])
    text = (tmp_path / "log").read_text()
    assert text.startswith("earlier line\n") and text.count(schema) == 3


def reading(path):
    """A thread that reads a pipe to its end."""
    found = []
    thread = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    thread.start()
    return thread, found


def test_text_and_hdf5_through_a_fifo(here, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for command, check in [(["grammar", *SMALL, "-o"], lambda found: found == (here / "g.h5").read_bytes()),
                           ([*EVAL, "--report"], lambda found: json.loads(found)["schema"] == "rhm-eval/1")]:
        thread, found = reading(fifo)
        run(*command, fifo, cwd=here)
        thread.join(60)
        assert found and check(found[0])
    assert os.listdir(tmp_path) == ["fifo"]


@pytest.mark.parametrize("command", [["grammar", *SMALL], ["sample", *SMALL, "--samples", "10000"], TRAIN, ["predict", "m.h5", "d.h5"]],
                         ids=lambda command: command[0])
def test_hdf5_on_standard_output_is_the_file_and_nothing_else(here, tmp_path, command):
    run(*command, "-o", tmp_path / "x.h5", cwd=here)
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]:
        with open(tmp_path / "y.h5", "wb") as out:
            done = run_to(out, *command, "-o", name, cwd=here)
        assert name.encode() in done.stderr
        if command[0] != "train":  # a model holds the report, with its times
            assert (tmp_path / "y.h5").read_bytes() == (tmp_path / "x.h5").read_bytes()
        run("inspect", "y.h5", cwd=tmp_path)
    piped = subprocess.run([RHM, *command, "-o", "/dev/stdout"], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120)
    (tmp_path / "y.h5").write_bytes(piped.stdout)
    run("inspect", "y.h5", cwd=tmp_path)
    assert run(*command, "-o", "/dev/null", cwd=here).stdout


def test_hdf5_is_appended_where_the_descriptor_appends(tmp_path):
    run("grammar", *SMALL, "-o", "g.h5", cwd=tmp_path)
    (tmp_path / "log").write_bytes(b"earlier")
    with open(tmp_path / "log", "ab") as out:
        run_to(out, "grammar", *SMALL, "-o", "/dev/stdout", cwd=tmp_path)
    assert (tmp_path / "log").read_bytes() == b"earlier" + (tmp_path / "g.h5").read_bytes()


def test_what_cannot_be_written_through_is_refused_before_the_work(tmp_path):
    refused(*TRAIN, "--report", "/dev/fd/77", cwd=tmp_path, expect=1, says=["/dev/fd/77", "not open"])
    with open(os.devnull) as reading_only:
        refused(*TRAIN, "-o", "/dev/stdin", cwd=tmp_path, expect=1, says=["/dev/stdin", "reading only"], stdin=reading_only)
    leader, terminal = pty.openpty()
    done = subprocess.run([RHM, "grammar", *SMALL, "-o", "/dev/stdout"], cwd=tmp_path, stdout=terminal, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    assert done.returncode == 2 and "terminal" in done.stderr
    os.close(leader)
    os.close(terminal)
    done = subprocess.run([RHM, "grammar", *SMALL, "-o", "/dev/full"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "/dev/full" in done.stderr and done.stderr.count("\n") == 1


def test_a_descriptor_that_does_not_block(tmp_path):
    """A pipe that others made non-blocking and that is full for a while."""
    import fcntl
    inlet, outlet = os.pipe()
    fcntl.fcntl(outlet, fcntl.F_SETFL, fcntl.fcntl(outlet, fcntl.F_GETFL) | os.O_NONBLOCK)
    process = subprocess.Popen([RHM, "sample", *SMALL, "--samples", "50000", "-o", "/dev/stdout"], cwd=tmp_path, stdout=outlet,
                               stderr=subprocess.DEVNULL)
    os.close(outlet)
    time.sleep(0.3)
    with os.fdopen(inlet, "rb") as pipe:
        (tmp_path / "d.h5").write_bytes(pipe.read())
    assert process.wait(60) == 0
    assert "50000" in run("inspect", "d.h5", cwd=tmp_path).stdout


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (1, 2), (0, 1, 2)], ids=str)
def test_streams_that_are_closed_at_the_start_leave_results_alone(here, tmp_path, closed):
    """Their numbers would else go to the files that are opened next."""
    def close():
        for descriptor in closed:
            os.close(descriptor)
    with open(tmp_path / "words", "w") as words:
        done = subprocess.run([RHM, "grammar", *SMALL, "-o", "g.h5"], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=words,
                              stderr=subprocess.DEVNULL, preexec_fn=close, timeout=60)
    assert done.returncode == (1 if 1 in closed else 0)  # what was to be printed did not arrive
    assert (tmp_path / "g.h5").read_bytes() == (here / "g.h5").read_bytes()


# ---- links -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command, option", [(["grammar", *SMALL], "-o"), (["sample", *SMALL, "--samples", "10"], "-o"), (TRAIN, "-o"),
                                             (EVAL, "--report"), (TRAIN, "--trace")],
                         ids=lambda value: value[0] if isinstance(value, list) else value)
def test_links_stay_and_their_targets_are_made(here, tmp_path, command, option):
    shutil.copy(here / "m.h5", tmp_path)
    (tmp_path / "scratch").mkdir()
    os.symlink("scratch/x", tmp_path / "link")
    os.symlink("link", tmp_path / "twice")
    os.symlink(tmp_path / "scratch" / "y", tmp_path / "absolute")
    for _ in range(2):
        run(*command, option, "twice", cwd=tmp_path)
        run(*command, option, "absolute", cwd=tmp_path)
        assert os.path.islink(tmp_path / "link") and os.path.islink(tmp_path / "twice")
        assert sorted(os.listdir(tmp_path / "scratch")) == ["x", "y"]
    os.symlink("nowhere/x", tmp_path / "lost")
    refused(*command, option, "lost", cwd=tmp_path, expect=1, says=["lost", "symbolic link"])
    os.symlink("ring2", tmp_path / "ring1")
    os.symlink("ring1", tmp_path / "ring2")
    refused(*command, option, "ring1", cwd=tmp_path, expect=1, says=["ring1", "symbolic link"])


def test_checkpoints_through_a_link_make_its_directory(tmp_path):
    (tmp_path / "scratch").mkdir()
    os.symlink("scratch/kept", tmp_path / "link")
    run(*TRAIN, "--checkpoint", "link", cwd=tmp_path)
    assert os.path.islink(tmp_path / "link") and any((tmp_path / "scratch" / "kept").glob("checkpoint-*.h5"))
    os.symlink("nowhere/kept", tmp_path / "lost")
    refused(*TRAIN, "--checkpoint", "lost/", cwd=tmp_path, expect=1, says=["lost"])


def test_a_file_that_is_mounted_by_itself_is_refused_before_the_work(tmp_path):
    """Containers are given single files like this; no rename can replace one."""
    (tmp_path / "outside").write_text("precious")
    (tmp_path / "inside").write_text("")
    mounted = subprocess.run(["mount", "--bind", "outside", "inside"], cwd=tmp_path, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here: " + mounted.stderr.strip())
    try:
        refused(*TRAIN, "-o", "inside", cwd=tmp_path, expect=1, says=["inside", "mounted"])
        assert (tmp_path / "outside").read_text() == "precious"
    finally:
        subprocess.run(["umount", "inside"], cwd=tmp_path, check=True)


# ---- limits and signals ------------------------------------------------------------------------------------------------


def limit_file_size():
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


@pytest.mark.parametrize("option", ["-o", "--trace", "--report", "stdout"])
def test_a_limit_on_the_size_of_files_is_a_full_disk(here, tmp_path, option):
    command = ["sample", *SMALL, "--samples", "100000"] if option == "-o" else ["train", *QUICK, "--progress", "off"]
    before = sorted(os.listdir(tmp_path))
    if option == "stdout":
        (tmp_path / "x").write_bytes(bytes(19990))
        with open(tmp_path / "x", "ab") as out:
            done = subprocess.run([RHM, *command], cwd=tmp_path, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60,
                                  preexec_fn=limit_file_size)
        assert done.returncode == 1 and "standard output" in done.stderr
        return
    if option == "--report":
        (tmp_path / "x").write_bytes(bytes(19000))
        with open(tmp_path / "x", "ab") as out:
            done = subprocess.run([RHM, "eval", here / "m.h5", *EVAL[2:], option, f"/dev/fd/{out.fileno()}"], cwd=tmp_path,
                                  capture_output=True, text=True, timeout=60,
                                  pass_fds=[out.fileno()], preexec_fn=limit_file_size)
        assert done.returncode == 1 and "/dev/fd/" in done.stderr and done.stderr.count("\n") == 1
        return
    done = subprocess.run([RHM, *command, option, "x"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                          preexec_fn=limit_file_size)
    assert done.returncode == 1 and "x: " in done.stderr and done.stderr.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before


LONG = ["sample", "--vocab", "16", "--levels", "8", "--samples", "400000", "-o", "x.h5", "--threads", "1"]


def started(tmp_path, ignored=()):
    """A run that is writing its result."""
    def prepare():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
    before = set(partials(tmp_path))
    process = subprocess.Popen([RHM, *LONG], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=prepare)
    end = time.monotonic() + 30
    while not any(size(tmp_path / name) for name in set(partials(tmp_path)) - before) and time.monotonic() < end:
        time.sleep(0.01)
    return process


def size(path):
    """0 also of a file that has gone: the run first tries whether it may write."""
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def partials(folder):
    return sorted(name for name in os.listdir(folder) if name.startswith(".rhm-") and name.endswith(".partial"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_signals_end_a_run_unless_they_were_ignored(tmp_path, number):
    process = started(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and b"interrupted" in said
    assert os.listdir(tmp_path) == []
    process = started(tmp_path, ignored=[number])
    process.send_signal(number)
    process.communicate(timeout=120)
    assert process.returncode == 0 and os.listdir(tmp_path) == ["x.h5"]


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    (tmp_path / ".rhm-notes.partial").write_text("not of this program")
    killed = started(tmp_path)
    killed.kill()
    killed.communicate()
    left = partials(tmp_path)
    assert len(left) == 2
    living = started(tmp_path)
    living.send_signal(signal.SIGSTOP)
    try:
        run("grammar", *SMALL, "-o", "g.h5", cwd=tmp_path)
        rest = partials(tmp_path)
        assert ".rhm-notes.partial" in rest and len(rest) == 2
        assert not set(rest) & set(left) - {".rhm-notes.partial"}
    finally:
        living.send_signal(signal.SIGCONT)
        living.send_signal(signal.SIGTERM)
        living.communicate(timeout=60)
    assert living.returncode == 130
    assert sorted(os.listdir(tmp_path)) == [".rhm-notes.partial", "g.h5"]
