"""Random texts with quotes: stray ones lose no row without an error, proper ones are read as Python's csv module does."""

import csv
import io
import random
import re

import pytest

from negprep.errors import BadDataError
from negprep.options import ReadOptions
from negprep.reading import open_log

STRAY = (
    '"12 inch', 'Blue 12"', '"great" stuff', '5" screen', '"', '""', '"""', 'the "best" of', '"Heroes"', 'end"',
    '"a ""b"" c"', 'say ""hi""', '"bad start', '""x', 'x""', '"two words" and "more"', "'til",
)  # fmt: skip
PLAIN = ("ok", "fine", "so so", "x", "1984", "", "a'b", "Nr. 5", "-")


def read(path, roles, **options):
    with open_log(path, ReadOptions(**options)) as log:
        rows = []
        for batch in log.batches(roles):
            rows += zip(*(map(str, column.to_pylist()) for column in batch.columns), strict=True)
        return rows


def stray_file(chance):
    """A delimiter, the names, and rows none of whose fields holds it; quotes are text."""
    delimiter = chance.choice("\t\t\t,;|")
    names = ["user", "item", *(f"text{n}" for n in range(chance.randint(0, 3)))]
    chance.shuffle(names)
    wild = {name for name in names if name.startswith("text") or chance.random() < 0.15} or {"item"}
    share = chance.choice([0.02, 0.1, 0.3])
    kinds = chance.sample(STRAY, chance.randint(1, len(STRAY)))
    as_number = chance.random() < 0.5

    def field(name):
        if name in wild and chance.random() < share:
            return chance.choice(kinds)
        if name.startswith("text"):
            return chance.choice(PLAIN)
        return f"{'' if as_number else name[0]}{chance.randint(0, 9)}"

    rows = [[field(name) for name in names] for _ in range(chance.randint(2, 60))]
    return delimiter, names, [row for row in rows if any(row)]


def unquoted(field):
    """What a properly quoted field means."""
    return field[1:-1].replace('""', '"') if re.fullmatch(r'"(?:[^"]|"")*"', field) else field


def first_joined(text, delimiter):
    """The line where Python's csv module first takes several lines for one row, or None."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    before = 0
    for _ in reader:
        if reader.line_num > before + 1:
            return before + 1
        before = reader.line_num
    return None


def check_stray(path, seed):
    chance = random.Random(seed)
    delimiter, names, rows = stray_file(chance)
    end = chance.choice(["\n", "\n", "\r\n"])
    text = end.join(map(delimiter.join, [names, *rows])) + end * (chance.random() < 0.8)
    path.write_text(text, newline="")
    columns = [names.index("user"), names.index("item")]
    usable = [row for row in rows if all(row[column] for column in columns)]
    wanted = [tuple(row[column] for column in columns) for row in usable]
    assert read(path, ("user", "item"), quote="none", delimiter=delimiter, drop_invalid=True) == wanted
    joined = first_joined(text, delimiter)
    try:
        found = read(path, ("user", "item"), delimiter=delimiter, drop_invalid=True)
    except BadDataError as error:
        assert "--quote none" in str(error)
        line = int(error.place.rpartition(":")[2])
        assert line == joined or any(field.startswith('"') for field in rows[line - 2]), error
        assert joined is None or line <= joined, error
        return True
    assert joined is None or joined == len(rows) + 1, "lines were joined"
    meant = [tuple(unquoted(row[column]) for column in columns) for row in rows]
    assert found == [pair for pair in meant if all(pair)]
    return False


def proper_file(chance):
    """A text as csv writes it, and its delimiter."""
    delimiter = chance.choice(",,,;\t|")
    letters = chance.choice(["ab", "abc 12", "xyz,.", "a,"]) + chance.choice(["\n", "\n\n", "\r\n", "\n\r"])
    letters += delimiter * chance.randint(0, 2) + '"' * chance.randint(0, 2)
    long = chance.choice([4, 10, 30])
    as_number, wild = chance.random() < 0.6, chance.random() < 0.25
    names = ["user", "item", "text", *(["time"] if chance.random() < 0.5 else [])]
    chance.shuffle(names)

    def field(name):
        if name == "text" or (wild and name != "time"):
            some = "".join(chance.choices(letters, k=chance.randint(0 if name == "text" else 1, long)))
            return some.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in letters else some
        if name == "time":
            return str(chance.randint(900_000_000, 1_500_000_000))
        return f"{'' if as_number else name[0]}{chance.randint(0, 99)}"

    rows = [[field(name) for name in names] for _ in range(chance.randint(1, 60))]
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=chance.choice(["\n", "\r\n"]),
        quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    )
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue(), delimiter


def check_proper(path, seed):
    text, delimiter = proper_file(random.Random(seed))
    path.write_text(text, newline="")
    names, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    places = [names.index(name) for name in ("user", "item", "text")]
    wanted = [tuple(row[place] for place in places) for row in rows if row and all(row[place] for place in places)]
    assert wanted is not None
    options = {"event_col": "text", "delimiter": delimiter, "drop_invalid": True}
    if wanted:
        assert read(path, ("user", "item", "event"), quote='"', **options) == wanted
        try:
            assert read(path, ("user", "item", "event"), **options) == wanted
        except BadDataError as error:
            assert "--quote '\"'" in str(error)
            return True
    return False


if __name__ == "__main__":
    import sys
    import pathlib
    import collections
    import time
    p = pathlib.Path("/tmp/quotes-data/f.csv")
    which, a, b = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    s = time.time(); n = bad = 0
    for seed in range(a, b):
        try:
            n += (check_stray if which == "a" else check_proper)(p, seed)
        except Exception as e:
            bad += 1
            if bad <= 5: print(seed, type(e).__name__, str(e)[:300])
    print(which, b - a, "refused", n, "bad", bad, time.time() - s)
