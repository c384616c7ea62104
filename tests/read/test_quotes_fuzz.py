"""Random texts with quotes: stray ones lose no row without an error, proper ones are read as by Python's csv."""

import csv
import io
import random
import re

import pytest

from negprep.errors import BadDataError
from negprep.options.reading import ReadOptions
from negprep.read.lines import Dialect
from negprep.read.log import open_log
from negprep.read.quoting import Grammar, QuoteWatch

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


def outcome(path, roles, **options):
    """The rows, or the error."""
    try:
        return read(path, roles, drop_invalid=True, **options), None
    except BadDataError as error:
        return None, error


def id_of(name, style, number):
    """An id of digits, with a letter, or of letters."""
    return (str(number), f"{name[0]}{number}", "".join("abcdefghij"[int(digit)] for digit in str(number)))[style]


def stray_file(chance):
    """A delimiter, the names, and rows none of whose fields holds it; quotes are text."""
    delimiter = chance.choice("\t\t\t,;|")
    names = ["user", "item", *(f"text{n}" for n in range(chance.randint(0, 3)))]
    chance.shuffle(names)
    wild = {name for name in names if name.startswith("text") or chance.random() < 0.15} or {"item"}
    share = chance.choice([0.02, 0.1, 0.3])
    kinds = chance.sample(STRAY, chance.randint(1, len(STRAY)))
    style = chance.randrange(3)

    def field(name):
        if name in wild and chance.random() < share:
            return chance.choice(kinds)
        if name.startswith("text"):
            return chance.choice(PLAIN)
        return id_of(name, style, chance.randint(0, 9))

    rows = [[field(name) for name in names] for _ in range(chance.choice([5, 60, 300]))]
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
    found, error = outcome(path, ("user", "item"), delimiter=delimiter)
    if error is not None:
        assert "--quote none" in str(error)
        line = int(error.place.rpartition(":")[2])
        assert any(field.startswith('"') for field in rows[line - 2]), error
        assert joined is None or line <= joined, error
        return
    assert joined is None or joined == len(rows) + 1, "lines were joined"
    meant = [tuple(unquoted(row[column]) for column in columns) for row in rows]
    assert found == [pair for pair in meant if all(pair)]


def proper_file(chance):
    """A text as csv writes it, and its delimiter."""
    delimiter = chance.choice(",,,;\t|")
    letters = chance.choice(["ab", "abc 12", "xyz,.", "a,"]) + chance.choice(["\n", "\n\n", "\r\n", "\n\r"])
    letters += delimiter * chance.randint(0, 2) + '"' * chance.randint(0, 2)
    long = chance.choice([4, 10, 30])
    style, wild = chance.randrange(3), chance.random() < 0.25
    names = ["user", "item", "text", *(["time"] if chance.random() < 0.5 else [])]
    chance.shuffle(names)

    def field(name):
        if name == "text" or (wild and name != "time"):
            some = "".join(chance.choices(letters, k=chance.randint(0 if name == "text" else 1, long)))
            return some.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in letters else some
        if name == "time":
            return str(chance.randint(900_000_000, 1_500_000_000))
        return id_of(name, style, chance.randint(0, 99))

    rows = [[field(name) for name in names] for _ in range(chance.choice([2, 10, 60]))]
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=delimiter,
        # With "\n" alone, csv leaves a "\r" without quotes.
        lineterminator="\r\n" if "\r" in letters else chance.choice(["\n", "\r\n"]),
        quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    )
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue(), delimiter


def check_proper(path, seed):
    """Compare; whether it was refused for its looks."""
    text, delimiter = proper_file(random.Random(seed))
    path.write_text(text, newline="")
    names, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    places = [names.index(name) for name in ("user", "item", "text")]
    wanted = [tuple(row[place] for place in places) for row in rows if row and all(row[place] for place in places)]
    refused = False
    for quote in ('"', None):
        found, error = outcome(path, ("user", "item", "event"), quote=quote, event_col="text", delimiter=delimiter)
        if quote is None and error is not None and wanted:
            refused = True
            assert "--quote '\"' takes it as it is" in str(error)
        elif wanted:
            assert (found, error) == (wanted, None)
    return refused


@pytest.mark.parametrize("seeds", [range(200), pytest.param(range(200, 6000), marks=pytest.mark.heavy)])
def test_stray_quotes_lose_no_row(tmp_path, seeds):
    for seed in seeds:
        check_stray(tmp_path / "in.txt", seed)


@pytest.mark.parametrize("seeds", [range(200), pytest.param(range(200, 6000), marks=pytest.mark.heavy)])
def test_proper_quotes_are_read_as_by_csv(tmp_path, seeds):
    refused = sum(check_proper(tmp_path / "in.txt", seed) for seed in seeds)
    # Some text does look like rows, to whoever reads it; above all in files of two rows.
    assert refused <= len(seeds) // 200


def test_what_is_passed_at_once_has_no_other_quotes():
    dialect = Dialect(",", ("user", "item"), header=True, start=0, quote='"')
    plain, passed = Grammar(dialect).plain, 0
    for seed in range(20_000):
        chance = random.Random(seed)
        parts = chance.choices(
            ['"', ",", "\n", "\r\n", "\r", "a", '"b"', '""', '"c"\n', ',"d"'], k=chance.randint(1, 9)
        )
        text = b"\n" + "".join(parts).encode()
        at = QuoteWatch(None, dialect, 0, (0, 1), (0, 1))._pass_simple(text)
        assert at == 1 or text[at - 1 : at] in (b"\n", b"\r")
        assert plain.match(text, 1).end() >= at
        passed += at > 1 and b'"' in text[:at]
    assert passed > 1000
