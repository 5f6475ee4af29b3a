"""The report as one HTML page: pictures inline, tables below them, nothing fetched from anywhere."""
import html

from perf.harness import session, style

CSS = """
:root { color-scheme: light; --ink: #1b1f24; --muted: #5b6570; --faint: #e3e7eb; --accent: #0067a5; --warn: #8a3b00; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 5rem; max-width: 900px; color: var(--ink); background: #fff;
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3.2rem 0 .4rem; padding-top: 1rem; border-top: 1px solid var(--faint); }
p, li { max-width: 72ch; }
.lead { color: var(--muted); margin: 0 0 1.4rem; }
nav { font-size: .92rem; margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; }
nav a { color: var(--accent); text-decoration: none; } nav a:hover { text-decoration: underline; }
figure { margin: 1rem 0 .6rem; } figure svg { width: 100%; height: auto; display: block; }
figcaption, .small { color: var(--muted); font-size: .88rem; }
table { border-collapse: collapse; font-size: .86rem; width: 100%; margin: .8rem 0; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--muted); font-weight: 600; border-bottom: 1px solid #b9c1c9; padding: .3rem .7rem .3rem 0; vertical-align: bottom; }
td { border-bottom: 1px solid var(--faint); padding: .3rem .7rem .3rem 0; vertical-align: top; }
th.n, td.n { text-align: right; white-space: nowrap; }
td.bad { color: var(--warn); }
code, pre { font: .8rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
td code { color: var(--muted); overflow-wrap: anywhere; }
pre { background: #f5f7f9; padding: .8rem 1rem; overflow-x: auto; border-radius: 4px; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--accent); font-size: .92rem; }
.scroll { overflow-x: auto; }
.notes { border-left: 3px solid #d9a15f; padding: .1rem 0 .1rem 1rem; margin: 1rem 0; color: var(--warn); font-size: .92rem; }
.notes ul { margin: .3rem 0; padding-left: 1.1rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: .9rem 1.4rem; margin: 1.6rem 0 0; }
.facts div b { display: block; font-size: 1.45rem; line-height: 1.2; font-weight: 650; } .facts div { font-size: .88rem; color: var(--muted); }
.facts div b { color: var(--ink); }
@media print { body { max-width: none; padding: 0; } details > * { display: block; } h2 { break-before: auto; break-after: avoid; } figure { break-inside: avoid; } }
"""

escape = html.escape


def number_text(value):
    return style.number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def table(header, rows, numeric=()):
    """`rows` hold HTML; columns in `numeric` are set to the right."""
    mark = lambda i: ' class="n"' if i in numeric else ""
    head = "".join(f"<th{mark(i)}>{escape(text)}</th>" for i, text in enumerate(header))
    body = "".join("<tr>" + "".join(f"<td{mark(i)}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>\n" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def interval_text(interval):
    if not interval or interval.get("low") is None:
        return ""
    return f"{number_text(interval['low'])} to {number_text(interval['high'])}"


def reproduce_cell(row):
    return f"{escape(row['name'])}<br><code>{escape(row['reproduce'])}</code>"


def rows_table(document):
    """Every row with the line that reproduces it, and the columns that its kind has."""
    kind, rows = document["kind"], []
    if kind == "scaling":
        header, numeric = ["row", "value", "interval", "speed-up", "efficiency", "Karp-Flatt"], (1, 2, 3, 4, 5)
        for row in document["rows"]:
            cell = lambda key, form: form(row[key]["value"]) if session.is_available(row.get(key)) else ""
            bad = "" if row["valid"] else f'<br><span class="small">invalid: {escape(row["reason"])}</span>'
            rows.append([reproduce_cell(row) + bad, f"{number_text(row['value'])} {escape(row['unit'])}", interval_text(row["interval"]),
                         cell("speed_up", lambda v: f"{v:.2f}"), cell("efficiency", lambda v: f"{v:.0%}"), cell("karp_flatt", lambda v: f"{v:.3f}")])
    elif kind == "compare":
        header, numeric = ["row", "head / base", "interval", "threshold", "verdict"], (1, 2, 3)
        for row in document["rows"]:
            judged = row["judgement"]
            ends = judged.get("interval")
            rows.append([reproduce_cell(row), f"{judged['ratio']:.3f}" if judged.get("ratio") is not None else "",
                         f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else "", f"{judged['threshold']:.1%}" if judged.get("threshold") is not None else "",
                         escape(judged["verdict"]) + f'<br><span class="small">{escape(judged["reason"])}</span>'])
    else:
        header, numeric = ["row", "value", "interval"], (1, 2)
        for row in document["rows"]:
            value = f"{number_text(row['value'])} {escape(row['unit'] if row['unit'] != '1' else '')}" if isinstance(row.get("value"), (int, float)) else ""
            if row.get("valid") is False:
                value += f'<br><span class="small">invalid: {escape(row["reason"])}</span>'
            rows.append([reproduce_cell(row), value, interval_text(row.get("interval"))])
    return table(header, rows, numeric)


def notes(sentences):
    if not sentences:
        return ""
    return '<div class="notes"><ul>' + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul></div>"


def figure(svg, caption, alternative):
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(alternative, quote=True)}"', 1)
    return f"<figure>\n{svg}\n<figcaption>{escape(caption)}</figcaption></figure>"


def made(document):
    """When, of what and by which command."""
    source = document["environment"].get("source") or {}
    commit = source.get("commit", "")[:12] if session.is_available(source) else ""
    dirty = " with uncommitted changes" if source.get("dirty_files_that_matter") else ""
    return (f'<p class="small">{escape(document["started"].replace("T", " ").replace("+00:00", " UTC"))}'
            + (f", commit {escape(commit)}{dirty}" if commit else "") + f': <code>{escape(document["command"])}</code></p>')


def section(anchor, title, *parts):
    return f'<section id="{anchor}">\n<h2>{escape(title)}</h2>\n' + "\n".join(part for part in parts if part) + "\n</section>"


def details(title, content, opened=False):
    return f"<details{' open' if opened else ''}><summary>{escape(title)}</summary>\n{content}\n</details>"


def shown(value):
    """A value of the environment as text."""
    if isinstance(value, dict) and set(value) == {"unavailable"}:
        return f"unavailable: {value['unavailable']}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value) or "none"
    if value is None:
        return "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def without_links(text):
    """Text that looks like an address is no reference, but readers who search the page for one should find none."""
    return text.replace("http://", "").replace("https://", "")


def page(title, lead, facts, sections):
    """`sections`: [(anchor, title, html)]; `facts`: [(number, what it is)]."""
    links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name, _ in sections)
    tiles = "".join(f"<div><b>{escape(number)}</b>{escape(text)}</div>" for number, text in facts)
    body = "\n".join(content for _, _, content in sections)
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n<p class=\"lead\">{escape(lead)}</p>\n"
            f'<nav>{links}</nav>\n<div class="facts">{tiles}</div>\n{body}\n</body>\n</html>\n')
