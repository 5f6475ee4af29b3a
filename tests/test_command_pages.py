"""Manual pages, completion and examples: what is made from the tables of options."""
import os
import pty
import re
import shlex
import shutil
import subprocess

import pytest

from command_tools import RHM, refused, run

COMMANDS = re.findall(r"^  ([a-z][a-z-]*) ", subprocess.run([RHM, "--help"], capture_output=True, text=True).stdout, re.M)
SHELLS = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config"]}


def needs(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def help_of(command):
    return subprocess.run([RHM, command, "--help"], capture_output=True, text=True, check=True).stdout


def test_commands_are_found():
    assert {"train", "grammar", "help", "completion"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_manual_pages(command, tmp_path):
    """Clean to groff's eye, and nothing is missing of what --help says, word by word."""
    needs("groff")
    page = run("help", "--man", *([command] if command else []), cwd=tmp_path).stdout
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=400n"], input=page, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    words = " ".join(done.stdout.split())
    assert " SEE ALSO " in words and " EXIT STATUS " in words
    shown = help_of(command).split("\n\n", 1)[1] if command else "\n".join(f"  {name}" for name in COMMANDS)
    for line in shown.splitlines():
        if line.startswith("  ") and line.strip() != "Print this text and exit.":
            assert " ".join(line.split()) in words, line


def test_help_is_what_help_says(tmp_path):
    for command in COMMANDS:
        assert run("help", command, cwd=tmp_path).stdout == help_of(command)
    assert run("help", cwd=tmp_path).stdout == run("--help", cwd=tmp_path).stdout


def test_every_example_runs(tmp_path):
    """In the order of the commands: later ones read what earlier ones wrote."""
    for command in COMMANDS:
        _, _, examples = help_of(command).partition("\nExamples:\n")
        for line in examples.splitlines():
            words = shlex.split(line)
            if words[0] != "rhm" or "|" in words:
                continue
            if line.strip() in ("rhm train", "rhm machine") or words[1] in ("sweep", "burn"):  # these take long
                assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", help_of(words[1])))
            elif ">" in words:
                (tmp_path / words[-1]).write_text(run(*words[1:-2], cwd=tmp_path).stdout)
            else:
                run(*words[1:], cwd=tmp_path)
        assert examples


@pytest.mark.parametrize("arguments, says", [(["help", "frobnicate"], ["frobnicate", "--help"]), (["help", "train", "eval"], ["eval"]),
                                             (["completion"], ["bash|zsh|fish"]), (["completion", "csh"], ["csh", "bash, zsh and fish"])])
def test_what_there_is_no_page_of(arguments, says, tmp_path):
    refused(*arguments, cwd=tmp_path, says=says)


def typed(shell, lines, cwd):
    """What an interactive shell makes of keys: each line ends with the words that it was about to run."""
    needs(shell)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ.update(TERM="dumb", HOME=str(cwd), LC_ALL="C.UTF-8", PATH=f"{os.path.dirname(RHM)}:{os.environ['PATH']}")
        os.execvp(shell, [shell, *SHELLS[shell]])
    os.write(terminal, ("\n".join(lines) + "\nexit\n").encode())
    output = b""
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:
            break
        if not read:
            break
        output += read
    os.close(terminal)
    os.waitpid(pid, 0)
    return re.findall(r"^<(.*)>\r?$", output.decode(), re.M)


ALL = "\x1b*"  # inserts everything that could stand here
CASES = [
    ("rhm tr\t", "train "),
    (f"rhm completion {ALL}", "completion bash fish zsh "),
    (f"rhm train --solver {ALL}", "train --solver cg cholesky gd gd-paper "),
    (f"rhm train --solver={ALL}", "train --solver=cg cholesky gd gd-paper "),
    ("rhm train --learner ta\t", "train --learner table "),
    ("rhm train --learner=shal\t", "train --learner=shallow "),
    ("rhm train --isa avx5\t", "train --isa avx512 "),
    ("rhm train --rule-law zi\t", "train --rule-law zipf: "),
    ("rhm train --data da\t", "train --data data.h5 "),
    ("rhm inspect da\t", "inspect data.h5 "),
    ("rhm predict model.h5 da\t", "predict model.h5 data.h5 "),
    ("rhm sample -o da\t", "sample -o data.h5 "),
    ("rhm train --checkpoint sub\t", "train --checkpoint subfolder/"),
    ("rhm help orac\t", "help oracle "),
    ("rhm eval --lev\t", "eval --levels "),
    ("rhm train --levels d\t", "train --levels d"),  # a number: no file is offered
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.h5").write_text("")
    (tmp_path / "subfolder").mkdir()
    return tmp_path


def test_completion_in_bash(folder):
    # The line as it was typed is read back from the history, spaces at its end included.
    prepare = ["source <(rhm completion bash); set -o history; bind 'set enable-bracketed-paste off'",
               "rhm() { LINE=$(HISTTIMEFORMAT= history 1); LINE=${LINE#*rhm }; printf '<%s>\\n' \"$LINE\"; }"]
    assert typed("bash", prepare + [keys for keys, _ in CASES], folder) == [wanted for _, wanted in CASES]


def test_completion_in_zsh(folder):
    prepare = ["autoload -Uz compinit; compinit -D; source <(rhm completion zsh)", "setopt nobeep; rhm() { print -r -- \"<${(j: :)@} >\" }"]
    cases = [case for case in CASES if ALL not in case[0] and "zipf" not in case[1] and not case[0].endswith(" d\t")]
    found = typed("zsh", prepare + [keys for keys, _ in cases], folder)
    assert found == [wanted.rstrip("/ ") + " " for _, wanted in cases]  # zsh takes a slash back


def test_completion_in_fish(folder):
    needs("fish")
    cases = [case for case in CASES if ALL not in case[0]]
    script = "rhm completion fish | source\n" + "".join(f"set found (complete -C {keys[:-1]!r} | string split -f1 \\t)\necho $found\n" for keys, _ in cases)
    environment = {**os.environ, "PATH": f"{os.path.dirname(RHM)}:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(["fish", "--no-config", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [wanted.split()[-1] if wanted != "train --levels d" else "" for _, wanted in cases]
