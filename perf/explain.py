"""For a row that changed: what else changed with it. Evidence that a reader can check, not a proof of the cause."""
from perf.harness import flags, git

SHOWN = 6


def _some(items, what):
    items = list(items)
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{what}: {', '.join(items[:SHOWN])}{more}" if items else ""


def short(name):
    """src/kernels/avx2.c.o of the path inside a build directory."""
    name = name.removesuffix(".o")
    for part in ("src/", "bench/"):
        if part in name:
            inside = name[name.index(part):].split(".dir/")
            return inside[0].rsplit("/CMakeFiles", 1)[0] + "/" + inside[-1] if len(inside) > 1 and "CMakeFiles" in inside[0] else inside[-1]
    return name


def _differing(base, head):
    return sorted(name for name in {*base, *head} if base.get(name) != head.get(name))


def _inside(names, directories):
    if not directories or "all" in directories:
        return [name for name in names if "src/" in name]
    return [name for name in names if any(f"src/{each}/" in name for each in directories)]


def commits(base, head, directories):
    """Subjects of the commits from base to head that touch the directories, and files that are changed but not committed."""
    paths = [f"src/{each}" for each in directories] if directories and "all" not in directories else ["src"]
    paths += ["CMakeLists.txt", "cmake"]
    lines, said = git.ask("log", "--format=%h %s", f"{base.commit}..{head.commit}", "--", *paths)
    found = [said] if lines is None else lines.splitlines()
    if git.shallow():
        found.append(git.shallow())
    if head.dirty:
        changed, said = git.ask("diff", "--name-only", f"{head.commit}^{{tree}}", head.tree, "--", *paths)
        found += [said] if changed is None else [f"uncommitted: {name}" for name in changed.splitlines()]
    return found


def explain(row, judged, rows, differing_facts, base, head):
    """Sentences about a row that regressed or improved. `row` is a record of the result, `judged` {name: Judgement}."""
    name, directories = row["name"], row["directories"]
    objects = _differing(base.inventory.get("objects", {}), head.inventory.get("objects", {}))
    own = _inside(objects, directories)
    said = [f"{fact['name']}: {fact['says']}" for fact in differing_facts if fact["name"].startswith((f"{name}:", "job:", "compiler"))]
    said = [_some(said, "facts that differ") or "no fact of the row or the job differs: the same work, done in another time"]
    if base.options != head.options:
        said.append(f"CMake options differ: base has {' '.join(base.options) or 'none'}, head has {' '.join(head.options) or 'none'}")
    said.append(_some(sorted(flags.changes(base.inventory.get("flags", {}), head.inventory.get("flags", {}))), "compiler flags that differ"))
    if own:
        said.append(_some(sorted({short(each) for each in own}), "machine code that differs in the row's directories"))
    elif objects:
        said.append(_some(sorted({short(each) for each in objects}),
                          "no machine code of the row's directories differs, so look at layout and at what they call; elsewhere"))
    else:
        said.append("no machine code differs: noise, or the machine")
    said.append(_some(commits(base, head, directories), "commits that touch these directories"))
    others = [each["name"] for each in rows if each["name"] != name and judged[each["name"]].verdict == judged[name].verdict]
    alike = [each["name"] for each in rows if each["directories"] == directories and each["name"] != name
                  and judged[each["name"]].verdict == "equivalent"]
    said.append(_some(others, "moved with it"))
    said.append(_some(alike, "of the same directories, but unmoved"))
    return [sentence for sentence in said if sentence]

