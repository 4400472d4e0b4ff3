"""The plan of the house: ARCHITECTURE.md against the code, and which way imports point."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "ARCHITECTURE.md"

UPWARDS: set[tuple[str, str]] = set()
"""Imports that do not point downwards yet. Whoever mends one takes it off here: the list only gets shorter."""

OUTSIDE = {
    ("uproot", "files/verify/branches"),
    ("uproot", "files/verify/keys"),
    ("uproot", "files/verify/meaning"),
}
"""Packages that a module imports outside the rooms of the page, for now. It only gets shorter too."""

TWICE = {
    "Basket", "Chunk", "Coded", "Collection", "Compression", "Evaluation", "Key",
    "Payload", "Predicted", "Record", "Sample", "Stored",
}  # fmt: skip
"""Names of classes of the product that stand in two modules, for now."""

MOST_LOOSE = 12
LONGEST_CHAIN = 14
"""Modules directly in the package, and files that import each other in a row."""

OPTIONAL = {
    "hepae.cli": ("hepae.cli.commands", "hepae.cli.compressing", "hepae.cli.interop", "hepae.cli.parser"),
}
"""Imports inside functions that are no links of a chain: what needs rich, which may be absent."""

NOT_LOADED = ("coffea", "dask", "hist", "matplotlib", "numba", "onnx", "onnxruntime", "rich", "torch")
"""What `import hepae` must not load."""


class Row(NamedTuple):
    """A row of the table of rooms: its floor, its folder ("" for the package itself) and its modules."""

    floor: int
    folder: str
    modules: tuple[str, ...]


def cells(heading: str) -> Iterator[list[str]]:
    """Rows of the table of the page that begins with this heading, cell by cell."""
    lines = iter(PAGE.read_text().splitlines())
    for line in lines:
        if line.startswith(heading):
            break
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def words(cell: str) -> tuple[str, ...]:
    """The code words of a cell."""
    return tuple(cell.split("`")[1::2])


@functools.cache
def rows() -> list[Row]:
    return [
        Row(int(floor), words(folder)[0].removeprefix("hepae/").rstrip("/"), words(modules))
        for floor, folder, modules in cells("| floor |")
    ]


@functools.cache
def files() -> dict[str, Path]:
    """Every module of the package, by its full name."""
    names = {}
    for path in sorted((ROOT / "hepae").rglob("*.py")):
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        names[dotted.removesuffix(".__init__")] = path
    return names


@functools.cache
def imported(name: str) -> frozenset[str]:
    """Full names of what a module imports, anywhere in it: for type checking and inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(files()[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            of = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in files() else node.module for full in of.values()}
    return frozenset(found)


def inner(name: str) -> set[str]:
    """Modules of the package that a module imports."""
    return {other for other in imported(name) if other in files() and other != name}


@functools.cache
def row_of(name: str) -> Row:
    """The row of a module; a folder's own file stands where the folder's last modules do."""
    path = files()[name].relative_to(ROOT / "hepae")
    folder = "" if path.parent == Path() else path.parent.as_posix()
    mine = [row for row in rows() if row.folder == folder]
    assert mine, f"no row of {PAGE.name} is of the folder of {name}"
    return next((row for row in mine if path.stem in row.modules), mine[-1])


def room(row: Row) -> tuple[int, str]:
    """The room of a row: its floor, and the outermost folder there that it is in."""
    around = [other.folder for other in rows() if other.floor == row.floor and other.folder]
    return row.floor, min((f for f in around if f"{row.folder}/".startswith(f"{f}/")), key=len, default="")


def test_the_page_names_every_folder_and_every_module_once() -> None:
    named = [f"{row.folder}/{module}".lstrip("/") for row in rows() for module in row.modules]
    every = {path.relative_to(ROOT / "hepae").with_suffix("").as_posix() for path in files().values()}
    there = {name for name in every if not name.endswith("/__init__")}
    assert there - set(named) == set(), f"{PAGE.name} does not name these modules"
    assert set(named) - there == set(), f"{PAGE.name} names modules that are not there"
    assert len(named) == len(set(named))
    assert {row.folder for row in rows()} == {name.rpartition("/")[0] for name in every}


def test_floors_rise_down_the_page() -> None:
    floors = [row.floor for row in rows()]
    assert floors == sorted(floors)
    assert len(floors) > 20


def test_imports_point_downwards() -> None:
    against = {
        (name, other)
        for name in files()
        for other in inner(name)
        if row_of(other).floor >= row_of(name).floor and room(row_of(other)) != room(row_of(name))
    }
    assert against - UPWARDS == set(), "these imports point upwards or across"
    assert UPWARDS - against == set(), "these exceptions are not needed any more: take them off the list"


def allowed() -> dict[str, tuple[str, ...]]:
    """Rooms that import a package, by package."""
    return {words(package)[0]: words(where) for package, where in cells("| package |")}


@pytest.mark.parametrize("package", allowed())
def test_heavy_packages_are_imported_in_their_rooms_only(package: str) -> None:
    importers = {
        files()[name].relative_to(ROOT / "hepae").with_suffix("").as_posix()
        for name in files()
        if package in {other.partition(".")[0] for other in imported(name)}
    }
    rooms = allowed()[package]
    strangers = {name for name in importers if not any(f"{name}/".startswith(f"{room}/") for room in rooms)}
    idle = {room for room in rooms if not any(f"{name}/".startswith(f"{room}/") for name in importers)}
    excused = {name for other, name in OUTSIDE if other == package}
    assert strangers - excused == set()
    assert excused - strangers == set(), "these exceptions are not needed any more: take them off the list"
    assert idle == set(), "the page allows what no module does"


def test_importing_hepae_loads_nothing_heavy() -> None:
    code = f"import sys, hepae; print(sorted(set({NOT_LOADED!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "[]"


def groups() -> list[list[str]]:
    """Modules that import each other in a circle, alone where there is none, after all that they import (Tarjan)."""
    edges = {name: inner(name) for name in files()}
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    done: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in edges[name]:
            if other not in number:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == number[name]:
            at = stack.index(name)
            done.append(stack[at:])
            del stack[at:]

    for name in edges:
        if name not in number:
            visit(name)
    return done


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert [group for group in groups() if len(group) > 1] == []


def faces() -> set[str]:
    """Folders' own files."""
    return {name for name, path in files().items() if path.stem == "__init__"}


@pytest.mark.parametrize("through_faces", [True, False])
def test_chains_of_imports_are_short(through_faces: bool) -> None:
    """Imports for type checking and inside functions are links too; optional ones are, or folders' own files are."""
    chains: dict[str, list[str]] = {}
    for (name,) in groups():
        no_links = set(OPTIONAL.get(name, ())) if through_faces else faces()
        further = [chains[other] for other in inner(name) - no_links]
        chains[name] = [name, *max(further, key=len, default=[])]
    longest = max(chains.values(), key=len)
    assert len(longest) <= LONGEST_CHAIN, " -> ".join(longest)


def test_what_is_no_link_of_a_chain_is_imported_inside_functions() -> None:
    for name, others in OPTIONAL.items():
        top = ast.parse(files()[name].read_text()).body
        eager = {
            f"{node.module}.{alias.name}"
            for node in top
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        eager |= {node.module for node in top if isinstance(node, ast.ImportFrom) and node.module}
        assert inner(name) >= set(others), "these exceptions are not needed any more: take them off the list"
        assert eager & set(others) == set()


def test_few_modules_stand_loose_in_the_package() -> None:
    loose = [
        path for path in (ROOT / "hepae").glob("*.py") if path.name not in ("__init__.py", "__main__.py")
    ]
    assert len(loose) <= MOST_LOOSE


def test_every_folder_says_what_is_in_it() -> None:
    silent = [
        name
        for name, path in files().items()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_types_of_arrays_are_defined_once() -> None:
    def definitions(name: str) -> dict[str, str]:
        """What a module calls types of arrays: by what they are."""
        aliases = [
            (target, node.value)
            for node in ast.parse(files()[name].read_text()).body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if node.value is not None
        ]
        return {
            ast.unparse(value): ast.unparse(target)
            for target, value in aliases
            if ast.unparse(value).startswith(("NDArray[", "Mapping[str, NDArray["))
        }

    once = definitions("hepae.arrays")
    again = {name: definitions(name).keys() & once.keys() for name in files() if name != "hepae.arrays"}
    assert len(once) > 5
    assert {name: types for name, types in again.items() if types} == {}


def test_classes_have_names_of_their_own() -> None:
    product = [name for name in files() if not name.startswith("hepae.lab")]
    classes = [
        node.name
        for name in product
        for node in ast.parse(files()[name].read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    twice = {name for name in classes if classes.count(name) > 1}
    assert twice - TWICE == set(), "one name for two things"
    assert TWICE - twice == set(), "these exceptions are not needed any more: take them off the list"
