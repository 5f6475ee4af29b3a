"""One self-contained HTML page, and PNGs, of all that was measured.

Takes the results in build/perf-results, measures what is missing (--no-run: leaves it out), and writes build/perf-report/index.html.
Exit status: 0 the page is complete, 1 something is missing from it and the page says what, 2 bad usage."""
import shlex
import shutil
import subprocess
import sys

from perf import environment, programs
from perf.harness import arguments as types
from perf.harness import host, page, project, session

OUTPUT = project.ROOT / "build/perf-report/index.html"

# Of each kind: how it is measured where there is no result. History comes last: it reads what the others left.
COMMANDS = {
    "bench": ["bench"],
    "scaling": ["scaling"],
    "profile": ["profile"],
    "peers": ["peers"],
    "training": ["training"],
    "compare": ["compare"],
    "history": ["history"],
}
# perf compare ends so when it measured well and did not like what it saw.
VERDICTS = range(10, 16)


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--results", type=types.output_directory, default=session.RESULTS, metavar="DIR", help="default: build/perf-results")
    parser.add_argument("--output", type=types.output_file, default=OUTPUT, metavar="FILE", help="PNGs go beside it (default: build/perf-report/index.html)")
    parser.add_argument("--pictures", type=types.output_directory, metavar="DIR", help="write the PNGs there instead")
    parser.add_argument("--readme", action="store_true", help="also renew the pictures and the peers table that docs/measuring.md shows")
    parser.add_argument("--only", metavar="KIND,...", help=f"kinds of results to show, out of {', '.join(COMMANDS)}")
    parser.add_argument("--no-run", action="store_true", help="measure nothing")
    parser.add_argument("--fresh", action="store_true", help="measure all anew")


def takes(arguments):
    return "seconds" if arguments.no_run else "13 minutes or so on two cores where nothing has been measured yet, seconds where all has"


def command_of(kind):
    """The subcommand with its operands: what the last commit changed, or, where there is no earlier one, the commit with itself."""
    if kind != "compare":
        return COMMANDS[kind]
    return [*COMMANDS[kind], "HEAD~1" if session.is_available(host.source_of("HEAD~1")) else "HEAD", "HEAD"]


