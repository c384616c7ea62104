"""Which format an OUTPUT has, by its name and --to."""

import pytest

import negprep
from negprep.errors import UsageError
from negprep.options.formats import form_of

OURS = {
    "parquet": ["x", "x.parquet", "x.pq", "x.v1", "/dev/stdout", "/dev/null", "-", "x.jsonl/", "x.zip/", "a.txt/x"],
    "arrow": ["x.arrow", "x.Feather"],
    "csv": ["x.csv", "x.CSV.gz"],
    "tsv": ["x.tsv", "x.tsv.gz"],
}
OTHERS = [
    "x.jsonl",
    "x.ndjson",
    "x.json",
    "x.arrows",
    "x.npz",
    "x.npy",
    "x.txt",
    "x.xlsx",
    "x.pkl",
    "x.orc",
    "x.avro",
    "x.dat",
    "x.db",
    "x.h5",
    "x.mtx",
    "x.zip",
    "x.gz",
    "x.parquet.gz",
    "x.jsonl.gz",
    "x.TXT.zst",
    "x.json.bz2",
    "x.tar",
    "x.tar.gz",
    "x.html",
    "x.pdf",
    "x.pt",
]


@pytest.mark.parametrize(("form", "name"), [(form, name) for form, names in OURS.items() for name in names])
def test_names_that_fit(form, name):
    assert form_of(name, None) == form


@pytest.mark.parametrize("name", OTHERS)
def test_a_name_of_another_format_is_refused_unless_to_decides(name):
    with pytest.raises(UsageError) as error:
        form_of(name, None)
    assert str(error.value).startswith(f"{name}: the name says ")
    assert str(error.value).endswith(
        ", and Parquet is written; write NAME.parquet, NAME.arrow, NAME.csv or NAME.tsv, or name the format with --to"
    )
    assert form_of(name, "parquet") == "parquet"


@pytest.mark.parametrize(("name", "asked"), [("x.inter", "recbole"), ("x.rating.gz", "ncf"), ("x.negative", "ncf")])
def test_a_name_of_another_program_says_what_writes_it(name, asked):
    with pytest.raises(UsageError, match=rf"; --to {asked} NAME/ writes a folder of such files$"):
        form_of(name, None)


def test_a_refused_name_is_refused_before_the_log_is_read(tmp_path):
    for function in (negprep.train, negprep.test):
        with pytest.raises(UsageError, match=r"out\.jsonl: the name says JSON"):
            function("no.csv", str(tmp_path / "out.jsonl"))
    for name, kind in {"m.parquet": "parquet", "m.pt": "a PyTorch file", "m.npz.gz": "NumPy arrays"}.items():
        with pytest.raises(UsageError, match=f"the name says {kind}, and an archive of NumPy arrays is written"):
            negprep.fit("no.csv", name, kind="bpr")
