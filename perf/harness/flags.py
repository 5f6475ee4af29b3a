"""Compiler flags of a build: those asked for, those in effect, and what differs between two builds.

What counts is the last flag of a kind on a compiler's command line: of -O2 -O3 it is -O3, of -fwrapv -fno-wrapv the second."""
import json
import re
import shlex

SUFFIXES = {"C": ".c", "CXX": ".cc"}


def value_of(options, name):
    """Of the last -DNAME=VALUE or -DNAME:TYPE=VALUE, or None."""
    found = [re.fullmatch(rf"-D{name}(?::\w+)?=(.*)", option, re.S) for option in options]
    return next((match.group(1) for match in reversed(found) if match), None)


def kind(flag):
    """What a later flag of the same kind overrides."""
    if flag.startswith(("-O", "-g", "-std=")):
        return re.match(r"-(O|g|std=)", flag).group()
    found = re.match(r"-([fmW])(?:no-)?([^=]+)", flag) or re.match(r"-([DU])(\w+)", flag)
    return f"-{found.group(1).replace('U', 'D')}{found.group(2)}" if found else flag


def names_of(language, options):
    """The variables of CMake that hold its flags, in the order in which they reach the compiler."""
    build_type = value_of(options, "CMAKE_BUILD_TYPE") or "Release"
    return f"CMAKE_{language}_FLAGS", f"CMAKE_{language}_FLAGS_{build_type.upper()}"


def in_effect(options):
    """More options, with which an -O in CMAKE_C_FLAGS counts: the flags of the build type follow and have one of their own."""
    more = []
    for language in SUFFIXES:
        first, second = names_of(language, options)
        asked = shlex.split(value_of(options, first) or "")
        if any(kind(word) == "-O" for word in asked) and value_of(options, second) is None:
            more.append(f"-D{second}=-DNDEBUG")
    return more


def unused(options, log):
    """What CMake said of options that the project does not know, or ""."""
    listed = log.partition("Manually-specified variables were not used by the project:")[2]
    names = [word for word in re.findall(r"^\s+(\w+)$", listed, re.M) if value_of(options, word) is not None]
    return f"the project does not know {', '.join(names)}" if names else ""


def commands(build):
    """(source, object, words) of every compilation."""
    path = build / "compile_commands.json"
    for entry in json.loads(path.read_text()) if path.exists() else []:
        words = entry.get("arguments") or shlex.split(entry["command"])
        yield entry["file"], words[words.index("-o") + 1] if "-o" in words else entry["file"], words[1:]


def overridden(options, build):
    """A sentence on the first flag that was asked for and is not in effect in some source, or ""."""
    for language, suffix in SUFFIXES.items():
        asked = " ".join(value_of(options, name) or "" for name in names_of(language, options))
        asked = {kind(word): word for word in shlex.split(asked)}
        for source, _, words in commands(build) if asked else []:
            last = {kind(word): word for word in words}
            for each, word in asked.items():
                if source.endswith(suffix) and last.get(each) != word:
                    where = source.rpartition("/src/")[2]
                    return f"{word} is asked for, but {last.get(each, 'nothing of the kind')} is in effect in {where}"
    return ""


def of_objects(build):
    """{object: its flags}, without warnings and what only says where things are. A source may be compiled several times, as the kernel tables are."""
    found = {}
    for _, name, words in commands(build):
        kept, skip = [], False
        for word in words:
            # Warnings change no code.
            place = re.match(r"-W(?![alp],)|-M", word) or word in ("-o", "-c", "-isystem") or word.startswith(("/", "-I")) or str(build.parent) in word
            if not skip and not place:
                kept.append(word)
            skip = word in ("-o", "-c", "-MT", "-MF", "-isystem")
        found[name] = " ".join(kept)
    return found


def commonest(by_object):
    """Of most objects, those that change code."""
    counts = {}
    for text in by_object.values():
        text = " ".join(word for word in text.split() if word == "-DNDEBUG" or word.startswith(("-O", "-f", "-m", "-g", "-std=")))
        counts[text] = counts.get(text, 0) + 1
    return max(counts, key=counts.get) if counts else ""


def change(before, after):
    """"-[-O3] +[-O2]" of two command lines."""
    before, after = before.split(), after.split()
    gone, new = ([word for word in some if word not in other] for some, other in ((before, after), (after, before)))
    return " ".join(filter(None, [gone and f"-[{' '.join(gone)}]", new and f"+[{' '.join(new)}]"])) or "their order"


def changes(base, head):
    """{change: objects} of the objects that both builds have."""
    found = {}
    for name in sorted(set(base) & set(head)):
        if base[name] != head[name]:
            found.setdefault(change(base[name], head[name]), []).append(name)
    return found
