"""A result of any kind as CSV: a line for every row, or for every value that was measured."""
import csv
import io

from perf.harness.text import is_number

SAMPLE_COLUMNS = ("row", "unit", "what", "index", "arm", "clock", "layout", "value")


def _flat(value, name=""):
    """{dotted name: value} of all that is no list; what is unavailable is told as that."""
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            found.update(_flat(item, f"{name}.{key}" if name else key))
        return found
    return {} if isinstance(value, list) else {name: value}


def _written(columns, lines):
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def rows(document):
    """Columns are all that any row has; ends of intervals and other pairs are left to the samples."""
    lines = [_flat(row) for row in document["rows"]]
    columns = dict.fromkeys(("name", "unit", "value"))
    for line in lines:
        columns.update(dict.fromkeys(line))
    columns = [column for column in columns if column != "reproduce"] + ["reproduce"]
    return _written(columns, lines)


def _blocks(row, what, found):
    for index, block in enumerate(found):
        layouts = block.get("layouts", {})
        for arm in ("base", "head", "again"):
            # Results from before both clocks were kept have the row's own only.
            clocks = {clock: block[clock][arm] for clock in ("cpu", "wall") if clock in block} or {row.get("clock", ""): block[arm]}
            for clock, value in clocks.items():
                yield {"row": row["name"], "unit": row["unit"], "what": what, "index": index, "arm": arm, "clock": clock,
                       "layout": layouts.get(arm, ""), "value": value}


def _samples(row):
    for what, values in row.items():
        if not isinstance(values, list) or not values:
            continue
        if what in ("blocks", "confirmation"):
            yield from _blocks(row, what, values)
        elif what == "points":
            for index, point in enumerate(values):
                yield {"row": row["name"], "unit": row["unit"], "what": point.get("commit", what), "index": index, "value": point["value"]}
        elif all(map(is_number, values)):
            for index, value in enumerate(values):
                yield {"row": row["name"], "unit": row["unit"], "what": what, "index": index, "value": value}


def samples(document):
    return _written(SAMPLE_COLUMNS, [line for row in document["rows"] for line in _samples(row)])
