"""Programs linked again with their objects in other orders. Where the linker puts a function decides cache lines, pages and branch
predictors, so that any change of code moves the times of code that it does not touch; how much, other orders of the same objects show.

An order follows from the names of the objects and the layout's number alone: the same objects give the same programs, byte for byte,
however a build lists them, and a new object moves no other one to another place in the order."""
import hashlib
import shlex
import struct
import subprocess
from pathlib import Path

COUNT = 3  # of each build


class NoLayout(Exception):
    """Why there is none."""


def order(objects, number):
    return sorted(objects, key=lambda name: hashlib.sha256(f"{number}:{name}".encode()).digest())


def _run(command, build):
    done = subprocess.run(command, cwd=build, capture_output=True, text=True)
    if done.returncode:
        raise NoLayout(f"{shlex.join(map(str, command[:4]))} ... ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _link_words(build, target):
    """Words of the command that links a target, as Ninja would run it."""
    lines = _run(["ninja", "-t", "commands", "-s", target], build).strip().splitlines()
    words = shlex.split(lines[-1]) if lines else []
    steps, step = [], []
    for word in [*words, "&&"]:
        if word == "&&":
            steps.append(step)
            step = []
        else:
            step.append(word)
    found = [step for step in steps if "-o" in step and step[step.index("-o") + 1] == target]
    if not found:
        raise NoLayout(f"Ninja tells no command that links {target}")
    return found[0]


def _members(build, archive):
    """Objects of a static library, in Ninja's words."""
    lines = _run(["ninja", "-t", "query", archive], build).splitlines()
    inputs = lines[lines.index(next(line for line in lines if line.startswith("  input:"))) + 1:] if any(
        line.startswith("  input:") for line in lines) else []
    return [line.strip() for line in inputs if line.startswith("    ") and line.strip().endswith(".o")]


def _archives(build, words, number, scratch):
    """{archive on the link line: the same with its members in another order}, for those that this build made."""
    made = {}
    for word in words:
        if not word.endswith(".a") or word.startswith("/") or word in made:
            continue
        members = _members(build, word)
        if not members:
            raise NoLayout(f"Ninja tells no members of {word}")
        target = scratch / f"{number}-{Path(word).name}"
        target.unlink(missing_ok=True)
        _run(["ar", "qcsT", target, *(Path(build).absolute() / name for name in order(members, number))], build)
        made[word] = str(target)
    return made


def link(build, target, number, output, scratch):
    """Link `target`, a program of a Ninja build directory, in order `number`. NoLayout where that cannot be done."""
    words = _link_words(build, target)
    archives = _archives(build, words, number, scratch)
    objects = iter(order([word for word in words if word.endswith(".o")], number))
    changed = [next(objects) if word.endswith(".o") else archives.get(word, word) for word in words]
    changed[words.index("-o") + 1] = str(output)
    _run(changed, build)


def machine_code(program):
    """A digest of all that a program of 64-bit ELF maps into memory, its build's identity aside: code, constants, tables, and where
    each of them is. "" of another format."""
    data = Path(program).read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return ""
    (offset,), (size, count, names) = struct.unpack_from("<Q", data, 40), struct.unpack_from("<HHH", data, 58)
    sections = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
    strings = sections[names][4]
    digest = hashlib.sha256()
    for name, kind, flags, address, start, nbytes in sections:
        title = data[strings + name:data.index(b"\0", strings + name)]
        if flags & 2 and title != b".note.gnu.build-id":  # SHF_ALLOC
            digest.update(struct.pack("<QQ", address, nbytes) + title)
            if kind != 8:  # SHT_NOBITS has no bytes in the file
                digest.update(data[start:start + nbytes])
    return digest.hexdigest()[:16]
