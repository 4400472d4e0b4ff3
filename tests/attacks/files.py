"""ROOT files that lie about what is in them."""

from __future__ import annotations

import functools
import pickle
import re
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uproot

import hepae
from hepae import limits
from hepae.errors import CorruptionError, HepaeError, InputError, LimitError
from hepae.files.inspect.file import inspect
from hepae.root.columns import Jagged
from hepae.root.file.source import MODELS_TREE
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch
from hepae.stored.own_tables import model_plan, model_rows
from scripts.hardening import fuzz_files
from tests.attacks.attack import Attack

__all__ = ["ATTACKS", "compressed", "written"]

Change = Callable[[bytearray], object]
MARK = "[hepae v1 collection=Jet feature=pt counter=nJet codec=lifting dtype=float32 bound=rel:0.001]"


@functools.cache
def compressed() -> bytes:
    """A small compressed file."""
    with tempfile.TemporaryDirectory(prefix="hepae-attack-") as name:
        folder = Path(name)
        original = fuzz_files.original(folder / "a.root")
        return fuzz_files.compressed(original, folder / "b.root", "lifting").read_bytes()


def written(
    folder: Path,
    title: str = MARK,
    frame: bytes = b"",
    models: dict[str, bytes] | None = None,
    start: int = 0,
) -> Path:
    """A tree of four events that looks as if hepae had written it, with these bytes in one of them."""
    path, lengths = folder / "lie.root", np.zeros(4, np.int64)
    lengths[start] = len(frame)
    plan = [
        NewBranch("nJet", "int32"),
        NewBranch("nJet_pt__hepae", "int32"),
        NewBranch("Jet_pt__hepae", "uint8", title, "nJet_pt__hepae"),
    ]
    with RootWriter(path) as out:
        tree = out.new_tree("Events", plan, "")
        payload = Jagged(lengths, np.frombuffer(frame, np.uint8))
        tree.append({"nJet": np.full(4, 2, np.int32), "Jet_pt__hepae": payload})
        tree.finish()
        table = out.new_tree(MODELS_TREE, model_plan(), "")
        if models:
            table.append(model_rows(models, {}))
        table.finish()
    return path


def restored(path: Path) -> Any:
    """All that a user sees of a file: what `inspect` shows, and the values of its jets."""
    inspect(path, values=["*"])
    with hepae.open(path) as file:
        return file["Events"].arrays(["Jet_pt"])


def _built(name: str, words: str, refusal: type[HepaeError] = CorruptionError, **lie: Any) -> Attack:
    return Attack(f"file: {name}", lambda folder: restored(written(folder, **lie)), refusal, words)


def _raw(name: str, data: bytes, words: str) -> Attack:
    def run(folder: Path) -> object:
        (folder / "a.root").write_bytes(data)
        return restored(folder / "a.root")

    return Attack(f"file: {name}", run, InputError, words)


def _changed(name: str, change: Change, words: str = "", refusal: type[HepaeError] = InputError) -> Attack:
    """A good compressed file, changed in place."""

    def run(folder: Path) -> object:
        path, data = folder / "a.root", bytearray(compressed())
        change(data)
        path.write_bytes(data)
        return restored(path)

    return Attack(f"file: {name}", run, refusal, words)


def _number(place: int, value: int) -> Change:
    def change(data: bytearray) -> None:
        struct.pack_into(">i", data, place, value)

    return change


def _keys(classname: str, offset: int, value: int) -> Change:
    """Overwrite a number of four bytes in every key of a class: 0 its length, 6 the length of its object."""

    def change(data: bytearray) -> None:
        mark = bytes([len(classname)]) + classname.encode()
        place = data.find(mark)
        while place >= 0:
            struct.pack_into(">i", data, place - 26 + offset, value)
            place = data.find(mark, place + 1)

    return change


def _blocks(data: bytearray) -> None:
    """Every compressed block says that it holds 16 MiB."""
    for block in re.finditer(rb"ZS\x01|XZ\x00", bytes(data)):
        data[block.start() + 6 : block.start() + 9] = b"\xff\xff\xff"


def _directory_in_itself(folder: Path) -> object:
    """The list of keys of a directory is that of the file, in which it stands."""
    path = folder / "a.root"
    with uproot.recreate(path, compression=None) as file:
        file.mkdir("loop")["text"] = "text"
    with uproot.open(path) as file:
        whole, part = file._fSeekKeys, file["loop"]._fSeekKeys
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack(">i", part), struct.pack(">i", whole)))
    return inspect(path)


def _dtype(name: str) -> str:
    return MARK.replace("float32", name)


ROWS = {f"{n:064x}": b"" for n in range(limits.MAX_MODELS_PER_FILE + 1)}
ATTACKS = (
    _raw("nothing", b"", "is empty"),
    _raw("text", b"pt;eta\n" * 100, "not a ROOT file"),
    _raw("a pickle", pickle.dumps([1.0]), "not a ROOT file"),
    _raw("four bytes and nothing else", b"root" + bytes(300), ""),
    _changed("it ends beyond its end", _number(12, 0x7FFFFFF0), "truncated"),
    _changed("it ends before its beginning", _number(12, -1)),
    _changed("its keys are at its end", _number(8, 0x7FFFFFF0)),
    _changed("baskets of two gigabytes", _keys("TBasket", 6, 0x7FFFFFF0)),
    _changed("baskets of minus one byte", _keys("TBasket", 6, -1)),
    _changed("baskets that run over the end", _keys("TBasket", 0, 0x7FFFFFF0)),
    _changed("trees of two gigabytes", _keys("TTree", 6, 0x7FFFFFF0)),
    _changed("blocks that hold 16 MiB each", _blocks),
    Attack("file: a directory that holds itself", _directory_in_itself, InputError),
    _built("a dtype of Python objects", "dtype", title=_dtype("object")),
    _built("a dtype of two gigabytes", "dtype", title=_dtype("V2147483647")),
    _built("a dtype of text", "dtype", title=_dtype("S999999999")),
    _built("a bound that is no number", "bound", title=MARK.replace("rel:0.001", "rel:nan")),
    _built("another version of the format", "version", title=MARK.replace("v1", "v2")),
    _built("a title of a megabyte", "", title="[hepae v1 collection=" * 50_000 + MARK),
    _built("no frame at all", "first event of a chunk", start=0),
    _built("a first event without a frame", "first event of a chunk", frame=b"hepa", start=1),
    _built("a frame of four bytes", "cut short", frame=b"hepa"),
    _built("a frame of zeros", "not a frame", frame=bytes(300)),
    _built("a model with another SHA-256", "SHA-256", frame=bytes(300), models={64 * "a": b"model"}),
    _built("4,097 models", "models in a file", LimitError, frame=bytes(300), models=ROWS),
)
