"""The C++ headers that come with hepae: where they are, and the library that is made of them for ROOT.

The data source is 7,000 lines of C++. Cling, ROOT's interpreter, takes half a minute for them in each session and makes
slower code than a compiler; so they are compiled once for each version of ROOT and of hepae, and kept. Where there is
no compiler, cling compiles them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["DECLARED", "SOURCE", "built", "include_folder"]

HERE: Final = Path(__file__).parent.parent

SOURCE: Final = """#include <hepae/datasource.hpp>
namespace hepae {
std::unique_ptr<ROOT::RDF::RDataSource>
open_data_source(const std::vector<std::string> &files, const std::string &tree)
{
   return std::make_unique<DataSource>(files, tree);
}
}
"""
"""What is compiled: the data source behind one function, which ROOT's interpreter knows by its declaration."""

DECLARED: Final = """#include <hepae/error.hpp>
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RDataSource.hxx>
namespace hepae {
std::unique_ptr<ROOT::RDF::RDataSource>
open_data_source(const std::vector<std::string> &files, const std::string &tree);
inline ROOT::RDataFrame
open_data_frame(const std::vector<std::string> &files, const std::string &tree, ULong64_t first, ULong64_t last)
{
   auto source = open_data_source(files, tree);
   source->SetGlobalEntryRange({first, last});
   return ROOT::RDataFrame(std::move(source));
}
}
"""
"""What ROOT's interpreter must know of it: how to open a data frame, and the exception, of which it shows the words."""

FLAGS: Final = ("-O3", "-fPIC", "-shared", "-ffp-contract=off")
"""Without contraction: a fused product and sum has other bits (docs/format/v1.md, section 1)."""

VECTORS: Final = {"avx2": "-mavx2", "bmi1": "-mbmi", "bmi2": "-mbmi2"}
"""Flags for instructions that make the decoders faster, by Linux's names: x86-64 processors of ten years have them."""

USUAL: Final = 40
"""Seconds that a compiler needs on one core of 2024."""

LONGEST: Final = 600
"""Seconds that a compiler may take."""

LOG: Final = logging.getLogger("hepae")


def include_folder() -> Path:
    """The folder for ``-I``: that of ``hepae/datasource.hpp``, in a wheel or in a checkout.

    Examples
    --------
    >>> (include_folder() / "hepae" / "datasource.hpp").is_file()
    True
    """
    own = HERE / "include"
    return own if own.is_dir() else HERE.parent / "native" / "include"


def built(root_include: str, root_version: str, standard: str) -> Path | None:
    """The library of the data source, compiled if it is not there yet; None where that cannot be.

    Parameters
    ----------
    root_include
        Folder of ROOT's headers.
    root_version
        Of ROOT.
    standard
        The standard of C++ that ROOT was built with, ``c++17``.
    """
    compiler = _compiler()
    if compiler is None:
        return None
    words = [
        *compiler,
        *FLAGS,
        *_vectors(),
        f"-std={standard}",
        f"-I{include_folder()}",
        f"-isystem{root_include}",
    ]
    library = _cache() / f"datasource-{_key(root_version, *words)}.so"
    if library.is_file():
        return library
    # a warning, so that it is seen where nobody set logging up: the time is named before it is spent
    LOG.warning("compiling hepae's data source for ROOT %s, once: about %d s", root_version, USUAL)
    try:
        _compile(words, library)
    except (OSError, subprocess.SubprocessError) as problem:
        _warn(compiler[0], problem)
    return library if library.is_file() else None


def _warn(compiler: str, problem: Exception) -> None:
    """Say why ROOT's interpreter has to compile, which takes half a minute in each session and makes slower code."""
    output = getattr(problem, "stderr", None)
    lines = output.decode(errors="replace").splitlines() if isinstance(output, bytes) else []
    errors = [line for line in lines if "error" in line] or lines or [str(problem)]
    warnings.warn(
        f"the data source could not be compiled, ROOT's interpreter compiles it: {compiler}: {errors[0]}",
        RuntimeWarning,
        stacklevel=4,
    )


def _vectors() -> list[str]:
    """Flags for what this processor can do; the library is kept by its flags, so that machines can share a home."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("flags"):
                known = line.split()
                return list(VECTORS.values()) if known and set(VECTORS) <= set(known) else []
    return []


def _compiler() -> list[str] | None:
    """``$CXX`` or what the system calls so."""
    named = os.environ.get("CXX", "").split()
    found = next(filter(None, map(shutil.which, ["c++", "g++", "clang++"])), None)
    return named or ([found] if found else None)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hepae"


def _key(*words: str) -> str:
    """Another for each state of the headers, ROOT, and way to compile."""
    digest = hashlib.sha256("\0".join([SOURCE, *words]).encode())
    for header in sorted(include_folder().rglob("*.hpp")):
        digest.update(header.read_bytes())
    return digest.hexdigest()[:16]


def _compile(words: Sequence[str], library: Path) -> None:
    """Compile beside the final place, so that a half-written library is never loaded."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        source, made = Path(folder, "datasource.cpp"), Path(folder, "made.so")
        source.write_text(SOURCE)
        command = [*words, str(source), "-o", str(made)]
        subprocess.run(command, check=True, capture_output=True, timeout=LONGEST)  # noqa: S603 - the compiler of the user
        made.replace(library)