def measure(kind, arguments):
    """Run the subcommand of a kind; "" or why there is no result."""
    output = arguments.results / f"{kind}.json"
    command = [sys.executable, "-B", str(project.ROOT / "perf"), *command_of(kind)]
    if arguments.bin and kind != "compare":
        command += ["--bin", str(arguments.bin)]
    if arguments.results.resolve() != session.RESULTS.resolve():
        command += ["--output", str(output)]
    print(f"perf report: {shlex.join(['perf', *command[3:]])}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=project.ROOT)
    if done.returncode == 0 or (kind == "compare" and done.returncode in VERDICTS):
        return ""
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    return f"perf {kind} ended with status {done.returncode}: {'; '.join(lines[-5:]) or 'it said nothing'}"


def gather(arguments, kinds):
    """({kind: document}, {kind: why there is none})."""
    documents, missing = {}, {}
    for kind in kinds:
        path = arguments.results / f"{kind}.json"
        failure = ""
        if arguments.fresh or (not path.exists() and not arguments.no_run):
            failure = measure(kind, arguments)
        try:
            documents[kind] = session.read(path, kind)
        except session.SessionError as problem:
            missing[kind] = failure or (f"not measured: ./dev perf {shlex.join(command_of(kind))}" if not path.exists() else str(problem))
    return documents, missing


# ---- sections -------------------------------------------------------------------------------------------------------------

def picture_of(name, documents, alternatives, pictures):
    """Draw, keep the PNG, give back the SVG; "" when there is nothing to draw."""
    import importlib

    from perf.harness import style
    drawing = importlib.import_module(f"perf.figures.{name}").draw(documents)
    if drawing is None:
        return ""
    pictures.mkdir(parents=True, exist_ok=True)
    style.save_png(drawing, pictures / f"{name}.png")
    text = page.figure(style.svg(drawing, name), *alternatives)
    style.close(drawing)
    return text


def roofline(documents, draw):
    parts = [draw("roofline", "Horizontal: multiply-adds per second at most; diagonal: bytes loaded per second from each level of the memory "
                              "hierarchy, measured in the sessions of the dots. Left: kernels alone. Right: operations of the whole job, as "
                              "large as their share of its time; open circles are the same kernels alone.",
                  "Roofline plot of kernels and of the operations of the whole job")]
    bench = documents.get("bench")
    if bench:
        parts += [page.made(bench), page.details("all rows of the benchmarks", page.rows_table(bench))]
    return parts


def scaling(documents, draw):
    document = documents["scaling"]
    rounds, job = document["rounds"], document["job"]
    sentences = document["cannot_know"] + document["notes"] + document["environment"].get("disturbances", [])
    return [draw("scaling", f"Median of {rounds} rounds, each measuring every point once in random order; whiskers are exact intervals of the "
                            f"median of ratios within rounds. Open markers: ratio of the best rates, where it differs. Dashed: ideal. Job: rhm train {job}.",
                 "Speed-up and efficiency against the number of threads"),
            page.notes(sentences), laws_of(document["curves"]), page.made(document), page.details("all points", page.rows_table(document))]


def laws_of(curves):
    """The scalability law and the knee of every curve; one sentence where nothing can be said of any."""
    if not any(session.is_available(curve["usl"]) or (isinstance(curve["knee"], dict) and session.is_available(curve["knee"])) for curve in curves):
        reasons = dict.fromkeys(curve["usl"]["unavailable"] for curve in curves)
        return f"<p>Universal scalability law: {page.escape('; '.join(reasons))}.</p>"
    rows = []
    for curve in curves:
        usl, knee = curve["usl"], curve["knee"]
        show = lambda interval: page.number_text(interval["value"]) + (f" ({page.interval_text(interval)})" if interval.get("low") is not None else "")
        if session.is_available(usl):
            peak = usl["peak_threads"]
            cells = [show(usl["contention"]), show(usl["coherence"]), show(peak) if session.is_available(peak) else page.escape(peak["unavailable"])]
        else:
            cells = [page.escape(usl["unavailable"]), "", ""]
        told = knee["unavailable"] if isinstance(knee, dict) and "unavailable" in knee else (
            f"after {knee['threads']} threads: {knee['edge']}" if isinstance(knee, dict) else "none")
        rows.append([page.escape(f"{curve['about']}, {curve['mode']}"), *cells, page.escape(told)])
    fits = page.table(["curve", "contention", "coherence", "most useful threads", "knee"], rows)
    return page.details("universal scalability law (one thread per core) and knees", fits, opened=True)


def stages(documents, draw):
    document = documents["profile"]
    return [draw("stages", "Bars: seconds of each operation. Model: the same operations at the rates that their kernels reach alone in this "
                           "session. Ceiling: the same at the multiply-add and memory peaks.",
                 "Time of each operation of the whole job against its model"),
            page.notes(document["environment"].get("disturbances", [])), page.made(document), page.details("all operations", page.rows_table(document))]


def comparison(documents, draw):
    document = documents["compare"]
    differ = [[page.escape(fact["name"]), page.escape(fact["says"]), "blocks" if fact["blocks"] else "accepted" if fact["accepted"] else "told"]
              for fact in document["facts"]["differ"]]
    return [draw("forest", "Median of the ratio of times within interleaved blocks, with its exact interval, corrected over all rows. A row "
                           "regressed or improved only when the whole interval is beyond its grey threshold, and again in fresh blocks.",
                 "Forest plot of the comparison of two commits"),
            f"<p>Verdict: <b>{page.escape(document['verdict'])}</b>. {document['facts']['compared']} exact facts were compared"
            + (", these differ:</p>" + page.table(["fact", "", ""], differ) if differ else "; none differs.</p>"),
            page.notes(document["environment"].get("disturbances", [])), page.made(document), page.details("all rows", page.rows_table(document))]


def peers(documents, draw):
    from perf.figures import peers as figure
    document = documents["peers"]
    return [draw("peers", "The same job in other programs, the same samples, width, bandwidths and threads, measured in alternation.",
                 "Times of the same job in other programs"),
            figure.table(document), page.notes(document["environment"].get("disturbances", [])), page.made(document),
            page.details("all rows", page.rows_table(document))]


def training(documents, draw):
    document = documents["training"]
    left_out = [f"{name}: {why}" for name, why in document["missing"].items()]
    return [draw("epochs", f"One training of the convolutional network ({document['width']} channels) on the same {document['sequences']} sequences, each "
                           "program from initial weights and in an order of its own. Every epoch's sequences before the steps that they take part in.",
                 "Loss and accuracy by epoch of one training, by rhm and by PyTorch"),
            page.notes([*left_out, *document["environment"].get("disturbances", [])]), page.made(document),
            page.details("times", page.rows_table(document))]


def history(documents, draw):
    document = documents["history"]
    commits = [[f"<code>{page.escape(entry['commit'])}</code>", page.escape(entry["time"][:16].replace("T", " ")), page.escape(entry["subject"])]
               for entry in document["about_commits"]]
    changes = [[page.escape(change["row"]), f"<code>{page.escape(change['commit'])}</code>", f"{100 * (change['ratio'] - 1):+.1f} %",
                page.escape(change["verdict"] + (", new" if change["new"] else ""))] for change in document.get("changes", [])]
    drawn = draw("history", "Every result that was kept, by commit; vertical lines span repeated results, broken ones mark changes of level, colours "
                            "series of another CPU, microcode, kernel or compiler.", "Results over commits")
    return [drawn or "<p>No row was measured at two commits yet, as a line needs. <code>./dev perf history --measure HEAD~5..HEAD</code> "
                     "measures earlier ones.</p>",
            page.table(["row", "level changed at", "by", ""], changes, (2,)) if changes else "",
            page.details("commits", page.table(["commit", "", ""], commits))]


SECTIONS = (
    ("roofline", "Roofline", ("bench", "profile"), roofline),
    ("scaling", "Scaling with threads", ("scaling",), scaling),
    ("stages", "Where the time goes", ("profile",), stages),
    ("peers", "Peers", ("peers",), peers),
    ("training", "A training by gradient descent", ("training",), training),
    ("comparison", "Comparison of two commits", ("compare",), comparison),
    ("history", "History", ("history",), history),
)


def facts_of(documents):
    """Numbers for readers who look at nothing else."""
    found = []
    profile, scaling_, bench = (documents.get(kind) for kind in ("profile", "scaling", "bench"))
    if bench:
        rows = [row for row in bench["rows"] if row.get("share") and row["name"].startswith("forward/")]
        if rows:
            best = max(rows, key=lambda row: row["share"])
            found.append((f"{best['share']:.0%}", f"of the multiply-add peak: {best['name'].rsplit('/native', 1)[0]}"))
    if profile:
        found.append((f"{profile['summary']['explained_share']:.0%}", "of the whole job's time explained by the model of its kernels"))
    if scaling_:
        rows = [row for row in scaling_["rows"] if row["what"] == "job" and row["mode"] == "strong" and row["valid"] and row["threads"] > 1
                and "against_first_placement" not in row and session.is_available(row["speed_up"])]
        if rows:
            last = max(rows, key=lambda row: row["threads"])
            found.append((f"{last['speed_up']['value']:.2f}x", f"speed-up of the whole job on {last['threads']} threads"))
    if documents.get("compare"):
        found.append((documents["compare"]["verdict"], "verdict of the comparison"))
    return found


def lead_of(documents):
    record = next((d["environment"] for d in documents.values() if "machine" in d["environment"]), {})
    machine = record.get("machine") or {}
    if not session.is_available(machine) or not machine:
        return "No result describes the machine."
    topology = machine["topology"]
    return (f"{machine['cpu']}, {topology['pus']} CPUs allowed on {len(topology['numa_nodes'])} NUMA node"
            f"{'s' * (len(topology['numa_nodes']) > 1)}, {machine['kernels']} kernels, {(record.get('system') or {}).get('distribution') or 'Linux'}")


def different_commits(documents):
    """A sentence when results are of other sources than those at hand."""
    now = host.source()
    if not session.is_available(now):
        return []
    others = {}
    for kind, document in documents.items():
        source = document["environment"].get("source") or {}
        commit = source.get("commit") if session.is_available(source) else None
        if commit and commit != now["commit"] and kind not in ("compare", "history"):
            others.setdefault(commit[:12], []).append(kind)
    return [f"{', '.join(kinds)}: measured at commit {commit}; the sources are at {now['commit'][:12]} now." for commit, kinds in others.items()]


def compose(documents, missing, pictures):
    """The page."""
    sections = []
    draw = lambda name, caption, alternative: picture_of(name, documents, (caption, alternative), pictures)
    for anchor, title, needs, build in SECTIONS:
        if any(kind in documents for kind in needs):
            absent = [f"{kind}: {missing[kind]}" for kind in needs if kind in missing]
            sections.append((anchor, title, page.section(anchor, title, *build(documents, draw), page.notes(absent))))
        elif any(kind in missing for kind in needs):
            sections.append((anchor, title, page.section(anchor, title, page.notes([missing[kind] for kind in needs if kind in missing]))))
    record = next((d["environment"] for d in documents.values() if d["environment"].get("machine")), None)
    if record:
        sections.append(("environment", "Environment", page.section("environment", "Environment", page.notes(different_commits(documents)),
                                                                    environment.section(record))))
    return page.page("rhm: throughput and scaling", lead_of(documents), facts_of(documents), sections)


RESULTS_PAGE, RESULTS_PICTURES = project.ROOT / "docs/measuring.md", project.ROOT / "perf/images"
BEGIN, END = "<!-- made by ./dev perf report --readme -->\n", "<!-- end -->"
SHOWN = (("scaling", ("scaling",), "Speed-up and efficiency with threads"), ("roofline", ("bench", "profile"), "Roofline of kernels and job"))


def measured_on(document):
    """"AMD EPYC, 2 threads, 2026-11-23, `./dev perf scaling`"."""
    machine = document["environment"]["machine"]
    return f"{machine['cpu']}, {machine['topology']['pus']} CPUs, {machine['kernels']}, {document['started'][:10]}: `{document['command']}`"


def readme_block(documents):
    """Markdown for docs/measuring.md: pictures and the table of peers, of what there is."""
    parts = []
    for name, kinds, title in SHOWN:
        found = [documents[kind] for kind in kinds if kind in documents]
        if found:
            noise = [note for document in found for note in document.get("notes", []) if note.startswith("The machine was not quiet")]
            parts.append(f"![{title}](../perf/images/{name}.png)\n\n" + "; ".join(map(measured_on, found)) + " ".join([".", *noise]) + "\n")
    if "peers" in documents:
        from perf.figures import peers as figure
        parts.append(figure.markdown(documents["peers"]) + "\n\n" + measured_on(documents["peers"]) + "\n")
    return "\n".join(parts)


def renew_readme(documents, pictures, readme=RESULTS_PAGE, images=RESULTS_PICTURES):
    """Replace what stands between the marks, and the pictures it shows."""
    text = readme.read_text()
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 or end < start:
        raise project.PerfError(f"{project.relative(readme)} lacks the lines {BEGIN.strip()} and {END}")
    images.mkdir(parents=True, exist_ok=True)
    for name, kinds, _ in SHOWN:
        if any(kind in documents for kind in kinds):
            shutil.copyfile(pictures / f"{name}.png", images / f"{name}.png")
    readme.write_text(text[:start + len(BEGIN)] + "\n" + readme_block(documents) + "\n" + text[end:])


def run(arguments):
    kinds = arguments.only.split(",") if arguments.only else list(COMMANDS)
    unknown = [kind for kind in kinds if kind not in COMMANDS]
    if unknown:
        raise project.PerfError(f"--only {','.join(unknown)}: known are {', '.join(COMMANDS)}", 2)
    documents, missing = gather(arguments, kinds)
    if not documents:
        raise project.PerfError("there is nothing to report: " + "; ".join(f"{kind}: {why}" for kind, why in missing.items()))
    with session.understood(f"a result in {arguments.results}"):
        text = compose(documents, missing, arguments.pictures or arguments.output.parent)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text)
    if arguments.readme:
        renew_readme(documents, arguments.pictures or arguments.output.parent)
    for kind, why in missing.items():
        print(f"perf report: {kind}: {why}", file=sys.stderr)
    print(arguments.output)
    return 1 if missing else 0
