"""The extension `hepae_native`: as it is installed, or compiled where a compiler and nanobind are there."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

NATIVE = Path(__file__).parent.parent / "native"


def sources(native: Path = NATIVE) -> str:
    """A digest of what the extension is made of, as ``native/CMakeLists.txt`` takes it."""
    found = [*native.glob("include/**/*.hpp"), *native.glob("python/**/*.cpp")]
    ordered = sorted(found, key=lambda path: path.relative_to(native).as_posix())
    digests = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in ordered)
    return hashlib.sha256(digests.encode()).hexdigest()


def installed() -> ModuleType | None:
    """The extension as it is installed, whatever it is made of."""
    return importlib.import_module("hepae_native") if importlib.util.find_spec("hepae_native") else None


@functools.cache
def extension() -> ModuleType:
    """The extension made of the sources here; the test is skipped where there is none and none can be made."""
    found = installed()
    if found is not None and getattr(found, "sources", "") == sources():
        return found
    nanobind = pytest.importorskip(
        "nanobind", reason="hepae-native is not installed, nor nanobind to compile it"
    )
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("hepae-native is not installed, and there is no C++ compiler")
    source, folder = Path(nanobind.source_dir()), Path(tempfile.mkdtemp(prefix="hepae-native-"))
    made = folder / f"hepae_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    others = [
        source.parent / "ext" / "robin_map" / "include",
        nanobind.include_dir(),
        sysconfig.get_path("include"),
    ]
    command = [
        compiler, "-std=c++17", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-strict-aliasing",
        "-ffp-contract=off", "-DNDEBUG", f"-I{NATIVE / 'include'}", *(f"-isystem{other}" for other in others),
        str(NATIVE / "python" / "hepae_native.cpp"), str(source / "nb_combined.cpp"), "-o", str(made),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    spec = importlib.util.spec_from_file_location("hepae_native", made)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
