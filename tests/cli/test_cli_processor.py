"""numpy sorts without AVX-512 where that is slower, and only there."""

import os
import subprocess
import sys

import numpy as np
import pytest

from negprep.cli import startup

CHOSEN = "NPY_DISABLE_CPU_FEATURES"

# As Linux describes them; shortened.
ZEN4 = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nflags\t\t: fpu avx2 avx512f avx512dq"
ZEN3 = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nflags\t\t: fpu avx2"
ZEN5 = "vendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nflags\t\t: fpu avx2 avx512f avx512dq"
INTEL = "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nflags\t\t: fpu avx2 avx512f avx512dq"
ARM = "BogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41"


@pytest.fixture
def chosen_on(tmp_path, monkeypatch):
    """What is chosen on a processor, when numpy is yet to be imported."""
    for name in (CHOSEN, "NPY_ENABLE_CPU_FEATURES"):
        monkeypatch.delenv(name, raising=False)

    def choose(text):
        (tmp_path / "cpuinfo").write_text(text, encoding="ascii")
        monkeypatch.setattr(startup, "_CPUINFO", tmp_path / "cpuinfo")
        with monkeypatch.context() as within:
            within.setenv(CHOSEN, "")  # noted, so that what is set is taken back
            within.delenv(CHOSEN)
            startup.sort_without_avx512()
            return os.environ.get(CHOSEN)

    return choose


def test_zen_4_alone_is_told_to_do_without(chosen_on):
    assert "X86_V4" in chosen_on(ZEN4)
    assert [chosen_on(other) for other in (ZEN3, ZEN5, INTEL, ARM, "")] == [None] * 5


def test_the_first_processor_is_enough(chosen_on):
    assert chosen_on("\n\n".join([ZEN4] * 1_000)) is not None
    assert chosen_on("\n\n".join([INTEL, ZEN4])) is None


def test_no_such_file(tmp_path, monkeypatch):
    monkeypatch.delenv(CHOSEN, raising=False)
    monkeypatch.setattr(startup, "_CPUINFO", tmp_path / "none")
    startup.sort_without_avx512()
    assert CHOSEN not in os.environ


@pytest.mark.parametrize("name", [CHOSEN, "NPY_ENABLE_CPU_FEATURES"])
def test_what_the_environment_chooses_stays(chosen_on, monkeypatch, name):
    monkeypatch.setenv(name, "AVX2")
    before = os.environ.get(CHOSEN)
    monkeypatch.setattr(startup, "_is_zen4", lambda _: True)
    startup.sort_without_avx512()
    assert os.environ.get(CHOSEN) == before


def test_numpy_takes_the_choice_without_a_word_and_sorts_alike():
    code = "import numpy as np; print(np.sort(np.random.default_rng(1).integers(0, 1 << 40, 100_000)).tobytes().hex())"
    made = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, CHOSEN: startup._AVX512},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = np.sort(np.random.default_rng(1).integers(0, 1 << 40, 100_000))
    assert (made.stdout.strip(), made.stderr) == (expected.tobytes().hex(), "")
