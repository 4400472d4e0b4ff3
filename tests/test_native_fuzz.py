"""Risk: bytes that nobody thought of end a program that reads with C++, or a target of libFuzzer compiles no more."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hepae.root.headers import include_folder
from scripts.hardening.native_fuzz import FLAGS, FUZZ, TARGETS, fuzz
from tests.native_build import COMPILER, STRICT, needs_compiler

pytestmark = pytest.mark.native
RUNS = 3000


def has_fuzzer(folder: Path) -> bool:
    """Whether there is a clang with libFuzzer and the sanitizers."""
    clang = shutil.which("clang++")
    source = folder / "empty.cpp"
    source.write_text(
        'extern "C" int LLVMFuzzerTestOneInput(const unsigned char *, unsigned long) { return 0; }'
    )
    command = [str(clang), *FLAGS, str(source), "-o", str(folder / "empty")]
    return clang is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("target", ["integers", "lzma", "reference", "ntuple"])
def test_inputs_that_are_searched_for_are_decoded_or_refused(target: str, tmp_path: Path) -> None:
    if not has_fuzzer(tmp_path):
        pytest.skip("there is no clang with libFuzzer")
    assert fuzz(target, tmp_path, f"-runs={RUNS}") >= RUNS


@needs_compiler
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_compiles_without_warnings(target: str) -> None:
    assert COMPILER is not None
    command = [COMPILER, *STRICT, f"-I{include_folder()}", "-fsyntax-only", str(FUZZ / f"{target}.cpp")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
