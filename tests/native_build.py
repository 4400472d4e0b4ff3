"""Programs of ``native/tests``, compiled once for a test process."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from hepae.root.headers import include_folder

COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
PROGRAMS = Path(__file__).parent.parent / "native" / "tests"

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")


@functools.cache
def program(name: str, *flags: str) -> Path:
    """The program of ``native/tests/NAME.cpp``, with warnings as errors."""
    assert COMPILER is not None
    made = Path(tempfile.mkdtemp(prefix="hepae-native-")) / name
    command = [
        COMPILER,
        *STRICT,
        *flags,
        f"-I{include_folder()}",
        str(PROGRAMS / f"{name}.cpp"),
        "-o",
        str(made),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return made


@functools.cache
def sanitizers() -> tuple[str, ...]:
    """Flags for AddressSanitizer and UBSan; none where the compiler has no libraries of them."""
    assert COMPILER is not None
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "empty.cpp")
        source.write_text("int main() {}\n")
        command = [COMPILER, *flags, str(source), "-o", str(Path(folder, "empty"))]
        done = subprocess.run(command, capture_output=True, check=False)
    return flags if done.returncode == 0 else ()
