"""Risk: loops for AVX2 come to other bits than the plain ones, or plain ones are never run and rot."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hepae.root.headers import include_folder
from tests.native_build import PROGRAMS, STRICT, needs_compiler, program
from tests.native_cases import golden_case

pytestmark = [pytest.mark.native, needs_compiler]
GOLDEN = Path(__file__).parent / "golden" / "v1"
PLAIN = "-DHEPAE_PLAIN"
CLANG = shutil.which("clang++")


def printed(name: str, *words: object, flags: tuple[str, ...] = ()) -> list[str]:
    command = [str(program(name, "-O2", *flags)), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_both_forms_of_all_loops_give_the_same_bits() -> None:
    lines = printed("loops")
    assert len(lines) > 2000
    assert lines == printed("loops", flags=(PLAIN,))


@pytest.mark.parametrize("what", ["nearest", "angles"])
def test_what_is_found_of_many_values_is_that_of_each(what: str) -> None:
    found = [line for line in printed("loops") if line.startswith(what)]
    assert found
    assert found[::2] == found[1::2]


@pytest.mark.skipif(CLANG is None, reason="there is no clang")
def test_clang_takes_the_headers_and_its_loops_give_the_same_bits(tmp_path: Path) -> None:
    flags = [*STRICT, f"-I{include_folder()}"]
    for name in ("damage", "decode_chunk", "time_chunk"):
        command = [str(CLANG), *flags, "-fsyntax-only", str(PROGRAMS / f"{name}.cpp")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
    made = tmp_path / "loops"
    command = [str(CLANG), *flags, "-O2", str(PROGRAMS / "loops.cpp"), "-o", str(made)]
    subprocess.run(command, check=True, timeout=300)
    done = subprocess.run([str(made)], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == printed("loops")


@pytest.mark.parametrize("name", ["lifting-dtypes", "masked-dtypes"])
def test_plain_loops_decode_chunks_to_their_checksums(name: str, tmp_path: Path) -> None:
    case = golden_case(GOLDEN / f"{name}.root", tmp_path / "case")
    _, nbytes, values = printed("time_chunk", case, 1, flags=(PLAIN,))[0].split()
    assert int(nbytes) > int(values) > 0
